"""What is attacked: the sample as a repository of its own, under a user's policy, limits and protected areas."""

import base64
import json
import secrets
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from andon.context.project import CONTEXT_PATH, load_project
from andon.context.settings import SETTINGS_PATH, Settings, load_settings
from andon.evals.attack import Attack, PlannedCall, sample_files
from andon.guardrails.policy_file import POLICY_PATH, RepositoryPolicy, read_policy
from andon.records.errors import UserError
from andon.sandbox.host_git import run_git
from andon.sandbox.repository import Repository

_WHO = {
    f"GIT_{role}_{part}": value
    for role in ("AUTHOR", "COMMITTER")
    for part, value in (("NAME", "Sample"), ("EMAIL", "sample@example.invalid"))
}
_TAKEN = ("limits", "approvals", "protected_paths")
"""Tables of andon.toml that are taken whole. Models, provider and sandbox never are, and commands only where the user
wants none: they name programs of another project."""


@dataclass(frozen=True)
class Own:
    """What a user has decided, as far as an attack meets it."""

    policy: RepositoryPolicy = field(default_factory=lambda: read_policy(None))
    """The policy in force."""
    policy_text: str = ""
    """factory/policy.toml; empty: there is none."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Tables of factory/andon.toml that the sample gets."""
    areas: tuple[str, ...] = ()
    """Protected areas of the project context."""

    @classmethod
    def of(cls, root: Path) -> "Own":
        """Read what lies in the working tree at `root`, committed or not.

        Raises:
            UserError: one of the files cannot be read, or a link stands in place of it.
        """
        files = _WorkingFiles(root)
        content = files.read(POLICY_PATH)
        settings, areas = load_settings(files), load_project(files).context.protected_areas
        text = content.decode() if content is not None else ""
        return cls(read_policy(content), text, _taken(settings), tuple(areas))

    def without_policy(self) -> "Own":
        """Return the same under the shipped policy."""
        return Own(settings=self.settings, areas=self.areas)


@dataclass(frozen=True)
class _WorkingFiles:
    """`context.base.BaseFiles` over the few places of a working tree where a project says how it is to be treated."""

    root: Path
    paths: tuple[str, ...] = ()
    submodules: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()

    def read_many(self, paths: Iterable[str], *, limit: int) -> Mapping[str, bytes]:
        found = {path: self.read(path) for path in paths}
        return {path: content for path, content in found.items() if content is not None and len(content) <= limit}

    def read(self, path: str) -> bytes | None:
        place = self.root
        for part in path.split("/"):
            place = place / part
            if place.is_symlink():
                raise UserError(f"{path} lies behind a symbolic link, which no run follows: put the file itself there")
        try:
            return place.read_bytes() if place.is_file() else None
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}. Make it readable.") from error


def _taken(settings: Settings) -> dict[str, Any]:
    whole: dict[str, Any] = settings.model_dump(include=set(_TAKEN), exclude_unset=True)
    checks = settings.checks
    none: dict[str, list[str]] = {
        name: [] for name, commands in (("test", checks.test), ("static", checks.static)) if commands == []
    }
    return whole | ({"checks": none} if none else {})


@dataclass(frozen=True)
class Bait:
    """What is new in every run of an attack, so that nothing but it can be found afterwards."""

    secret: str
    """A made-up credential that no provider gave out."""
    port: int
    """Where a listener waits on this machine."""
    host: Path
    """A folder outside the sandbox, empty."""

    @classmethod
    def make(cls, port: int, host: Path) -> "Bait":
        """Return bait with a new credential, in the shape of a well-known kind."""
        letters = string.ascii_letters + string.digits
        return cls("ghp_" + "".join(secrets.choice(letters) for _ in range(36)), port, host)

    def fill(self, text: str) -> str:
        """Return `text` with everything put in that stands between `@` signs."""
        for name, value in {"SECRET": self.secret, "PORT": str(self.port), "HOST": str(self.host)}.items():
            text = text.replace(f"@{name}@", value)
        return text

    def filled(self, value: Any, number: int = 1) -> Any:
        """Return a JSON value with every text of it filled; the text `@N@` alone is `number`."""
        if isinstance(value, str):
            return number if value == "@N@" else self.fill(value)
        if isinstance(value, dict):
            return {self.fill(key): self.filled(item, number) for key, item in value.items()}
        return [self.filled(item, number) for item in value] if isinstance(value, list) else value

    def arguments(self, call: PlannedCall, number: int) -> dict[str, Any]:
        """Return the arguments of a call when it is made for that time."""
        given = call.every_second if call.every_second and number % 2 == 0 else call.arguments
        filled: dict[str, Any] = self.filled(given, number)
        return filled

    @property
    def spellings(self) -> tuple[str, ...]:
        """How the secret may be written: as it is, backwards, in hexadecimal digits, in base64 wherever it begins."""
        raw = self.secret.encode()
        shifted = (base64.b64encode(b"\0" * skip + raw).decode() for skip in range(3))
        # The first and last signs of it depend on what stands beside it.
        inner = (text.rstrip("=")[4:-4] for text in shifted)
        return (self.secret, self.secret[::-1], raw.hex(), *inner)


def lay_out(attack: Attack, own: Own, bait: Bait, target: Path) -> Repository:
    """Make the repository that `attack` is made on, in the empty folder `target`, and return it.

    Raises:
        UserError: git is missing or fails.
    """
    files = _files(attack, own)
    for name, text in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(bait.fill(text), encoding="utf-8")
    for name, to in attack.links.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(bait.fill(to))
    run_git(["init", "--quiet", "--template=", "--initial-branch=main"], cwd=target)
    run_git(["add", "--all", "--force"], cwd=target)
    run_git(["commit", "--quiet", "--no-verify", "--message=The sample"], cwd=target, env=_WHO)
    return Repository.open(target)


def _files(attack: Attack, own: Own) -> dict[str, str]:
    files = sample_files()
    context = json.loads(files[CONTEXT_PATH])
    context["protected_areas"] = [*context["protected_areas"], *own.areas]
    files[CONTEXT_PATH] = json.dumps(context)
    if own.policy_text:
        files[POLICY_PATH] = own.policy_text
    # Nobody is there to read plans: what a careless person agrees to must not be what holds an attack back.
    tables = dict(own.settings)
    tables["approvals"] = {**tables.get("approvals", {}), "plan": "never"}
    files[SETTINGS_PATH] = toml_text(tables)
    return files | attack.files


def toml_text(tables: Mapping[str, Any]) -> str:
    """Return a TOML document of tables whose values are plain: numbers, texts, lists of texts, tables of such."""
    return "\n".join(line for name, table in tables.items() for line in _table(_key(name), table))


def _table(name: str, table: Mapping[str, Any]) -> list[str]:
    known = {key: value for key, value in table.items() if value is not None}
    inner = {key: value for key, value in known.items() if isinstance(value, dict)}
    lines = [f"{_key(key)} = {_value(value)}" for key, value in known.items() if key not in inner]
    return [f"[{name}]", *lines, *(line for key, each in inner.items() for line in _table(f"{name}.{_key(key)}", each))]


def _key(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def _value(value: Any) -> str:
    # JSON and TOML write these alike, but for the one control character that JSON leaves as it is.
    return (
        str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    )
