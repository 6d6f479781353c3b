"""The lane from end to end: who hands over to whom, what each role sees, and what ends the run."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from agents import Model
from agents.items import TResponseOutputItem
from agents.mcp import MCPServer
from agents.testing import ModelCall, ModelStep, ScriptedModel, assistant_message, function_call
from budget_kit import budget
from crew_kit import CHANGES, MUST_FIX, PASS, PLAN, REPORT, ROLES, Line
from openai.types.responses import ResponseOutputMessage, ResponseOutputRefusal

from andon.agents.lane import run_lane
from andon.agents.replies import Repairable
from andon.records.calls import Role
from andon.records.errors import RunError
from andon.records.events import EventKind, Events
from andon.records.plan import ChangeReport, PlanPayload
from andon.records.ports import Steps
from andon.records.review import Review
from andon.records.stops import StopCode


class Script:
    """Writes a model's answers; call ids are unique over the run."""

    plan_payload = PLAN
    report_payload = REPORT
    changes_payload = CHANGES
    pass_payload = PASS
    must_fix = MUST_FIX

    def __init__(self) -> None:
        self._number = 0

    def call(self, tool: str, arguments: dict[str, Any] | str) -> TResponseOutputItem:
        """One call of a tool; text is sent as it is."""
        self._number += 1
        raw = arguments if isinstance(arguments, str) else json.dumps(arguments)
        return function_call(tool, raw, call_id=f"call_{self._number}")

    def read(self, path: str) -> TResponseOutputItem:
        return self.call("read_file", {"path": path})

    def plan(self, **changed: Any) -> TResponseOutputItem:
        return self.call("transfer_to_executor", {**PLAN, **changed})

    def report(self) -> TResponseOutputItem:
        return self.call("transfer_to_reviewer", REPORT)

    def hand_back(self, **changed: Any) -> TResponseOutputItem:
        return self.call("hand_back", {**CHANGES, **changed})

    def finish(self, **changed: Any) -> TResponseOutputItem:
        return self.call("finish_review", {**PASS, **changed})


@dataclass
class Factory:
    """Everything one lane needs, and what it left behind."""

    connections: dict[Role, MCPServer]
    events: Events
    engine: Steps
    seen: list[tuple[str, dict[str, Any]]]
    line: Line = field(default_factory=Line)

    def of(self, kind: EventKind) -> list[dict[str, Any]]:
        """The data of every event of one kind."""
        return [data for emitted, data in self.seen if emitted == kind]

    async def run(self, model: Model, *, model_calls: int = 30) -> Review:
        """Run the lane with one model for all three roles."""
        return await run_lane(
            "PACKET planner",
            steps=self.line,
            connections=self.connections,
            models=dict.fromkeys(ROLES, model),
            events=self.events,
            engine=self.engine,
            budget=budget(model_calls=model_calls),
        )


@pytest.fixture
def factory(
    connections: dict[Role, MCPServer], events: Events, engine: Steps, seen: list[tuple[str, dict[str, Any]]]
) -> Factory:
    return Factory(connections, events, engine, seen)


@pytest.fixture
def script() -> Script:
    return Script()


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def role_of(call: ModelCall) -> str:
    return str(call.system_instructions).split()[3]


def outputs(call: ModelCall) -> list[str]:
    """The tool outputs a call of the model was given, as text."""
    found = [item["output"] for item in call.input if item.get("type") == "function_call_output"]
    return [item if isinstance(item, str) else item[0]["text"] for item in found]


async def stop_of(factory: Factory, model: ScriptedModel, **options: int) -> tuple[StopCode, str]:
    """How a run ends that must not end with a review."""
    with pytest.raises(RunError) as caught:
        await factory.run(model, **options)
    model.assert_complete()
    return caught.value.code, str(caught.value)


async def test_a_rejected_review_goes_back_and_the_repair_passes(factory: Factory, script: Script) -> None:
    model = ScriptedModel(
        [
            [script.read("page.py")],
            [script.plan()],
            [script.read("a"), script.read("b")],
            [script.report()],
            [script.hand_back()],
            [script.report()],
            [script.finish()],
        ]
    )

    review = await factory.run(model)

    assert review == Review.model_validate(script.pass_payload)
    assert factory.line.came == [
        PlanPayload.model_validate(script.plan_payload),
        ChangeReport.model_validate(script.report_payload),
        Review.model_validate(script.changes_payload),
        ChangeReport.model_validate(script.report_payload),
        review,
    ]
    model.assert_complete()
    assert [(kind, data.get("role", data.get("source"))) for kind, data in factory.seen] == [
        ("agent.started", "planner"), ("model.answered", "planner"), ("model.answered", "planner"),
        ("handoff", "planner"), ("agent.started", "executor"), ("model.answered", "executor"),
        ("model.answered", "executor"),
        ("handoff", "executor"), ("agent.started", "reviewer"), ("model.answered", "reviewer"),
        ("handoff", "reviewer"), ("agent.started", "executor"), ("model.answered", "executor"),
        ("handoff", "executor"), ("agent.started", "reviewer"), ("model.answered", "reviewer"),
    ]  # fmt: skip
    assert factory.of("handoff")[0] == {"source": "planner", "target": "executor", "tool": "transfer_to_executor"}


