"""Secrets that show by the name beside them: assignments in any language, options, headers, addresses."""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from andon.guardrails.redact_logins import HINTS, login
from andon.guardrails.redact_placeholders import is_placeholder, is_wordy
from andon.guardrails.redact_spans import Span

_NAMES = ("pass", "pwd", "secret", "token", "key", "auth", "credential")
_PASSWORD = re.compile(r"pass(?:word|wd|phrase|code)|pwd")
_KEY_OF = re.compile(
    r"(?:api|access|auth|private|client|signing|encryption|account|service|master|shared|storage|secret)[-_ ]?\Z"
)
_NO_SECRET_BEFORE = re.compile(
    r"(?:next|page|continuation|sync|cursor|public|primary|foreign|sort|partition|cancellation|cancel|stop|pad|eos|bos|"
    r"unk|mask|sep|cls|num|max|min|total|prompt|completion|input|output|(?<!ac)count|no)[-_]?$"
)
_NO_SECRET_AFTER = re.compile(
    r"(?:^|[_-])(?:ids?|names?|types?|hash(?:ed)?|digest|sha\d*|md5|files?|path|dir|ur[li]|endpoint|field|length|len|size|"
    r"count|limit|max|min|policy|expir\w*|ttl|age|at|date|time|timeout|algorithm|alg|format|prefix|suffix|regex|pattern|"
    r"header|label|hint|help|text|title|message|error|status|valid\w*|reset|strength|refs?|arn|version|ring|store|"
    r"provider|manager|class|usage|used|bucket|index|column|table|required|enabled|s|env|var|variable)$"
)
_SAME_WORD = ("value", "str", "string", "text", "key", "word", "data")
_ASSIGNED = re.compile(
    r"(?P<suffix>[\w-]{0,40}+)(?P<close>\\?[\"'`]?[\])]?)[ \t]{0,8}+"
    r"(?:\??:[ \t]{0,2}[A-Za-z_][\w.]{0,30}(?:\[[\w., |]{0,30}\])?(?: \| None)?[ \t]{0,2}(?==))?"
    r"(?P<op>=>|:=|::|={1,3}|!={1,2}|:|\(|,|>|(?<=[ \t])(?=[^ \t]))[ \t]{0,8}+"
    r"(?:(?P<quote>[furbFURB]{0,2}\\?[\"'`])(?P<quoted>[^\"'`\\\s]{4,400}+)(?=\\?[\"'`])"
    r"|(?P<bare>[^\s\"'`,;<>\\]{4,400}+))"
)
_CODE = re.compile(r"[\w.]*[A-Za-z_]\w*[(\[]|[\w]+(?:\.[A-Za-z_]\w*)+$|\w+\{")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_HEX = re.compile(r"(?:[0-9a-f]{7,}|[0-9A-F]{7,})")
_LOCATION = re.compile(r"[a-z][a-z0-9+.-]*://|\.{0,2}/[\w./-]*\.\w+$|(?:sha\d+|md5)[-:]", re.IGNORECASE)
_HASHED = re.compile(r"\$(?:2[abxy]?|1|5|6|argon2\w*|scrypt|pbkdf2\S*)\$")
_SEEN = 80
"""So many characters tell what a value is."""
_SYMBOLS = re.compile(r"[!@#$%^&*+=?~]")


def named_values(text: str) -> Iterator[Span]:
    """Yield the secrets of `text` that are named as such; placeholders, code and names of other things are none."""
    lowered = _lowered(text)
    taken = 0
    for at, hint in _hints(lowered):
        if at < taken:
            continue
        found = _assigned(text, lowered, at, hint) if hint in _NAMES else login(text, at + len(hint), hint)
        if found is not None:
            taken = found.end
            yield found


def _hints(lowered: str) -> list[tuple[int, str]]:
    """Return where what stands before a secret, in order; a search for each is twice as fast as one expression."""
    found = []
    for hint in (*_NAMES, *HINTS):
        at = lowered.find(hint)
        while at >= 0:
            found.append((at, hint))
            at = lowered.find(hint, at + len(hint))
    return sorted(found)


