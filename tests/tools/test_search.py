"""Searching tracked and new files."""

from collections.abc import Awaitable, Callable

import pytest

from andon.sandbox.protocol import Sandbox
from andon.tools.failure import ToolFailed
from andon.tools.search import search

Start = Callable[[dict[str, str | bytes]], Awaitable[Sandbox]]


async def test_matches_come_with_path_line_and_text(start: Start) -> None:
    sandbox = await start({"b.py": "x = 1\ny = 2\n", "src/a:b.py": "y: 3\n", "z.bin": b"y\0", ".gitignore": "*.log\n"})
    await sandbox.run(["sh", "-c", "echo y = 4 > new.py; echo y > x.log"])
    assert await search(sandbox, "^y( =|:) [0-9]") == "b.py:2:y = 2\nnew.py:1:y = 4\nsrc/a:b.py:1:y: 3"


async def test_a_match_is_one_line_whatever_its_line_ends(start: Start) -> None:
    sandbox = await start({"a.txt": b"x = 1\r\nx = 2\ry = 3\r\n"})
    assert await search(sandbox, "x") == "a.txt:1:x = 1\na.txt:2:x = 2␍y = 3"


async def test_a_fixed_pattern_is_taken_literally(start: Start) -> None:
    sandbox = await start({"a.py": "f(x)\nf.x.\n"})
    assert await search(sandbox, "f(x)", fixed=True) == "a.py:1:f(x)"
    assert await search(sandbox, "-e", fixed=True) == "no matches"


async def test_a_path_narrows_the_search(start: Start) -> None:
    sandbox = await start({"a.py": "x\n", "src/b.py": "x\n"})
    assert await search(sandbox, "x", "src") == "src/b.py:1:x"


async def test_closed_files_do_not_show(start: Start) -> None:
    sandbox = await start({".env": "TOKEN=1\n", "factory/a.toml": "TOKEN\n", "src/factory/a.py": "TOKEN\n"})
    assert await search(sandbox, "TOKEN") == "src/factory/a.py:1:TOKEN"


async def test_many_matches_and_long_lines_are_cut(start: Start) -> None:
    sandbox = await start({"a.txt": "match\n" * 150, "wide.txt": "needle" + "x" * 1000})
    lines = (await search(sandbox, "match")).split("\n")
    assert (len(lines), lines[-1]) == (101, "[… 50 more matches; narrow the pattern or name a folder]")
    assert (await search(sandbox, "needle")).endswith("x[…]")


SYNTAX = (
    "it is a POSIX extended regular expression: [0-9] for \\d, (a|b) for (?:a|b), no look-around; "
    "(?i) in front ignores case, fixed=true takes it literally"
)


@pytest.mark.parametrize("pattern", ["(", "[a", "a{2,1}", "a(?=b)", "x(?i)", "(?i)(?:a)", "(?i)"])
async def test_a_pattern_that_is_none_says_so_and_what_one_is(start: Start, pattern: str) -> None:
    sandbox = await start({"a.txt": "x\n"})
    with pytest.raises(ToolFailed, match=r"^git grep failed: fatal: ") as failed:
        await search(sandbox, pattern)
    assert str(failed.value).endswith(f"\nOf the pattern: {SYNTAX}.")


async def test_case_is_ignored_where_the_pattern_begins_so(start: Start) -> None:
    sandbox = await start({"a.py": "Watch = 1\nwatch(?i)\n"})
    assert await search(sandbox, "(?i)^WATCH") == "a.py:1:Watch = 1\na.py:2:watch(?i)"
    assert await search(sandbox, "^WATCH") == "no matches"
    assert await search(sandbox, "(?i)", fixed=True) == "a.py:2:watch(?i)"


async def test_finding_nothing_with_the_syntax_of_another_engine_says_what_is_understood(start: Start) -> None:
    sandbox = await start({"a.py": "x = 1\n"})
    assert await search(sandbox, r"x = \d+") == f"no matches for this pattern: {SYNTAX}"
    assert await search(sandbox, r"x = \d+", fixed=True) == "no matches"
