"""The worker: the one process of ours inside a sandbox, process 1 there. It answers frames until its input ends."""

from __future__ import annotations

import errno
import os
import signal
import sys
from typing import Any

from andon.sandbox import worker_files, worker_restore, worker_wire
from andon.sandbox.worker_processes import Command, set_limits
from andon.sandbox.worker_tree import TooLarge, Tree

_IN, _OUT = 0, 1
_SAME = {errno.ELOOP: errno.ENOENT, errno.ENOTDIR: errno.ENOENT, errno.EROFS: errno.EACCES}
"""What callers need not tell apart."""

_PART = 8_000_000


def serve(nonce: bytes) -> None:
    """Say hello under `nonce`, then answer one request after another. A frame that is none ends the process."""
    # Their handlers in Python would let a command's signal interrupt us; without, process 1 gets none from inside.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.umask(0)
    worker = _Worker()
    worker_wire.send(_OUT, worker_wire.pack(nonce, {"pid": os.getpid(), "python": sys.version.split()[0]}))
    while True:
        frame = worker_wire.receive(_IN)
        # A stop can come when what it was to stop has ended.
        if frame.header.get("op") != "stop":
            worker.answer(frame)


class _Worker:
    def __init__(self) -> None:
        self._tree = Tree()
        self._commands = 0
        self._woken, waking = os.pipe()
        os.set_blocking(waking, False)
        os.set_inheritable(waking, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waking, warn_on_full_buffer=False)

    def answer(self, frame: worker_wire.Frame) -> None:
        call = frame.header
        if call["op"] == "changes":
            self._changes(frame)
            return
        try:
            facts, body = self._do(call, frame)
        except OSError as error:
            number = _SAME.get(error.errno or errno.EIO, error.errno or errno.EIO)
            facts, body = {"errno": number, "said": error.strerror or str(error), "path": _path(error)}, b""
        worker_wire.send(_OUT, worker_wire.pack(frame.nonce, facts, body))

    def _do(self, call: dict[str, Any], frame: worker_wire.Frame) -> tuple[dict[str, Any], bytes]:
        op = call["op"]
        if op == "run":
            self._commands += 1
            command = Command(call, frame.body, self._commands)
            return command.run(lambda: _is_stop(frame.nonce), _IN, self._woken)
        if op == "read":
            return {}, worker_files.read(call["path"], call["limit"])
        if op == "write":
            worker_files.write(call["path"], frame.body, call["expected"])
            return {}, b""
        if op == "resolve":
            return {"path": worker_files.resolve(call["path"])}, b""
        if op == "fill":
            worker_files.fill(frame.body, call["top"])
            return {}, b""
        if op == "restore":
            worker_restore.restore(frame.body)
            return {}, b""
        if op == "limits":
            set_limits(call["limits"])
            return {}, b""
        if op == "seal":
            return {"entries": self._tree.seal(frame.body)}, b""
        raise worker_wire.BrokenFrame(f"an unknown request: {op!r}")

    def _changes(self, frame: worker_wire.Frame) -> None:
        """Answer with as many frames as the entries need; the last one says so."""
        call = frame.header
        part = bytearray()
        last: dict[str, Any] = {"last": True}
        try:
            for entry in self._tree.changes(
                call["droppings"], call["file_cap"], call["total_cap"], call["entries_cap"]
            ):
                part += entry
                if len(part) > _PART:
                    worker_wire.send(_OUT, worker_wire.pack(frame.nonce, {"last": False}, bytes(part)))
                    part.clear()
        except TooLarge as error:
            last["too_large"] = str(error)
        except OSError as error:
            last["unreadable"] = f"{_path(error)}: {error.strerror}"
        worker_wire.send(_OUT, worker_wire.pack(frame.nonce, last, bytes(part)))


def _is_stop(nonce: bytes) -> bool:
    frame = worker_wire.receive(_IN)
    if frame.header.get("op") != "stop":
        raise worker_wire.BrokenFrame("a request came while another was being answered")
    return frame.nonce == nonce


def _path(error: OSError) -> str:
    return os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else ""