async def test_each_role_starts_from_its_packet_alone(factory: Factory, script: Script) -> None:
    model = ScriptedModel(
        [
            [assistant_message("secret of the planner"), script.read("page.py")],
            [script.plan()],
            [script.read("page.py")],
            [script.report()],
            [script.hand_back()],
            [script.report()],
            [script.finish()],
        ]
    )

    await factory.run(model)

    calls = model.calls
    assert [(role_of(call), call.input) for call in calls if len(call.input) == 1] == [
        ("planner", [user("PACKET planner")]),
        ("executor", [user("PACKET executor")]),
        ("reviewer", [user("PACKET reviewer")]),
        ("executor", [user("PACKET repair")]),
        ("reviewer", [user("PACKET reviewer")]),
    ]
    assert calls[3].input[0] == user("PACKET executor")


async def test_a_role_is_offered_the_same_tools_and_keeps_its_prefix_on_every_turn(
    factory: Factory, script: Script
) -> None:
    model = ScriptedModel(
        [[script.plan()], [script.read("a")], [script.read("b")], [script.report()], [script.hand_back(findings=[])],
         [script.read("c")], [script.finish()]]
    )  # fmt: skip

    await factory.run(model)

    offered: dict[str, set[tuple[str, ...]]] = {}
    for call in model.calls:
        names = (*(tool.name for tool in call.tools), *(handoff.tool_name for handoff in call.handoffs))
        offered.setdefault(role_of(call), set()).add(names)
        assert (call.model_settings.tool_choice, call.model_settings.store) == ("required", False)
    assert offered == {
        "planner": {("read_file", "transfer_to_executor")},
        "executor": {("read_file", "transfer_to_reviewer")},
        "reviewer": {("read_file", "finish_review", "hand_back")},
    }
    for before, after in zip(model.calls, model.calls[1:], strict=False):
        if role_of(before) == role_of(after):
            assert after.input[: len(before.input)] == before.input


async def test_calls_of_one_answer_run_one_after_another_before_the_handoff(
    factory: Factory, script: Script, tool_log: list[str]
) -> None:
    model = ScriptedModel([[script.plan(), script.read("a"), script.read("b")], [script.report()], [script.finish()]])

    await factory.run(model)

    assert tool_log == ['read_file {"path": "a"}', "end a", 'read_file {"path": "b"}', "end b"]
    assert model.calls[1].input == [user("PACKET executor")]


async def test_of_several_handoffs_in_one_answer_the_first_counts(factory: Factory, script: Script) -> None:
    model = ScriptedModel([[script.plan(), script.plan(summary="Another.")], [script.report()], [script.finish()]])

    await factory.run(model)

    assert factory.line.came[0] == PlanPayload.model_validate(script.plan_payload)
    assert len(factory.line.came) == 3


async def test_a_damaged_payload_goes_back_with_each_field_named(factory: Factory, script: Script) -> None:
    damaged = script.call("transfer_to_executor", {"summary": "", "steps": "one", "files": ["a"], "tests": [], "x": 1})
    model = ScriptedModel([[damaged], [script.plan()], [script.report()], [script.finish()]])

    await factory.run(model)

    said = (
        "Refused: the arguments do not fit. Mend these and call again:\n"
        "- summary: String should have at least 1 character (expected: a text)\n"
        "- acceptance_criteria: Field required (expected: a list, each item a text)\n"
        "- steps: Input should be a valid array (expected: a list, each item a text)\n"
        "- risks: Field required (expected: a list, each item a text)\n"
        "- x: Extra inputs are not permitted"
    )
    assert role_of(model.calls[1]) == "planner"
    assert outputs(model.calls[1]) == [said]
    assert factory.of("handoff.refused") == [{"role": "planner", "tool": "transfer_to_executor", "reason": said}]


