"""What people allowed our own agents, as the choke point looks it up."""

from typing import Any

from andon.guardrails.approvals import Grants
from andon.mcp_servers.ask import Granted
from andon.records.calls import Decision, ToolCall

CALL = ToolCall(tool="run_command", arguments={"command": "frobnicate"}, role="executor")
ASK = Decision(verdict="ask", rule="unknown", reason="no rule knows it", also=("git",))
CTX: Any = None


def granted(grants: Grants, *, parks: bool = True) -> Granted:
    return Granted(grants, run="r", policy="p", parks=parks)


async def test_an_answer_holds_for_the_workspace_it_was_given_for_alone() -> None:
    grants = Grants(clock=lambda: 0.0)
    asking = granted(grants)
    asking.state = lambda: "one"
    grants.once(asking.binding(CALL))
    asking.state = lambda: "two"
    answer = await asking.answer(CALL, ASK, CTX)
    assert isinstance(answer, Decision)
    assert (answer.verdict, answer.rule) == ("refuse", "unknown")
    assert "make this call again alone" in answer.reason
    asking.state = lambda: "one"
    assert await asking.answer(CALL, ASK, CTX) == Decision(verdict="allow", rule="unknown", reason="")


async def test_one_kind_is_no_answer_where_another_rule_asks_too() -> None:
    grants = Grants(clock=lambda: 0.0)
    asking = granted(grants)
    grants.kind("unknown", "executor")
    assert asking.is_open(CALL, ASK)
    grants.kind("git", "executor")
    assert not asking.is_open(CALL, ASK)
    assert await asking.answer(CALL, ASK, CTX) == Decision(verdict="allow", rule="unknown", reason="")


async def test_where_nobody_is_asked_the_question_stays_open_and_refuses() -> None:
    asking = granted(Grants(clock=lambda: 0.0), parks=False)
    assert not asking.is_open(CALL, ASK)
    assert await asking.answer(CALL, ASK, CTX) == ASK


def test_an_answer_that_its_call_did_not_use_is_dropped() -> None:
    grants = Grants(clock=lambda: 0.0)
    binding = granted(grants).binding(CALL)
    grants.once(binding)
    grants.drop_once()
    assert not grants.take(binding, "unknown")
