"""The one line at the bottom of a terminal that is written over again and again, and leaves nothing behind."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.text import Text

from andon.cli.printing import MUTED

_WIPE = "\r\x1b[K"
_SECONDS = 1.0
_LEAST_SECONDS = 0.1


class StatusLine:
    """Writes what `words` returns below everything else, once a second, until the context ends.

    The cursor stays visible: a process that is killed or stopped here leaves a usable terminal.
    """

    def __init__(self, console: Console, words: Callable[[], str]) -> None:
        self._console = console
        self._words = words
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._shown = False
        self._drawn = 0.0
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self.hide()

    def show(self) -> None:
        """Write the line from now on."""
        with self._lock:
            self._shown = True
            self._draw()

    def hide(self) -> None:
        """Wipe the line and leave the place to others."""
        with self._lock:
            self._wipe()
            self._shown = False

    def refresh(self) -> None:
        """Write the line again if it was not written just now."""
        with self._lock:
            if time.monotonic() - self._drawn >= _LEAST_SECONDS:
                self._draw()

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """Wipe the line while the block prints, and write it again below."""
        with self._lock:
            self._wipe()
            yield
            self._draw()

    def _tick(self) -> None:
        while not self._over.wait(_SECONDS):
            with self._lock:
                self._draw()

    def _wipe(self) -> None:
        if self._shown:
            self._console.file.write(_WIPE)
            self._console.file.flush()

    def _draw(self) -> None:
        if not self._shown:
            return
        # Some terminals wrap as soon as the last column is written.
        line = Text(self._words(), style=MUTED)
        line.truncate(max(1, self._console.width - 1))
        self._console.file.write(_WIPE)
        self._console.print(line, end="")
        self._console.file.flush()
        self._drawn = time.monotonic()
