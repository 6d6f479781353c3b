"""Reads the shipped policy and `factory/policy.toml` over it: floors stay, defaults may be set."""

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from andon.guardrails.globs import Glob
from andon.guardrails.paths import fold
from andon.guardrails.rules import STRICTNESS, Rule, RuleSet, RuleVerdict
from andon.records.base import Record
from andon.records.errors import UserError

POLICY_PATH = "factory/policy.toml"
"""Where a repository's own policy lies."""
_BYTES = 8_000_000
_RULES = 20_000
_PLAIN = re.compile(r"[\w./=:@+,^~%-]+( [\w./=:@+,^~%-]+)*")
_TABLE = re.compile(r"^[ \t]*\[\[[ \t]*rule[ \t]*\]\]", re.MULTILINE)


class PolicyFile(Record):
    """`factory/policy.toml`."""

    model_config = ConfigDict(strict=True)

    version: Literal[1]
    """Of this format."""
    rule: list[Rule] = Field(default_factory=list, max_length=_RULES)
    """Rules beside the shipped ones."""
    set: dict[str, RuleVerdict] = Field(default_factory=dict)
    """Shipped rule to the verdict it has here; floors can only be tightened."""


@dataclass(frozen=True)
class RepositoryPolicy:
    """The shipped policy with a repository's own over it."""

    rules: RuleSet
    """In force for work a person asked for."""
    strict: RuleSet
    """The same without what the repository loosened: in force for work an outsider asked for."""
    changes: tuple[str, ...] = ()
    """What the repository loosened, in words, for the record."""
    digest: str = ""
    """SHA-256 of the file's bytes; empty where there is none."""
    own: frozenset[str] = frozenset()
    """Ids of the repository's own rules."""

    @property
    def version(self) -> str:
        """Name this policy in records and approvals: twelve hexadecimal digits over both files."""
        return sha256(f"{_shipped_text()}\0{self.digest}".encode()).hexdigest()[:12]


@lru_cache(maxsize=1)
def _shipped_text() -> str:
    return (files("andon.guardrails") / "default_policy.toml").read_text("utf-8")


@lru_cache(maxsize=1)
def shipped_rules() -> tuple[Rule, ...]:
    """Return the rules of the shipped policy, checked against their examples."""
    return tuple(_read(_shipped_text(), "the shipped policy").rule)


@lru_cache(maxsize=1)
def default_rules() -> RuleSet:
    """Return the shipped policy, ready to be asked."""
    return RuleSet.of(shipped_rules())


def read_policy(content: bytes | None, where: str = POLICY_PATH) -> RepositoryPolicy:
    """Return the shipped policy with `content` over it; None: the shipped one alone.

    Raises:
        UserError: malformed, unknown keys, a failing example, a contradiction, or a loosened floor; with rule and line.
    """
    if content is None:
        return RepositoryPolicy(default_rules(), default_rules())
    if len(content) > _BYTES:
        raise UserError(f"{where} is larger than {_BYTES} bytes. Use patterns instead of single rules.")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{where} is not UTF-8 at byte {error.start}. Save it as UTF-8.") from error
    file = _read(text, where)
    lines = _Lines(text, where)
    _check_own(file, lines)
    shipped = {rule.id: rule for rule in shipped_rules()}
    changes = []
    for name, verdict in file.set.items():
        rule = shipped.get(name)
        if rule is None:
            raise UserError(
                f"{lines.of_key(name)}: [set] names {name!r}, which no shipped rule is called. See "
                f"`andon policy check`."
            )
        if STRICTNESS[verdict] < STRICTNESS[rule.verdict]:
            if rule.floor:
                raise UserError(
                    f"{lines.of_key(name)}: {name!r} is a floor and cannot be loosened to {verdict}. Take the line out."
                )
            changes.append(f"{where} sets the rule {name!r} from {rule.verdict} to {verdict}")
    changes += [
        f"{where} allows {' | '.join(rule.commands) or rule.id} ({rule.id})"
        for rule in file.rule
        if rule.verdict == "allow"
    ]
    set_rules = [rule.model_copy(update={"verdict": file.set.get(rule.id, rule.verdict)}) for rule in shipped.values()]
    tight = [
        one if STRICTNESS[one.verdict] >= STRICTNESS[shipped[one.id].verdict] else shipped[one.id] for one in set_rules
    ]
    own_tight = [rule for rule in file.rule if rule.verdict != "allow"]
    return RepositoryPolicy(
        rules=RuleSet.of([*set_rules, *file.rule]),
        strict=RuleSet.of([*tight, *own_tight]),
        changes=tuple(changes),
        digest=sha256(content).hexdigest(),
        own=frozenset(rule.id for rule in file.rule),
    )


