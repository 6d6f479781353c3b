"""Words of a shell text as the shell passes them on: quotes reduced, known variables put in, the rest marked."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product

from tree_sitter import Node

_VALUES = 24
_ESCAPES = {"a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{1,2}|u[0-9a-fA-F]{1,4}|U[0-9a-fA-F]{1,8}|[0-7]{1,3}|c.|.)", re.DOTALL)
_PLACES = {"PWD": ".", "HOME": "~", "TMPDIR": "/tmp"}  # noqa: S108 - a path inside the sandbox
_PRINTS = (
    (re.compile(r"\$\(\s*pwd(\s+-[PL])?\s*\)"), "."),
    (re.compile(r"\$\(\s*git rev-parse --show-toplevel\s*\)"), "/work"),
    (re.compile(r"\$\(\s*mktemp(\s+-d)?(\s+/tmp/[\w.-]+)?\s*\)"), "/tmp/mktemp"),  # noqa: S108 - a path inside the sandbox
)


class ShellError(ValueError):
    """The text cannot be judged; the message says why and what to write instead."""


@dataclass(frozen=True)
class Word:
    """One word after quotes are taken off."""

    text: str
    """Its characters; an expansion stands as it was written."""
    computed: bool = False
    """True if it holds an expansion, so that what the shell passes on is not known."""
    pattern: bool = False
    """True if it holds an unquoted glob or brace."""
    values: tuple[str, ...] = ()
    """Everything it may stand for where variables of the text are in it; empty: just `text`."""
    quoted: bool = False
    """True if a part of it was quoted."""
    expanded: bool = False
    """True if a variable was put in."""

    def spelled(self) -> "list[Word]":
        """Return one word for each thing it may stand for."""
        return [Word(value, self.computed, self.pattern) for value in self.values] or [self]


@dataclass(eq=False)
class Simple:
    """One simple command: assignments, then program and arguments; and the files its redirections name."""

    words: list[Word] = field(default_factory=list)
    targets: list[Word] = field(default_factory=list)
    """Files that redirections write."""
    sources: list[Word] = field(default_factory=list)
    """Files that redirections read."""
    assignments: list[tuple[str, Word]] = field(default_factory=list)
    piped: bool = False
    """True if it reads what the commands before it print."""
    upstream: "list[Simple]" = field(default_factory=list)
    """Those commands."""
    fed: bool = False
    """True if a redirection gives it its input."""
    document: str | None = None
    """That input, where it stands in the text."""

    @property
    def says_something(self) -> bool:
        """True if there is anything to judge."""
        return bool(self.words or self.targets or self.sources or self.assignments)


@dataclass
class Environment:
    """What the text itself says of names: values of variables, and functions."""

    values: dict[str, list[Word]] = field(default_factory=dict)
    functions: set[str] = field(default_factory=set)

    def give(self, name: str, word: Word) -> None:
        """Add a value `name` may have; nothing is taken back, since branches and loops are not followed."""
        self.values.setdefault(name, []).append(word)

    def forget(self, name: str) -> None:
        """Note that `name` may hold anything."""
        self.give(name, Word(f"${name}", computed=True))

    def known(self, name: str) -> list[Word]:
        """Return every value of `name`; empty where it is not known whole."""
        words = self.values.get(name, [])
        known = bool(words) and not any(word.computed for word in words) and len(words) <= _VALUES
        return words if known else []


@dataclass(frozen=True)
class _Part:
    texts: tuple[str, ...]
    computed: bool = False
    pattern: bool = False
    quoted: bool = False
    expanded: bool = False


class WordReader:
    """Reduces the nodes of one text; `nested` is told of what expansions inside them start."""

    def __init__(self, source: bytes, environment: Environment, nested: Callable[[Node, int], None]) -> None:
        self._source, self._environment, self._nested = source, environment, nested

    def read(self, node: Node, depth: int) -> Word:
        """Return the word at `node`.

        Raises:
            ShellError: it holds what is not read here.
        """
        parts = self._parts(node, depth)
        count = 1
        for part in parts:
            count *= max(len(part.texts), 1)
        if count > _VALUES:
            return Word(self._text(node), computed=True)
        texts = tuple(dict.fromkeys("".join(pieces) for pieces in product(*(part.texts for part in parts))))
        return Word(
            texts[0] if texts else "",
            any(part.computed for part in parts),
            any(part.pattern for part in parts) or self._braced(node),
            texts if len(texts) > 1 else (),
            any(part.quoted for part in parts),
            any(part.expanded for part in parts),
        )

    def _braced(self, node: Node) -> bool:
        return node.type == "concatenation" and any(child.type == "brace_expression" for child in node.children)

    def _parts(self, node: Node, depth: int) -> list[_Part]:
        kind = node.type
        if kind == "concatenation":
            return self._joined(node, depth)
        if kind in ("word", "number", "variable_name", "extglob_pattern", "regex", "special_variable_name"):
            return [self._plain(node)]
        if kind == "raw_string":
            return [_Part((self._text(node)[1:-1],), quoted=True)]
        if kind == "ansi_c_string":
            return [_Part((_unescape(self._text(node)[2:-1]),), quoted=True)]
        if kind in ("string", "translated_string"):
            return self._string(node, depth)
        if kind == "brace_expression":
            return [_Part((self._text(node),), pattern=True)]
        if kind in ("simple_expansion", "expansion"):
            return [self._variable(node, depth)]
        if kind in ("command_substitution", "process_substitution", "arithmetic_expansion"):
            return [self._substitution(node, depth)]
        raise ShellError(f"{kind.replace('_', ' ')} is not read here; write it more simply")

    def _joined(self, node: Node, depth: int) -> list[_Part]:
        parts: list[_Part] = []
        at = node.start_byte
        for child in node.children:
            if child.start_byte != at:
                raise ShellError("a word is not read the way it is written; put it in quotes")
            at = child.end_byte
            parts += self._parts(child, depth) if child.is_named else [_Part((self._text(child),), pattern=True)]
        return parts

    def _plain(self, node: Node) -> _Part:
        raw = self._text(node)
        bare = re.sub(r"\\.", "", raw, flags=re.DOTALL)
        text = re.sub(r"\\(.)", lambda found: "" if found[1] == "\n" else found[1], raw, flags=re.DOTALL)
        if "`" in bare:
            raise ShellError("a backquote stands where it is not read; write $(…)")
        return _Part((text,), computed=bare.startswith("~"), pattern=bool(set(bare) & set("*?[{")), quoted=bare != raw)

    def _string(self, node: Node, depth: int) -> list[_Part]:
        if node.type == "translated_string":
            node = node.named_children[0]
        parts = [_Part(("",), quoted=True)]
        at = node.start_byte + 1
        for child in node.named_children:
            # The grammar leaves blanks beside expansions out of what it calls content.
            parts.append(self._literal(at, child.start_byte))
            at = child.end_byte
            if child.type == "string_content":
                parts.append(self._literal(child.start_byte, child.end_byte))
            else:
                inner = self._parts(child, depth)
                parts += [_Part(part.texts, part.computed, quoted=True, expanded=part.expanded) for part in inner]
        parts.append(self._literal(at, node.end_byte - 1))
        return parts

    def _literal(self, start: int, end: int) -> _Part:
        text = self._source[start:end].decode("utf-8", "replace")
        text = re.sub(r'\\([\n$`"\\])', lambda found: "" if found[1] == "\n" else found[1], text)
        return _Part((text,), quoted=True)

    def _variable(self, node: Node, depth: int) -> _Part:
        raw = self._text(node)
        name = re.fullmatch(r"\$\{?([A-Za-z_]\w*)\}?", raw)
        if name is None:
            self._nested(node, depth)
            return _Part((raw,), computed=True)
        known = self._environment.known(name[1])
        if known:
            texts = tuple(dict.fromkeys(text for word in known for text in (word.values or (word.text,))))
            return _Part(texts, pattern=any(word.pattern for word in known), expanded=True)
        if name[1] in _PLACES and name[1] not in self._environment.values:
            return _Part((_PLACES[name[1]],), computed=name[1] == "HOME", expanded=True)
        return _Part((raw,), computed=True)

    def _substitution(self, node: Node, depth: int) -> _Part:
        self._nested(node, depth)
        raw = self._text(node)
        if node.type == "command_substitution":
            for pattern, text in _PRINTS:
                if pattern.fullmatch(raw):
                    return _Part((text,))
        return _Part((raw,), computed=True)

    def _text(self, node: Node) -> str:
        return self._source[node.start_byte : node.end_byte].decode("utf-8", "replace")


def _unescape(text: str) -> str:
    def one(found: re.Match[str]) -> str:
        body = found[1]
        if body[0] in "xuU" and len(body) > 1:
            number = int(body[1:], 16)
        elif body[0] in "01234567":
            number = int(body, 8)
        elif body[0] == "c" and len(body) > 1:
            number = ord(body[1]) & 0x1F
        else:
            return _ESCAPES.get(body, body if body in "\\'\"?" else "\\" + body)
        if not 0 < number < 0x110000 or 0xD800 <= number < 0xE000:
            raise ShellError("an escape of $'…' stands for no character; write the characters themselves")
        return chr(number)

    return _ESCAPE.sub(one, text)
