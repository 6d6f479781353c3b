"""A terminal that a test types on and reads from, and processes on one."""

import fcntl
import os
import re
import select
import struct
import termios
import time
from collections.abc import Mapping
from pathlib import Path

from andon.guardrails.output import clean_text

SECONDS = 120.0


class Keyboard:
    """The person's end of a terminal."""

    def __init__(self, file: int) -> None:
        self.file = file
        self.raw = b""
        self._seen = 0

    @property
    def text(self) -> str:
        """Everything written so far, without control sequences."""
        return clean_text(self.raw.decode())

    def screen(self) -> list[str]:
        """Return the lines as they stand at the end: a wiped line is gone, colours are left out."""
        lines = self.raw.decode().replace("\r\n", "\n").split("\n")
        return [re.sub("\x1b\\[[0-9;]*m", "", line.rpartition("\r\x1b[K")[2]).rstrip() for line in lines]

    def expect(self, words: str) -> None:
        """Read until `words` have come after those expected before."""
        end = time.monotonic() + SECONDS
        while words not in self.text[self._seen :]:
            assert time.monotonic() < end and self._read(), f"{words!r} did not come:\n{self.text}"
        self._seen = self.text.index(words, self._seen) + len(words)

    def type(self, keys: str) -> None:
        os.write(self.file, keys.encode())

    def hang_up(self) -> None:
        """Close this end; closing it again is fine."""
        if self.file >= 0:
            os.close(self.file)
        self.file = -1

    def answer(self, question: str, keys: str) -> None:
        """Wait for the question, then type the keys and Enter."""
        self.expect(question)
        self.type(keys + "\n")

    def read_all(self) -> None:
        """Read to the end of the output."""
        while self._read():
            pass

    def _read(self) -> bool:
        if not select.select([self.file], [], [], SECONDS)[0]:
            return False
        try:
            data = os.read(self.file, 65_536)
        except OSError:
            return False  # Linux says so where the other end of a terminal is closed
        self.raw += data
        return bool(data)


class Started(Keyboard):
    """A process on a terminal of its own."""

    def __init__(self, command: list[str], cwd: Path, environment: Mapping[str, str]) -> None:
        self._pid, file = os.forkpty()
        if self._pid == 0:
            try:
                os.chdir(cwd)
                os.execve(command[0], command, environment)  # noqa: S606
            finally:
                os._exit(127)
        super().__init__(file)
        size(file, 24, 80)

    def end(self) -> int:
        """Read to the end and return the exit code."""
        self.read_all()
        self.hang_up()
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


def size(file: int, rows: int, columns: int) -> None:
    fcntl.ioctl(file, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