async def test_a_payload_that_is_no_json_goes_back(factory: Factory, script: Script) -> None:
    model = ScriptedModel(
        [[script.call("transfer_to_executor", '{"summary": ')], [script.plan()], [script.report()], [script.finish()]]
    )

    await factory.run(model)

    assert outputs(model.calls[1])[0].splitlines()[1].startswith("- arguments: Invalid JSON: EOF while parsing")


async def test_the_third_damaged_payload_in_a_row_ends_the_run(factory: Factory, script: Script) -> None:
    model = ScriptedModel([[script.plan(steps=[])], [script.read("a"), script.plan(files=1)], [script.plan(tests=1)]])

    code, message = await stop_of(factory, model)

    assert code is StopCode.MODEL_MISBEHAVED
    assert message == ("The planner's call of transfer_to_executor was refused 3 times; audit.jsonl says why.")
    assert [event["reason"] for event in factory.of("handoff.refused")][2:] == [
        "Refused: the arguments do not fit. Mend these and call again:\n"
        "- tests: Input should be a valid array (expected: a list, each item a text)"
    ]
    assert factory.line.came == []


async def test_an_accepted_handoff_forgets_earlier_refusals(factory: Factory, script: Script) -> None:
    factory.line.raises["change_ready"] = [Repairable("no"), Repairable("no")]
    model = ScriptedModel(
        [[script.plan()], [script.report()], [script.report()], [script.report()], [script.hand_back()],
         [script.call("transfer_to_reviewer", {})], [script.call("transfer_to_reviewer", {})], [script.report()],
         [script.finish()]]
    )  # fmt: skip

    assert (await factory.run(model)).verdict == "pass"


@pytest.mark.parametrize("step", ["plan_ready", "change_ready", "changes_wanted", "review_finished"])
async def test_what_the_line_calls_repairable_goes_back_word_for_word(
    factory: Factory, script: Script, step: str
) -> None:
    factory.line.raises[step] = [Repairable("Criterion 2 is missing: judge all of 1 to 2.")]
    answers = {
        "plan_ready": [script.plan()],
        "change_ready": [script.report()],
        "changes_wanted": [script.hand_back()],
        "review_finished": [script.finish()],
    }
    order = [script.plan(), script.report(), script.hand_back(), script.report(), script.finish()]
    at = list(answers).index(step) if step != "review_finished" else 4
    story: list[Any] = [[call] for call in order]
    story.insert(at, answers[step])
    model = ScriptedModel(story)

    review = await factory.run(model)

    assert review.verdict == "pass"
    assert outputs(model.calls[at + 1]) == ["Criterion 2 is missing: judge all of 1 to 2."]
    assert len(factory.line.came) == 5


@pytest.mark.parametrize("step", ["plan_ready", "change_ready", "changes_wanted", "review_finished"])
async def test_what_the_line_stops_ends_with_its_code(factory: Factory, script: Script, step: str) -> None:
    factory.line.raises[step] = [RunError(StopCode.ROUNDS_SPENT, "2 review rounds are spent.")]
    story = {
        "plan_ready": [script.plan()],
        "change_ready": [script.plan(), script.report()],
        "changes_wanted": [script.plan(), script.report(), script.hand_back()],
        "review_finished": [script.plan(), script.report(), script.finish()],
    }[step]

    stop = await stop_of(factory, ScriptedModel([[call] for call in story]))

    assert stop == (StopCode.ROUNDS_SPENT, "2 review rounds are spent.")


async def test_text_where_a_handoff_is_due_is_nudged_in_the_same_conversation(factory: Factory, script: Script) -> None:
    model = ScriptedModel(
        [[script.read("a")], [assistant_message("I am done.")], [script.plan()], [assistant_message("Hm.")],
         [script.report()], [script.finish()]]
    )  # fmt: skip

    await factory.run(model)

    first, second, third = model.calls[:3]
    assert role_of(third) == "planner"
    assert third.input[: len(second.input)] == second.input
    said, line = third.input[len(second.input) :]
    assert said["content"][0]["text"] == "I am done."
    assert line == user(
        "Nobody reads text here. Go on with tool calls; when your work is complete, call `transfer_to_executor`."
    )
    assert first.input == second.input[:1]
    assert [event["reason"] for event in factory.of("handoff.refused")] == [
        "text where a tool call was due: 'I am done.'",
        "text where a tool call was due: 'Hm.'",
    ]


