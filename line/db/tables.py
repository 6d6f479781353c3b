"""The tables of version 1, in SQL both databases understand. Times are seconds since 1970 by the database's clock."""

TABLES_1 = (
    "CREATE TABLE schema_version (version BIGINT PRIMARY KEY, at DOUBLE PRECISION NOT NULL)",
    # `task`, `options`, `gate` and `result` are JSON documents; `base_blob`, `checkpoint` and `delivery` name blobs.
    """
    CREATE TABLE runs (
        id TEXT PRIMARY KEY, repository TEXT NOT NULL, host TEXT NOT NULL, root TEXT NOT NULL, lane TEXT NOT NULL,
        task_id TEXT NOT NULL, title TEXT NOT NULL, task TEXT NOT NULL, source_key TEXT, priority BIGINT NOT NULL,
        branch TEXT NOT NULL, base_commit TEXT NOT NULL, base_blob TEXT, provider TEXT NOT NULL, options TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'parked', 'ended')),
        phase BIGINT NOT NULL, checkpoint TEXT NOT NULL, gate TEXT,
        worker TEXT, attempt BIGINT NOT NULL, flow BIGINT NOT NULL, not_before DOUBLE PRECISION NOT NULL,
        wanted TEXT NOT NULL CHECK (wanted IN ('', 'stop')),
        stop_code TEXT, message TEXT NOT NULL, result TEXT, delivery TEXT,
        queued_at DOUBLE PRECISION NOT NULL, started_at DOUBLE PRECISION, changed_at DOUBLE PRECISION NOT NULL,
        ended_at DOUBLE PRECISION
    )
    """,
    "CREATE INDEX runs_queue ON runs (status, priority, queued_at)",
    "CREATE INDEX runs_task ON runs (repository, task_id)",
    "CREATE INDEX runs_branch ON runs (repository, branch, status)",
    "CREATE INDEX runs_newest ON runs (repository, queued_at)",
    "CREATE INDEX runs_all_newest ON runs (queued_at)",
    "CREATE INDEX runs_by_status ON runs (repository, status, queued_at)",
    """
    CREATE UNIQUE INDEX runs_source ON runs (repository, source_key)
        WHERE status <> 'ended' AND source_key IS NOT NULL
    """,
    """
    CREATE TABLE approvals (
        id TEXT PRIMARY KEY, run_id TEXT NOT NULL, phase BIGINT NOT NULL, gate TEXT NOT NULL, question TEXT NOT NULL,
        digest TEXT NOT NULL, asked_at DOUBLE PRECISION NOT NULL, expires_at DOUBLE PRECISION,
        answer TEXT CHECK (answer IN ('yes', 'kind', 'no', 'edit', 'stop')), text TEXT NOT NULL,
        answered_by TEXT NOT NULL, channel TEXT NOT NULL, answered_at DOUBLE PRECISION,
        UNIQUE (run_id, gate)
    )
    """,
    """
    CREATE TABLE messages (
        id $COUNTED, run_id TEXT NOT NULL, kind TEXT NOT NULL CHECK (kind IN ('stop', 'say')), text TEXT NOT NULL,
        said_by TEXT NOT NULL, at DOUBLE PRECISION NOT NULL, taken_at DOUBLE PRECISION
    )
    """,
    "CREATE INDEX messages_run ON messages (run_id, taken_at)",
    """
    CREATE TABLE workers (
        id TEXT PRIMARY KEY, host TEXT NOT NULL, pid BIGINT NOT NULL, kind TEXT NOT NULL, slots BIGINT NOT NULL,
        started_at DOUBLE PRECISION NOT NULL, beat_at DOUBLE PRECISION NOT NULL, version TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE events (
        run_id TEXT NOT NULL, seq BIGINT NOT NULL, at TEXT NOT NULL, kind TEXT NOT NULL, line TEXT NOT NULL,
        place TEXT NOT NULL, PRIMARY KEY (run_id, seq)
    )
    """,
    """
    CREATE TABLE blobs (
        digest TEXT NOT NULL, part BIGINT NOT NULL, content $BYTES NOT NULL, PRIMARY KEY (digest, part)
    )
    """,
    """
    CREATE TABLE lanes (
        repository TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('open', 'paused', 'halted')),
        reason TEXT NOT NULL, lesson TEXT NOT NULL, by TEXT NOT NULL, changed_at DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (repository, name)
    )
    """,
    """
    CREATE TABLE providers (
        name TEXT PRIMARY KEY, failures BIGINT NOT NULL, blocked_until DOUBLE PRECISION NOT NULL, reason TEXT NOT NULL
    )
    """,
)
"""Statements, in order."""

TABLES_2 = (
    # Papers of a run whose folder lies on another machine; `digest` names a blob.
    "CREATE TABLE papers (run_id TEXT PRIMARY KEY, digest TEXT NOT NULL)",
)
"""Statements that make version 2 of version 1."""

TABLES_3 = (
    # How many runs may ask the model server of this one at once; NULL: any number.
    "ALTER TABLE runs ADD COLUMN provider_limit BIGINT",
)
"""Statements that make version 3 of version 2."""

TABLES_4 = (
    # When a content was last put, also where it was there already. One that has no row here is never deleted.
    "CREATE TABLE blob_puts (digest TEXT PRIMARY KEY, put_at DOUBLE PRECISION NOT NULL)",
    "INSERT INTO blob_puts (digest, put_at) SELECT DISTINCT digest, $NOW FROM blobs",
    # When the engine's journal of a run was last deleted.
    "ALTER TABLE runs ADD COLUMN forgotten_at DOUBLE PRECISION",
)
"""Statements that make version 4 of version 3."""

TABLES_5 = (
    # When queue.json was told how the run ended; NULL: not yet. What ended before this was told by whoever ended it.
    "ALTER TABLE runs ADD COLUMN noted_at DOUBLE PRECISION",
    "UPDATE runs SET noted_at = $NOW WHERE status = 'ended'",
    "CREATE INDEX runs_unnoted ON runs (host) WHERE status = 'ended' AND noted_at IS NULL",
)
"""Statements that make version 5 of version 4."""
