"""A parked run as one sealed file, for where no database is shared: CI runners are thrown away."""

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import astuple
from importlib.metadata import version
from pathlib import Path
from typing import Any

from andon.guardrails.redact import redacted_values
from andon.line.bundles.enter import enter
from andon.line.bundles.file import LARGEST, BundleKey, Part, joined, part_of, parted
from andon.line.db import blobs
from andon.line.db.database import Database, database_url
from andon.line.db.events import EventRow, after
from andon.line.db.rows import adapter
from andon.line.db.runs import Run
from andon.records.errors import UserError
from andon.sandbox.bundles import pack_commit, pack_trees
from andon.sandbox.repository import Repository
from andon.sandbox.store import TreeStore

# What people and models wrote of a row.
_WRITTEN = ("task", "title", "options", "gate", "message", "result")
# The rest is the manifest's.
_ROOM = LARGEST - 10_000_000


def write_bundle(db: Database, run: Run, papers: Mapping[str, bytes], store: TreeStore, key: BundleKey) -> bytes:
    """Return a parked run as a bundle: rows, question, checkpoint, events, trees, papers, and the base if it fits.

    The same run and key give the same bytes. Row and questions are cleaned of secrets here; papers, events and
    checkpoint were when they were written.

    Args:
        db: where the run is.
        run: its row.
        papers: by file name, as `RunFolder` keeps them.
        store: the run's objects, which sees the base commit.
        key: what it is sealed with.

    Raises:
        UserError: the run does not wait for a person, or it is too large for a bundle.
    """
    if run.status != "parked":
        raise UserError(f"run {run.id} does not wait for a person (it is {run.status}): there is nothing to bundle")
    parts = _parts(db, run, papers, store)
    # Where the base does not fit, whoever opens the bundle needs the commit in their own clone.
    base = pack_commit(store.path, run.base_commit).content()
    if len(base) <= _ROOM - sum(map(len, parts.values())):
        parts["base"] = base
    size = sum(map(len, parts.values()))
    if size > _ROOM:
        raise UserError(
            f"run {run.id} is too large for a bundle ({size // 1_000_000} MB): share a database (ANDON_DATABASE_URL)"
        )
    facts = [part_of(name, content) for name, content in parts.items()]
    return joined(_manifest(db, run, facts), list(parts.values()), key)


def open_bundle(path: Path, repository: Repository, environment: Mapping[str, str]) -> Run:
    """Put the run of a bundle into the database of this repository and return its row; it waits as it did.

    A run that is here already, in the same phase or later, is left as it is.

    Raises:
        UserError: it is no bundle, was changed or cut short, is sealed with another key, of another version or
            repository, or stands on a commit that is not here.
    """
    manifest, parts = parted(_content(path), BundleKey.of(environment, repository.root), path)
    db = Database.open(database_url(environment, repository.root))
    try:
        return enter(db, manifest, parts, repository, environment)
    finally:
        db.close()


def _parts(db: Database, run: Run, papers: Mapping[str, bytes], store: TreeStore) -> dict[str, bytes]:
    parts = {f"paper:{name}": content for name, content in sorted(papers.items())}
    parts["events"] = _events(db, run.id)
    if run.checkpoint:
        parts["checkpoint"] = blobs.get(db, run.checkpoint)
        if trees := json.loads(parts["checkpoint"]).get("trees"):
            parts["trees"] = pack_trees(store.path, run.base_commit, trees).content()
    return parts


def _events(db: Database, run_id: str) -> bytes:
    rows: list[EventRow] = []
    while more := after(db, run_id, rows[-1].seq if rows else 0):
        rows += more
    return "".join(json.dumps(astuple(row), ensure_ascii=True) + "\n" for row in rows).encode()


def _manifest(db: Database, run: Run, facts: list[Part]) -> bytes:
    document = {
        "schema_version": 1,
        "andon": version("andon"),
        "run": _clean(adapter(Run).dump_python(run, mode="json"), _WRITTEN),
        "questions": [_question(row) for row in db.read(
            "SELECT id, phase, gate, question, asked_at, expires_at, answer, text, answered_by, channel, answered_at "
            "FROM approvals WHERE run_id = ? ORDER BY asked_at, id", [run.id]
        )],
        "parts": [part.model_dump() for part in facts],
    }  # fmt: skip
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _question(row: Mapping[str, Any]) -> dict[str, Any]:
    asked = json.loads(row["question"])
    clean = redacted_values(asked)
    question = row["question"] if clean == asked else json.dumps(clean, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(question.encode()).hexdigest()
    return _clean(row, ("text",)) | {"question": question, "digest": digest}


def _clean(row: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Clean what people and models wrote; ids, digests and keys of sources stay as they are."""
    return dict(row) | {name: redacted_values(row[name]) for name in names}


def _content(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UserError(
            f"cannot read {path}: {error.strerror}; name a file that a parked run left, RUN.andon"
        ) from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise UserError(f"{path} is no file: name one that a parked run left, RUN.andon")
    with open(descriptor, "rb") as file:
        if found.st_size > LARGEST:
            raise UserError(f"{path} is larger than a bundle is ({LARGEST // 1_000_000} MB): name another file")
        return file.read(LARGEST)
