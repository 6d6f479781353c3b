"""Long conversations made shorter, without changing what counts."""

import json
from itertools import pairwise
from typing import Any, cast

from agents import TResponseInputItem

from andon.agents.elision import KEPT_OUTPUTS, elided

PACKET = {"role": "user", "content": "# Task\n1. criterion\n# Protected\n- auth"}
BUDGET = 20_000


def turn(number: int, output: Any = None) -> list[TResponseInputItem]:
    """A thought, a call and its output, as the runner keeps them."""
    call_id = f"call_{number}"
    items: list[dict[str, Any]] = [
        {"type": "reasoning", "id": f"r{number}", "summary": [], "encrypted_content": f"signed {number}"},
        {
            "type": "function_call",
            "call_id": call_id,
            "name": "read_file",
            "arguments": json.dumps({"path": f"{number}"}),
        },
        {"type": "function_call_output", "call_id": call_id, "output": output or f"{number} " + "x" * 1_000},
    ]
    return cast("list[TResponseInputItem]", items)


def conversation(turns: int) -> list[TResponseInputItem]:
    first = cast("TResponseInputItem", PACKET)
    return [first, *(item for number in range(turns) for item in turn(number))]


def size(items: list[TResponseInputItem]) -> int:
    return sum(len(json.dumps(item).encode()) for item in items)


def outputs(items: list[TResponseInputItem]) -> list[str]:
    plain = cast("list[dict[str, Any]]", items)
    return [item["output"] for item in plain if item.get("type") == "function_call_output"]


def test_a_short_conversation_is_left_as_it_is() -> None:
    items = conversation(12)
    assert elided(items, BUDGET) == items


def test_of_a_long_one_the_oldest_outputs_become_a_line_that_says_what_is_left_out() -> None:
    items = conversation(18)
    shown = outputs(elided(items, BUDGET))
    assert shown[0] == "[1002 bytes of this output were left out to make room; call again to see it]"
    assert shown[-KEPT_OUTPUTS:] == outputs(items)[-KEPT_OUTPUTS:]
    assert size(elided(items, BUDGET)) <= BUDGET


def test_messages_thoughts_and_calls_stay_word_for_word_and_in_their_places() -> None:
    items = conversation(40)
    person = cast("TResponseInputItem", {"role": "user", "content": "A person says: " + "y" * 3_000})
    items.insert(4, person)
    short = elided(items, BUDGET)
    before, after = cast("list[dict[str, Any]]", items), cast("list[dict[str, Any]]", short)
    assert [{**item, "output": ""} for item in after] == [{**item, "output": ""} for item in before]


def test_what_was_sent_stays_a_prefix_but_for_rare_batches() -> None:
    sent = [elided(conversation(turns), BUDGET) for turns in range(1, 101)]
    broken = [number for number, (one, other) in enumerate(pairwise(sent)) if other[: len(one)] != one]
    assert 0 < len(broken) <= 16
    assert all(later - earlier > 5 for earlier, later in pairwise(broken))


def test_a_conversation_of_large_last_outputs_is_not_cut_turn_by_turn() -> None:
    first = cast("TResponseInputItem", PACKET)
    items = [first, *(item for number in range(KEPT_OUTPUTS) for item in turn(number, "z" * 9_000))]
    assert elided(items, BUDGET) == items


def test_outputs_made_of_parts_keep_their_form_and_short_ones_stay() -> None:
    parts = [{"type": "input_text", "text": "p" * 4_000}]
    first = cast("TResponseInputItem", PACKET)
    items = [first, *turn(0, parts), *turn(1, "done"), *(item for number in range(2, 24) for item in turn(number))]
    shown = cast("list[Any]", outputs(elided(items, BUDGET)))
    assert (shown[0][0]["type"], shown[0][0]["text"][:40], shown[1]) == (
        "input_text",
        "[4000 bytes of this output were left out",
        "done",
    )


def test_what_was_shortened_once_stays_as_it_is() -> None:
    short = elided(conversation(18), BUDGET)
    assert elided(short, BUDGET) == short


def test_what_is_given_is_not_changed() -> None:
    items = conversation(40)
    copy = json.loads(json.dumps(items))
    elided(items, BUDGET)
    assert items == copy
