"""A run as an OpenTelemetry trace: the shape collectors read, the conventions' names, and no word of anybody."""

import json
from typing import Any

import pytest
from lane_kit import CHANGE, FILES, Ran, call, make_repository, plan, report, review, run_line

from andon.line.log.spans import otlp_trace

NAMES: Any = {"planner": "openai/gpt-x", "executor": "chat/qwen", "reviewer": "anthropic/claude-x"}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    root = make_repository(tmp_path_factory.mktemp("spans") / "repo", FILES)
    secret = call("read_file", path="no-such-file.py")
    return run_line(root, [plan()], [secret], *CHANGE, [report()], [review()], names=NAMES)


def document(ran: Ran) -> dict[str, Any]:
    events = [event.model_dump(mode="json") for event in ran.events if event.seq]
    trace: dict[str, Any] = json.loads(json.dumps(otlp_trace(ran.result.run_id, events, "1.0")))
    return trace


def spans(ran: Ran) -> list[dict[str, Any]]:
    [resource] = document(ran)["resourceSpans"]
    [scope] = resource["scopeSpans"]
    found: list[dict[str, Any]] = scope["spans"]
    return found


def facts(span: dict[str, Any]) -> dict[str, Any]:
    return {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}


def test_the_document_has_the_shape_of_otlp_json(ran: Ran) -> None:
    [resource] = document(ran)["resourceSpans"]
    assert resource["resource"] == {
        "attributes": [
            {"key": "service.name", "value": {"stringValue": "andon"}},
            {"key": "service.version", "value": {"stringValue": "1.0"}},
        ]
    }
    assert [scope["scope"] for scope in resource["scopeSpans"]] == [{"name": "andon", "version": "1.0"}]
    ids = [span["spanId"] for span in spans(ran)]
    assert len(set(ids)) == len(ids)
    for span in spans(ran):
        assert set(span) == {
            "traceId", "spanId", "parentSpanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano", "attributes",
            "events", "status",
        }  # fmt: skip
        assert (len(bytes.fromhex(span["traceId"])), len(bytes.fromhex(span["spanId"]))) == (16, 8)
        assert 1_700_000_000 * 10**9 < int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
        assert span["parentSpanId"] in ["", *ids]


def test_the_run_holds_its_phase_that_its_agents_and_those_their_calls(ran: Ran) -> None:
    found = spans(ran)
    by_id = {span["spanId"]: span["name"] for span in found}
    tree = [
        (span["name"], by_id.get(span["parentSpanId"], "")) for span in found if not span["name"].startswith("step")
    ]
    assert tree == [
        ("invoke_workflow andon", ""),
        ("phase 0", "invoke_workflow andon"),
        ("invoke_agent planner", "phase 0"),
        ("chat gpt-x", "invoke_agent planner"),
        ("invoke_agent executor", "phase 0"),
        ("chat qwen", "invoke_agent executor"),
        ("execute_tool read_file", "invoke_agent executor"),
        ("chat qwen", "invoke_agent executor"),
        ("execute_tool write_file", "invoke_agent executor"),
        ("chat qwen", "invoke_agent executor"),
        ("execute_tool write_file", "invoke_agent executor"),
        ("chat qwen", "invoke_agent executor"),
        ("invoke_agent reviewer", "phase 0"),
        ("chat claude-x", "invoke_agent reviewer"),
    ]
    assert not [span["name"] for span in found if "andon.open" in facts(span)]


def test_attributes_are_those_of_the_conventions(ran: Ran) -> None:
    found = spans(ran)
    chat = next(span for span in found if span["name"] == "chat claude-x")
    ids = {"gen_ai.conversation.id": ran.result.run_id}
    usage = {key: value for key, value in facts(chat).items() if key.startswith("gen_ai.usage.")}
    assert set(usage) == {
        "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
    }  # fmt: skip
    named = {key: value for key, value in facts(chat).items() if key not in usage and not key.startswith("andon.")}
    assert (chat["kind"], named) == (
        3,
        ids
        | {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "anthropic",
            "gen_ai.request.model": "claude-x",
        },
    )
    read, write = (
        next(span for span in found if span["name"] == f"execute_tool {tool}_file") for tool in ("read", "write")
    )
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.type": "function"}
    assert (facts(read), read["status"]) == (
        tool | {"gen_ai.tool.name": "read_file", "error.type": "failed"}, {"code": 2},
    )  # fmt: skip
    assert (facts(write), write["status"]) == (tool | {"gen_ai.tool.name": "write_file"}, {})


def test_nothing_that_a_model_a_person_or_a_file_says_is_in_it(ran: Ran) -> None:
    text = json.dumps(document(ran))
    for word in ("no-such-file", "calc.py", "Add subtraction", "add sub beside add", "the review says"):
        assert word not in text
    marks = [mark["name"] for span in spans(ran) for mark in span["events"]]
    assert {"handoff", "review.given", "check.ended"} <= set(marks)


def test_the_same_run_gives_the_same_trace(ran: Ran) -> None:
    assert document(ran) == document(ran)


def event(seq: int, kind: str, **data: Any) -> dict[str, Any]:
    return {"seq": seq, "at": f"2026-11-29T07:00:{seq:02}.000Z", "kind": kind, "data": data}


def test_a_step_of_a_process_that_died_is_lost_and_what_goes_on_is_open() -> None:
    step = {"name": "tool:run_tests", "key": "executor-1"}
    events = [
        event(1, "run.started", run="r", task="t", base="c"), event(2, "agent.started", role="executor"),
        event(3, "step.started", **step), event(4, "step.started", **step, again=True),
    ]  # fmt: skip
    [resource] = otlp_trace("r", events, "1")["resourceSpans"]
    found = resource["scopeSpans"][0]["spans"]
    assert [(span["name"], facts(span).get("error.type"), facts(span).get("andon.open")) for span in found] == [
        ("invoke_workflow andon", None, True), ("phase 0", None, True), ("invoke_agent executor", None, True),
        ("execute_tool run_tests", "lost", None), ("execute_tool run_tests", None, True),
    ]  # fmt: skip


def test_a_run_that_parks_and_goes_on_is_one_trace_with_two_phases() -> None:
    events = [
        event(1, "run.started", run="r", task="t", base="c"), event(2, "run.parked", stop_code="needs-person"),
        event(5, "run.resumed", phase=1), event(6, "run.ended", stop_code="stuck", exit_code=40),
    ]  # fmt: skip
    [resource] = otlp_trace("r", events, "1")["resourceSpans"]
    root, *phases = resource["scopeSpans"][0]["spans"]
    assert (facts(root)["andon.stop_code"], root["status"], root["endTimeUnixNano"][-11:]) == (
        "stuck", {"code": 2}, phases[1]["endTimeUnixNano"][-11:],
    )  # fmt: skip
    assert [span["name"] for span in phases] == ["phase 0", "phase 1"]


def test_a_log_without_a_beginning_gives_no_span() -> None:
    [resource] = otlp_trace("r", [event(1, "phase", name="agents")], "1")["resourceSpans"]
    assert resource["scopeSpans"][0]["spans"] == []
