"""What a model may be called: `openai/NAME` or NAME, `anthropic/NAME`, `chat/NAME`; loads no agent SDK."""

from typing import Literal, NamedTuple

Wire = Literal["openai", "anthropic", "chat"]

DEFAULT_MODEL = "gpt-5.6-luna"
"""Asked where nobody names a model: what the pinned Agents SDK takes by default."""


class Maker(NamedTuple):
    """Whose server is asked, and what a person sets for it."""

    key: str
    """The variable that holds the key."""
    address: str
    """The variable that names another server of the same interface."""
    host: str
    """The maker's own server."""


OPENAI = Maker("OPENAI_API_KEY", "OPENAI_BASE_URL", "api.openai.com")
ANTHROPIC = Maker("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "api.anthropic.com")


def wire_and_name(text: str) -> tuple[Wire, str]:
    """Return the interface a model is asked through, and its name there.

    Raises:
        ValueError: an unknown prefix, no name, or a blank in it; says what may stand there.
    """
    prefix, slash, name = text.partition("/")
    wire: Wire = "openai"
    if not slash:
        name = text
    elif prefix == "anthropic":
        wire = "anthropic"
    elif prefix == "chat":
        wire = "chat"
    elif prefix != "openai":
        raise ValueError(
            f"{text!r} begins with {prefix + '/'!r}, which andon does not know: write openai/NAME or just NAME "
            "for OpenAI Responses, anthropic/NAME for Anthropic, chat/NAME for a Chat Completions server"
        )
    if not name or not name.isprintable() or " " in name:
        raise ValueError(
            f"{text!r} is no model name: write openai/NAME or just NAME, anthropic/NAME or chat/NAME, without blanks"
        )
    return wire, name


def maker_of(text: str) -> Maker:
    """Return whose server is asked for the model of that name.

    Raises:
        ValueError: as `wire_and_name`.
    """
    return ANTHROPIC if wire_and_name(text)[0] == "anthropic" else OPENAI
