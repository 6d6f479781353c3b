"""The last step of the output path: what a tool brings from a repository, a command or a document is untrusted data."""

from andon.guardrails.redact import without_secrets
from andon.records.framed import framed


def wrapped(text: str, origin: str) -> str:
    """Return `text` framed as data from `origin` (`read_file src/a.py`); see `framed`.

    `text` must be without secrets already: one that reaches to its end would take the closing line along.
    """
    return framed(text, without_secrets(origin))
