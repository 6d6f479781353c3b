"""The host's side of a worker's stream, with a worker that says whatever a test wants."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from andon.records.errors import RunError
from andon.records.stops import MEANINGS, StopCode
from andon.sandbox import worker_wire
from andon.sandbox.protocol import Finished
from andon.sandbox.toolchain import Toolchain
from andon.sandbox.worker_sandbox import WorkerSandbox

Answer = Callable[[worker_wire.Frame], bytes | None]

RAN = {"exit_code": 0, "dropped": 0, "why": "", "seconds": 0.5, "memory": False, "kept": ""}


class FakeLine:
    """One end of a pair of sockets; the test holds the other one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.ended = 0

    async def end(self) -> None:
        self.ended += 1
        self.writer.close()

    async def cause(self) -> RunError | None:
        return None

    async def out_of_memory(self) -> bool:
        return False


@dataclass
class Pair:
    """A sandbox, and the worker's end of its stream."""

    sandbox: WorkerSandbox
    line: FakeLine
    theirs: socket.socket

    async def asked(self) -> worker_wire.Frame:
        """Take the next request."""
        return await asyncio.to_thread(worker_wire.receive, self.theirs.fileno())

    async def answers(self, call: Awaitable[object], *answers: Answer) -> object:
        """Let a call be answered by what each of `answers` makes of a request; None closes the stream."""
        running = asyncio.ensure_future(call)
        for answer in answers:
            said = answer(await self.asked())
            if said is None:
                self.theirs.shutdown(socket.SHUT_RDWR)
            else:
                await asyncio.to_thread(self.theirs.sendall, said)
        [result] = await asyncio.gather(running, return_exceptions=True)
        return result


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    ours, theirs = socket.socketpair()
    line = FakeLine(*await asyncio.open_connection(sock=ours, limit=1 << 20))
    with theirs:
        yield Pair(WorkerSandbox(line, "fake", (), Toolchain.system(), {}), line, theirs)
        line.writer.close()


def right(frame: worker_wire.Frame) -> bytes:
    return worker_wire.pack(frame.nonce, RAN, b"out")


def prefix(nonce: bytes, head: int, body: int) -> bytes:
    return struct.pack(">16sIQ", nonce, head, body)


def with_header(raw: bytes) -> Answer:
    return lambda frame: prefix(frame.nonce, len(raw), 0) + raw


FORGED: dict[str, Answer] = {
    "another nonce": lambda frame: worker_wire.pack(bytes(16), RAN),
    "a header longer than any": lambda frame: prefix(frame.nonce, 0xFFFF_FFFF, 0),
    "a header longer than an answer's": lambda frame: prefix(frame.nonce, 15_000_000, 0),
    "a body longer than any": lambda frame: prefix(frame.nonce, 2, 1 << 60),
    "a body longer than a file that is carried": lambda frame: prefix(frame.nonce, 2, 90_000_000),
    "no JSON": with_header(b"{exit_code: 0}"),
    "no ASCII": with_header(b'{"\xff": 0}'),
    "no object": with_header(b"[]"),
    "endless nesting": with_header(b"[" * 150_000),
    "an endless number": with_header(b'{"exit_code": ' + b"9" * 100_000 + b"}"),
    "an empty object": with_header(b"{}"),
    "text where a number must be": lambda frame: worker_wire.pack(frame.nonce, RAN | {"exit_code": "0"}),
    "a number where text must be": lambda frame: worker_wire.pack(frame.nonce, RAN | {"kept": 0}),
    "an end there is none of": lambda frame: worker_wire.pack(frame.nonce, RAN | {"why": "fine"}),
    "an error without words": lambda frame: worker_wire.pack(frame.nonce, {"errno": 2}),
    "an error that is no number": lambda frame: worker_wire.pack(frame.nonce, {"errno": [], "said": "", "path": ""}),
    "noise": lambda frame: b"no frame at all, only words of some command " * 3,
}


async def lost_for_good(pair: Pair, code: StopCode) -> None:
    for call in (
        pair.sandbox.run(["true"]), pair.sandbox.read("x", limit=1), pair.sandbox.write("x", b""),
        pair.sandbox.resolve("x"), pair.sandbox.entries(),
    ):  # fmt: skip
        with pytest.raises(RunError, match="the sandbox is gone: ") as caught:
            await call
        assert caught.value.code is code
    assert pair.line.ended == 1
    assert (MEANINGS[code].exit_code, MEANINGS[code].status) == (50, "stopped")


@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_answer_ends_the_sandbox(pair: Pair, name: str) -> None:
    result = await pair.answers(pair.sandbox.run(["true"]), FORGED[name])
    assert isinstance(result, RunError) and result.code is StopCode.WORKER_FORGED
    await lost_for_good(pair, StopCode.WORKER_FORGED)


async def test_a_frame_nobody_asked_for_is_never_taken_for_an_answer(pair: Pair) -> None:
    twice = await pair.answers(pair.sandbox.run(["true"]), lambda frame: right(frame) * 2)
    assert twice == Finished(0, b"out", 0, 0.5)
    result = await pair.answers(pair.sandbox.read("x", limit=1))
    assert isinstance(result, RunError) and result.code is StopCode.WORKER_FORGED
    await lost_for_good(pair, StopCode.WORKER_FORGED)


