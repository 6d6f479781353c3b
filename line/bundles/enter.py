"""Putting the run of an opened bundle where runs are: objects and papers in its folder, then the rows, all or none."""

import hashlib
import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from andon.line.bundles.file import BundledQuestion, Manifest
from andon.line.db import blobs
from andon.line.db.database import Database, Transaction
from andon.line.db.runs import Run, get, insert
from andon.line.db.state_folder import make_state_folder
from andon.line.durable.checkouts import checkout, own_state
from andon.line.durable.shipping import plant
from andon.line.identity import host_name, identity_of
from andon.records.errors import UserError
from andon.sandbox.bundles import Packed, has_commit
from andon.sandbox.host_git import GitError, run_git
from andon.sandbox.repository import Repository
from andon.sandbox.store import TreeStore

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def enter(
    db: Database,
    manifest: Manifest,
    parts: Mapping[str, bytes],
    repository: Repository,
    environment: Mapping[str, str],
) -> Run:
    """Write the run, and return its row; one that is here in the same phase or later stays as it is.

    Raises:
        UserError: it is another repository's, stands on a commit that is not here, or went on differently here.
    """
    run = manifest.run
    if not _ID.fullmatch(run.id) or not _COMMIT.fullmatch(run.base_commit) or run.status != "parked":
        raise UserError(f"the bundle holds {run.id!r}, which is no run that waits for a person")
    there = db.read("SELECT status, phase FROM runs WHERE id = ?", [run.id])
    if there and not (there[0]["status"] == "parked" and there[0]["phase"] < run.phase):
        return get(db, run.id)
    if run.checkpoint != (hashlib.sha256(parts["checkpoint"]).hexdigest() if "checkpoint" in parts else ""):
        raise UserError(f"the bundle of run {run.id} lacks what it goes on from: write it again where the run waits")
    events = [json.loads(line) for line in parts.get("events", b"").splitlines()]
    _refuse_fork(db, run, events)
    run, home = _placed(db, run, parts, repository, environment)
    _fill(home, run, parts)
    if run.checkpoint:
        blobs.put(db, parts["checkpoint"])
    with db.transaction() as tx:
        _write(tx, run, manifest.questions, events)
    return get(db, run.id)


def _placed(
    db: Database, run: Run, parts: Mapping[str, bytes], repository: Repository, environment: Mapping[str, str]
) -> tuple[Run, Repository]:
    """Return the row as it is here, and where it is worked on: in this repository, or in one of ours on its base."""
    here = identity_of(repository)
    known = has_commit(repository.git_dir, run.base_commit)
    if here != run.repository and not (known and _is_in_history(repository, run.base_commit)):
        raise UserError(
            f"the bundle is of a run on {run.repository}, and this is {here}, whose history at HEAD does not hold its "
            f"commit {run.base_commit}: open it in a clone of that repository"
        )
    if not known and "base" not in parts:
        raise UserError(
            f"the run stands on commit {run.base_commit}, which is not here: fetch it (`git fetch`), then open it"
        )
    row = replace(
        run, repository=here, host=host_name(), root=str(repository.root), worker=None, wanted="", not_before=0.0,
        delivery=None, base_blob=None,
    )  # fmt: skip
    if "base" in parts and (not known or db.dialect == "postgresql"):
        row = replace(row, base_blob=blobs.put(db, parts["base"]))
    if known:
        return row, repository
    home = checkout(db, replace(row, host=""), own_state(environment), row.host)
    return replace(row, root=str(home.root)), home


def _is_in_history(repository: Repository, commit: str) -> bool:
    try:
        run_git(["merge-base", "--is-ancestor", commit, "HEAD"], cwd=repository.root)
    except GitError:
        return False
    return True


def _fill(home: Repository, run: Run, parts: Mapping[str, bytes]) -> None:
    """Lay out the run's folder: its store with the trees, and the papers.

    Raises:
        UserError: a link stands in the way, or it cannot be written.
    """
    state = home.root / "factory" / ".state"
    make_state_folder(state)
    folder = state / "runs" / run.id
    if any(path.is_symlink() for path in (state / "runs", folder, folder / "store.git")):
        raise UserError(
            f"{folder} leads through a link: andon keeps a run only in the repository itself; remove the link"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "store.git").exists():
            making = folder / f".store-{secrets.token_hex(4)}.new"
            TreeStore.create(making, home)
            os.rename(making, folder / "store.git")
        if "trees" in parts:
            plant(Packed.read(parts["trees"]), folder / "store.git")
        for name, content in parts.items():
            if name.startswith("paper:"):
                _put(folder, name.removeprefix("paper:"), content)
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror}; free it and open the bundle again") from error


def _put(folder: Path, name: str, content: bytes) -> None:
    new = folder / f".{name}.new"
    new.unlink(missing_ok=True)
    new.write_bytes(content)
    os.replace(new, folder / name)


def _refuse_fork(db: Database, run: Run, events: list[list[str]]) -> None:
    stored = db.read("SELECT seq, line FROM events WHERE run_id = ? ORDER BY seq", [run.id])
    if [row["line"] for row in stored] != [event[3] for event in events[: len(stored)]]:
        raise UserError(f"run {run.id} is here already and went on in another way: `andon show {run.id}` says how")


def _write(tx: Transaction, run: Run, questions: list[BundledQuestion], events: list[list[str]]) -> None:
    tx.execute("DELETE FROM runs WHERE id = ? AND status = 'parked' AND phase < ?", [run.id, run.phase])
    if not insert(tx, run):
        if tx.execute("SELECT 1 AS there FROM runs WHERE id = ?", [run.id]):
            # Somebody else opened it meanwhile.
            return
        raise UserError(
            f"another run of {run.source_key} has not ended here: wait for its end, or stop it, then open this"
        )
    tx.execute("DELETE FROM approvals WHERE run_id = ?", [run.id])
    for one in questions:
        columns = ", ".join(type(one).model_fields)
        marks = ", ".join("?" * len(type(one).model_fields))
        sql = f"INSERT INTO approvals (run_id, {columns}) VALUES (?, {marks})"  # noqa: S608  (names of fields)
        tx.execute(sql, [run.id, *one.model_dump().values()])
    for event in events:
        tx.execute(
            "INSERT INTO events (run_id, seq, at, kind, line, place) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [run.id, *event],
        )
