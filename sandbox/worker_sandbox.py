"""A sandbox whose worker is asked over one stream: the same on every tier, which only starts and ends it."""

import asyncio
import contextlib
import errno
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox import inside, restoring, worker_code, worker_files, worker_wire
from andon.sandbox.environment import environment
from andon.sandbox.file_tools import not_run
from andon.sandbox.manifest import Manifest
from andon.sandbox.protocol import Entry, Finished
from andon.sandbox.toolchain import Toolchain
from andon.sandbox.walk import ENTRIES_CAP, FILE_CAP, TOTAL_CAP, workspace_too_large

_GRACE = 30.0
"""Seconds the worker may take beyond a command's time limit, and for anything else, until it counts as dead."""
_STOP_LIMIT = 10.0
_FILE_LIMIT = 120.0
_ANSWER_CAP = 80_000_000
"""Bytes of one frame: a file as large as is carried, and a part of a tree before it."""
_HEADER_CAP = 200_000
"""Bytes of the header of an answer: paths and words."""
_PATH_CAP = 16_384
"""Bytes of a path that is asked about; the kernel takes 4096."""

OUTPUT_LIMIT = 2_000_000_000
"""Bytes of output after which a command is ended."""

_REFUSAL: dict[str, type] = {"errno": int, "said": str, "path": str}
_ANSWERS: dict[str, dict[str, type]] = {
    "run": {"exit_code": int, "dropped": int, "why": str, "seconds": float, "memory": bool, "kept": str},
    "resolve": {"path": str},
    "changes": {"last": bool},
}
"""What the header of an answer must hold, by what was asked."""
_ENDS = ("", "time", "output", "stopped")

Take = Callable[[bytes], None]
"""Takes the body of one frame of an answer that comes in several."""