class _Lines:
    """Finds where in the text something stands, for messages."""

    def __init__(self, text: str, where: str) -> None:
        self._text, self._where = text, where
        self._starts: list[int] | None = None

    def of_rule(self, number: int) -> str:
        """Return `FILE:LINE` of the rule with that number, from 0."""
        if self._starts is None:
            self._starts = [found.start() for found in _TABLE.finditer(self._text)]
        if number >= len(self._starts):
            return self._where
        return f"{self._where}:{self._text.count(chr(10), 0, self._starts[number]) + 1}"

    def of_key(self, key: str) -> str:
        """Return `FILE:LINE` of a key."""
        found = re.search(rf"^[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*=", self._text, re.MULTILINE)
        return f"{self._where}:{self._text.count(chr(10), 0, found.start()) + 1}" if found else self._where


def _read(text: str, where: str) -> PolicyFile:
    try:
        data: dict[str, Any] = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UserError(f"{where}: malformed TOML: {error}. Correct that line.") from error
    lines = _Lines(text, where)
    try:
        file = PolicyFile.model_validate(data)
    except ValidationError as error:
        raise UserError(_fault(error, data, lines, where)) from error
    for number, rule in enumerate(file.rule):
        if fault := _failing(rule):
            raise UserError(f"{lines.of_rule(number)}: rule {rule.id!r}: {fault}. Correct the rule or the example.")
    return file


def _fault(error: ValidationError, data: dict[str, Any], lines: _Lines, where: str) -> str:
    first = error.errors()[0]
    location = first["loc"]
    place, name = where, ""
    if len(location) > 1 and location[0] == "rule" and isinstance(location[1], int):
        place = lines.of_rule(location[1])
        given = data["rule"][location[1]] if isinstance(data.get("rule"), list) else {}
        name = f"rule {given.get('id', '?')!r}: " if isinstance(given, dict) else ""
        location = location[2:]
    elif location:
        place = lines.of_key(str(location[-1]))
    key = ".".join(map(str, location))
    return f"{place}: {name}{key + ': ' if key else ''}{first['msg']}. Correct it and try again."


def _check_own(file: PolicyFile, lines: _Lines) -> None:
    seen: dict[str, int] = {rule.id: -1 for rule in shipped_rules()}
    selectors: dict[tuple[object, ...], Rule] = {}
    for number, rule in enumerate(file.rule):
        if rule.id in seen:
            other = "a shipped rule" if seen[rule.id] < 0 else f"the rule at {lines.of_rule(seen[rule.id])}"
            raise UserError(
                f"{lines.of_rule(number)}: {other} is called {rule.id!r} already. Choose another id; "
                f"shipped rules are set under [set]."
            )
        seen[rule.id] = number
        if rule.floor:
            raise UserError(
                f"{lines.of_rule(number)}: rule {rule.id!r}: only the shipped policy has floors. Take `floor` out."
            )
        if rule.verdict == "allow" and (rule.paths or not rule.commands):
            raise UserError(
                f"{lines.of_rule(number)}: rule {rule.id!r}: a repository may allow commands only; "
                f"paths and tools it tightens. Set a shipped rule under [set]."
            )
        other_rule = selectors.setdefault(rule.selector, rule)
        if other_rule.verdict != rule.verdict:
            raise UserError(
                f"{lines.of_rule(number)}: rule {rule.id!r} says {rule.verdict} where "
                f"{other_rule.id!r} says {other_rule.verdict} of exactly the same. Keep one."
            )


def _failing(rule: Rule) -> str:
    """Return which example the rule does not keep, or nothing."""
    if not rule.match and not rule.not_match:
        return ""
    globs = [Glob.of(pattern) for pattern in rule.paths]
    alone = (
        RuleSet.of(
            [rule.model_copy(update={"roles": [], "tools": rule.tools if not (rule.paths or rule.commands) else []})]
        )
        if rule.commands
        else None
    )
    for wanted, examples in ((True, rule.match), (False, rule.not_match)):
        for example in examples:
            if _holds(rule, globs, alone, example) is not wanted:
                return (
                    f"the example {example!r} must {'' if wanted else 'not '}match, and it "
                    f"does{' not' if wanted else ''}"
                )
    return ""


def _holds(rule: Rule, globs: list[Glob], alone: RuleSet | None, example: str) -> bool:
    if rule.paths:
        parts = tuple(part for part in fold(example).split("/") if part not in ("", "."))
        return any(glob.holds(parts[-1:] if rule.files_only and not glob.anchored else parts) for glob in globs)
    if alone is not None:
        return any(any(alone.for_command(argv)) for argv in _commands(example))
    return example in rule.tools


def _commands(example: str) -> list[list[str]]:
    if _PLAIN.fullmatch(example):
        return [example.split(" ")]
    from andon.guardrails.programs import all_commands
    from andon.guardrails.refusal import Refused
    from andon.guardrails.shell_words import ShellError

    try:
        return list(all_commands(example))
    except (ShellError, Refused):
        return [example.split()]
