"""One line of a file as a model is shown it: on one line, without controls, and not endless."""

from andon.guardrails.output import clean_text

LINE_CHARACTERS = 2_000
"""Longer lines are cut in an answer."""
_WORTH_CUTTING = 60
"""A cut that leaves out fewer characters saves little more than its own marker takes."""


def one_line(line: str) -> str:
    """Return a line by the rules of `clean_text`; a carriage return inside of it, which would break it, as `␍`."""
    return clean_text(line.removesuffix("\r").replace("\r", "␍"))


def cut_line(line: str, most: int = LINE_CHARACTERS) -> str:
    """Return a line in about `most` characters, its middle left out where it is clearly longer."""
    if len(line) <= most + _WORTH_CUTTING:
        return line
    half = most // 2
    return f"{line[:half]}[… {len(line) - 2 * half} characters cut]{line[-half:]}"
