"""What a person is shown before answering a client's question: made from facts, without control characters, secrets."""

from collections.abc import Awaitable, Callable

from andon.guardrails.call_facts import call_facts
from andon.guardrails.output import clean, clean_text
from andon.guardrails.paths import is_hidden
from andon.guardrails.redact import without_secrets
from andon.records.calls import Decision, ToolCall

ReadFile = Callable[[str], Awaitable[bytes]]
"""Reads a file of the workspace; raises `OSError` where there is none to read."""

_MESSAGE = 6_000


def question_of(call: ToolCall, decision: Decision) -> str:
    """Return what is asked about `call` in one line, the only one that is ours alone."""
    who = "the MCP client" if call.role == "client" else f"the {call.role}"
    line = f"May {who} call {call.tool}? The rule {decision.rule} asks: {decision.reason}"
    return " ".join(plain_text(line).split())


async def shown_call(call: ToolCall, decision: Decision, read: ReadFile) -> str:
    """Return the call and, where it writes a file, what it changes there as a diff.

    Every line begins with `  | `, so that no word of the call can pass for the question.
    """
    path = call.arguments.get("path")
    before: str | None = None
    # A file that may hold secrets is shown to nobody; what is written over it is.
    if isinstance(path, str) and not is_hidden(path):
        try:
            before = (await read(path)).decode()
        except (OSError, UnicodeDecodeError):
            before = None
    return _quoted(call_facts(call, decision, before))


def shown_effect(facts: str) -> str:
    """Return the facts of a changed file, every line quoted as in `shown_call`."""
    return _quoted(facts)


def message_of(question: str, shown: str, approval_id: str) -> str:
    """Return both as one text for a client's form, cut where it is long; the cut says where the rest is."""
    rest = f"`andon approve {approval_id}` shows all of it"
    return f"{question}\n\n{clean(shown.encode(), cap=_MESSAGE, rest=rest)}"


def plain_text(text: str) -> str:
    """Return `text` as it may be shown and stored: readable characters only, no secrets."""
    return without_secrets(clean_text(text.encode("utf-8", "backslashreplace").decode()))


def _quoted(text: str) -> str:
    return "\n".join(f"  | {line}" for line in plain_text(text).rstrip("\n").split("\n"))
