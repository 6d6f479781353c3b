"""What a sandbox with a worker bears: sizes, odd words, and callers who leave at any moment."""

import asyncio
import tracemalloc

import pytest
from sandbox_kit import alive, appears, sh

from andon.records.errors import RunError
from andon.sandbox.protocol import Finished, Sandbox


async def test_fifty_megabytes_of_output_cost_no_more_than_what_is_kept_of_them(sandbox: Sandbox) -> None:
    await sandbox.run(["true"])
    tracemalloc.start()
    try:
        done = await sandbox.run(["sh", "-c", "yes | head -c 50000000"], output_cap=200_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (done.exit_code, len(done.output), done.dropped) == (0, 200_000, 49_800_000)
    assert peak < 2_000_000
    assert (await sandbox.run(["stat", "-c", "%s", done.kept])).output == b"20000000\n"


async def test_output_below_its_cap_is_kept_whole_and_nowhere_else(sandbox: Sandbox) -> None:
    done = await sandbox.run(["seq", "1", "100000"], output_cap=1_000_000)
    assert (len(done.output), done.dropped, done.kept) == (588_895, 0, "")


async def test_ten_megabytes_of_input_go_through(sandbox: Sandbox) -> None:
    data = bytes(range(256)) * 40_000
    done = await sandbox.run(["cat"], stdin=data, output_cap=len(data))
    assert (done.exit_code, done.output == data, done.dropped) == (0, True, 0)
    counted = await sandbox.run(["sh", "-c", "head -c 10 >/dev/null; wc -c"], stdin=data[:1_000_000])
    assert counted.exit_code == 0


async def test_words_and_variables_arrive_byte_for_byte(sandbox: Sandbox) -> None:
    odd = ["", " ", "\n", "'\"$(id)`id`\\", "-n", "--", "caf\udce9", "\u202e\U0001f600", "a" * 100_000, "\x01\x7f"]
    echo = "import os, sys; os.write(1, b'\\0'.join(map(os.fsencode, sys.argv[1:])))"
    done = await sandbox.run(["python3", "-c", echo, *odd])
    assert done.output == b"\0".join(word.encode("utf-8", "surrogateescape") for word in odd)[:200_000]
    variables = {"A_1": "caf\udce9\n", "_": "", "B": "=x="}
    done = await sandbox.run(["env", "-0"], env=variables)
    told = dict(line.split(b"=", 1) for line in done.output.split(b"\0") if line)
    assert {name: told[name.encode()] for name in ("A_1", "B")} == {"A_1": b"caf\xe9\n", "B": b"=x="}


async def test_exit_codes_are_the_commands_own(sandbox: Sandbox) -> None:
    expected = {f"exit {code}": code for code in (0, 1, 77, 124, 125, 126, 127, 128, 200, 255)}
    expected |= {f"kill -{number} $$": 128 + number for number in (1, 6, 9, 11, 15, 31)}
    for script, code in expected.items():
        done = await sandbox.run(["sh", "-c", script])
        assert done == Finished(code, b"", 0, done.seconds), script


async def test_a_command_cancelled_at_any_moment_leaves_a_sandbox_that_works(sandbox: Sandbox, nap: str) -> None:
    for turns in (0, 1, 2, 3, 5, 8, 13, 40, 120):
        task = asyncio.create_task(sandbox.run(["sh", "-c", f"setsid sleep {nap} & sleep {nap}"]))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ((await sandbox.run(["echo", "fine"])).output, alive(nap)) == (b"fine\n", [])


async def test_a_command_cancelled_twice_leaves_a_sandbox_that_works(sandbox: Sandbox, nap: str) -> None:
    task = asyncio.create_task(sandbox.run(["sleep", nap]))
    await appears(nap)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ((await sandbox.run(["echo", "fine"])).output, alive(nap)) == (b"fine\n", [])


async def test_reads_writes_and_entries_cancelled_at_any_moment_leave_a_sandbox_that_works(sandbox: Sandbox) -> None:
    await sandbox.write("big", b"x" * 5_000_000)
    for turns in (0, 1, 2, 3, 5, 8, 13, 40):
        for call in (
            sandbox.read("big", limit=5_000_000), sandbox.write("other", b"y" * 5_000_000), sandbox.entries(),
            sandbox.resolve("big"),
        ):  # fmt: skip
            task = asyncio.ensure_future(call)
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    assert await sandbox.read("big", limit=3) == b"xxx"
    found = {entry.path: entry.content for entry in await sandbox.entries()}
    assert (found[b"big"], found.get(b"other")) == (b"x" * 5_000_000, b"y" * 5_000_000)


async def test_closing_while_calls_wait_ends_each_of_them(sandbox: Sandbox, nap: str) -> None:
    running = asyncio.create_task(sandbox.run(["sleep", nap]))
    await appears(nap)
    waiting = [asyncio.ensure_future(call) for call in (sandbox.run(["true"]), sandbox.read("x", limit=1))]
    await asyncio.gather(sandbox.close(), sandbox.close())
    for ended in await asyncio.gather(running, *waiting, return_exceptions=True):
        assert isinstance(ended, RunError) and "it was closed" in str(ended)
    assert alive(nap) == []


async def test_calls_at_once_are_answered_one_after_another(sandbox: Sandbox) -> None:
    answers = await asyncio.gather(
        *(sh(sandbox, f"echo {number} >> order; wc -l < order") for number in range(10)),
        *(sandbox.write(f"w{number}", b"x") for number in range(10)),
        sandbox.entries(),
    )
    assert list(answers[:10]) == [(0, f"{number + 1}\n") for number in range(10)]
    assert len([entry for entry in await sandbox.entries() if entry.path.startswith(b"w")]) == 10