async def test_a_second_text_ends_the_run_and_is_quoted_in_the_events_alone(factory: Factory, script: Script) -> None:
    model = ScriptedModel([[assistant_message("Plan:")], [script.read("a")], [assistant_message("x" * 300)]])

    code, message = await stop_of(factory, model)

    assert code is StopCode.MODEL_MISBEHAVED
    assert message == (
        "The planner answered twice without a tool call where one was due (`transfer_to_executor`); "
        "audit.jsonl has its words."
    )
    assert factory.of("handoff.refused")[-1]["reason"] == f"text where a tool call was due: {'x' * 200!r}"


async def test_an_empty_answer_counts_like_text(factory: Factory, script: Script) -> None:
    nudged = ScriptedModel([[], [script.plan()], [script.report()], [], []])

    code, message = await stop_of(factory, nudged)

    assert code is StopCode.MODEL_MISBEHAVED
    assert message == (
        "The reviewer answered twice without a tool call where one was due (`hand_back` or `finish_review`); "
        "audit.jsonl has its words."
    )


async def test_a_refusal_of_the_model_ends_the_run(factory: Factory) -> None:
    refusal = ResponseOutputMessage(
        id="m", role="assistant", status="completed", type="message",
        content=[ResponseOutputRefusal(refusal="I will not.", type="refusal")],
    )  # fmt: skip

    stop = await stop_of(factory, ScriptedModel([[refusal]]))

    assert stop == (StopCode.MODEL_MISBEHAVED, "The model refused to work; audit.jsonl has its words.")
    assert factory.of("warning") == [{"text": "the model's answer: 'I will not.'"}]


async def test_an_unknown_tool_is_answered_and_the_run_goes_on(factory: Factory, script: Script) -> None:
    model = ScriptedModel(
        [[script.call("rm_rf", {})], [script.plan()], [script.finish(), script.report()], [script.finish()]]
    )

    await factory.run(model)

    assert outputs(model.calls[1]) == ["There is no tool 'rm_rf'. Call one of the tools you were given."]
    assert model.calls[3].input == [user("PACKET reviewer")]


@pytest.mark.parametrize("arguments", ['{"path": ', "[1]", ""])
async def test_arguments_that_do_not_fit_an_ordinary_tool_are_answered(
    factory: Factory, script: Script, arguments: str
) -> None:
    model = ScriptedModel(
        [[script.call("read_file", arguments)], [script.plan()], [script.report()], [script.finish()]]
    )

    await factory.run(model)

    (said,) = outputs(model.calls[1])
    assert ("one JSON object" in said) if arguments else ("path" in said and "required" in said.lower())


async def test_a_tool_that_stops_the_run_ends_it_with_its_code(
    factory: Factory, script: Script, tool_faults: list[Exception]
) -> None:
    tool_faults.append(RunError(StopCode.SANDBOX_LOST, "The sandbox died."))

    stop = await stop_of(factory, ScriptedModel([[script.read("a"), script.plan()]]))

    assert stop == (StopCode.SANDBOX_LOST, "The sandbox died.")
    assert factory.line.came == []


async def test_a_fault_in_a_tool_is_never_told_to_the_model(
    factory: Factory, script: Script, tool_faults: list[Exception]
) -> None:
    tool_faults.append(KeyError("fault"))
    model = ScriptedModel([[script.read("a")], [script.plan()]])

    with pytest.raises(Exception, match="fault"):
        await factory.run(model)

    assert len(model.calls) == 1


async def test_the_budget_of_model_calls_ends_the_run(factory: Factory, script: Script) -> None:
    model = ScriptedModel([[script.read("a")], [assistant_message("text")], [script.plan()]])

    stop = await stop_of(factory, model, model_calls=3)

    assert stop == (StopCode.BUDGET_SPENT, "limits.model_calls: 3 of 3 model calls of the run are spent.")


async def test_a_nudge_does_not_exceed_the_budget(factory: Factory) -> None:
    model = ScriptedModel([[assistant_message("text")]])

    stop = await stop_of(factory, model, model_calls=1)

    assert stop == (StopCode.BUDGET_SPENT, "limits.model_calls: 1 of 1 model calls of the run are spent.")


