"""Calls that carry a credential: nothing with one in it is written, committed, looked up or run."""

from collections.abc import Iterator
from typing import Any

from andon.guardrails.redact import redact
from andon.guardrails.refusal import Refused

_BY_NAME = "named-secret"
"""Found by the name beside it alone; tests are full of those, so it is no reason to stop a call."""


def check_credentials(arguments: dict[str, Any]) -> None:
    """Refuse a call whose text holds a key, a token, or a value this process knows to be secret.

    Raises:
        Refused: it does.
    """
    text = "\n".join(_texts(arguments))
    kinds = sorted(set(redact(text).found) - {_BY_NAME})
    if kinds:
        raise Refused(
            "credential", f"the call holds a credential ({', '.join(kinds)}); use a placeholder such as EXAMPLE"
        )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            # What is replaced stands in the file already.
            if key != "old":
                yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
