"""Credentials where a protocol or a command line puts them: headers, addresses, options and netrc."""

import re

from andon.guardrails.redact_placeholders import is_placeholder, is_wordy
from andon.guardrails.redact_spans import Span

HINTS = ("authorization", "bearer ", "basic ", "login ", "-u ", "--user", "--proxy-user", "://")
"""Before every credential stands one of these, in lower case."""

_AFTER = {
    "authorization": re.compile(r"[\"']?[ \t]*[:=][ \t]*[\"']?(?:[A-Za-z-]{1,30} )?([A-Za-z0-9._~+/=-]{12,4000}+)"),
    "bearer ": re.compile(r"[ \t]*([A-Za-z0-9._~+/=-]{12,4000}+)"),
    "basic ": re.compile(r"[ \t]*([A-Za-z0-9+/=]{12,4000}+)"),
    "login ": re.compile(r"[ \t]*\S{1,100}\s{1,20}password\s{1,20}(\S{3,200})"),
    "://": re.compile(r"[^\s:/?#\[\]@\"'<>]{0,200}+:([^\s/?#@\"'<>]{3,400}+)@"),
}
_OPTION = re.compile(r"[ =]?[\"']?[\w.@+-]{1,100}+:([^\s\"']{4,200})")
_KINDS = {
    "authorization": "authorization",
    "bearer ": "authorization",
    "basic ": "authorization",
    "://": "address-password",
}


def login(text: str, at: int, hint: str) -> Span | None:
    """Return the credential at `at`, where one of HINTS ended, if one is there."""
    found = _AFTER.get(hint, _OPTION).match(text, at)
    if found is None:
        return None
    kind, value = _KINDS.get(hint, "password"), found[1]
    wordy = is_wordy(value) and (kind == "authorization" or not any(char.isdigit() for char in value))
    if is_placeholder(value[:400]) or wordy or value.isdigit():
        return None
    return Span(*found.span(1), kind)
