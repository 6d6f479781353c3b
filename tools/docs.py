"""docs_lookup: what the project's own documents say, by an index that is built elsewhere."""

from collections.abc import Callable

from andon.guardrails.output import clean

ANSWER_BYTES = 8_000
"""Most bytes of one answer."""


async def docs_lookup(lookup: Callable[[str], str], query: str) -> str:
    """Return what `lookup` answers, bounded."""
    answer = clean(lookup(query).encode("utf-8", "replace"), cap=ANSWER_BYTES, rest="ask for fewer words").strip("\n")
    return answer or "no document says anything about that"