@pytest.mark.parametrize(
    "told",
    [
        b"x", b"f" + bytes(10), struct.pack(">cHQ", b"f", 1, 9) + b"pshort", struct.pack(">cHQ", b"?", 1, 0) + b"p",
        struct.pack(">cHQ", b"f", 0xFFFF, 1 << 62), struct.pack(">cHQ", b"f", 2, 1) + b"p",
    ],
)  # fmt: skip
async def test_entries_that_are_none_end_the_sandbox(pair: Pair, told: bytes) -> None:
    result = await pair.answers(
        pair.sandbox.entries(), lambda frame: worker_wire.pack(frame.nonce, {"last": True}, told)
    )
    assert isinstance(result, RunError) and result.code is StopCode.WORKER_FORGED
    await lost_for_good(pair, StopCode.WORKER_FORGED)


@pytest.mark.parametrize("cut", [0, 10, 28, 40, -1])
async def test_an_answer_that_is_cut_off_is_a_dead_worker(pair: Pair, cut: int) -> None:
    running = asyncio.ensure_future(pair.sandbox.run(["true"]))
    pair.theirs.sendall(right(await pair.asked())[:cut])
    pair.theirs.shutdown(socket.SHUT_RDWR)
    with pytest.raises(RunError, match="its worker ended") as caught:
        await running
    assert caught.value.code is StopCode.WORKER_DEAD
    await lost_for_good(pair, StopCode.WORKER_DEAD)


async def test_silence_is_a_worker_that_does_not_answer(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("andon.sandbox.worker_sandbox._GRACE", 0.1)
    with pytest.raises(RunError, match="did not answer within") as caught:
        await pair.sandbox.run(["true"], time_limit=0.1)
    assert caught.value.code is StopCode.WORKER_SILENT
    await lost_for_good(pair, StopCode.WORKER_SILENT)


async def test_a_worker_that_does_not_stop_a_command_is_left(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("andon.sandbox.worker_sandbox._STOP_LIMIT", 0.1)
    running = asyncio.ensure_future(pair.sandbox.run(["true"]))
    nonce = (await pair.asked()).nonce
    running.cancel()
    assert await pair.asked() == worker_wire.Frame(nonce, {"op": "stop"}, b"")
    with pytest.raises(asyncio.CancelledError):
        await running
    await lost_for_good(pair, StopCode.WORKER_SILENT)


async def test_whoever_is_cancelled_twice_leaves_no_half_answer_to_the_next(pair: Pair) -> None:
    running = asyncio.ensure_future(pair.sandbox.run(["true"]))
    first = await pair.asked()
    running.cancel()
    assert (await pair.asked()).header == {"op": "stop"}
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    following = asyncio.ensure_future(pair.sandbox.run(["false"]))
    pair.theirs.sendall(right(first))
    second = await pair.asked()
    assert second.header["argv"] == ["false"]
    pair.theirs.sendall(worker_wire.pack(second.nonce, RAN | {"exit_code": 1}))
    assert (await following).exit_code == 1


async def test_a_call_cancelled_while_it_waits_for_its_turn_was_never_asked(pair: Pair) -> None:
    first, second = (asyncio.ensure_future(pair.sandbox.run([name])) for name in ("first", "second"))
    asked = await pair.asked()
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    pair.theirs.sendall(right(asked))
    assert (await first).output == b"out"
    assert await pair.answers(pair.sandbox.run(["third"]), right) == await first


async def test_a_path_no_kernel_takes_is_not_asked_about(pair: Pair) -> None:
    with pytest.raises(OSError, match="File name too long"):
        await pair.sandbox.read("x" * 20_000, limit=1)
    with pytest.raises(OSError, match="File name too long"):
        await pair.sandbox.write("x/" * 10_000, b"")


async def test_more_than_one_answer_carries_is_a_mistake_of_the_caller(pair: Pair) -> None:
    for call in (pair.sandbox.read("x", limit=90_000_000), pair.sandbox.run(["true"], output_cap=90_000_000)):
        with pytest.raises(ValueError, match="at most 80000000 are carried"):
            await call


@pytest.mark.parametrize(
    ("first_word", "says"),
    [({"pid": 7, "python": "3"}, "not process 1"), ({"pid": "1"}, "not process 1"), ({}, "not process 1")],
)
async def test_a_worker_that_is_not_the_first_process_is_refused(
    pair: Pair, first_word: dict[str, object], says: str
) -> None:
    greeting = asyncio.ensure_future(pair.sandbox.greet(5))
    nonce = await asyncio.to_thread(pair.theirs.recv, 16, socket.MSG_WAITALL)
    pair.theirs.sendall(worker_wire.pack(nonce, first_word))
    with pytest.raises(RunError, match=says) as caught:
        await greeting
    assert caught.value.code is StopCode.NO_SANDBOX


async def test_a_first_word_that_is_no_frame_is_no_sandbox(pair: Pair) -> None:
    greeting = asyncio.ensure_future(pair.sandbox.greet(5))
    pair.theirs.sendall(b"sh: 1: cannot open shared object file: no such file or directory\n")
    with pytest.raises(RunError, match="first words were not understood") as caught:
        await greeting
    assert caught.value.code is StopCode.NO_SANDBOX


async def test_no_two_calls_have_one_nonce(pair: Pair) -> None:
    seen: list[bytes] = []

    def remember(frame: worker_wire.Frame) -> bytes:
        seen.append(frame.nonce)
        return right(frame)

    for _ in range(20):
        await pair.answers(pair.sandbox.run(["true"]), remember)
    assert len(set(seen)) == 20
