"""Git objects on their way to another repository: packed by git, checked by git, and no ref, path or setting with them.

The bytes are one line of JSON and a pack. A bundle as git makes it cannot say where a cut history ends, and names refs.
"""

import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from andon.records.base import Record
from andon.records.errors import UserError
from andon.sandbox.host_git import GitError, run_git

LARGEST = 500_000_000
"""Bytes of a pack that travels at most."""

_DEPTH = 10
_HEADER = 2_000_000
_ALLOCATION = "1g"
# Harmless oddities of commits and trees that old tools wrote; what could fool a reader of a tree stays an error.
_HARMLESS = (
    "badDate", "badDateOverflow", "badEmail", "badName", "badTimezone", "missingEmail", "missingNameBeforeEmail",
    "missingSpaceBeforeDate", "missingSpaceBeforeEmail", "multipleAuthors", "nulInCommit", "zeroPaddedDate",
    "zeroPaddedFilemode",
)  # fmt: skip

Sha = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]


class Header(Record):
    """What a pack is for."""

    schema_version: Literal[1] = 1
    """Version of this line."""
    kind: Literal["commit", "trees"]
    """What the tips are."""
    tips: Annotated[list[Sha], Field(min_length=1, max_length=10_000)]
    """The objects somebody wants."""
    needs: Sha | None = None
    """A commit the receiver must have; None: the pack is whole."""
    shallow: Annotated[list[Sha], Field(max_length=20_000)] = Field(default_factory=list)
    """Commits whose parents stay behind."""


@dataclass(frozen=True)
class Packed:
    """A header and its pack."""

    header: Header
    pack: bytes

    def content(self) -> bytes:
        """Return both as the bytes that travel."""
        return self.header.model_dump_json().encode() + b"\n" + self.pack

    @classmethod
    def read(cls, content: bytes) -> "Packed":
        """Read what `content` returned; the pack itself is looked at by `unpack`.

        Raises:
            UserError: it is nothing of that kind.
        """
        line, newline, pack = content[:_HEADER].partition(b"\n")
        try:
            header = Header.model_validate_json(line, strict=True)
        except ValidationError as error:
            raise UserError(
                "these are no packed git objects of this version of andon: take it from its run again"
            ) from error
        if not newline or not pack.startswith(b"PACK"):
            raise UserError("packed git objects are cut short: take them from their run again")
        return cls(header, content[len(line) + 1 :])


def has_commit(git_dir: Path, commit: str) -> bool:
    """Say whether the repository at `git_dir` has a commit and the top of its tree."""
    try:
        run_git(["rev-parse", "--quiet", "--verify", f"{commit}^{{tree}}"], git_dir=git_dir)
    except GitError:
        return False
    return True


def pack_commit(git_dir: Path, commit: str) -> Packed:
    """Pack a commit with everything in its tree and as much history as a sandbox shows of it.

    Links, pointers of Git LFS and submodules travel as the entries they are; nothing is fetched or followed.

    Raises:
        UserError: the repository lacks some of it, as partial clones do, or it is too large.
    """
    shallow = _boundary(git_dir, commit)
    asked = [*(f"--shallow {one}" for one in shallow), commit]
    return Packed(Header(kind="commit", tips=[commit], shallow=shallow), _pack(git_dir, asked))


def pack_range(git_dir: Path, base: str, tip: str) -> Packed:
    """Pack what `tip` has and the commit `base` has not.

    Raises:
        UserError: as for `pack_commit`.
    """
    return Packed(Header(kind="commit", tips=[tip], needs=base), _pack(git_dir, [tip, f"^{base}"]))


def pack_trees(git_dir: Path, base: str, trees: Iterable[str]) -> Packed:
    """Pack what `trees`, one at least, hold and the commit `base` does not.

    Raises:
        UserError: as for `pack_commit`.
    """
    tips = sorted(set(trees))
    return Packed(Header(kind="trees", tips=tips, needs=base), _pack(git_dir, [*tips, f"^{base}^{{tree}}"]))


def unpack(git_dir: Path, packed: Packed) -> None:
    """Put packed objects into the repository at `git_dir`, all or none; refs and settings stay as they are.

    A cut history needs its ends in the repository's `shallow` file beforehand.

    Raises:
        UserError: an object is damaged, missing, of a kind that fools readers of a tree (an entry `.git`, …), the tips
            are not what the header says, or the repository lacks the commit the pack builds on.
    """
    header = packed.header
    if header.needs is not None and not has_commit(git_dir, header.needs):
        raise UserError(f"the commit {header.needs} is not in {git_dir}: fetch it (`git fetch`), then try again")
    try:
        objects = git_dir / "objects"
        # Of git's name for the same, which its own collection of garbage knows.
        with tempfile.TemporaryDirectory(prefix="tmp_objdir-incoming-", dir=objects) as quarantine:
            env = {
                "GIT_OBJECT_DIRECTORY": quarantine,
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": _quoted(objects),
                "GIT_ALLOC_LIMIT": _ALLOCATION,
            }
            _index(git_dir, packed.pack, env)
            _check_tips(git_dir, header, env)
            _move(Path(quarantine) / "pack", objects / "pack")
    except GitError as error:
        raise UserError(f"packed git objects are damaged or not safe to take: {error.stderr or error}") from error


