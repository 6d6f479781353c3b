"""A person confirms at the controlling terminal: what was shown is named by its digest, so Enter is never a yes."""

import termios
from contextlib import ExitStack, suppress
from typing import TextIO

from andon.records.errors import UserError

TYPED = 6
"""How many characters of a digest are typed."""


def terminal(stack: ExitStack) -> tuple[TextIO, TextIO]:
    """Open the terminal itself, so that neither a pipe nor a script's input can answer.

    Raises:
        UserError: there is none.
    """
    try:
        return stack.enter_context(open("/dev/tty")), stack.enter_context(open("/dev/tty", "w"))
    except OSError as error:
        raise UserError("this asks a person and there is no terminal: run it in one") from error


def confirm(name: str, meaning: str, digest: str, terminal_in: TextIO, terminal_out: TextIO) -> None:
    """Ask for the first characters of a digest that was shown; `meaning` says what typing them does.

    Raises:
        UserError: anything else was typed.
    """
    # Keys pressed before the question was on the screen are no answer to it.
    with suppress(termios.error):
        termios.tcflush(terminal_in.fileno(), termios.TCIFLUSH)
    terminal_out.write(f"To {meaning}, type the first {TYPED} characters of the sha256 above: ")
    terminal_out.flush()
    if terminal_in.readline().strip().lower() != digest[:TYPED]:
        raise UserError(f"{name} was not answered: the digest's first {TYPED} characters were not typed")
