"""What machines that share a database hand each other as blobs: the base of a run, its trees, its branch."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from andon.line.db import blobs
from andon.line.db.database import Database
from andon.line.db.runs import Run
from andon.line.durable.checkouts import checkout as checkout
from andon.line.durable.checkouts import kept
from andon.line.identity import identity_of
from andon.records.errors import UserError
from andon.records.result import RunResult
from andon.sandbox.bundles import Packed, has_commit, pack_commit, pack_range, pack_trees, unpack
from andon.sandbox.host_git import run_git
from andon.sandbox.repository import Repository
from andon.sandbox.store import TreeStore


def keep_base(db: Database, repository: Repository, commit: str) -> str:
    """Keep a commit and the history a sandbox shows of it, for machines without it; return the digest of the blob.

    It is made once: a run that began at the same commit of this repository has it already.

    Raises:
        UserError: the repository lacks some of it, as partial clones do, or it is too large to travel.
    """
    known = db.read(
        "SELECT r.base_blob FROM runs r JOIN blobs b ON b.digest = r.base_blob AND b.part = 0 "
        "WHERE r.repository = ? AND r.base_commit = ? LIMIT 1",
        [identity_of(repository), commit],
    )
    if known:
        return str(known[0]["base_blob"])
    return blobs.put(db, pack_commit(repository.git_dir, commit).content())


def keep_trees(db: Database, store_path: Path, base_commit: str, trees: Iterable[str]) -> str:
    """Keep what `trees`, one at least, hold beyond the base commit; return the blob's digest."""
    return blobs.put(db, pack_trees(store_path, base_commit, trees).content())


def plant_trees(db: Database, digest: str, store_path: Path) -> None:
    """Put trees that were kept into a run's store, which sees the base commit; doing it twice is fine.

    Raises:
        UserError: they are not there or were changed.
    """
    plant(kept(db, digest), store_path)


def plant(packed: Packed, store_path: Path) -> None:
    """Put packed trees into a run's store.

    Raises:
        UserError: they are something else, or damaged.
    """
    if packed.header.kind != "trees" or packed.header.needs is None:
        raise UserError("what was kept as a run's trees is something else: start the task again")
    unpack(store_path, packed)


def keep_branch(db: Database, repository: Repository, base_commit: str, branch: str) -> str:
    """Keep a delivered branch for the checkout its run was queued from; return the blob's digest.

    Raises:
        UserError: there is no such branch.
    """
    tip = repository.branch(branch)
    if tip is None:
        raise UserError(f"there is no branch {branch!r} in {repository.root}: nothing was delivered there")
    return blobs.put(db, pack_range(repository.git_dir, base_commit, tip).content())


def is_taken(repository: Repository, run: Run) -> bool:
    """Say whether the branch `run` delivered is in this repository, as it was delivered."""
    result = run.result
    return result is not None and result.head_commit is not None and repository.branch(run.branch) == result.head_commit


def take(db: Database, repository: Repository, run: Run) -> str:
    """Bring the branch a run delivered on another machine into this repository, and return its name.

    Nothing but the branch changes here; if it is here already, nothing does.

    Raises:
        UserError: the run delivered none, belongs to another repository, its base is not here, another branch of that
            name is, or what was kept is not what the run delivered.
    """
    _refuse_foreign(repository, run)
    if is_taken(repository, run):
        return run.branch
    result, digest = _delivered(run)
    repository.check_free(run.branch)
    if not has_commit(repository.git_dir, run.base_commit):
        raise UserError(
            f"run {run.id} stands on commit {run.base_commit}, which is not here: fetch it (`git fetch`), then take it"
        )
    packed = kept(db, digest)
    header = packed.header
    if (header.kind, header.tips, header.needs) != ("commit", [result.head_commit], run.base_commit):
        raise _other(run)
    with tempfile.TemporaryDirectory(prefix="andon-take-") as folder:
        store = TreeStore.create(Path(folder) / "store.git", repository)
        unpack(store.path, packed)
        if not _leads_straight(store.path, header.tips[0], run.base_commit):
            raise _other(run)
        repository.receive(store.path, header.tips[0], run.branch)
    return run.branch


def _refuse_foreign(repository: Repository, run: Run) -> None:
    here = identity_of(repository)
    if run.repository != here:
        raise UserError(f"run {run.id} is one of {run.repository}, and this is {here}: change into that repository")


def _delivered(run: Run) -> tuple[RunResult, str]:
    if run.status != "ended":
        raise UserError(f"run {run.id} has not ended (it is {run.status}): `andon status {run.id}` says more")
    result = run.result
    if result is None or result.head_commit is None:
        raise UserError(f"run {run.id} delivered no branch ({run.stop_code}): {run.message}")
    if run.delivery is None:
        raise UserError(
            f"run {run.id} delivered {run.branch!r} in {run.root} on {run.host}: fetch the branch from there"
        )
    return result, run.delivery


def _leads_straight(git_dir: Path, head: str, base: str) -> bool:
    """Say whether every commit from `head` down has one parent, until `base` is it."""
    lines = run_git(["rev-list", "--topo-order", "--parents", head, f"^{base}"], git_dir=git_dir).decode().splitlines()
    expected = head
    for line in lines:
        one, *parents = line.split()
        if one != expected or len(parents) != 1:
            return False
        expected = parents[0]
    return expected == base


def _other(run: Run) -> UserError:
    return UserError(
        f"what was kept of run {run.id} is not the branch it delivered: take nothing, start the task again"
    )
