"""Contract of the cassette transport, and of the undocumented parts of vcrpy it stands on."""

import asyncio
import gzip
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest
import yaml

from andon.evals.cassettes import CassetteMiss, CassetteTransport, load_about, open_cassette
from andon.records.errors import UserError
from andon.records.stops import StopCode

ABOUT = {"answered_by": "hand"}
ANYWHERE = "https://model.invalid/v1"
TOOL = {"type": "function", "name": "read_file", "parameters": {"type": "object"}, "strict": False}
TURN = {"role": "user", "content": "Add a page.\nKeep it small."}


@dataclass(frozen=True)
class Answer:
    """What the server sends for one request."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


def message(text: str) -> Answer:
    """A finished response that says `text`."""
    item = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }
    response = {
        "id": "resp_1",
        "object": "response",
        "created_at": 0,
        "model": "m",
        "status": "completed",
        "output": [item],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
    return Answer(json.dumps(response).encode())


def gzipped(answer: Answer) -> Answer:
    """The same answer, compressed."""
    return Answer(gzip.compress(answer.body), answer.status, {**answer.headers, "content-encoding": "gzip"})


@dataclass
class ModelServer:
    """A provider that answers with `respond` and remembers what it was asked."""

    respond: Callable[[dict[str, Any]], Answer] = lambda body: message(f"echo {body.get('input')}")
    asked: list[dict[str, Any]] = field(default_factory=list)
    base_url: str = ""
    stop: Callable[[], None] = lambda: None


@pytest.fixture
def server() -> Iterator[ModelServer]:
    """A running provider; `stop()` may be called early."""
    model = ModelServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            model.asked.append(body)
            answer = model.respond(body)
            self.send_response(answer.status)
            for name, value in {**answer.headers, "set-cookie": "c=1", "openai-organization": "org-x"}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *args: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def stop() -> None:
        http.shutdown()
        http.server_close()
        thread.join()
        model.stop = lambda: None

    model.base_url, model.stop = f"http://127.0.0.1:{http.server_port}/v1", stop
    yield model
    model.stop()


def client_of(transport: CassetteTransport, base_url: str = ANYWHERE, retries: int = 0) -> openai.AsyncOpenAI:
    http = httpx2.AsyncClient(transport=transport)
    return openai.AsyncOpenAI(base_url=base_url, api_key="k", http_client=http, max_retries=retries)


async def ask(client: openai.AsyncOpenAI, text: Any, **changed: Any) -> str:
    fields = {"model": "gpt-5", "instructions": "You plan.\nBe brief.", "tools": [TOOL], **changed}
    return str((await client.responses.create(input=text, **fields)).output_text)


def files_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def record(server: ModelServer, path: Path, *texts: Any, **changed: Any) -> None:
    with open_cassette(path, mode="record", about=ABOUT) as cassette:
        for text in texts:
            await ask(client_of(cassette.transport, server.base_url), text, **changed)
        await cassette.transport.aclose()


async def miss(path: Path, text: Any, **changed: Any) -> str:
    with open_cassette(path, mode="replay") as cassette:
        with pytest.raises(CassetteMiss) as caught:
            await ask(client_of(cassette.transport), text, **changed)
        assert cassette.misses == [str(caught.value)]
        assert caught.value.code is StopCode.CASSETTE_MISS
    return str(caught.value)


async def test_a_recording_replays_for_any_base_url_after_the_server_is_gone(
    server: ModelServer, tmp_path: Path
) -> None:
    await record(server, tmp_path / "c.yaml", "one", "two")
    server.stop()
    with open_cassette(tmp_path / "c.yaml", mode="replay") as cassette:
        client = client_of(cassette.transport)
        assert cassette.unplayed() == 2
        assert [await ask(client, "one"), await ask(client, "two")] == ["echo one", "echo two"]
        assert (cassette.misses, cassette.unplayed()) == ([], 0)


async def test_a_query_does_not_count(server: ModelServer, tmp_path: Path) -> None:
    await record(server, tmp_path / "c.yaml", "one")
    with open_cassette(tmp_path / "c.yaml", mode="replay") as cassette:
        client = client_of(cassette.transport)
        assert await ask(client, "one", extra_query={"beta": "true"}) == "echo one"


async def test_a_streamed_answer_replays_event_by_event(server: ModelServer, tmp_path: Path) -> None:
    done = json.loads(message("välkommen").body)
    events = [{"type": "response.created", "response": done}, {"type": "response.completed", "response": done}]
    stream = "".join(f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n" for event in events)
    server.respond = lambda body: Answer(stream.encode(), headers={"content-type": "text/event-stream; charset=utf-8"})

    async def types(transport: CassetteTransport, url: str) -> list[str]:
        events = await client_of(transport, url).responses.create(model="m", input="hi", stream=True)
        return [event.type async for event in events]

    with open_cassette(tmp_path / "c.yaml", mode="record", about=ABOUT) as cassette:
        assert await types(cassette.transport, server.base_url) == ["response.created", "response.completed"]
    server.stop()
    with open_cassette(tmp_path / "c.yaml", mode="replay") as cassette:
        assert await types(cassette.transport, ANYWHERE) == ["response.created", "response.completed"]
    assert "string: |" in (tmp_path / "c.yaml").read_text("utf-8")


async def test_two_cassettes_work_at_once_in_one_process(server: ModelServer, tmp_path: Path) -> None:
    server.respond = lambda body: message(f"{body['model']}: {body['input']}")
    a, b = tmp_path / "a.yaml", tmp_path / "b.yaml"

    async def ask_both(one: CassetteTransport, other: CassetteTransport, url: str) -> list[str]:
        return list(
            await asyncio.gather(
                ask(client_of(one, url), "same", model="a"), ask(client_of(other, url), "same", model="b")
            )
        )

    with open_cassette(a, mode="record", about=ABOUT) as one, open_cassette(b, mode="record", about=ABOUT) as other:
        await ask_both(one.transport, other.transport, server.base_url)
    server.stop()
    with open_cassette(a, mode="replay") as one, open_cassette(b, mode="replay") as other:
        assert await ask_both(one.transport, other.transport, ANYWHERE) == ["a: same", "b: same"]
        assert (one.unplayed(), other.unplayed()) == (0, 0)


async def test_parallel_requests_each_get_their_own_answer(server: ModelServer, tmp_path: Path) -> None:
    texts = [f"q{number}" for number in range(8)]
    with open_cassette(tmp_path / "c.yaml", mode="record", about=ABOUT) as cassette:
        client = client_of(cassette.transport, server.base_url)
        await asyncio.gather(*(ask(client, text) for text in texts))
    server.stop()
    with open_cassette(tmp_path / "c.yaml", mode="replay") as cassette:
        client = client_of(cassette.transport)
        answers = await asyncio.gather(*(ask(client, text) for text in reversed(texts)))
        assert answers == [f"echo {text}" for text in reversed(texts)]


async def test_equal_requests_play_in_recorded_order(server: ModelServer, tmp_path: Path) -> None:
    server.respond = lambda body: message(f"answer {len(server.asked)}")
    await record(server, tmp_path / "c.yaml", "again", "again", "again")
    with open_cassette(tmp_path / "c.yaml", mode="replay") as cassette:
        client = client_of(cassette.transport)
        assert [await ask(client, "again") for _ in range(3)] == ["answer 1", "answer 2", "answer 3"]


async def test_parallel_equal_requests_share_out_the_recorded_answers(server: ModelServer, tmp_path: Path) -> None:
    server.respond = lambda body: message(f"answer {len(server.asked)}")
    await record(server, tmp_path / "c.yaml", *["again"] * 6)
    with open_cassette(tmp_path / "c.yaml", mode="replay") as cassette:
        client = client_of(cassette.transport)
        answers = await asyncio.gather(*(ask(client, "again") for _ in range(6)))
        assert Counter(answers) == Counter(f"answer {number}" for number in range(1, 7))


async def test_a_retry_after_a_429_replays(server: ModelServer, tmp_path: Path) -> None:
    busy = Answer(b'{"error": {"message": "busy"}}', 429, {"content-type": "application/json", "retry-after-ms": "1"})
    server.respond = lambda body: busy if len(server.asked) == 1 else message("at last")
    with open_cassette(tmp_path / "c.yaml", mode="record", about=ABOUT) as cassette:
        assert await ask(client_of(cassette.transport, server.base_url, retries=1), "one") == "at last"
    server.stop()
    with open_cassette(tmp_path / "c.yaml", mode="replay") as cassette:
        client = client_of(cassette.transport)
        with pytest.raises(openai.RateLimitError, match="busy"):
            await ask(client, "one")
        assert await ask(client, "one") == "at last"
        assert cassette.unplayed() == 0


async def test_a_compressed_answer_is_stored_readable(server: ModelServer, tmp_path: Path) -> None:
    server.respond = lambda body: gzipped(message("small"))
    await record(server, tmp_path / "c.yaml", "one")
    server.stop()
    document = yaml.safe_load((tmp_path / "c.yaml").read_text("utf-8"))
    assert document["interactions"][0]["response"] == {
        "status": {"code": 200, "message": "OK"},
        "headers": {"content-type": ["application/json"]},
        "body": {"string": message("small").body.decode()},
    }
    with open_cassette(tmp_path / "c.yaml", mode="replay") as cassette:
        assert await ask(client_of(cassette.transport), "one") == "small"


async def test_bytes_that_are_no_text_come_back_unchanged(server: ModelServer, tmp_path: Path) -> None:
    server.respond = lambda body: Answer(b"\xff\x00\x01", headers={"content-type": "application/octet-stream"})
    for mode, url, about in (("record", server.base_url, ABOUT), ("replay", ANYWHERE, None)):
        with open_cassette(tmp_path / "c.yaml", mode=mode, about=about) as cassette:  # type: ignore[arg-type]
            response = await httpx2.AsyncClient(transport=cassette.transport).post(url, json={})
            assert response.content == b"\xff\x00\x01"
        server.stop()


async def test_only_the_content_type_of_the_headers_is_kept(server: ModelServer, tmp_path: Path) -> None:
    await record(server, tmp_path / "c.yaml", "one")
    interaction = yaml.safe_load((tmp_path / "c.yaml").read_text("utf-8"))["interactions"][0]
    assert interaction["request"]["headers"] == {"content-type": ["application/json"]}
    assert interaction["response"]["headers"] == {"content-type": ["application/json"]}
    text = (tmp_path / "c.yaml").read_text("utf-8").lower()
    assert [
        word for word in ("authorization", "user-agent", "stainless", "cookie", "127.0.0.1", "org-x") if word in text
    ] == []


async def test_each_part_of_a_conversation_is_stored_once(server: ModelServer, tmp_path: Path) -> None:
    server.respond = lambda body: message("noted")
    first = {"role": "user", "content": "a unique sentence"}
    await record(server, tmp_path / "c.yaml", [first], [first, TURN], [first, TURN, TURN])
    text = (tmp_path / "c.yaml").read_text("utf-8")
    assert [text.count(part) for part in ("a unique sentence", "Keep it small.", "Be brief.", "read_file")] == [1] * 4


async def test_the_metadata_says_who_answered_and_what_was_asked(server: ModelServer, tmp_path: Path) -> None:
    await record(server, tmp_path / "c.yaml", "one", "two")
    today = datetime.now(UTC).date().isoformat()
    about = load_about(tmp_path / "c.yaml")
    assert about["answered_by"] == "hand"
    assert about["model"] == "gpt-5"
    assert about["recorded_at"] == today
    assert f"openai=={openai.__version__}" in about["sdks"].split()
    assert len(about["prompts"].split()) == 1
    with open_cassette(tmp_path / "c.yaml", mode="replay") as cassette:
        assert cassette.label == f"recorded {today} over the real wire; answered by hand"
        assert dict(cassette.about) == about


async def test_a_changed_prompt_misses_and_the_report_names_instructions(server: ModelServer, tmp_path: Path) -> None:
    await record(server, tmp_path / "c.yaml", [TURN])
    report = await miss(tmp_path / "c.yaml", [TURN], instructions="You plan.\nBe thorough.")
    assert report.splitlines() == [
        "c.yaml holds no answer for POST /v1/responses (0 of 1 recorded answers played): "
        "nearest is recorded request 1; changed against it:",
        "  instructions: changed",
        "--- recorded",
        "+++ now",
        "@@ -1,2 +1,2 @@",
        " You plan.",
        "-Be brief.",
        "+Be thorough.",
        "If the change is meant, record the cassette again.",
    ]


async def test_a_second_play_of_one_recording_is_refused(server: ModelServer, tmp_path: Path) -> None:
    await record(server, tmp_path / "c.yaml", "one")
    with open_cassette(tmp_path / "c.yaml", mode="replay") as cassette:
        client = client_of(cassette.transport)
        await ask(client, "one")
        with pytest.raises(CassetteMiss, match="this very request was recorded 1 time"):
            await ask(client, "one")


async def test_a_request_to_a_path_that_was_not_recorded_says_so(server: ModelServer, tmp_path: Path) -> None:
    await record(server, tmp_path / "c.yaml", "one")
    with (
        open_cassette(tmp_path / "c.yaml", mode="replay") as cassette,
        pytest.raises(CassetteMiss, match="no request to this path was recorded; recorded: POST /v1/responses"),
    ):
        await client_of(cassette.transport).models.list()


async def test_a_miss_that_the_client_hides_is_still_collected_once(server: ModelServer, tmp_path: Path) -> None:
    await record(server, tmp_path / "c.yaml", "one")
    with open_cassette(tmp_path / "c.yaml", mode="replay") as cassette:
        http = httpx2.AsyncClient(transport=cassette.transport)
        client = anthropic.AsyncAnthropic(
            base_url="https://model.invalid", api_key="k", http_client=http, max_retries=1
        )
        with pytest.raises(anthropic.APIConnectionError):
            await client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
        assert len(cassette.misses) == 1
        assert cassette.unplayed() == 1


async def test_a_run_that_raised_saves_nothing(server: ModelServer, tmp_path: Path) -> None:
    server.respond = lambda body: message("one") if len(server.asked) == 1 else Answer(b"{}", 500)
    with pytest.raises(openai.InternalServerError):
        await record(server, tmp_path / "c.yaml", "one", "two")
    assert len(server.asked) == 2
    assert files_in(tmp_path) == []


async def test_recording_again_replaces_the_older_recording(server: ModelServer, tmp_path: Path) -> None:
    await record(server, tmp_path / "c.yaml", "one", "two")
    await record(server, tmp_path / "c.yaml", "three")
    with open_cassette(tmp_path / "c.yaml", mode="replay") as cassette:
        assert cassette.unplayed() == 1
        assert await ask(client_of(cassette.transport), "three") == "echo three"


@pytest.mark.parametrize(
    "secret",
    ["sk-proj-abcdefghij0123456789", "Authorization: Bearer abcdefghij0123456789", "see\nsk-abcdefghij0123456789"],
)
async def test_a_cassette_with_a_secret_is_not_saved(server: ModelServer, tmp_path: Path, secret: str) -> None:
    with pytest.raises(UserError, match="request 2 holds what looks like a secret") as caught:
        await record(
            server, tmp_path / "c.yaml", "fine: task-001-add-a-watchlist-page", [{"role": "user", "content": secret}]
        )
    assert "0123456789" not in str(caught.value)
    assert files_in(tmp_path) == []


async def test_a_secret_in_an_answer_is_not_saved(server: ModelServer, tmp_path: Path) -> None:
    server.respond = lambda body: message("your key:\nsk-proj-abcdefghij0123456789")
    with pytest.raises(UserError, match="answer 1 holds what looks like a secret"):
        await record(server, tmp_path / "c.yaml", "one")


def test_a_recording_must_say_who_answers(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="give `answered_by`"),
        open_cassette(tmp_path / "c.yaml", mode="record", about={"model": "m"}),
    ):
        pass


def test_a_recording_of_nothing_is_not_saved(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="nothing was recorded; check that the client uses the cassette's transport"),
        open_cassette(tmp_path / "c.yaml", mode="record", about=ABOUT),
    ):
        pass
    assert files_in(tmp_path) == []


def test_a_replay_takes_no_transport(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="neither"),
        open_cassette(tmp_path / "c.yaml", mode="replay", inner=httpx2.AsyncHTTPTransport()),
    ):
        pass
