"""How the engine writes to its database: JSON, never pickle, which would run what somebody else stored."""

import json
from typing import Any

from andon.guardrails.redact import without_secrets

_ERROR = "!error"


class JournalJson:
    """JSON text, in the shape of a serializer of DBOS."""

    def name(self) -> str:
        """Return what stands beside every value that is written so."""
        return "andon_json"

    def serialize(self, data: Any) -> str:
        """Return `data` as JSON; an error as its kind and message, without secrets.

        Raises:
            TypeError: it is neither JSON nor an error.
        """
        return json.dumps(data, separators=(",", ":"), default=_of_error)

    def deserialize(self, serialized_data: str) -> Any:
        """Return what was written; an error as a `RuntimeError` that says what it was.

        Raises:
            ValueError: it is no JSON.
        """
        value = json.loads(serialized_data)
        if isinstance(value, dict) and value.keys() == {_ERROR}:
            return RuntimeError(value[_ERROR])
        return value


def _of_error(value: Any) -> dict[str, str]:
    if isinstance(value, BaseException):
        return {_ERROR: without_secrets(f"{type(value).__name__}: {value}")}
    raise TypeError(f"{type(value).__name__} is not JSON")
