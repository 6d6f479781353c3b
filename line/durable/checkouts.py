"""Where a run is worked on: the checkout it was queued from, or one of ours made of what travelled.

`STATE/repositories/IDENTITY/COMMIT.git` holds a base, `STATE/repositories/IDENTITY/RUN/` is a run's own work tree on
it, which is empty: the line reads git objects, so no file, link or filter of a repository touches this machine.
"""

import fcntl
import hashlib
import os
import pwd
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from andon.line.db import blobs
from andon.line.db.database import Database
from andon.line.db.runs import Run
from andon.records.errors import RunError, UserError
from andon.sandbox.bundles import Packed, has_commit, unpack
from andon.sandbox.host_git import run_git
from andon.sandbox.remove import remove_tree
from andon.sandbox.repository import Repository

KEPT = 20
"""How many checkouts of ended runs stay on this machine, and how many bases no run stands on."""

_DAY = 86_400.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_CONFIG = "[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n[gc]\n\tauto = 0\n"


def checkout(db: Database, run: Run, state: Path, here: str) -> Repository:
    """Return the repository to work on `run` in; it has the run's base commit, and one of ours has it as HEAD.

    A checkout of ours is made once a run, and found again by every process that shares `state`.

    Args:
        db: where the base was kept.
        run: the run.
        state: where this machine keeps checkouts of its own.
        here: the name of this machine.

    Raises:
        UserError: the run's checkout is elsewhere and its base did not travel, or what travelled was changed.
    """
    if run.host == here and (found := _queued_from(run)):
        return found
    if run.base_blob is None:
        raise UserError(
            f"run {run.id} began in {run.root} on {run.host}; that is not here with its commit {run.base_commit[:12]}, "
            "and its base did not travel: work on it there"
        )
    if not _NAME.fullmatch(run.id) or not _COMMIT.fullmatch(run.base_commit):
        raise UserError(f"run {run.id!r} at {run.base_commit!r} was not queued by andon: stop it")
    repositories = state / "repositories"
    folder = repositories / hashlib.sha256(run.repository.encode()).hexdigest()[:32]
    with _locked(repositories):
        folder.mkdir(exist_ok=True)
        base, home = folder / f"{run.base_commit}.git", folder / run.id
        if not (base.is_dir() and has_commit(base, run.base_commit)):
            remove_tree(base)
            packed = base_of(db, run.base_blob, run.base_commit)
            _made(base, lambda making: _fill_base(making, packed))
        if not home.is_dir():
            _made(home, lambda making: _fill_home(making, base, run.base_commit))
        for used in (base, home):
            os.utime(used)
        _prune(db, repositories)
    repository = Repository.open(home)
    if repository.git_dir != home / ".git" or repository.head() != run.base_commit:
        raise UserError(f"{home} is not as andon made it: remove it, and the run goes on in a new one")
    return repository


def base_of(db: Database, digest: str, commit: str) -> Packed:
    """Return the base that was kept as a blob.

    Raises:
        UserError: it is not there, was changed, or is another commit's.
    """
    packed = kept(db, digest)
    header = packed.header
    if (header.kind, header.tips, header.needs) != ("commit", [commit], None):
        raise UserError(f"the base kept for commit {commit[:12]} is another one: queue the task again")
    return packed


def kept(db: Database, digest: str) -> Packed:
    """Return packed objects that were kept as a blob.

    Raises:
        UserError: they are not there, or not what was stored.
    """
    try:
        return Packed.read(blobs.get(db, digest))
    except RunError as error:
        raise UserError(f"{error} Start the task again") from error


