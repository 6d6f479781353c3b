"""What was taken from the checks of a project."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["removed", "skipped", "renamed", "loosened", "unreadable"]


@dataclass(frozen=True)
class Weakening:
    """One check that holds less than it did.

    `test` is the part of the test's id after the path (`TestA::test_x`), or empty for a whole file; `detail` is one
    sentence for model and person: what is weaker, and what would be right.
    """

    kind: Kind
    path: str
    test: str
    detail: str
