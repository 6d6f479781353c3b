"""A run taken up again after its process died: what was kept is not done again, and what comes then is the same."""

from typing import Any

import pytest
from story_kit import STORIES, Done, whole, work


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("andon.agents.provider_calls.FIRST_WAIT", 0.0)


# Told inside the step that a model is asked in, and so not again on a replay.
_IN_STEPS = ("model.answered", "model.retried", "model.delta")


def outside(done: Done) -> list[Any]:
    """The events that the body of a run emits, on every way through it."""
    return [event for event in done.events if event[0] not in _IN_STEPS]


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("everything", "m"),
        ("repairs", "m"),
        ("repairs", "chat/m"),
        ("three of five", "m"),
        ("effect and call of one answer", "m"),
        ("with the end of the review", "m"),
    ],
)
async def test_a_run_cut_off_after_any_step_goes_on_as_if_nothing_had_happened(name: str, wire: str) -> None:
    story = STORIES[name]
    undisturbed = await whole(wire, story.turns, story.line())
    steps = list(undisturbed.stored.items())

    for cut in range(len(steps) + 1):
        kept = dict(steps[:cut])
        before = Done(story.line(), stored=dict(kept))
        sent = [request for request in undisturbed.requests if request[0] < before.answers]
        before.requests = list(sent)
        again = await work(wire, story.turns, before)

        assert again.outcome == undisturbed.outcome
        assert again.requests == undisturbed.requests
        assert again.order == undisturbed.order
        assert again.stored == undisturbed.stored
        assert outside(again) == outside(undisturbed)
        assert again.line == undisturbed.line
        made = sum(place.startswith("tool:") for place in kept)
        ended = [line for line in undisturbed.log if line.startswith("end")]
        assert [line for line in again.log if line.startswith("end")] == ended[made:]
