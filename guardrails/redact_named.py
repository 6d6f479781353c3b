"""Secrets that show by the name beside them: assignments, headers, options, passwords within addresses."""

import re
from collections.abc import Iterator

from andon.guardrails.redact_placeholders import is_placeholder, is_wordy
from andon.guardrails.redact_spans import Span

_NAME = re.compile(
    r"(?P<password>pass(?:word|wd|phrase|code)|pwd|(?<=[_\-\"'])pass)"
    r"|(?P<strong>secret|(?:api|access|auth|private|client|signing|encryption|account|service|master|shared|storage)"
    r"[-_ ]?key|auth[-_]?token|access[-_]?token|(?<=[\"'_])auth(?=[\"' =:]))"
    r"|token|credential"
)
"""Over lower-cased text. `password`: whatever is not plainly a word counts; `strong`: ids and hashes count too."""
_NO_SECRET_BEFORE = re.compile(
    r"(?:next|page|continuation|sync|cursor|public|primary|foreign|sort|partition|cancellation|cancel|stop|pad|eos|bos|"
    r"unk|mask|sep|cls|num|max|min|total|prompt|completion|input|output|count|no)[-_]?$"
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
_SYMBOLS = re.compile(r"[!@#$%^&*+=?~]")

_HEADERS = re.compile(
    r"\b(?:bearer|basic|digest|negotiate|(?<=authorization: )\w+)[ \t]+([A-Za-z0-9._~+/=-]{12,4000}+)", re.IGNORECASE
)
_ADDRESS = re.compile(r"://[^\s:/?#\[\]@\"'<>]{0,200}:([^\s/?#@\"'<>]{1,400}+)@")
_LOGIN = re.compile(
    r"(?:\s(?:-u|--user|--proxy-user)[ =]?[\"']?[\w.@+-]{1,100}:([^\s\"']{4,200})"
    r"|\blogin\s+\S{1,100}\s+password\s+(\S{3,200}))"
)


def named_values(text: str) -> Iterator[Span]:
    """Yield the secrets of `text` that are named as such; placeholders, code and names of other things are none."""
    lowered = _lowered(text)
    for name in _NAME.finditer(lowered):
        assigned = _ASSIGNED.match(text, name.end())
        if assigned is not None and _says_secret(text, lowered, name, assigned):
            yield _trimmed(text, assigned)
    if "://" in text and "@" in text:
        yield from _found(text, _ADDRESS, "address-password", least=3)
    if "earer " in lowered or "asic " in lowered or "authorization" in lowered:
        yield from _found(text, _HEADERS, "authorization", least=12)
    if " -u" in text or "--user" in text or "--proxy-user" in text or "login " in text:
        yield from _found(text, _LOGIN, "password", least=3)


def _lowered(text: str) -> str:
    """Return `text` in lower case, of the same length: one letter of Unicode grows when lowered."""
    return text.lower() if text.isascii() else text.replace("\u0130", "I").lower()


def _says_secret(text: str, lowered: str, name: re.Match[str], assigned: re.Match[str]) -> bool:
    suffix, op = assigned["suffix"], assigned["op"]
    if suffix[:1].islower() and suffix.lower() not in _SAME_WORD:
        return False
    if _NO_SECRET_AFTER.search(suffix.lower()) or _NO_SECRET_BEFORE.search(
        lowered, max(name.start() - 20, 0), name.start()
    ):
        return False
    if op in ("(", ",") and not assigned["quote"]:
        return False
    if op == "" and not _is_option(text, name.start()):
        return False
    value = assigned["quoted"] or _bare(assigned["bare"])
    kind = "password" if name["password"] else "strong" if name["strong"] else "weak"
    return _is_secret(
        value, kind, quoted=assigned["quoted"] is not None, code=" = " in assigned[0] and not assigned["quote"]
    )


def _is_option(text: str, start: int) -> bool:
    """Say whether the name is that of an option whose value follows after a space: `--db-password VALUE`."""
    words = text[max(start - 40, 0) : start]
    return words[max(words.rfind(" "), words.rfind("\n")) + 1 :].startswith("--")


def _bare(value: str) -> str:
    return value.rstrip(".)]}|&")


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


def _trimmed(text: str, assigned: re.Match[str]) -> Span:
    start, end = assigned.span("quoted" if assigned["quoted"] is not None else "bare")
    value = text[start:end]
    return Span(start, start + len(value if assigned["quoted"] is not None else _bare(value)), "named-secret")


def _found(text: str, pattern: re.Pattern[str], kind: str, *, least: int) -> Iterator[Span]:
    for found in pattern.finditer(text):
        group = found.lastindex or 0
        value = found[group]
        wordy = is_wordy(value) and (kind != "address-password" or not any(char.isdigit() for char in value))
        if len(value) >= least and not is_placeholder(value) and not wordy and not value.isdigit():
            yield Span(*found.span(group), kind)
