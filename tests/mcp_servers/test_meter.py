"""The budget around the calls of a workbench with a real sandbox."""

from dataclasses import replace
from typing import Any, Protocol

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from andon.guardrails.budgets import Budget
from andon.guardrails.stalls import SAME_FAILURES
from andon.mcp_servers.meter import Meter
from andon.mcp_servers.toolset import Workbench, build_toolset
from andon.records.budget import Allowance
from andon.records.calls import Role
from andon.records.result import Usage
from andon.records.stops import StopCode

NOTE = "andon: {left} tool calls left of 3 (limits.tool_calls): finish what stands and hand over"


class Journal(Protocol):
    events: list[tuple[str, dict[str, Any]]]


class Bench(Protocol):
    @property
    def workbench(self) -> Workbench: ...
    @property
    def journal(self) -> Journal: ...


class Metered:
    """The toolset of a bench, its calls counted."""

    def __init__(self, bench: Bench, **limits: Any) -> None:
        self.budget = Budget(Allowance(**limits), {}, lambda: 0.0)
        self.workbench = replace(bench.workbench, meter=Meter(self.budget, bench.workbench.events))

    async def call(self, tool: str, role: Role = "executor", **arguments: Any) -> tuple[bool, str]:
        """Make one call; return whether it is an error, and its text."""
        async with Client(build_toolset(self.workbench, role)) as client:
            result = await client.call_tool(tool, arguments)
        [content] = result.content
        assert content.type == "text"
        return bool(result.is_error), content.text

    async def stop(self, tool: str, **arguments: Any) -> tuple[StopCode, str]:
        """Make a call that ends the run; return how."""
        async with Client(build_toolset(self.workbench, "executor")) as client:
            with pytest.raises(MCPError, match="the run has ended"):
                await client.call_tool(tool, arguments)
        assert self.workbench.stop.error is not None
        return self.workbench.stop.error.code, str(self.workbench.stop.error)


async def test_a_limit_that_is_nearly_reached_is_told_below_the_answer_and_reported(bench: Bench) -> None:
    metered = Metered(bench, tool_calls=3)
    _, plain = await Metered(bench).call("read_file", path="src/app.py")

    first = await metered.call("read_file", path="src/app.py")
    second = await metered.call("read_file", path="src/app.py")

    assert (first, second) == ((False, f"{plain}\n\n{NOTE.format(left=2)}"), (False, plain))
    assert [data for kind, data in bench.journal.events if kind == "budget.note"] == [
        {"role": "executor", "limit": "limits.tool_calls", "left": "2"}
    ]


async def test_refused_calls_are_counted_and_told_of_too(bench: Bench) -> None:
    failed, text = await Metered(bench, tool_calls=3).call("read_file", path=".env")

    assert (failed, text.startswith("refused ("), text.endswith("\n\n" + NOTE.format(left=2))) == (True, True, True)


async def test_a_call_over_the_limit_runs_nothing_and_ends_the_run(bench: Bench) -> None:
    metered = Metered(bench, tool_calls=1)
    await metered.call("read_file", path="src/app.py")

    assert await metered.stop("write_file", path="new.py", content="x = 1\n") == (
        StopCode.BUDGET_SPENT,
        "limits.tool_calls: 1 of 1 tool calls of the run are spent.",
    )
    assert [data["tool"] for kind, data in bench.journal.events if kind.startswith("tool.")] == ["read_file"]
    with pytest.raises(FileNotFoundError):
        await metered.workbench.sandbox.read("new.py", limit=100)


async def test_the_sixth_identical_read_is_refused_with_its_event_until_a_file_changes(bench: Bench) -> None:
    metered = Metered(bench)
    reads = [await metered.call("read_file", path="src/app.py") for _ in range(6)]
    await metered.call("write_file", path="tests/test_b.py", content="def test_b():\n    assert True\n")
    after = await metered.call("read_file", path="src/app.py")

    assert [failed for failed, _ in reads] == [False] * 5 + [True]
    assert reads[5][1].startswith("refused (repeat): this call was made 5 times with the same answer")
    assert after == reads[0]
    [refused] = [data for kind, data in bench.journal.events if kind == "tool.refused"]
    assert (refused["role"], refused["tool"], refused["rule"], refused["summary"]) == (
        "executor",
        "read_file",
        "repeat",
        "src/app.py",
    )


async def test_a_change_by_the_executor_lets_the_reviewer_read_again(bench: Bench) -> None:
    metered = Metered(bench)
    for _ in range(5):
        await metered.call("read_file", "reviewer", path="src/app.py")
    await metered.call("write_file", path="tests/test_b.py", content="def test_b():\n    assert True\n")

    assert (await metered.call("read_file", "reviewer", path="src/app.py"))[0] is False


async def test_a_refusal_of_policy_that_is_asked_for_again_and_again_ends_as_a_repeat(bench: Bench) -> None:
    metered = Metered(bench)
    said = [await metered.call("search", pattern="KEY", path=".env") for _ in range(6)]

    assert len({text for _, text in said[:5]}) == 1
    assert said[5][1].startswith("refused (repeat): ")


async def test_two_calls_in_turn_are_refused_in_their_fourth_round(bench: Bench) -> None:
    metered = Metered(bench)
    paths = ["src/app.py", "tests/test_app.py"] * 4
    said = [await metered.call("read_file", path=path) for path in paths]

    assert [failed for failed, _ in said] == [False] * 6 + [True] * 2
    assert said[6][1].startswith("refused (repeat): two calls were made in turn 3 times")


async def test_going_on_with_refused_repeats_ends_the_run_as_stuck(bench: Bench) -> None:
    metered = Metered(bench)

    said = []
    for _ in range(8):
        metered.budget.after_answer("executor", Usage(requests=1))
        said.append(await metered.call("read_file", path="src/app.py"))
    metered.budget.after_answer("executor", Usage(requests=1))
    code, message = await metered.stop("read_file", path="src/app.py")

    assert [failed for failed, _ in said] == [False] * 5 + [True] * 3
    assert (code, message.partition(":")[0]) == (
        StopCode.STUCK,
        "The executor repeated calls that were refused as repeats, last read_file",
    )


async def test_a_failure_that_no_change_moves_is_told_below_the_answer_and_then_ends_the_run(bench: Bench) -> None:
    metered = Metered(bench)

    async def turn(number: int) -> str:
        metered.budget.after_answer("executor", Usage(requests=1))
        await metered.call("run_command", command=f"echo {number} > src/try.txt")
        return (await metered.call("run_command", command="echo boom; exit 1"))[1]

    texts = [await turn(number) for number in range(2 * SAME_FAILURES)]
    [nudged] = [data for kind, data in bench.journal.events if kind == "role.nudged"]
    assert nudged["role"] == "executor"
    assert [number for number, text in enumerate(texts, 1) if text.endswith(f"\n\n{nudged['text']}")] == [SAME_FAILURES]
    code, message = await metered.stop("run_command", command="echo once more > src/try.txt")
    assert (code, "met the same failure in 12 turns" in message) == (StopCode.STUCK, True)