@pytest.mark.parametrize(
    ("tool", "changed", "said"),
    [
        (
            "finish_review",
            {"verdict": "changes"},
            "Refused: the arguments do not fit. Mend these and call again:\n"
            "- verdict: Input should be 'pass' or 'fail' (expected: one of pass, fail)",
        ),
        (
            "finish_review",
            {"findings": [{"severity": "must-fix", "path": "a", "line": 1, "problem": "p"}]},
            "Refused: a pass cannot hold a `must-fix` finding. Call hand_back, or make it a `note` if it can stay.",
        ),
        (
            "finish_review",
            {"criteria": [{"number": 2, "status": "not met", "evidence": "gone"}]},
            "Refused: a pass cannot hold a criterion that is `not met` (2). Call hand_back.",
        ),
        (
            "finish_review",
            {"criteria": [{"number": 0, "status": "perhaps", "evidence": "e"}]},
            "Refused: the arguments do not fit. Mend these and call again:\n"
            "- criteria.0.number: Input should be greater than or equal to 1 (expected: a whole number)\n"
            "- criteria.0.status: Input should be 'met', 'not met' or 'not shown' "
            "(expected: one of met, not met, not shown)",
        ),
        (
            "finish_review",
            {"criteria": [{"number": "1", "status": "met", "evidence": "e"}]},
            "Refused: the arguments do not fit. Mend these and call again:\n"
            "- criteria.0.number: Input should be a valid integer (expected: a whole number)",
        ),
        (
            "hand_back",
            {"verdict": "pass"},
            "Refused: the arguments do not fit. Mend these and call again:\n"
            "- verdict: Input should be 'changes' (expected: changes)",
        ),
        (
            "hand_back",
            {"findings": [{"severity": "note", "path": "", "line": 0, "problem": "p"}]},
            "Refused: hand_back needs at least one finding with severity `must-fix`. If nothing must be fixed, "
            "call finish_review.",
        ),
    ],
)
async def test_a_review_that_contradicts_itself_is_refused(
    factory: Factory, script: Script, tool: str, changed: dict[str, Any], said: str
) -> None:
    wrong = script.finish(**changed) if tool == "finish_review" else script.hand_back(**changed)
    model = ScriptedModel([[script.plan()], [script.report()], [wrong], [script.finish()]])

    review = await factory.run(model)

    assert outputs(model.calls[3]) == [said]
    assert factory.of("handoff.refused") == [{"role": "reviewer", "tool": tool, "reason": said}]
    assert factory.line.came[2:] == [review]


@pytest.mark.parametrize("other", ["hand_back", "finish_review"])
async def test_two_endings_in_one_answer_are_both_refused(factory: Factory, script: Script, other: str) -> None:
    second = script.hand_back() if other == "hand_back" else script.finish(verdict="fail")
    model = ScriptedModel([[script.plan()], [script.report()], [script.finish(), second], [script.finish()]])

    review = await factory.run(model)

    said = f"Refused: one answer called finish_review and {other}. Call exactly one of them, once."
    assert outputs(model.calls[3]) == [said, said]
    assert factory.line.came[2:] == [review]


async def test_a_failed_review_ends_the_run_with_it(factory: Factory, script: Script) -> None:
    wrong = [{"number": 1, "status": "not met", "evidence": "none"}]
    model = ScriptedModel(
        [
            [script.plan()],
            [script.report()],
            [script.finish(verdict="fail", criteria=wrong, findings=[script.must_fix])],
        ]
    )

    review = await factory.run(model)

    assert (review.verdict, factory.line.came[-1]) == ("fail", review)


async def test_a_finished_run_replayed_from_its_store_asks_no_model(
    factory: Factory, script: Script, stored: dict[str, str]
) -> None:
    story = [[script.read("a")], [script.plan()], [script.report()], [script.finish()]]
    first = await factory.run(ScriptedModel(story))
    answered = factory.of("model.answered")

    again = await factory.run(ScriptedModel([]))

    assert again == first
    assert factory.of("model.answered") == answered
    assert list(stored) == ["model:planner:1", "model:planner:2", "model:executor:1", "model:reviewer:1"]


async def test_every_call_is_carried_out_on_servers_that_count_the_calls_of_each_answer_anew(
    factory: Factory, script: Script, tool_log: list[str]
) -> None:
    first = script.read("a")
    same, other = first.model_copy(), first.model_copy(update={"arguments": '{"path": "b"}'})
    plan = script.plan().model_copy(update={"call_id": ""})

    await factory.run(ScriptedModel([[first], [same], [other], [plan], [script.report()], [script.finish()]]))

    assert [line for line in tool_log if line.startswith("end")] == ["end a", "end a", "end b"]


async def test_an_unfinished_item_is_never_acted_on(factory: Factory, script: Script, stored: dict[str, str]) -> None:
    cut = script.plan().model_copy(update={"status": "incomplete"})
    model = ScriptedModel([ModelStep(output=[cut]), [script.plan()], [script.report()], [script.finish()]])

    await factory.run(model)

    assert factory.line.came[0] == PlanPayload.model_validate(script.plan_payload)
    assert len(stored) == 3
