"""Commands: return code first, both ends of the output, limits said."""

import re
from collections.abc import Awaitable, Callable

import pytest

from andon.sandbox.protocol import Sandbox
from andon.tools.commands import run_command, run_git
from andon.tools.docs import docs_lookup

Start = Callable[[dict[str, str | bytes]], Awaitable[Sandbox]]


async def test_the_return_code_comes_first(start: Start) -> None:
    sandbox = await start({"a.txt": "one\n"})
    assert await run_command(sandbox, "cat a.txt; echo two >&2; exit 3", seconds=30) == "exit code 3\none\ntwo"
    assert await run_command(sandbox, "true", seconds=30) == "exit code 0 (no output)"


async def test_commands_get_bash_but_no_input_and_no_colours(start: Start) -> None:
    sandbox = await start({"a.txt": ""})
    assert (
        await run_command(sandbox, '[[ a == a ]] && cat && echo "$TERM $NO_COLOR"', seconds=30) == "exit code 0\ndumb 1"
    )
    assert await run_command(sandbox, "printf '\\033[31mred\\033[0m\\n'", seconds=30) == "exit code 0\nred"


async def test_what_a_command_leaves_in_its_scratch_space_is_there_for_the_next(start: Start) -> None:
    sandbox = await start({"a.txt": ""})
    await run_command(sandbox, "echo kept > /tmp/notes", seconds=30)
    assert await run_command(sandbox, "cat /tmp/notes", seconds=30) == "exit code 0\nkept"


async def test_long_output_is_cut_in_the_middle_with_a_way_to_read_it(start: Start) -> None:
    sandbox = await start({"a.txt": ""})
    text = await run_command(sandbox, "seq 1 100000", seconds=30)
    assert text.startswith("exit code 0\n1\n2\n")
    assert text.endswith("\n99999\n100000")
    kept = re.search(r"bytes cut here; it is whole in (/tmp/\S+): print parts with sed -n\]", text)
    assert kept is not None
    middle = await run_command(sandbox, f"sed -n 50000,50001p {kept[1]}", seconds=30)
    assert middle == "exit code 0\n50000\n50001"
    assert len(text) < 11_000


async def test_a_time_limit_is_said(start: Start) -> None:
    sandbox = await start({"a.txt": ""})
    text = await run_command(sandbox, "echo begun; while :; do :; done", seconds=0.5)
    assert text == "exit code 124 (stopped at the limit of 0.5 s; all its processes are gone)\nbegun"


async def test_scratch_space_lasts_from_call_to_call(start: Start) -> None:
    sandbox = await start({"a.txt": ""})
    await run_command(sandbox, "seq 1 9 > /tmp/out", seconds=30)
    assert await run_command(sandbox, "sed -n 3,4p /tmp/out", seconds=30) == "exit code 0\n3\n4"


async def test_git_works_in_the_workspace(start: Start) -> None:
    sandbox = await start({"a.txt": "one\n"})
    await sandbox.write("a.txt", b"two\n")
    assert await run_git(sandbox, ["status", "--short"], seconds=30) == "exit code 0\n M a.txt"
    assert await run_git(sandbox, ["add", "--", "a.txt"], seconds=30) == "exit code 0 (no output)"
    assert await run_git(sandbox, ["log", "--format=%s"], seconds=30) == "exit code 0\nbase"
    assert (await run_git(sandbox, ["show", "nope"], seconds=30)).startswith("exit code 128\nfatal: ")


@pytest.mark.parametrize(
    ("args", "code"), [(["-E", "(?i)one"], 128), (["(?i)one"], 1), ([r"\d"], 1), (["-nE", "a{2,1}"], 128)]
)
async def test_a_pattern_that_git_grep_reads_in_another_way_is_answered_with_a_way_out(
    start: Start, args: list[str], code: int
) -> None:
    sandbox = await start({"a.txt": "One 1\n"})
    first = (await run_git(sandbox, ["grep", *args], seconds=30)).split("\n")[0]
    assert first.removesuffix(" (no output)") == (
        f"exit code {code}; git grep reads basic POSIX patterns: -i ignores case, -E takes a|b and x+, "
        "-P takes \\d and (?…), -F is literal"
    )


@pytest.mark.parametrize("args", [["-i", "one"], ["none"], ["-nF", "(?i)one"], ["-P", r"\d\d"], ["one", "gone"]])
async def test_a_pattern_that_git_grep_reads_as_it_is_meant_needs_no_explaining(start: Start, args: list[str]) -> None:
    sandbox = await start({"a.txt": "One 1\n"})
    assert "POSIX" not in await run_git(sandbox, ["grep", *args], seconds=30)


async def test_documents_are_bounded_and_cleaned() -> None:
    assert await docs_lookup(lambda query: f"about {query}\x1b[0m", "x") == "about x"
    assert await docs_lookup(lambda query: "", "x") == "no document says anything about that"
    assert "bytes cut here; ask for fewer words" in await docs_lookup(lambda query: "y" * 9000, "x")
