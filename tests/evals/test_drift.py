"""The drift report: which part changed, against which recording."""

import json
from typing import Any

from andon.evals.drift import Recorded, drift_report
from andon.evals.request_parts import RequestParts, take_apart

TOOL = {"type": "function", "name": "read_file", "parameters": {"type": "object"}}
TURN = {"role": "user", "content": "Add a page.\nKeep it small."}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "line 1\nline 2"}


def asked(*items: Any, **changed: Any) -> RequestParts:
    body = {"model": "gpt-5", "instructions": "You plan.\nBe brief.", "tools": [TOOL], "input": list(items), **changed}
    return take_apart("POST", "/v1/responses", json.dumps(body).encode())


def report(now: RequestParts, *recorded: RequestParts, played: int = 0) -> list[str]:
    entries = [Recorded(number, parts, number <= played) for number, parts in enumerate(recorded, start=1)]
    return drift_report(now, entries).splitlines()


def test_a_changed_prompt_is_named_and_shown() -> None:
    assert report(asked(TURN, instructions="You plan.\nBe thorough."), asked(TURN)) == [
        "nearest is recorded request 1; changed against it:",
        "  instructions: changed",
        "--- recorded",
        "+++ now",
        "@@ -1,2 +1,2 @@",
        " You plan.",
        "-Be brief.",
        "+Be thorough.",
    ]


def test_changed_tools_are_named_one_by_one() -> None:
    described = {**TOOL, "name": "search", "description": "Searches."}
    before = asked(TURN, tools=[TOOL, {**TOOL, "name": "search"}])
    lines = report(asked(TURN, tools=[{**TOOL, "name": "open_file"}, described]), before)
    assert lines[1] == "  tools: open_file added, read_file missing, search changed"
    assert "+[1].description: Searches." in lines


def test_tools_in_the_nested_form_of_chat_completions_are_named() -> None:
    before = asked(TURN, tools=[{"type": "function", "function": {"name": "search"}}])
    lines = report(asked(TURN, tools=[{"type": "function", "function": {"name": "find"}}]), before)
    assert lines[1] == "  tools: find added, search missing"


def test_tools_in_another_order_are_named_as_that() -> None:
    other = {**TOOL, "name": "search"}
    assert report(asked(TURN, tools=[other, TOOL]), asked(TURN, tools=[TOOL, other]))[1] == "  tools: in another order"


def test_tools_that_are_no_list_of_objects_do_not_break_the_report() -> None:
    assert report(asked(TURN, tools=["a", 1]), asked(TURN, tools="none"))[1] == "  tools: 1 added, a added"


def test_a_changed_item_is_named_by_its_place_and_shown() -> None:
    now = asked(TURN, {**RESULT, "output": "line 1\nline two"}, TURN)
    assert report(now, asked(TURN), asked(TURN, RESULT), asked(TURN, RESULT, TURN)) == [
        "nearest is recorded request 3; changed against it:",
        "  input item 1 (of 3, 3 recorded): changed",
        "--- recorded",
        "+++ now",
        "@@ -2,3 +2,3 @@",
        " output: line 1",
        "-line 2",
        "+line two",
        " type: function_call_output",
    ]


def test_a_change_at_the_start_of_a_conversation_is_compared_with_the_same_turn() -> None:
    now = asked({**TURN, "content": "Add two pages."}, RESULT, RESULT)
    assert report(now, asked(TURN), asked(TURN, RESULT), asked(TURN, RESULT, RESULT))[:2] == [
        "nearest is recorded request 3; changed against it:",
        "  input item 0 (of 3, 3 recorded): changed",
    ]


def test_added_and_missing_items_are_named() -> None:
    assert report(asked(TURN, RESULT), asked(TURN))[1] == "  input item 1 (of 2, 1 recorded): added"
    assert report(asked(TURN), asked(TURN, RESULT))[1] == "  input item 1 (of 1, 2 recorded): missing"


def test_every_changed_part_is_listed_and_the_first_is_shown() -> None:
    now = asked(RESULT, model="gpt-6", instructions="Other.", tools=[], temperature=1)
    lines = report(now, asked(TURN))
    assert lines[1:6] == [
        "  model: changed",
        "  instructions: changed",
        "  tools: read_file missing",
        "  temperature: added",
        "  input item 0 (of 1, 1 recorded): changed",
    ]
    assert lines[-2:] == ["-gpt-5", "+gpt-6"]


def test_the_diff_is_cut_at_20_lines_of_200_characters() -> None:
    before = asked(TURN, instructions="\n".join(f"old {number}" for number in range(100)))
    now = asked(TURN, instructions="\n".join(f"new {number}" + "x" * 500 for number in range(100)))
    shown = report(now, before)[2:]
    assert len(shown) == 20
    assert max(len(line) for line in shown) <= 201
    assert shown[-1] == "… 184 more lines"


def test_a_request_whose_answers_were_all_played_is_told_apart() -> None:
    assert report(asked(TURN), asked(RESULT), asked(TURN), asked(TURN), played=3) == [
        "this very request was recorded 2 time(s) (request 2, 3), and every answer was played"
    ]


def test_of_two_equally_near_recordings_the_unplayed_one_is_named() -> None:
    now = asked(TURN, instructions="Other.")
    assert report(now, asked(TURN), asked(TURN), played=1)[0] == "nearest is recorded request 2; changed against it:"


def test_a_path_that_was_never_recorded_is_named() -> None:
    now = take_apart("GET", "/v1/models", b"")
    assert report(now, asked(TURN)) == ["no request to this path was recorded; recorded: POST /v1/responses"]
    assert report(now) == ["no request to this path was recorded; recorded: nothing"]


def test_a_conversation_under_another_field_is_named() -> None:
    before = take_apart("POST", "/x", b'{"input": []}')
    assert report(take_apart("POST", "/x", b"{}"), before)[1] == "  conversation: in no field, was in input field"
