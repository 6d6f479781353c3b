"""What a model may be called: `openai/NAME` or NAME, and `chat/NAME`; loads no agent SDK."""

from typing import Literal

Wire = Literal["openai", "chat"]

DEFAULT_MODEL = "gpt-5.6-luna"
"""Asked where nobody names a model: what the pinned Agents SDK takes by default."""


def wire_and_name(text: str) -> tuple[Wire, str]:
    """Return the interface a model is asked through, and its name there.

    Raises:
        ValueError: an unknown prefix, no name, or a blank in it; says what may stand there.
    """
    prefix, slash, name = text.partition("/")
    wire: Wire = "chat" if prefix == "chat" else "openai"
    if not slash:
        name = text
    elif prefix not in ("openai", "chat"):
        raise ValueError(
            f"{text!r} begins with {prefix + '/'!r}, which andon does not know: write openai/NAME or just NAME "
            "for OpenAI Responses, chat/NAME for a Chat Completions server"
        )
    if not name or not name.isprintable() or " " in name:
        raise ValueError(f"{text!r} is no model name: write openai/NAME or just NAME, or chat/NAME, without blanks")
    return wire, name
