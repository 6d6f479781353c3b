"""Keep the head and the tail of a stream, count the rest."""


class CappedOutput:
    """At most `cap` bytes of what is added: the first half and the last half of it."""

    def __init__(self, cap: int) -> None:
        self._head_size = cap // 2
        self._tail_size = cap - self._head_size
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0

    def add(self, chunk: bytes) -> None:
        """Take the next bytes of the stream."""
        room = self._head_size - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:]
        # Trimmed in strides: cutting the front off for every chunk would copy the tail every time.
        if len(self._tail) > 2 * self._tail_size + 65536:
            self._trim()

    def result(self) -> tuple[bytes, int]:
        """Return what was kept, and the number of bytes left out of its middle."""
        self._trim()
        return bytes(self._head + self._tail), self._dropped

    def _trim(self) -> None:
        extra = len(self._tail) - self._tail_size
        if extra > 0:
            del self._tail[:extra]
            self._dropped += extra
