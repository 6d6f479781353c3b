"""Policy as data: rules over paths, command tokens, tools and roles, indexed so that thousands cost nothing."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from andon.guardrails.globs import Glob, wild
from andon.guardrails.paths import fold
from andon.records.base import Record
from andon.records.calls import Role

RuleVerdict = Literal["deny", "ask", "allow"]
STRICTNESS: dict[str, int] = {"allow": 0, "ask": 1, "deny": 2}
"""How the verdicts outrank each other."""
_SPELLED = ("allow", "ask", "deny")
_MANY = 2000


class Rule(Record):
    """One `[[rule]]`. It holds where everything it names holds: one of its paths, one of its commands, and so on."""

    model_config = ConfigDict(strict=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    """What it is called in verdicts and settings."""
    verdict: RuleVerdict
    """deny outranks ask, and ask outranks allow."""
    justification: str = Field(min_length=1, max_length=500)
    """Told to whoever is stopped; `{program}` and `{path}` stand for what was judged."""
    floor: bool = False
    """True if no repository may loosen it; only in the shipped policy."""
    paths: list[str] = Field(default_factory=list, max_length=_MANY)
    """Gitignore patterns, anchored at the root if a `/` is in them; case and look-alikes do not matter."""
    files_only: bool = False
    """True if the patterns name files and not what lies below folders called so."""
    access: Literal["write", "read", "any"] = "write"
    """Which use of those paths it is about."""
    commands: list[str] = Field(default_factory=list, max_length=_MANY)
    """Token prefixes such as `pip install`; `*` and `?` stand for characters within one token."""
    options: list[str] = Field(default_factory=list, max_length=_MANY)
    """With `commands`: holds only where one of these tokens follows; `--name` also stands for `--name=…`."""
    tools: list[str] = Field(default_factory=list, max_length=100)
    """Tool names."""
    roles: list[Role] = Field(default_factory=list)
    """Roles; empty: all."""
    match: list[str] = Field(default_factory=list, max_length=100)
    """What it must hold for: a path, a command, or (of a rule on tools alone) a tool's name."""
    not_match: list[str] = Field(default_factory=list, max_length=100)
    """What it must not hold for."""

    @field_validator("paths", "commands", "options", "match", "not_match")
    @classmethod
    def _plain(cls, values: list[str]) -> list[str]:
        for value in values:
            if not value.strip() or len(value) > 500 or any(ord(character) < 32 for character in value):
                raise ValueError(f"{value[:60]!r} is empty, longer than 500 characters, or holds a control character")
            if value.count("*") > 12:
                raise ValueError(f"{value[:60]!r} holds more than 12 `*`")
        return values

    @model_validator(mode="after")
    def _about_something(self) -> "Rule":
        if not (self.paths or self.commands or self.tools):
            raise ValueError("names no paths, commands or tools, so it would hold for nothing")
        if self.paths and self.commands:
            raise ValueError("names paths and commands; make it two rules")
        if self.options and not self.commands:
            raise ValueError("names options without commands")
        return self

    @property
    def selector(self) -> tuple[object, ...]:
        """Return what two rules share that hold for exactly the same."""
        return (
            tuple(sorted(self.paths)), self.access if self.paths else "", tuple(sorted(self.commands)),
            tuple(sorted(self.options)), tuple(sorted(self.tools)), tuple(sorted(self.roles)),
        )  # fmt: skip

    def reason(self, *, program: str = "", path: str = "") -> str:
        """Return the justification, with what was judged put in."""
        return self.justification.replace("{program}", program).replace("{path}", path)


@dataclass(frozen=True)
class _Prefix:
    tokens: tuple[str, ...]
    rule: Rule

    def holds(self, argv: Sequence[str]) -> bool:
        if len(argv) < len(self.tokens) or not all(map(wild, self.tokens, argv)):
            return False
        return not self.rule.options or any(_is_option(self.rule.options, word) for word in argv[len(self.tokens) :])


def _is_option(options: Sequence[str], word: str) -> bool:
    for option in options:
        if wild(option, word) or (option.startswith("--") and word.startswith(f"{option}=")):
            return True
        short = re.fullmatch(r"-([A-Za-z])", option)
        if short and re.fullmatch(r"-[A-Za-z]+", word) and short[1] in word:
            return True
    return False


@dataclass
class RuleSet:
    """Rules ready to be asked."""

    rules: tuple[Rule, ...] = ()
    _literal: dict[str, list[tuple[Glob, Rule]]] = field(default_factory=dict)
    _globs: list[tuple[Glob, Rule]] = field(default_factory=list)
    _commands: dict[str, list[_Prefix]] = field(default_factory=dict)
    _wild_commands: list[_Prefix] = field(default_factory=list)
    _tools: list[Rule] = field(default_factory=list)

    @classmethod
    def of(cls, rules: Sequence[Rule]) -> "RuleSet":
        """Return `rules` indexed by what they name."""
        made = cls(tuple(rules))
        for rule in rules:
            for pattern in rule.paths:
                glob = Glob.of(pattern)
                (made._globs if glob.key is None else made._literal.setdefault(glob.key, [])).append((glob, rule))
            for command in rule.commands:
                prefix = _Prefix(tuple(command.split()), rule)
                first = prefix.tokens[0]
                wild_first = any(character in first for character in "*?[")
                (made._wild_commands if wild_first else made._commands.setdefault(first, [])).append(prefix)
            if not rule.paths and not rule.commands:
                made._tools.append(rule)
        return made

    def for_path(self, path: str, *, writes: bool, role: Role, tool: str) -> Iterator[Rule]:
        """Yield the rules that hold for a use of `path` (relative to the workspace)."""
        parts = tuple(part for part in fold(path).split("/") if part not in ("", "."))
        wanted = ("any", "write" if writes else "read")
        near = (found for key in dict.fromkeys(parts) for found in self._literal.get(key, ()))
        for glob, rule in (*near, *self._globs):
            if (
                rule.access in wanted
                and _for(rule, role, tool)
                and glob.holds(parts[-1:] if rule.files_only and not glob.anchored else parts)
            ):
                yield rule

    def for_command(self, argv: Sequence[str], *, role: Role = "executor", tool: str = "run_command") -> Iterator[Rule]:
        """Yield the rules that hold for a program and its arguments."""
        if not argv:
            return
        for prefix in (*self._commands.get(argv[0], ()), *self._wild_commands):
            if _for(prefix.rule, role, tool) and prefix.holds(argv):
                yield prefix.rule

    def for_tool(self, tool: str, role: Role) -> Iterator[Rule]:
        """Yield the rules on a tool as a whole."""
        return (rule for rule in self._tools if _for(rule, role, tool))


def _for(rule: Rule, role: Role, tool: str) -> bool:
    return (not rule.roles or role in rule.roles) and (not rule.tools or tool in rule.tools)


def strictest(rules: Iterator[Rule]) -> Rule | None:
    """Return the first of the strictest of `rules`; None of none."""
    best: Rule | None = None
    for rule in rules:
        if best is None or STRICTNESS[rule.verdict] > STRICTNESS[best.verdict]:
            best = rule
    return best
