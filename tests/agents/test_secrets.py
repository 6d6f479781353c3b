"""Answers whose secrets were taken out before they were kept: they still stand, and are what the model reads next."""

import json
from typing import Any

import pytest
from crew_kit import Line, StoringEngine
from story_kit import ALL_WORK, read, turn, whole

from andon.guardrails.redact import redacted_values

TOKEN = "ghp_" + "a1B2c3D4e5F6" * 3
KEY = "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n" * 4 + "-----END PRIVATE KEY-----\n"


@pytest.fixture(autouse=True)
def _clean_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the engine keep, and hand on, what the durable one does."""
    step = StoringEngine.step

    async def cleaned(self: StoringEngine, name: str, key: str, run: Any, of: Any = Any) -> Any:
        await step(self, name, key, run, of)
        place = f"{name}:{key}"
        self.stored[place] = json.dumps(
            redacted_values(json.loads(self.stored[place]), opaque=getattr(of, "OPAQUE", frozenset()))
        )
        self.order.pop()
        return await step(self, name, key, run, of)

    monkeypatch.setattr(StoringEngine, "step", cleaned)


@pytest.mark.parametrize("wire", ["m", "chat/m"], ids=["responses", "chat"])
async def test_a_secret_that_a_model_says_is_neither_kept_nor_sent_again(wire: str) -> None:
    said = turn(read("a"), text=f"I use {TOKEN} here.")

    done = await whole(wire, (said, *ALL_WORK), Line())

    assert done.outcome.verdict == "pass"
    assert TOKEN not in json.dumps(done.stored)
    assert "I use [redacted: github-token] here." in done.requests[1][1].decode()


@pytest.mark.parametrize("wire", ["m", "chat/m"], ids=["responses", "chat"])
@pytest.mark.parametrize(
    "given",
    [{"path": f"a {TOKEN}"}, {"path": f'password = "{TOKEN}"'}, {"path": f"a\n{KEY}b"}, {"path": "a", "token": TOKEN}],
    ids=["argument", "quoted", "key", "name"],
)
async def test_a_call_is_made_with_what_the_model_said(wire: str, given: dict[str, str]) -> None:
    done = await whole(wire, (turn(("read_file", given)), *ALL_WORK), Line())

    assert done.outcome.verdict == "pass"
    [kept] = json.loads(done.stored["model:planner:1"])["output"]
    assert json.loads(kept["arguments"]) == given
    assert b"one valid JSON" not in done.requests[1][1]