def own_state(environment: Mapping[str, str]) -> Path:
    """Return where this user's machine keeps checkouts of its own, unless somebody names another place.

    Raises:
        UserError: there is no home directory.
    """
    # A relative one is to be ignored, says the specification of these folders.
    for name, below in (("XDG_STATE_HOME", ""), ("HOME", ".local/state")):
        if os.path.isabs(folder := environment.get(name, "")):
            return Path(folder) / below / "andon"
    with suppress(KeyError):
        return Path(pwd.getpwuid(os.getuid()).pw_dir) / ".local/state" / "andon"
    raise UserError("andon keeps checkouts of its own in your state folder: set HOME or XDG_STATE_HOME")


def _queued_from(run: Run) -> Repository | None:
    try:
        found = Repository.open(Path(run.root))
    except UserError:
        return None
    return found if has_commit(found.git_dir, run.base_commit) else None


@contextmanager
def _locked(repositories: Path) -> Iterator[None]:
    """Keep other processes and threads from making and removing checkouts meanwhile.

    Raises:
        UserError: the folder cannot be made.
    """
    try:
        repositories.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(repositories / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UserError(f"cannot keep checkouts in {repositories}: {error.strerror}; choose another --state") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _made(place: Path, fill: Callable[[Path], None]) -> None:
    """Make `place` whole or not at all."""
    making = Path(tempfile.mkdtemp(prefix=".new-", dir=place.parent))
    try:
        fill(making)
        os.rename(making, place)
    except BaseException:
        remove_tree(making)
        raise


def _fill_base(making: Path, packed: Packed) -> None:
    run_git(["init", "--quiet", "--bare", "--template=", str(making)])
    if packed.header.shallow:
        (making / "shallow").write_text("".join(f"{one}\n" for one in packed.header.shallow), encoding="ascii")
    unpack(making, packed)


def _fill_home(making: Path, base: Path, commit: str) -> None:
    git_dir = making / ".git"
    run_git(["init", "--quiet", "--template=", str(making)])
    with (git_dir / "config").open("a", encoding="utf-8") as config:
        config.write(_CONFIG)
    (git_dir / "objects" / "info").mkdir(exist_ok=True)
    (git_dir / "objects" / "info" / "alternates").write_bytes(bytes(base / "objects") + b"\n")
    if (base / "shallow").is_file():
        (git_dir / "shallow").write_bytes((base / "shallow").read_bytes())
    run_git(["update-ref", "--no-deref", "HEAD", commit], git_dir=git_dir)
    run_git(["read-tree", commit], cwd=making, git_dir=git_dir)
    # Nothing is missing from a work tree that is meant to be empty.
    names = run_git(["ls-files", "-z"], cwd=making, git_dir=git_dir)
    run_git(["update-index", "-z", "--skip-worktree", "--stdin"], cwd=making, git_dir=git_dir, stdin=names)


def _prune(db: Database, repositories: Path) -> None:
    """Remove what was used longest ago: never what a run that has not ended stands on."""
    for left in repositories.glob("*/.new-*"):
        remove_tree(left)
    places = sorted(repositories.glob("*/[!.]*"), key=lambda one: one.stat().st_mtime, reverse=True)
    for home in [one for one in places if one.suffix != ".git"][KEPT:]:
        if _is_over(db, home):
            remove_tree(home)
    stood_on = {_base_of_home(one) for one in places if one.suffix != ".git" and one.is_dir()}
    for base in [one for one in places if one.suffix == ".git"][KEPT:]:
        if base not in stood_on:
            remove_tree(base)
    for folder in repositories.glob("[!.]*"):
        if not any(folder.iterdir()):
            folder.rmdir()


def _is_over(db: Database, home: Path) -> bool:
    rows = db.read("SELECT status FROM runs WHERE id = ?", [home.name])
    if rows:
        return str(rows[0]["status"]) == "ended"
    # Of another database that shares the folder: whatever it works on was used lately.
    return time.time() - home.stat().st_mtime > _DAY


def _base_of_home(home: Path) -> Path:
    borrowed = (home / ".git" / "objects" / "info" / "alternates").read_bytes()
    return Path(os.fsdecode(borrowed.removesuffix(b"\n"))).parent
