"""Runs with Claude that are left at a question and gone on with elsewhere: thoughts come back as they were signed."""

import json
from dataclasses import replace
from typing import Any

import httpx2
import pytest
import story_kit
from story_kit import STORIES, Done, Story, Turn, whole

from andon.agents.models import named_model


class Claude(story_kit.Provider):
    """Answers Anthropic's interface in this process."""

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        number, turn = self.given, self.turns[self.given]
        self.requests.append((number, request.read()))
        if turn.busy and sum(asked == number for asked, _ in self.requests) == 1:
            failed = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}
            return httpx2.Response(429, json=failed, headers={"retry-after-ms": "1"})
        self.given += 1
        return httpx2.Response(200, json=_message(number, turn), headers={"request-id": f"req_{number}"})


def _message(number: int, said: Turn) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if said.thought:
        content.append({"type": "thinking", "thinking": said.thought, "signature": f"Eq{number}/+=="})
        content.append({"type": "redacted_thinking", "data": f"Em{number}/+=="})
    if said.text:
        content.append({"type": "text", "text": said.text})
    content += [
        {"type": "tool_use", "id": f"call_{number}_{count}", "name": tool, "input": arguments}
        for count, (tool, arguments) in enumerate(said.calls)
    ]
    return {
        "id": f"msg_{number}", "type": "message", "role": "assistant", "model": "m", "content": content,
        "stop_reason": "tool_use" if said.calls else "end_turn", "stop_sequence": None,
        "usage": {"input_tokens": 11, "output_tokens": 7},
    }  # fmt: skip


@pytest.fixture(autouse=True)
def _claude_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("andon.agents.provider_calls.FIRST_WAIT", 0.0)
    monkeypatch.setattr(story_kit, "Provider", Claude)
    monkeypatch.setattr(story_kit, "openai_model", named_model)


def facts(done: Done) -> dict[str, Any]:
    """What must not depend on where and when a person answered."""
    return {
        "outcome": done.outcome,
        "requests": done.requests,
        "steps": done.order,
        "stored": done.stored,
        "tools": done.log,
        # What was spent before a part began is told by a budget that these parts do not share.
        "events": [(kind, {**data, "so_far": None}) for kind, data in done.events],
    }


def thinking(story: Story) -> Story:
    """The story with a thought before everything that is said."""
    return replace(story, turns=[replace(turn, thought=f"thought {n}") for n, turn in enumerate(story.turns)])


# Answers that this interface cannot carry: arguments that are no object.
TOLD = [name for name in STORIES if name != "with what is no object"]


@pytest.mark.parametrize("name", TOLD)
async def test_a_run_with_claude_left_at_its_questions_is_the_run_asked_in_place(name: str) -> None:
    story = thinking(STORIES[name])

    asked = await whole("anthropic/claude-opus-4-8", story.turns, story.line())
    parked = await whole("anthropic/claude-opus-4-8", story.turns, story.line(parks=True))

    assert asked.outcome.verdict == "pass"
    assert (len(asked.left), len(parked.left)) == (0, story.parks)
    assert facts(parked) == facts(asked)
    for number, body in parked.requests:
        for turn in json.loads(body)["messages"]:
            if turn["role"] == "assistant":
                assert [block["type"] for block in turn["content"]][:2] == ["thinking", "redacted_thinking"], number