def _assigned(text: str, lowered: str, at: int, hint: str) -> Span | None:
    named = _name(lowered, at, hint)
    assigned = _ASSIGNED.match(text, named.end) if named else None
    if named and assigned and _says_secret(text, lowered, named, assigned):
        return _value(assigned)
    return None


class _Name(NamedTuple):
    """A word that names a secret."""

    start: int
    end: int
    kind: Literal["password", "strong", "weak"]
    """What counts as its value: all but plain words; ids and hashes too; neither."""


def _name(lowered: str, start: int, word: str) -> _Name | None:
    end, before = start + len(word), lowered[max(start - 12, 0) : start]
    if full := _PASSWORD.match(lowered, start):
        return _Name(start, full.end(), "password")
    if word == "pass":
        return _Name(start, end, "password") if before[-1:] in ("_", "-", '"', "'") else None
    if word == "key":
        return _Name(start, end, "strong") if _KEY_OF.search(before) else None
    if word == "auth":
        return _Name(start, end, "strong") if before[-1:] in ("_", '"', "'") else None
    strong = word == "secret" or before.rstrip("_-").endswith(("auth", "access"))
    return _Name(start, end, "strong" if strong else "weak")


def _lowered(text: str) -> str:
    """Return `text` in lower case, of the same length: one letter of Unicode grows when lowered."""
    return text.lower() if text.isascii() else text.replace("\u0130", "I").lower()


def _says_secret(text: str, lowered: str, name: _Name, assigned: re.Match[str]) -> bool:
    suffix, op = assigned["suffix"], assigned["op"]
    if suffix[:1].islower() and suffix.lower() not in _SAME_WORD:
        return False
    if _NO_SECRET_AFTER.search(suffix.lower()) or _NO_SECRET_BEFORE.search(
        lowered, max(name.start - 20, 0), name.start
    ):
        return False
    if op in ("(", ",") and not assigned["quote"]:
        return False
    if op == "" and not _is_option(text, name.start):
        return False
    value = _value(assigned).of(text)
    code = " = " in assigned[0] and not assigned["quote"]
    return _is_secret(value[:_SEEN], name.kind, quoted=assigned["quoted"] is not None, code=code)


def _is_option(text: str, start: int) -> bool:
    """Say whether the name is that of an option whose value follows after a space: `--db-password VALUE`."""
    words = text[max(start - 40, 0) : start]
    return words[max(words.rfind(" "), words.rfind("\n")) + 1 :].startswith("--")


def _is_secret(value: str, kind: str, *, quoted: bool, code: bool) -> bool:
    if len(value) < (5 if kind == "password" else 8) or is_placeholder(value) or _LOCATION.match(value):
        return False
    if _HASHED.match(value) or (not quoted and _CODE.match(value)):
        return False
    digits = any(char.isdigit() for char in value)
    letters = any(char.isalpha() for char in value)
    if kind == "password":
        return _is_password(value, digits=digits, letters=letters, quoted=quoted, code=code)
    if is_wordy(value) or not (digits and letters) or len(value) < 12:
        return bool(kind == "strong" and len(value) >= 8 and digits and letters and _SYMBOLS.search(value))
    return kind == "strong" or not _UUID.fullmatch(value)


def _is_password(value: str, *, digits: bool, letters: bool, quoted: bool, code: bool) -> bool:
    if not letters:
        return digits and len(value) >= 6
    if is_wordy(value):
        # `hunter2` is a password and `password2`, `row1.value` and `sha256` are not.
        plain = re.fullmatch(r"[A-Za-z]+\d+", value) is not None
        return (
            plain
            and not code
            and not re.match(r"(?i)pass|pwd|pw|secret|sha|md5|utf|arg|value|str|base|test|user", value)
        )
    mixed = value != value.lower() and value != value.upper()
    return digits or bool(_SYMBOLS.search(value)) or (quoted and mixed and len(value) >= 12)


def _value(assigned: re.Match[str]) -> Span:
    """Return where the value stands, without the punctuation that ends a sentence or a bracket."""
    if assigned["quoted"] is not None:
        return Span(*assigned.span("quoted"), "named-secret")
    start, bare = assigned.start("bare"), assigned["bare"]
    return Span(start, start + len(bare.rstrip(".)]}|&")), "named-secret")
