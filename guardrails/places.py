"""What may happen to a path, judged by where it really ends."""

import posixpath
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache

from andon.guardrails import paths
from andon.guardrails.globs import Glob, wild
from andon.guardrails.operands import free_to_remove
from andon.guardrails.protected import match
from andon.guardrails.refusal import Found, Refused, Use
from andon.guardrails.rules import RuleSet, strictest
from andon.guardrails.test_files import is_test_file
from andon.records.calls import Role
from andon.records.project import ProtectedRule
from andon.sandbox.protocol import WORKSPACE

_CLOSED_NAMES = (".git", ".env", "id_rsa", "id_ed25519", "key.pem", ".env.local", ".netrc", "server.key")
_CLOSED_FILES = (
    "factory/policy.toml", "factory/andon.toml", "factory/tasks/queue.json", "factory/context/project-context.json",
    ".git/config", ".git/HEAD", ".git/hooks/pre-commit",
)  # fmt: skip
LEAVE = "leave it, and report what it kept you from under not_done"
"""What a model is told to do about a path that it may not change."""
_HIDES = re.compile(
    r"\$\(.*(\benv\b|\.git\b|id_[a-z]+|\.pem|\.key|secret|factory|netrc|base64|xxd|"
    r"\brev\b|printf|decode|cut -|\btr\b).*\)|`"
)
"""Expansions that look as if they were to spell a closed name."""
_LARGE = 12
"""From so many tracked files on, deleting a folder needs a person."""


@dataclass(frozen=True)
class Ground:
    """What paths are judged by."""

    protected: tuple[ProtectedRule, ...]
    rules: RuleSet
    locked: tuple[str, ...]
    tracked: frozenset[str]


@lru_cache(maxsize=512)
def _glob(pattern: str) -> Glob:
    return Glob.of(pattern)


@dataclass
class Places:
    """Judges the paths of one call."""

    ground: Ground
    role: Role
    tool: str
    resolve: Callable[[str], Awaitable[str]] | None
    _seen: dict[str, str] = field(default_factory=dict)

    async def real(self, path: str) -> str:
        """Return where `path` ends; each is asked once a call."""
        if path not in self._seen:
            assert self.resolve is not None  # noqa: S101 - only a final tree is judged without a sandbox
            self._seen[path] = await self.resolve(path)
        return self._seen[path]

    def judge_read(self, path: str, found: Found, *, recursive: bool = False) -> None:
        """Judge reading `path` (relative to the workspace).

        Raises:
            Refused: it is closed.
        """
        judge_floors(path, writes=False)
        self._by_rules(path, found, writes=False)
        if recursive:
            secret = next((one for one in self._below(path) if paths.is_secret(one)), None)
            if secret:
                raise Refused(
                    "secret-file",
                    f"{secret!r} lies in {path!r} and may hold a secret; name the files or folders you mean",
                )

    def judge_write(self, path: str, found: Found, *, removes: bool, recursive: bool = False) -> None:
        """Judge changing `path` (relative to the workspace).

        Raises:
            Refused: nobody may allow it.
        """
        judge_floors(path, writes=True)
        parts = tuple(part for part in paths.fold(path).split("/") if part)
        if any(_glob(pattern).holds(parts) for pattern in self.ground.locked):
            raise Refused("locked", f"{path!r} is locked for this task; {LEAVE}")
        rule = match(self.ground.protected, path) or (self._protected_inside(path) if removes else None)
        if rule is not None:
            found.ask("protected-area", f"{path!r} is protected by the project context ({rule.entry!r})")
        self._by_rules(path, found, writes=True)
        if removes:
            self._judge_removal(path, found, recursive=recursive)

    def _by_rules(self, path: str, found: Found, *, writes: bool) -> None:
        rule = strictest(self.ground.rules.for_path(path, writes=writes, role=self.role, tool=self.tool))
        if rule is None or rule.verdict == "allow":
            return
        reason = rule.reason(path=repr(path))
        if rule.verdict == "deny":
            raise Refused(rule.id, f"{reason}; {LEAVE}")
        found.ask(rule.id, reason)

    def _judge_removal(self, path: str, found: Found, *, recursive: bool) -> None:
        below = list(self._below(path))
        if not below and free_to_remove(path):
            return
        for one in below[:2000]:
            if one == path:
                continue
            self._by_rules(one, found, writes=True)
            if any(_glob(pattern).holds(tuple(paths.fold(one).split("/"))) for pattern in self.ground.locked):
                raise Refused("locked", f"{one!r} is locked for this task; {LEAVE}")
        known = bool(self.ground.tracked)
        if any(is_test_file(one) for one in below) or (not known and is_test_file(path)):
            found.ask("tests", f"{path!r} holds tests; removing or renaming them needs a person")
        top = "/" not in path.strip("/")
        if len(below) >= _LARGE or (recursive and not known and top and not re.search(r"\.\w+$", path)):
            found.ask("delete", f"deleting {path!r} takes a large part of the source away; name what is to go")

    def _below(self, path: str) -> Iterable[str]:
        if path in self.ground.tracked:
            return [path]
        prefix = "" if path == "." else path.rstrip("/") + "/"
        return (one for one in self.ground.tracked if one.startswith(prefix))

    def _protected_inside(self, folder: str) -> ProtectedRule | None:
        """Return the rule that protects something below `folder`, which would go away with it."""
        prefix = "" if folder == "." else paths.fold(folder) + "/"
        covered = ((rule, found) for rule in self.ground.protected for found in rule.matches)
        return next((rule for rule, found in covered if paths.fold(found).startswith(prefix)), None)

    def matching(self, pattern: str) -> list[str]:
        """Return tracked files that a glob stands for."""
        inside = paths.workspace_path(posixpath.join(WORKSPACE, pattern))
        if inside is None or not self.ground.tracked:
            return []
        segments = inside.split("/")
        return [one for one in self.ground.tracked if _stands_for(segments, one.split("/"))][:500]


