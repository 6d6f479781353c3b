"""What a person accepted of a repository's claims: kept outside every repository, in the person's configuration."""

import json
import os
import shlex
import stat
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import Field, ValidationError

from andon.context.plain import shown_path
from andon.context.settings import SETTINGS_PATH, Settings
from andon.guardrails.trust import Claim, accepted_value
from andon.records.base import Record
from andon.records.errors import UserError


@dataclass(frozen=True)
class Elsewhere:
    """A repository that is not on this machine, whose runs are worked on here."""

    repository: str
    """Its name, the same on every machine: see `identity.py`."""
    run_id: str
    """One of its runs."""


Where: TypeAlias = Path | Elsewhere
"""Which repository: the work tree on this machine, or none."""


class Acceptance(Record):
    """One value that a person accepted for one repository."""

    repository: str
    """The real path of its work tree; a byte that is not UTF-8 is `\\xNN`, a backslash is doubled. Of one that is
    not on this machine `runs of NAME`, which is no path and one line: see `name_of`."""
    key: str
    """What the value is for."""
    digest: str
    """SHA-256 of the value."""
    value: str
    """The value, for people; the digest decides."""


class Acceptances(Record):
    """`trust.json`."""

    schema_version: Literal[1] = 1
    """Version of this document."""
    accepted: list[Acceptance] = Field(default_factory=list)
    """In the order they were accepted."""


def claims_of(settings: Settings) -> tuple[Claim, ...]:
    """Return what `settings` says that needs a person's acceptance before it counts."""
    sandbox = settings.sandbox
    said = (
        (
            "provider.base_url",
            settings.provider.base_url,
            "your OPENAI_API_KEY, the task and whatever agents read in this repository are sent to this server",
            "set OPENAI_BASE_URL",
        ),
        (
            "sandbox.setup",
            json.dumps([shlex.join(argv) for argv in sandbox.setup]) if sandbox.setup else "",
            "these commands run in a sandbox that sees manifests and lock files and reaches package registries",
            "leave it out: what lock files say is installed",
        ),
        (
            "sandbox.hosts",
            json.dumps(sandbox.hosts) if sandbox.hosts else "",
            "what is installed, and whatever it runs while it is installed, can also reach these hosts",
            "leave it out: the package registries alone are reached",
        ),
        (
            "sandbox.image",
            sandbox.image,
            "every command and every check of this repository runs on the programs of this image of your engine",
            "set ANDON_IMAGE",
        ),
        (
            "checks.audit",
            "true" if settings.checks.audit else "",
            "names and versions of this repository's Python dependencies are sent to api.osv.dev, private ones too",
            "leave it out: dependencies are not audited",
        ),
    )
    return tuple(
        Claim(SETTINGS_PATH, key, value, meaning, otherwise) for key, value, meaning, otherwise in said if value
    )


@dataclass(frozen=True)
class TrustFile:
    """The acceptances at `path`. A file that others can write, or that is damaged, is refused and never rewritten."""

    path: Path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "TrustFile":
        """Return the file of the person whose environment this is.

        Raises:
            UserError: there is no home directory.
        """
        config = environment.get("XDG_CONFIG_HOME", "")
        home = environment.get("HOME", "")
        if os.path.isabs(config):
            return cls(Path(config) / "andon" / "trust.json")
        if os.path.isabs(home):
            return cls(Path(home) / ".config" / "andon" / "trust.json")
        raise UserError("andon keeps what you accepted in your configuration folder: set HOME or XDG_CONFIG_HOME")

    def accepted_value(self, claim: Claim, where: Where) -> str:
        """Return the value of `claim` if it was accepted for that repository.

        Raises:
            UserError: it was not, or the file cannot be believed.
        """
        command = f"andon trust --run {where.run_id}" if isinstance(where, Elsewhere) else "andon trust"
        return accepted_value(claim, self.accepted(where), command)

    def accepted(self, where: Where) -> frozenset[tuple[str, str]]:
        """Return key and digest of everything that was accepted for that repository.

        Raises:
            UserError: the file cannot be believed.
        """
        self._outside(where)
        name = name_of(where)
        return frozenset((one.key, one.digest) for one in self.entries() if one.repository == name)

    def entries(self) -> tuple[Acceptance, ...]:
        """Return everything that was accepted, for whatever repository."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._cannot("read", error) from error
        with open(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            mine = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
            if not mine:
                raise UserError(f"{self.path} can be written by others: make it a plain file of yours with mode 600")
            content = file.read()
        try:
            return tuple(Acceptances.model_validate_json(content, strict=True).accepted)
        except ValidationError as error:
            raise UserError(f"{self.path} is damaged: remove it, and accept again with `andon trust`") from error

    def accept(self, where: Where, claim: Claim) -> None:
        """Note that a person accepted `claim` for that repository; an older value of its key is forgotten."""
        self._outside(where)
        new = Acceptance(repository=name_of(where), key=claim.key, digest=claim.digest, value=claim.value)
        self._write(lambda one: (one.repository, one.key) != (new.repository, new.key), new)

    def revoke(self, *names: str) -> tuple[Acceptance, ...]:
        """Forget everything accepted for the repositories of these names, see `name_of`, and return it."""
        shown = {shown_path(name) for name in names}
        gone = tuple(one for one in self.entries() if shown_path(one.repository) in shown)
        if gone:
            self._write(lambda one: shown_path(one.repository) not in shown)
        return gone

    def _write(self, keep: Callable[[Acceptance], bool], *new: Acceptance) -> None:
        entries = [*filter(keep, self.entries()), *new]
        text = json.dumps(Acceptances(accepted=entries).model_dump(mode="json"), indent=2) + "\n"
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=".trust-", dir=self.path.parent)  # mode 600
            try:
                with open(descriptor, "w", encoding="utf-8") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(descriptor)
                os.replace(name, self.path)
            except OSError:
                os.unlink(name)
                raise
        except OSError as error:
            raise self._cannot("write", error) from error

    def _outside(self, where: Where) -> None:
        if isinstance(where, Path) and self.path.resolve().is_relative_to(where.resolve()):
            raise UserError(f"{self.path} lies inside the repository, which could write it: set XDG_CONFIG_HOME")

    def _cannot(self, what: str, error: OSError) -> UserError:
        return UserError(f"cannot {what} {self.path}: {error.strerror}; mend that and try again")


def name_of(where: Where) -> str:
    """Return what a repository is called in the file; people are shown `shown_path` of it.

    The name of one elsewhere is said by another machine: what would not print is escaped, not dropped, so that it can
    neither forge a line nor be taken for another.
    """
    if isinstance(where, Elsewhere):
        return f"runs of {shown_path(where.repository)}"
    text = os.fsencode(where.resolve()).decode("utf-8", "surrogateescape").replace("\\", "\\\\")
    return "".join(f"\\x{ord(c) - 0xDC00:02x}" if "\udc80" <= c <= "\udcff" else c for c in text)
