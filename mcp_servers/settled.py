"""What became of the changes of one call, for the line and in words."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import fsencode
from typing import Literal

from andon.guardrails.effects import Effect
from andon.guardrails.output import clean_text
from andon.sandbox.names import shown
from andon.sandbox.protocol import Entry

_SHOWN = 20
"""Effects that are told one by one; of more only how many there are."""


@dataclass(frozen=True)
class Held:
    """A change that was undone until a person allows it. It holds both contents."""

    path: str
    """As people and models read it."""
    rule: str
    """What a person allows by it."""
    reason: str
    """Why one has to."""
    entry: str
    """What an approval is bound to beside the path: `Content.id`, or GONE."""
    raw: bytes
    """The path itself."""
    before: Entry | None
    """What lies there; its content is read. None: nothing."""
    after: Entry | None
    """What the call had put there."""
    also: tuple[str, ...] = ()
    """The other rules that ask too."""

    @property
    def rules(self) -> tuple[str, ...]:
        """Every rule that asks."""
        return (self.rule, *self.also)


@dataclass(frozen=True)
class FileChange:
    """One file that is other than before a call."""

    path: str
    """As people read it."""
    how: Literal["added", "changed", "removed"]
    """What became of it."""
    diff: str = ""
    """From its first `@@`, at most 60 lines; empty for what is no text, too long, or changed in its mode alone."""
    cut: bool = False
    """True if there is more of the diff."""


@dataclass(frozen=True)
class Settled:
    """What became of the changes of one call."""

    changed: tuple[str, ...] = ()
    """Paths that are other than before the call."""
    undone: tuple[Effect, ...] = ()
    """What was undone for good; paths as people read them."""
    held: tuple[Held, ...] = ()
    """What was undone until a person allows it."""
    text: str = ""
    """The same for the model, a line each; empty where everything stands."""
    files: tuple[FileChange, ...] = ()
    """What stands, for people; only files that can be part of a change, and of many the first."""


def readable(effect: Effect) -> Effect:
    """Return `effect` as people and models read it."""
    return replace(effect, path=name_of(fsencode(effect.path)), reason=plain_words(effect.reason))


def name_of(path: bytes) -> str:
    """Return `path` as people and models read it: on one line, without controls."""
    return plain_words(shown(path))


def plain_words(text: str) -> str:
    """Return `text` on one line, without controls."""
    return clean_text(text).replace("\n", " ").replace("\t", " ")


def told(undone: Sequence[Effect], held: Sequence[Held]) -> str:
    """Return what a model reads of them: a line each, and of many how many more by which rule."""
    lines = [f"undone ({effect.rule}): {effect.path}: {effect.reason}" for effect in undone]
    lines += [
        f"held for a person ({each.rule}): {each.path}: {each.reason}; it is undone until a person allows it"
        for each in held
    ]
    if len(lines) > _SHOWN:
        rules = [effect.rule for effect in undone] + [each.rule for each in held]
        rest = Counter(rules[_SHOWN:])
        more = ", ".join(f"{count} by {rule}" for rule, count in sorted(rest.items()))
        lines[_SHOWN:] = [f"… and {len(undone) + len(held) - _SHOWN} more were undone: {more}"]
    return "\n".join(lines)
