import socket
from pathlib import Path
from typing import Any

import pytest
from doctor_kit import Find, Serve
from lane_kit import FILES, make_repository
from wire_kit import Turn, serving

_KEY = "sk-a-key-that-nobody-may-ever-see-0123456789"


def error(code: str) -> dict[str, Any]:
    return {"error": {"message": f"no: {_KEY}", "type": "x", "code": code}}


async def test_without_a_key_it_warns_and_asks_nobody(tmp_path: Path, find: Find) -> None:
    found = await find(tmp_path, "model", call=True)
    assert {id: one.severity for id, one in found.items()} == {
        "model.key": "warning", "model.names": "ok", "model.call": "skipped",
    }  # fmt: skip


async def test_a_model_is_asked_only_where_that_was_allowed(tmp_path: Path, find: Find) -> None:
    with serving(Turn(text="ready")) as wire:
        found = await find(tmp_path, "model", OPENAI_API_KEY=_KEY, OPENAI_BASE_URL=wire.url)
        assert wire.requests == []
    assert (found["model.key"].severity, found["model.call"].severity) == ("ok", "skipped")
    assert "andon doctor model --call" in found["model.call"].found


@pytest.mark.parametrize(("model", "path"), [("m", "/v1/responses"), ("chat/m", "/v1/chat/completions")])
async def test_every_model_is_asked_once_for_a_word(tmp_path: Path, find: Find, model: str, path: str) -> None:
    with serving(Turn(text="ready")) as wire:
        found = await find(
            tmp_path, "model.call", call=True, OPENAI_API_KEY=_KEY, OPENAI_BASE_URL=wire.url, ANDON_MODEL=model
        )
        asked = [(one.path, one.body["model"], one.headers["authorization"]) for one in wire.requests]
        limits = [one.body.get("max_tokens", one.body.get("max_output_tokens")) for one in wire.requests]
    told = found["model.call"]
    assert (told.severity, told.outcome) == ("ok", "answered")
    assert asked == [(path, "m", f"Bearer {_KEY}")]
    assert limits == [1 if model.startswith("chat") else 16]


@pytest.mark.parametrize(
    ("status", "code", "severity", "outcome"),
    [
        (401, "invalid_api_key", "error", "wrong-key"),
        (403, "no", "error", "wrong-key"),
        (404, "model_not_found", "error", "unknown-model"),
        (400, "model_not_found", "error", "unknown-model"),
        (400, "bad", "error", "refused"),
        (429, "insufficient_quota", "warning", "no-quota"),
        (500, "oops", "warning", "failing"),
    ],
)
async def test_a_refusal_is_told_by_its_kind_and_without_the_key(
    tmp_path: Path, find: Find, serve: Serve, status: int, code: str, severity: str, outcome: str
) -> None:
    with serve({"/v1/responses": (status, {"content-type": "application/json"}, error(code))}) as (address, asked):
        found = (await find(tmp_path, "model.call", call=True, OPENAI_API_KEY=_KEY, OPENAI_BASE_URL=f"{address}/v1"))[
            "model.call"
        ]
    assert (found.severity, found.outcome, len(asked)) == (severity, outcome, 1)
    assert (_KEY in found.model_dump_json(), bool(found.remedy)) == (False, True)


async def test_a_page_in_place_of_an_answer_is_refused(tmp_path: Path, find: Find) -> None:
    with serving(Turn(text="ready", faults=("html",))) as wire:
        found = await find(tmp_path, "model.call", call=True, OPENAI_API_KEY=_KEY, OPENAI_BASE_URL=wire.url)
    assert (found["model.call"].severity, found["model.call"].outcome) == ("error", "refused")


async def test_a_server_that_is_not_there_is_unreachable(tmp_path: Path, find: Find) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    found = await find(
        tmp_path, "model.call", call=True, OPENAI_API_KEY=_KEY, OPENAI_BASE_URL=f"http://127.0.0.1:{port}/v1"
    )
    assert (found["model.call"].severity, found["model.call"].outcome) == ("error", "unreachable")


async def test_a_name_no_model_can_have_is_an_error(tmp_path: Path, find: Find) -> None:
    found = await find(tmp_path, "model.names", ANDON_MODEL="azure/x")
    assert (found["model.names"].severity, "ANDON_MODEL" in found["model.names"].found) == ("error", True)


async def test_a_server_of_the_repository_that_nobody_accepted_gets_no_key(tmp_path: Path, find: Find) -> None:
    with serving(Turn(text="ready")) as wire:
        files = FILES | {"factory/andon.toml": f'[provider]\nbase_url = "{wire.url}"\n'}
        root = make_repository(tmp_path / "repo", files)
        found = await find(root, "model.call", call=True, OPENAI_API_KEY=_KEY)
        assert wire.requests == []
    assert (found["model.call"].severity, "andon trust" in found["model.call"].found) == ("skipped", True)