def _stands_for(segments: list[str], parts: list[str]) -> bool:
    if segments and segments[0] == "**":
        return any(_stands_for(segments[1:], parts[skip:]) for skip in range(len(parts)))
    if not segments:
        return True
    hidden = bool(parts) and parts[0].startswith(".") and segments[0][:1] in ("*", "?", "[")
    return bool(parts) and not hidden and wild(segments[0], parts[0]) and _stands_for(segments[1:], parts[1:])


async def judge_use(use: Use, places: Places, found: Found) -> None:
    """Judge one path that a call names.

    Raises:
        Refused: nobody may allow it.
        RunError: the sandbox is dead.
    """
    if fault := paths.name_fault(use.path):
        raise Refused("name", fault)
    if use.pattern:
        if (spelled := braces(use.path)) != [use.path]:
            for path in spelled:
                await judge_use(replace(use, path=path), places, found)
            return
        _judge_pattern(use.path, writes=use.writes)
        for path in places.matching(use.path) if any(one in use.path for one in "*?[") else ():
            _judge_inside(path, use, places, found)
    if use.computed:
        _judge_computed(use, found)
        return
    real = await places.real(use.path)
    place = paths.workspace_path(real)
    if place is None:
        _judge_outside(use, real)
        return
    given = paths.workspace_path(posixpath.join(WORKSPACE, use.path))
    for path in dict.fromkeys((place, given or place)):
        _judge_inside(path, use, places, found)


def _judge_inside(path: str, use: Use, places: Places, found: Found) -> None:
    if use.writes:
        places.judge_write(path, found, removes=use.removes, recursive=use.recursive)
    else:
        places.judge_read(path, found, recursive=use.recursive)


def _judge_outside(use: Use, real: str) -> None:
    if use.fallback:
        return
    scratch = posixpath.normpath(real).startswith(("/tmp/", "/dev/")) or real == "/tmp"  # noqa: S108 - inside the sandbox
    if not (use.outside and paths.open_outside(real)) or (use.writes and not scratch):
        raise Refused("outside-workspace", f"{_shown(use.path, real)} lies outside the workspace; stay inside")
    if scratch:
        judge_floors(posixpath.relpath(real, "/"), writes=False)


