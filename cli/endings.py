"""How a command ends as a process: signals, and what is printed where nobody may read it."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def catch_signals(handler: Callable[[int, FrameType | None], Any]) -> None:
    """Have Ctrl-C, SIGTERM and a hang-up call `handler`, except where whoever started us had them ignored."""
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def interrupt(number: int, frame: FrameType | None) -> None:
    """Handle a signal as Python handles Ctrl-C.

    Raises:
        KeyboardInterrupt: always.
    """
    raise KeyboardInterrupt


def open_streams() -> None:
    """Make the standard streams safe to print to: open, and able to show every letter somehow.

    Without it the first file a run opens would take the place of a stream that was closed.
    """
    for fd, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(fd, mode, closefd=False))
    for stream in (sys.stdout, sys.stderr):
        # Whoever embeds us may have put something else there.
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")


def print_document(document: "BaseModel") -> None:
    """Print `document` on stdout as UTF-8 in every locale; nothing happens where nobody reads it."""
    print_json(document.model_dump_json(indent=2))


def print_json(text: str) -> None:
    """Print one JSON document as `print_document` does."""
    with suppress(OSError):
        sys.stdout.flush()
        # Bytes: an ASCII stdout would turn other letters into escapes that JSON does not know.
        sys.stdout.buffer.write(f"{text}\n".encode("utf-8", "backslashreplace"))
    flush_streams()


def flush_streams() -> None:
    """Hand over what was printed. What nobody reads is dropped, so that Python does not fail over it at its exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            with suppress(OSError):
                os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
