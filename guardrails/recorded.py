"""What the event stream keeps of a call, so that another policy can judge it later."""

import json
from collections.abc import Mapping
from typing import Any

from andon.guardrails.arguments import ARGUMENTS
from andon.guardrails.redact import redacted_values

_CHARACTERS = 4000


def judged_arguments(tool: str, arguments: Any) -> dict[str, Any] | None:
    """Return the arguments a verdict depends on, secrets taken out; None where they are too long or of no curated tool.

    What is written into files is left out: verdicts are about where.
    """
    if tool not in ARGUMENTS or not isinstance(arguments, Mapping):
        return None
    kept = dict(arguments)
    if isinstance(kept.get("content"), str):
        kept["content"] = ""
    if isinstance(kept.get("edits"), list):
        kept["edits"] = [{"old": "…", "new": "…"}]
    try:
        if len(json.dumps(kept)) > _CHARACTERS:
            return None
    except (TypeError, ValueError, RecursionError):
        return None
    clean: dict[str, Any] = redacted_values(kept)
    return clean
