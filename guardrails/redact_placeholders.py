"""What stands where a secret would stand and is none."""

import re

_WORDS = re.compile(
    r"example|sample|placeholder|changeme|change[-_](?:me|this|it)|replace[-_]?(?:me|this|with)|your[-_]|"
    r"your(?:key|token|secret|api|password)|dummy|redacted|insert[-_]|<[^<>]*>|\$\{|\$\(|\{\{|%\(|\.\.\.|…|\*{3}|xxxx|"
    r"process\.env|os\.environ|getenv|secrets\.|not[-_]?(?:a[-_]?)?real|fake[-_]",
    re.IGNORECASE,
)
_WHOLE = re.compile(
    r"\$\w+|%\w+%|\{[^{}]*\}|[A-Z][A-Z_]*|"
    r"(?i:null|none|nil|true|false|undefined|string|str|bytes|password|passwd|pass|pwd|secret|token|user|username|"
    r"postgres|mysql|root|guest|admin|test|foo|bar|baz|foobar|abc123|0?123456789?0?|1234567?|abcdefgh\w{0,18}|"
    r"default|required|optional|hidden|empty|unset|todo|tbd|n/a)"
)
_PART = re.compile(r"(?:[A-Z]?[a-z]*|[A-Z]*)\d{0,2}")
_SEPARATOR = re.compile(r"[_\-./:]+")


def is_placeholder(value: str) -> bool:
    """Say whether `value` only stands for a secret: `<token>`, `${VAR}`, `xxxx`, `changeme`, `AKIA…EXAMPLE`."""
    return bool(_WORDS.search(value) or _WHOLE.fullmatch(value)) or len(set(value)) <= 3


def is_wordy(value: str) -> bool:
    """Say whether `value` is words and small numbers, as names and paths are: `access_token_v2`, `db-prod-1`."""
    return all(_PART.fullmatch(part) for part in _SEPARATOR.split(value))
