"""Results of set-up phases, kept for later runs in a folder only this user can enter. The host only mounts them."""

import contextlib
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from andon.records.errors import UserError
from andon.records.setup import SetupFacts
from andon.sandbox.owner import Owner
from andon.sandbox.remove import remove_tree

_FACTS, _OWNER, _NEW = "facts.json", "owner", ".new-"
_KEPT_SECONDS = 30 * 86_400
"""How long a result lies unused until it is removed."""


@dataclass(frozen=True)
class Draft:
    """A result that is being made; nobody else sees it."""

    path: Path

    def folder(self, number: int) -> Path:
        """Return a new folder that the user of every sandbox can write to."""
        folder = self.path / str(number)
        folder.mkdir()
        folder.chmod(0o777)
        return folder

    def discard(self) -> None:
        """Remove it; what cannot be removed is removed by a later run."""
        with contextlib.suppress(OSError):
            remove_tree(self.path)


@dataclass(frozen=True)
class SetupCache:
    """The results at `path`."""

    path: Path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "SetupCache":
        """Return the cache of the person whose environment this is, made if it is not there.

        Raises:
            UserError: it cannot be made, or others can write to it.
        """
        root = environment.get("XDG_CACHE_HOME", "")
        home = environment.get("HOME", "")
        if not os.path.isabs(root):
            root = os.path.join(home, ".cache") if os.path.isabs(home) else ""
        if not root:
            raise UserError("installed dependencies are kept in your cache folder: set HOME or XDG_CACHE_HOME")
        path = Path(root, "andon", "setup")
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = path.stat(follow_symlinks=False)
        except OSError as error:
            raise UserError(f"cannot make {path}: {error.strerror}; mend that or set XDG_CACHE_HOME") from error
        if path.is_symlink() or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise UserError(f"{path} can be written by others: make it a folder of yours with mode 700")
        return cls(path)

    def find(self, digest: str) -> SetupFacts | None:
        """Return what is known of a result, or None where it was not made."""
        try:
            facts = SetupFacts.model_validate_json((self.path / digest / _FACTS).read_bytes())
            os.utime(self.path / digest)
        except (OSError, ValidationError):
            return None
        return facts.model_copy(update={"cached": True, "hosts": []})

    def draft(self) -> Draft:
        """Begin a new result, and remove what killed runs began and what nobody has used for long."""
        self._sweep()
        path = self.path / f"{_NEW}{secrets.token_hex(8)}"
        path.mkdir(mode=0o700)
        (path / _OWNER).write_text(Owner.this_process().text())
        return Draft(path)

    def keep(self, draft: Draft, facts: SetupFacts) -> None:
        """Make a draft the result `facts` names; where another run was faster, its result stays and the draft goes."""
        (draft.path / _FACTS).write_text(facts.model_dump_json())
        try:
            draft.path.rename(self.path / facts.digest)
        except OSError:
            if self.find(facts.digest) is None:
                raise
            draft.discard()

    def folder(self, digest: str, number: int) -> Path:
        """Return where a result's folder lies. It was made by us and could not be replaced from inside."""
        return self.path / digest / str(number)

    def _sweep(self) -> None:
        for path in self.path.iterdir():
            with contextlib.suppress(OSError):
                if path.name.startswith(_NEW):
                    owner = Owner.from_text((path / _OWNER).read_text())
                    gone = owner is not None and owner.is_dead()
                else:
                    gone = time.time() - path.stat(follow_symlinks=False).st_mtime > _KEPT_SECONDS
                if gone:
                    remove_tree(path)
