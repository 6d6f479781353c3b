"""stdin and stdout of this process as the protocol's alone.

Threads that nobody waits for read and write, since a read of a pipe cannot be cancelled and a session must end when it
is told to.
"""

import asyncio
import fcntl
import os
import queue
import threading
from collections.abc import AsyncIterator
from contextlib import suppress

_ABOVE_STANDARD = 3
_LAST_WORDS = 1.0
"""Seconds a client gets to read what was still to be sent; some kill a server two seconds after the end."""


class Wire:
    """The two ends towards the client. From `claim` on, the rest of the process reads nothing and prints to stderr."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self._read_fd = read_fd
        self._write_fd = write_fd
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._send, name="wire-out", daemon=True)
        self._writer.start()

    @classmethod
    def claim(cls) -> "Wire":
        """Take over file descriptors 0 and 1, which must be open.

        Raises:
            OSError: one of them is closed.
        """
        read_fd, write_fd = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _ABOVE_STANDARD) for fd in (0, 1))
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        return cls(read_fd, write_fd)

    async def __aiter__(self) -> AsyncIterator[str]:
        """Yield what the client sends, line by line, to its end."""
        loop = asyncio.get_running_loop()
        incoming: asyncio.Queue[bytes | None] = asyncio.Queue()

        def read() -> None:
            # The loop may be closed while the client says nothing.
            with suppress(RuntimeError), open(self._read_fd, "rb", closefd=False) as stream:
                for line in stream:
                    loop.call_soon_threadsafe(incoming.put_nowait, line)
                loop.call_soon_threadsafe(incoming.put_nowait, None)

        threading.Thread(target=read, name="wire-in", daemon=True).start()
        while (line := await incoming.get()) is not None:
            yield line.decode("utf-8", "replace")

    async def write(self, text: str) -> int:
        """Send `text`, without waiting until the client has read it."""
        self._outgoing.put(text.encode("utf-8", "backslashreplace"))
        return len(text)

    async def flush(self) -> None:
        """Everything written is on its way already."""

    def finish(self) -> None:
        """Wait a moment until the client has read everything; nothing can be written afterwards."""
        self._outgoing.put(None)
        self._writer.join(_LAST_WORDS)

    def _send(self) -> None:
        # A client that is gone reads nothing; that it is gone is told by the end of what it sends.
        with suppress(OSError):
            while (data := self._outgoing.get()) is not None:
                while data:
                    data = data[os.write(self._write_fd, data) :]
