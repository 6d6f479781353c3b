"""A terminal for what runs in this process."""

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import TextIO

import pytest
from terminal_kit import Keyboard, size


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Keyboard, TextIO]]:
    """A terminal of 80×24: the person's end, and the end a program reads and writes."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)
    ours, theirs = os.openpty()
    size(theirs, 24, 80)
    person = Keyboard(ours)
    # After a hang-up nothing takes what was still to be written.
    with suppress(OSError), open(theirs, "w", encoding="utf-8", buffering=1) as end:
        yield person, end
    person.hang_up()