class Line(Protocol):
    """One started worker: its stream, and its end."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def end(self) -> None:
        """End every process inside and remove everything; twice is fine."""
        ...

    async def cause(self) -> RunError | None:
        """Return why the stream ended, as far as the tier can tell."""
        ...

    async def out_of_memory(self) -> bool:
        """Say whether the kernel killed something inside for want of memory since this was last asked."""
        ...


class WorkerSandbox:
    """Implements `Sandbox`. Calls run one after another, so nothing changes the workspace while another looks."""

    def __init__(
        self, line: Line, tier: str, notes: tuple[str, ...], toolchain: Toolchain, limits: Mapping[str, int]
    ) -> None:
        self.tier = tier
        self.notes = notes
        self._line = line
        self._toolchain = toolchain
        self._limits = dict(limits)
        self._manifest = Manifest()
        self._lock = asyncio.Lock()
        self._asked: asyncio.Future[Any] | None = None
        self._lost: RunError | None = None

    async def greet(self, time_limit: float) -> None:
        """Send the worker its code and wait for its first word.

        Raises:
            EOFError: it ended without one.
            RunError: with `no-sandbox` if it is not the first process in there, or takes longer.
        """
        nonce = secrets.token_bytes(worker_wire.NONCE_BYTES)
        try:
            async with asyncio.timeout(time_limit):
                self._line.writer.write(worker_code.feed(nonce))
                frame = await self._receive(nonce, 0)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            raise EOFError from error
        except worker_wire.BrokenFrame as error:
            raise RunError(StopCode.NO_SANDBOX, f"the worker's first words were not understood: {error}") from error
        except TimeoutError as error:
            raise RunError(StopCode.NO_SANDBOX, f"the worker said nothing for {time_limit:.0f} s") from error
        if frame.header.get("pid") != 1:
            raise RunError(StopCode.NO_SANDBOX, "the worker is not process 1: it could not end what a command starts")
        await self._call({"op": "limits", "limits": self._limits}, b"", time_limit)
        await self.fill("/tmp", worker_files.RECORD.pack(worker_files.FOLDER, 4, 0) + b"home")  # noqa: S108 - inside

    async def fill(self, top: str, records: bytes) -> None:
        """Make the files of `records` (see worker_files.RECORD) below `top`.

        Raises:
            RunError: with `policy-refused` if two are in each other's way, `sandbox-full` if there is no room.
        """
        try:
            await self._call({"op": "fill", "top": top}, records, _FILE_LIMIT)
        except FileExistsError as error:
            raise RunError(StopCode.POLICY_REFUSED, f"the base tree holds {error.filename!r} twice") from error
        except OSError as error:
            raise RunError(
                StopCode.SANDBOX_FULL, f"the tree does not fit into the sandbox: {error.strerror} ({error.filename})"
            ) from error

    async def seal(self, manifest: Manifest) -> None:
        """Take what lies in the workspace for the content of `manifest`."""
        await self._call({"op": "seal"}, manifest.told(), _FILE_LIMIT)
        self._manifest = manifest

    async def run(
        self,
        argv: Sequence[str],
        *,
        cwd: str = ".",
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        time_limit: float = 120.0,
        output_cap: int = 200_000,
    ) -> Finished:
        """See `Sandbox.run`."""
        if not argv:
            raise ValueError("argv is empty: there is nothing to run")
        _check_size(output_cap)
        if problem := inside.problem_of([cwd, *argv], env or {}):
            return not_run(problem)
        call = {
            "op": "run", "argv": list(argv), "cwd": inside.absolute(cwd),
            "env": environment(self._toolchain, env or {}),
            "time_limit": time_limit, "output_cap": output_cap, "output_limit": OUTPUT_LIMIT,
        }  # fmt: skip
        facts, output = await self._call(call, stdin, time_limit, stoppable=True)
        killed = await self._line.out_of_memory()
        why = facts["why"]
        if not why and facts["exit_code"] != 0 and (facts["memory"] or killed):
            why = "memory"
        return Finished(facts["exit_code"], output, facts["dropped"], facts["seconds"], why, facts["kept"])

    async def resolve(self, path: str) -> str:
        """See `Sandbox.resolve`."""
        facts, _ = await self._call({"op": "resolve", "path": path}, b"", _FILE_LIMIT)
        return str(facts["path"])

    async def read(self, path: str, *, limit: int) -> bytes:
        """See `Sandbox.read`.

        Raises:
            ValueError: `limit` is more than one answer carries.
        """
        _check_size(limit)
        _, content = await self._call({"op": "read", "path": path, "limit": limit}, b"", _FILE_LIMIT)
        return content

    async def write(self, path: str, content: bytes, *, expected: str = "") -> None:
        """See `Sandbox.write`."""
        await self._call({"op": "write", "path": path, "expected": expected}, content, _FILE_LIMIT)

    async def entries(self) -> list[Entry]:
        """See `Sandbox.entries`.

        Raises:
            RunError: with `policy-refused` if the workspace is too large to be taken.
        """
        call = {
            "op": "changes", "droppings": self._manifest.droppings(), "file_cap": FILE_CAP, "total_cap": TOTAL_CAP,
            "entries_cap": ENTRIES_CAP,
        }  # fmt: skip
        facts, _ = await self._call(call, b"", _FILE_LIMIT, take=self._manifest.update)
        if "too_large" in facts:
            raise workspace_too_large(facts["too_large"])
        if "unreadable" in facts:
            raise self._lose(RunError(StopCode.SANDBOX_LOST, f"the workspace cannot be read: {facts['unreadable']}"))
        return self._manifest.entries()

    async def restore(self, entries: Sequence[Entry | bytes]) -> None:
        """See `Sandbox.restore`."""
        try:
            await self._call({"op": "restore"}, restoring.records(entries), _FILE_LIMIT)
        except OSError as error:
            stop = restoring.failed(error)
            raise stop if stop.code is StopCode.SANDBOX_FULL else self._lose(stop) from error

    async def close(self) -> None:
        """See `Sandbox.close`."""
        self._lost = self._lost or RunError(StopCode.SANDBOX_LOST, "the sandbox is gone: it was closed")
        await asyncio.shield(asyncio.ensure_future(self._line.end()))

    async def _call(
        self,
        header: dict[str, Any],
        body: bytes,
        time_limit: float,
        *,
        stoppable: bool = False,
        take: Take | None = None,
    ) -> tuple[dict[str, Any], bytes]:
        """Ask the worker one thing. Whoever is cancelled leaves only when the worker has nothing of it left to do."""
        path = header.get("path")
        if path is not None and len(path) > _PATH_CAP:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path[:100])
        async with self._lock:
            # Somebody cancelled twice has left before the worker was done.
            if self._asked is not None:
                await asyncio.wait({self._asked})
            self._check_alive()
            nonce = secrets.token_bytes(worker_wire.NONCE_BYTES)
            asked = asyncio.ensure_future(self._exchange(nonce, header, body, time_limit + _GRACE, take))
            self._asked = asked
            try:
                facts, content = await asyncio.shield(asked)
            except asyncio.CancelledError:
                await asyncio.shield(asyncio.ensure_future(self._abandon(asked, nonce if stoppable else b"")))
                raise
        if "errno" in facts:
            raise OSError(facts["errno"], facts["said"], header.get("path", facts["path"]))
        return facts, content

    async def _exchange(
        self, nonce: bytes, header: dict[str, Any], body: bytes, limit: float, take: Take | None
    ) -> tuple[dict[str, Any], bytes]:
        try:
            async with asyncio.timeout(limit):
                self._line.writer.write(worker_wire.pack(nonce, header, body))
                await self._line.writer.drain()
                frame = await self._answer(nonce, header["op"])
                while take is not None:
                    take(frame.body)
                    if frame.header["last"]:
                        break
                    frame = await self._answer(nonce, header["op"])
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            raise await self._died() from error
        except TimeoutError as error:
            raise await self._kill(StopCode.WORKER_SILENT, f"its worker did not answer within {limit:.0f} s") from error
        except worker_wire.BrokenFrame as error:
            raise await self._kill(
                StopCode.WORKER_FORGED, f"what its worker said was not understood: {error}"
            ) from error
        return frame.header, frame.body

    async def _answer(self, nonce: bytes, op: str) -> worker_wire.Frame:
        frame = await self._receive(nonce, _ANSWER_CAP)
        wanted = _REFUSAL if "errno" in frame.header else _ANSWERS.get(op, {})
        for name, kind in wanted.items():
            if type(frame.header.get(name)) is not kind:
                raise worker_wire.BrokenFrame(f"an answer without {name!r}")
        if frame.header.get("why", "") not in _ENDS:
            raise worker_wire.BrokenFrame(f"an unknown end: {frame.header['why']!r}")
        return frame

    async def _receive(self, nonce: bytes, cap: int) -> worker_wire.Frame:
        reader = self._line.reader
        told, head, body = worker_wire.lengths(await reader.readexactly(worker_wire.PREFIX.size))
        if told != nonce or head > _HEADER_CAP or body > cap:
            raise worker_wire.BrokenFrame("a frame that answers nothing that was asked")
        header = worker_wire.header_of(await reader.readexactly(head))
        return worker_wire.Frame(told, header, await reader.readexactly(body))

    async def _abandon(self, asked: asyncio.Future[Any], nonce: bytes) -> None:
        if nonce and not asked.done():
            with contextlib.suppress(ConnectionError):
                self._line.writer.write(worker_wire.pack(nonce, {"op": "stop"}))
        await asyncio.wait({asked}, timeout=_STOP_LIMIT if nonce else _FILE_LIMIT)
        if not asked.done():
            await self._kill(StopCode.WORKER_SILENT, "its worker did not stop a command")
            await asyncio.wait({asked})
        if not asked.cancelled():
            asked.exception()

    async def _died(self) -> RunError:
        if self._lost is not None:
            return self._lost
        found = await self._line.cause()
        await self._line.end()
        return self._lose(found or RunError(StopCode.WORKER_DEAD, "the sandbox is gone: its worker ended"))

    async def _kill(self, code: StopCode, reason: str) -> RunError:
        error = self._lose(RunError(code, f"the sandbox is gone: {reason}"))
        await self._line.end()
        return error

    def _check_alive(self) -> None:
        if self._lost is not None:
            raise RunError(self._lost.code, str(self._lost))

    def _lose(self, error: RunError) -> RunError:
        self._lost = self._lost or error
        return self._lost


def _check_size(wanted: int) -> None:
    # An answer longer than that counts as forged.
    if wanted > _ANSWER_CAP:
        raise ValueError(f"{wanted} bytes in one answer: at most {_ANSWER_CAP} are carried")