def _boundary(git_dir: Path, commit: str) -> list[str]:
    """Return the commits at which history of `_DEPTH` commits ends, or has been cut already."""
    cut = _shallow(git_dir)
    seen: set[str] = set()
    ends: set[str] = set()
    level = [commit]
    for depth in range(1, _DEPTH + 1):
        parents = _parents(git_dir, level)
        seen.update(level)
        if depth == _DEPTH:
            ends.update(one for one, its in parents.items() if its)
        ends.update(one for one in level if one in cut)
        level = sorted({parent for its in parents.values() for parent in its} - seen)
        if not level:
            break
    return sorted(ends)


def _shallow(git_dir: Path) -> frozenset[str]:
    path = git_dir / "shallow"
    return frozenset(path.read_text(encoding="ascii").split()) if path.is_file() else frozenset()


def _parents(git_dir: Path, commits: Sequence[str]) -> dict[str, list[str]]:
    asked = "".join(f"{commit}\n" for commit in commits).encode()
    lines = _read(git_dir, ["rev-list", "--no-walk=unsorted", "--parents", "--stdin"], asked).decode().splitlines()
    words = [line.split() for line in lines]
    return {one: its for one, *its in words}


def _pack(git_dir: Path, asked: Sequence[str]) -> bytes:
    stdin = "".join(f"{line}\n" for line in asked).encode()
    # One thread and a fixed level: the same objects mostly give the same bytes.
    options = ["-c", "pack.threads=1", "-c", "pack.window=10", "-c", "pack.compression=6"]
    pack = _read(git_dir, [*options, "pack-objects", "--revs", "--stdout", "--delta-base-offset", "-q"], stdin)
    if len(pack) > LARGEST:
        raise UserError(
            f"{asked[-1][:40]} packs to {len(pack) // 1_000_000} MB, and at most {LARGEST // 1_000_000} MB travel: "
            "work on it where the checkout is"
        )
    return pack


def _read(git_dir: Path, args: Sequence[str], stdin: bytes) -> bytes:
    try:
        return run_git(args, git_dir=git_dir, stdin=stdin)
    except GitError as error:
        raise UserError(
            f"git cannot pack objects of {str(git_dir)!r} ({error.stderr}): it is damaged or a partial clone; fetch "
            "everything (`git fetch --refetch --no-filter` with git 2.36 or newer), or use a full clone"
        ) from error


def _index(git_dir: Path, pack: bytes, env: dict[str, str]) -> None:
    strict = ",".join(f"{name}=ignore" for name in _HARMLESS)
    # A pack may declare any size: files are streamed, and GIT_ALLOC_LIMIT bounds what git holds in memory of the rest.
    run_git(
        ["-c", "core.bigFileThreshold=100m", "index-pack", f"--strict={strict}", "--stdin",
         f"--max-input-size={LARGEST}"],
        git_dir=git_dir, stdin=pack, env=env,
    )  # fmt: skip


def _check_tips(git_dir: Path, header: Header, env: dict[str, str]) -> None:
    kind = "commit" if header.kind == "commit" else "tree"
    asked = "".join(f"{tip}\n" for tip in header.tips).encode()
    answers = run_git(["cat-file", "--batch-check=%(objecttype)"], git_dir=git_dir, stdin=asked, env=env).decode()
    if answers.splitlines() != [kind] * len(header.tips):
        raise UserError("packed git objects do not hold what they say they hold: take them from their run again")
    # A tip that was there already brings nothing along; whatever it leads to has to be there as well.
    base = [] if header.needs is None else ["--not", f"{header.needs}^{{tree}}" if kind == "tree" else header.needs]
    run_git(["rev-list", "--objects", "--quiet", *header.tips, *base], git_dir=git_dir, env=env)


def _move(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    # The index last: with it the pack counts.
    for path in sorted(source.iterdir(), key=lambda one: one.suffix == ".idx"):
        os.replace(path, target / path.name)


def _quoted(path: Path) -> str:
    # git splits the variable at colons and takes this form of quoting.
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
