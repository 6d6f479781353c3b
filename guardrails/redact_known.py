"""Secret values this process knows, and the forms in which they may turn up."""

import base64
import os
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import quote, quote_plus, unquote, urlsplit

from andon.guardrails.redact_placeholders import is_placeholder

_SECRET_NAME = re.compile(
    r"(?:^|_)(?:API_?KEY|ACCESS_?KEY|SECRET_?KEY|PRIVATE_?KEY|SIGNING_?KEY|AUTH_?KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASS|PWD"
    r"|PASSPHRASE|CREDENTIALS?|PAT)(?:_\d+|_(?:PROD|DEV|TEST|STAGING|CI|VALUE))?$|^(?:OPENAI|ANTHROPIC)_.*KEY",
    re.IGNORECASE,
)
_SHORTEST = 8
_SETTING = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*[=:]\s*(.+?)\s*$")
_TOKEN = re.compile(r"(?=.*[A-Za-z])(?=.*\d)[^\s]{16,}")
_KEY_LINE = re.compile(r"[A-Za-z0-9+/=]{40,}")
_MOST = 200
_learned: dict[str, None] = {}
# A dummy key of a local server, `unused` or `local-model`, is a word that output is full of.
_WORDS = re.compile(r"[a-z]+(?:[-_ ][a-z]+)*|[\d.]+|/.*|[A-Za-z]:\\.*")


def own_values(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the secret values of an environment: of variables named like secrets, and passwords within addresses."""
    found: list[str] = []
    for name, value in environment.items():
        if _SECRET_NAME.search(name):
            found.append(value.strip())
        elif "@" in value and "://" in value:
            found += _password(value)
    return _secrets(found)


def known_values() -> tuple[str, ...]:
    """Return the secret values of this process's environment and those it has learned."""
    return (*own_values(), *_learned)


def learn(values: Iterable[str]) -> None:
    """Count `values` as known to this process from now on, as those of its environment are; 200 at most are kept."""
    for value in _secrets(values):
        if len(_learned) < _MOST:
            _learned.setdefault(value)


def values_in_file(content: bytes) -> list[str]:
    """Return the secret values in a file that holds secrets (`.env`, a private key).

    Those are values of settings named like secrets, passwords within addresses, long tokens, and the lines of a key.
    """
    found: list[str] = []
    for line in content.decode("utf-8", "replace").splitlines():
        if setting := _SETTING.match(line):
            name, value = setting[1], setting[2].strip("\"'")
            found += _password(value)
            if _SECRET_NAME.search(name) or _TOKEN.fullmatch(value):
                found.append(value)
        elif _KEY_LINE.fullmatch(line.strip()):
            found.append(line.strip())
    return found


@lru_cache(maxsize=16)
def value_forms(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return what to look for in unwrapped text: the values themselves and in base64, hex and URL coding, long first.

    Base64 is found at any place within a longer coded text, so also in `user:key` of a Basic header.
    """
    forms = {form for value in values for form in _forms("".join(value.split("\n")))}
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))


def _secrets(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(value for value in values if len(value) >= _SHORTEST and not _is_common(value))


def _forms(value: str) -> Iterable[str]:
    data = value.encode("utf-8", "surrogateescape")
    yield value
    yield from (data.hex(), data.hex().upper())
    coded = quote(value, safe="", errors="replace")
    yield from (coded, coded.replace("%", "%25"), quote_plus(value, errors="replace"), _lower_escapes(coded))
    yield value.encode("unicode_escape").decode().replace('"', '\\"')
    for shift in range(3):
        inner = _inner_base64(data, shift)
        yield from (inner, inner.replace("+", "-").replace("/", "_"))


def _inner_base64(data: bytes, shift: int) -> str:
    """Return the base64 digits that depend on `data` alone when it follows `shift` other bytes of a group of three."""
    coded = base64.b64encode(b"\0" * shift + data).decode().rstrip("=")
    first = (0, 2, 3)[shift]
    return coded[first : (shift + len(data)) * 8 // 6]


def _lower_escapes(coded: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), coded)


def _password(address: str) -> list[str]:
    try:
        password = urlsplit(address).password
    except ValueError:
        return []
    return [password, unquote(password)] if password else []


def _is_common(value: str) -> bool:
    return is_placeholder(value) or bool(_WORDS.fullmatch(value))