def judge_floors(path: str, *, writes: bool) -> None:
    """Judge what holds for everyone.

    Raises:
        Refused: the path is closed.
    """
    if fault := paths.name_fault(path):
        raise Refused("name", fault)
    if paths.is_git(path):
        raise Refused("git-folder", f"{path!r} is git's own folder; use the git tool to read history and state")
    if paths.is_factory(path):
        instead = "leave it as it is" if writes else "its documents are answered by docs_lookup"
        raise Refused("factory-folder", f"{path!r} belongs to the factory and is closed to agents; {instead}")
    if paths.is_secret(path):
        raise Refused("secret-file", f"{path!r} may hold a secret and is closed; use an example file: .env.example")
    if writes and paths.is_bare_git(path):
        raise Refused("git-folder", f"{path!r} would be laid out as a repository of its own; choose another name")


def _judge_pattern(path: str, *, writes: bool) -> None:
    """Refuse a glob that spells a closed name in part; a bare `*` is fine, since it names nothing in particular."""
    inside = paths.workspace_path(posixpath.join(WORKSPACE, path)) or path
    segments = paths.fold(inside).split("/")
    for position, segment in enumerate(segments):
        if not any(character in segment for character in "*?[") or not segment.strip("*?[]"):
            continue
        closed = (*_CLOSED_NAMES, paths.FACTORY) if position == 0 else _CLOSED_NAMES
        hit = next(
            (
                name
                for name in closed
                if wild(segment, name)
                and not (
                    name[0] == "."
                    and segment[0] in "*?["
                    and position >= 0
                    and segment[0] == "*"
                    and not _spells(segment, name)
                )
            ),
            None,
        )
        if hit:
            raise Refused("pattern", f"{path!r} also stands for {hit!r}, which is closed; name the files you mean")
    if writes and len(segments) > 1:
        hit = next(
            (
                name
                for name in _CLOSED_FILES
                if len(segments) <= len(name.split("/")) and _stands_for(segments, paths.fold(name).split("/"))
            ),
            None,
        )
        if hit and any(one in segments[0] for one in "*?["):
            raise Refused("pattern", f"{path!r} also stands for {hit!r}, which is closed; name the files you mean")


def _spells(segment: str, name: str) -> bool:
    """True if a glob names something of a hidden file, as `*.env` does."""
    return len(segment.strip("*?[]")) > 1


def _judge_computed(use: Use, found: Found) -> None:
    """Judge what is plain in a path that holds an expansion."""
    path = use.path
    if path.startswith("~") or "/~" in path:
        raise Refused("outside-workspace", f"{path!r} lies outside the workspace; use paths inside it")
    for given in re.findall(r"\$\{\w+:?[-=+]([^}]*)\}|\$\((?:echo|printf)\s+['\"]?([^)'\"]*)", path):
        for text in given:
            judge_floors(text.strip() or ".", writes=False)
    if _HIDES.search(path) and not use.writes:
        found.ask("computed-path", f"the path {path!r} is computed, and may stand for a closed file; write its name")
    for segment in path.split("/"):
        plain = re.sub(r"\$(\{[^}]*\}|\w+|\([^)]*\)?)", "", segment)
        judge_floors(plain or ".", writes=True)
    if path.startswith("/") and not path.startswith(("/tmp/", "/work/", "/usr/")):  # noqa: S108 - inside the sandbox
        raise Refused("outside-workspace", f"{path!r} lies outside the workspace; use paths inside it")
    if use.writes and not path.startswith("/tmp/"):  # noqa: S108 - inside the sandbox
        found.ask("computed-path", f"the path {path!r} is computed, so what is changed cannot be seen; write its name")


def braces(path: str) -> list[str]:
    """Return what the braces of `path` stand for; ranges become `*`.

    Raises:
        Refused: they stand for too much.
    """
    found = re.match(r"(.*?)\{([^{}]*)\}(.*)", path, re.DOTALL)
    if not found or not ("," in found[2] or ".." in found[2]):
        return [path]
    choices = found[2].split(",") if "," in found[2] else ["*"]
    spelled = [rest for choice in choices for rest in braces(f"{found[1]}{choice}{found[3]}")]
    if len(spelled) > 200:
        raise Refused("pattern", f"the braces of {path!r} stand for too many names; write them out")
    return spelled


def _shown(path: str, real: str) -> str:
    return repr(path) if posixpath.normpath(path) == real else f"{path!r} (really {real!r})"
