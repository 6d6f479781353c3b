"""What stands where a secret would stand and is none."""

import re

_WORDS = (
    "example", "sample", "placeholder", "changeme", "change-me", "change_me", "change_this", "change-this", "changeit",
    "replaceme", "replace_me", "replace-me", "replace_with", "replace-with", "your-", "your_", "yourkey", "yourtoken",
    "yoursecret", "yourapi", "yourpassword", "dummy", "redacted", "insert-", "insert_", "${", "$(", "{{", "%(", "...",
    "…", "***", "xxxx", "process.env", "os.environ", "getenv", "secrets.", "notreal", "not-real", "not_real", "fake-",
    "fake_",
)  # fmt: skip
_ANGLES = re.compile(r"<[^<>]*>")
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
    return holds_placeholder(value) or _WHOLE.fullmatch(value) is not None


def holds_placeholder(value: str) -> bool:
    """Say the same of what has the shape of a token, so is no plain word."""
    lowered = value.lower()
    return any(word in lowered for word in _WORDS) or _ANGLES.search(value) is not None or len(set(value)) <= 3


def is_wordy(value: str) -> bool:
    """Say whether `value` is words and small numbers, as names and paths are: `access_token_v2`, `db-prod-1`."""
    return all(_PART.fullmatch(part) for part in _SEPARATOR.split(value))
