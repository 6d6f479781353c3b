"""Models over the real wire: what is sent, what is asked again, and what a person is told when a provider fails."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar

import httpx2
import openai
import pytest
from agents import Model, ModelSettings, ModelTracing, Usage, trace
from agents.mcp import MCPServer
from agents.testing import ScriptedModel, function_call
from budget_kit import budget

from andon.agents.lane import run_lane
from andon.agents.models import openai_model
from andon.agents.prompts import role_text
from andon.agents.replies import Start, Told
from andon.agents.step_model import StepModel
from andon.guardrails.budgets import Budget
from andon.records.budget import Allowance, Price
from andon.records.calls import Role
from andon.records.errors import RunError
from andon.records.events import Events
from andon.records.plan import ChangeReport, PlanPayload
from andon.records.ports import Steps
from andon.records.review import Review, SpecialistReview
from andon.records.stops import StopCode

ROLES: tuple[Role, ...] = ("planner", "executor", "reviewer")
KEY = "sk-test-0123456789abcdefghijklmnop"
NO_WAIT = "retry-after-ms: 0"


@dataclass
class Reply:
    """One HTTP answer of the loopback provider."""

    status: int
    body: str
    headers: tuple[str, ...] = ()


class Provider:
    """An HTTP server on the loopback interface that gives its replies in order, the last one for ever."""

    def __init__(self, replies: list[Reply]) -> None:
        self.replies = replies
        self.requests: list[dict[str, Any]] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line)
        self.requests.append(json.loads(await reader.readexactly(length)))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        body = reply.body.encode()
        lines = [f"HTTP/1.1 {reply.status} X", "content-type: application/json", "connection: close", *reply.headers]
        writer.write("\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body)
        await writer.drain()
        writer.close()


def answer(*calls: tuple[str, dict[str, Any]], status: str = "completed", **changed: Any) -> Reply:
    """A Responses answer that calls these tools."""
    output = [
        {
            "type": "function_call",
            "id": f"fc_{n}",
            "call_id": f"c_{tool}_{n}",
            "name": tool,
            "arguments": json.dumps(arguments),
            "status": "completed",
        }
        for n, (tool, arguments) in enumerate(calls)
    ]
    body = {
        "id": "resp_1",
        "object": "response",
        "created_at": 0,
        "model": "m",
        "status": status,
        "output": output,
        "usage": {
            "input_tokens": 11,
            "output_tokens": 7,
            "total_tokens": 18,
            "input_tokens_details": {"cached_tokens": 3},
            "output_tokens_details": {"reasoning_tokens": 2},
        },
        "parallel_tool_calls": True,
        "tool_choice": "required",
        "tools": [],
    }
    return Reply(200, json.dumps(body | changed))


READ = answer(("read_file", {"path": "a"}))


@asynccontextmanager
async def serving(*replies: Reply) -> AsyncIterator[Provider]:
    """Run a provider for as long as the block lasts."""
    provider = Provider(list(replies))
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server:
        yield provider


async def ask(model: Model, settings: ModelSettings | None = None) -> Any:
    return await model.get_response(
        system_instructions="Be brief.",
        input=[{"role": "user", "content": "Go."}],
        model_settings=settings or ModelSettings(),
        tools=[],
        output_schema=None,
        handoffs=[],
        tracing=ModelTracing.DISABLED,
        previous_response_id=None,
        conversation_id=None,
        prompt=None,
    )


@dataclass
class Asker:
    """Asks one question of a provider through a StepModel."""

    events: Events
    engine: Steps
    budget: Budget = field(default_factory=budget)

    def model(self, provider: Provider, name: str = "m") -> StepModel:
        return self.around(openai_model(name, base_url=provider.url, api_key=KEY))

    def around(self, model: Model) -> StepModel:
        return StepModel(
            model, role="planner", events=self.events, engine=self.engine, call_ids=set(), budget=self.budget
        )

    async def stop(self, model: StepModel) -> str:
        """The message of the stop that asking ends with."""
        with pytest.raises(RunError) as caught:
            await ask(model)
        assert caught.value.code is StopCode.PROVIDER_FAILED
        return str(caught.value)


@pytest.fixture
def asker(events: Events, engine: Steps) -> Asker:
    return Asker(events, engine)


async def test_an_answer_is_stored_counted_and_reported(
    asker: Asker, seen: list[tuple[str, dict[str, Any]]], stored: dict[str, str]
) -> None:
    async with serving(READ) as provider:
        model = asker.model(provider)
        response = await ask(model)

    (call,) = response.output
    assert (call.name, call.arguments, call.call_id) == ("read_file", '{"path": "a"}', "c_read_file_0")
    assert response.usage.input_tokens_details.cached_tokens == 3
    usage = {
        "requests": 1, "input_tokens": 11, "output_tokens": 7, "cached_tokens": 3, "cache_write_tokens": 0,
        "estimated": 0, "cost": None,
    }  # fmt: skip
    so_far = {"model_calls": 1, "tokens": 18, "cost": None}
    assert seen == [("model.answered", {"role": "planner", "tools": ["read_file"], "usage": usage, "so_far": so_far})]
    assert list(stored) == ["model:planner:1"]


async def test_a_stored_answer_is_given_again_without_asking(asker: Asker, stored: dict[str, str]) -> None:
    async with serving(READ) as provider:
        first = await ask(asker.model(provider))
        again = await ask(asker.model(provider))
        assert len(provider.requests) == 1

    assert again == first


async def test_what_a_provider_added_survives_the_store(asker: Asker) -> None:
    thought = {
        "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "opaque",
        "provider_data": {"blocks": [1]},
    }  # fmt: skip
    async with serving(answer(output=[thought])) as provider:
        response = await ask(asker.model(provider))

    assert response.to_input_items() == [thought]


@pytest.mark.parametrize(
    ("name", "included"),
    [
        ("gpt-5.6-luna", ["reasoning.encrypted_content"]),
        ("o4-mini", ["reasoning.encrypted_content"]),
        ("gpt-4.1", []),
        ("gpt-5-chat-latest", []),
        ("local-7b", []),
    ],
)
async def test_a_model_that_reasons_is_asked_to_send_it_along(asker: Asker, name: str, included: list[str]) -> None:
    async with serving(READ) as provider:
        await ask(asker.model(provider, name), ModelSettings(store=False))

    (body,) = provider.requests
    assert (body["model"], body["store"], body["include"]) == (name, False, included)


@pytest.mark.parametrize("status", [429, 500, 503, 529])
async def test_a_failing_provider_is_asked_again(asker: Asker, status: int) -> None:
    failed = Reply(status, '{"error": {"message": "busy"}}', (NO_WAIT,))
    async with serving(failed, failed, READ) as provider:
        response = await ask(asker.model(provider))

    assert (len(provider.requests), response.output[0].name) == (3, "read_file")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (500, "The model provider failed (HTTP 500, asked 4 times). It said: busy with […]"),
        (429, "The model provider's rate or quota is used up (HTTP 429, asked 4 times). It said: busy with […]"),
    ],
)
async def test_retries_are_bounded(asker: Asker, status: int, said: str, seen: list[Any]) -> None:
    body = json.dumps({"error": {"message": f"busy\nwith {KEY}"}})
    async with serving(Reply(status, body, ("retry-after: 0",))) as provider:
        message = await asker.stop(asker.model(provider))

    assert (message, len(provider.requests)) == (said, 4)
    assert [kind for kind, _ in seen] == ["model.retried"] * 3


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (
            Reply(401, json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}"}})),
            "The model provider refused the key (HTTP 401): set OPENAI_API_KEY to one that may use this model.",
        ),
        (
            Reply(403, "<html>"),
            "The model provider refused the key (HTTP 403): set OPENAI_API_KEY to one that may use this model.",
        ),
        (
            Reply(404, '{"error": {"message": "No model m."}}'),
            "The model provider does not know this model or address (HTTP 404): check both. It said: No model m.",
        ),
        (
            Reply(400, '{"error": {"message": "Unsupported parameter: previous_response_id."}}'),
            "The model provider refused the request (HTTP 400). It said: Unsupported parameter: previous_response_id.",
        ),
        (
            Reply(429, "{}", ("retry-after: 3600",)),
            "The model provider's rate or quota is used up (HTTP 429).",
        ),
    ],
    ids=["401", "403", "404", "400", "429 for an hour"],
)
async def test_what_asking_again_cannot_mend_ends_at_once(asker: Asker, reply: Reply, said: str) -> None:
    async with serving(reply) as provider:
        message = await asker.stop(asker.model(provider))

    assert (message, len(provider.requests)) == (said, 1)


async def test_a_provider_that_is_not_there_is_named_with_what_to_check(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("andon.agents.provider_calls.FIRST_WAIT", 0.0)
    async with serving(READ) as provider:
        pass

    assert await asker.stop(asker.model(provider)) == (
        "The model provider could not be reached, asked 4 times: check the network and OPENAI_BASE_URL."
    )


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(200, '{"id": "resp_1", "output": ['), "its body is not whole JSON."),
        (answer(("read_file", {}), status="incomplete"), "Responses stream ended with terminal event"),
        (answer(("read_file", {}), status="in_progress"), "its status is in_progress."),
        (Reply(200, '"OK"'), "it is no answer of the Responses interface; check OPENAI_BASE_URL."),
        (Reply(200, "{}"), "it is no answer of the Responses interface; check OPENAI_BASE_URL."),
        (answer(output=[{"type": "web_search_call", "id": "w", "status": "completed"}]), "'web_search_call'."),
        (answer(output=[{"type": "function_call", "name": "x", "arguments": "{}"}]), "has no call_id."),
        (answer(output=[{"type": "function_call", "call_id": "c", "name": "x", "arguments": "{",
                         "status": "incomplete"}]), "a function_call in it is incomplete."),
    ],
)  # fmt: skip
async def test_a_damaged_answer_is_asked_again_and_never_acted_on(
    asker: Asker, reply: Reply, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("andon.agents.provider_calls.FIRST_WAIT", 0.0)
    async with serving(reply) as provider:
        message = await asker.stop(asker.model(provider))

    assert len(provider.requests) == 4
    assert message.startswith("The model provider's answer cannot be used, asked 4 times: ")
    assert said in message


async def test_a_stop_raised_in_the_transport_comes_through_untried_again(asker: Asker) -> None:
    class Missing(httpx2.AsyncBaseTransport):
        asked = 0

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            self.asked += 1
            raise RunError(StopCode.CASSETTE_MISS, "Not recorded.")

    transport = Missing()
    client = httpx2.AsyncClient(transport=transport)
    model = asker.around(openai_model("m", base_url="http://replay.invalid/v1", api_key=KEY, http_client=client))

    with pytest.raises(RunError) as caught:
        await ask(model)

    assert (caught.value.code, str(caught.value), transport.asked) == (StopCode.CASSETTE_MISS, "Not recorded.", 1)


async def test_a_stop_that_a_client_wrapped_comes_through(asker: Asker) -> None:
    wrapped = openai.APIConnectionError(request=httpx2.Request("POST", "http://replay.invalid"))
    wrapped.__cause__ = RunError(StopCode.CASSETTE_MISS, "Not recorded.")
    model = ScriptedModel([wrapped])

    with pytest.raises(RunError) as caught:
        await ask(asker.around(model))

    assert (caught.value.code, len(model.calls)) == (StopCode.CASSETTE_MISS, 1)


@pytest.mark.parametrize(
    ("counted", "sent", "got", "estimated"),
    [
        (Usage(), 12, 22, 1),
        (Usage(input_tokens=11), 11, 22, 1),
        (Usage(output_tokens=7), 12, 7, 1),
        (Usage(input_tokens=-11, output_tokens=10**12), 12, 22, 1),
        (Usage(input_tokens=11, output_tokens=7), 11, 7, 0),
    ],
)
async def test_tokens_that_a_provider_does_not_count_are_estimated_from_the_text(
    asker: Asker, seen: list[tuple[str, dict[str, Any]]], counted: Usage, sent: int, got: int, estimated: int
) -> None:
    model = asker.around(ScriptedModel([{"output": [function_call("t", {}, call_id="c")], "usage": counted}]))

    await ask(model)

    assert seen[0][1]["usage"] == {
        "requests": 1, "input_tokens": sent, "output_tokens": got, "cached_tokens": 0, "cache_write_tokens": 0,
        "estimated": estimated, "cost": None,
    }  # fmt: skip


async def test_a_priced_answer_tells_its_cost_and_a_spent_budget_asks_nobody(
    events: Events, engine: Steps, seen: list[tuple[str, dict[str, Any]]]
) -> None:
    price = Price(input=Decimal(2), cached_input=Decimal("0.5"), output=Decimal(10))
    limited = Budget(Allowance(cost=Decimal("0.00008")), {}, lambda: 0.0, {"planner": price})
    async with serving(READ, READ) as provider:
        model = Asker(events, engine, limited).model(provider)
        await ask(model)
        with pytest.raises(RunError) as caught:
            await ask(model)
        asked = len(provider.requests)

    # 8 tokens at 2, 3 at 0.5 and 7 at 10 dollars a million: 87.5 millionths, rounded up; the limit is 80.
    assert (seen[0][1]["usage"]["cost"], asked) == ("0.000088", 1)
    assert (caught.value.code, str(caught.value)) == (
        StopCode.BUDGET_SPENT,
        "limits.cost: 0.000088 of 0.00008 US dollars of the run are spent.",
    )


class Pass:
    """A line that lets everything pass."""

    waits = False
    last_review = False
    stands_against: ClassVar[list[str]] = []

    async def answered(self) -> Start | Told:
        raise NotImplementedError

    async def allows(self, role: Role, tool: str, arguments: Mapping[str, Any]) -> str | None:
        return None

    async def plan_ready(self, plan: PlanPayload) -> str:
        return "PACKET executor"

    async def change_ready(self, report: ChangeReport) -> str:
        return "PACKET reviewer"

    async def specialist_says(self, review: SpecialistReview) -> str:
        raise NotImplementedError

    async def changes_wanted(self, review: Review) -> str:
        return "PACKET repair"

    async def review_finished(self, review: Review) -> None: ...


PLAN = {"summary": "s", "acceptance_criteria": ["c"], "steps": ["s"], "files": ["f"], "tests": [], "risks": []}
REVIEW = {"verdict": "pass", "summary": "s", "criteria": [], "findings": []}


async def test_the_first_request_of_each_role_is_small_without_the_tools(
    connections: dict[Role, MCPServer], events: Events, engine: Steps
) -> None:
    replies = [
        answer(("transfer_to_executor", PLAN)),
        answer(("transfer_to_reviewer", {"summary": "s", "not_done": []})),
        answer(("finish_review", REVIEW)),
    ]
    async with serving(*replies) as provider:
        model = openai_model("m", base_url=provider.url, api_key=KEY)
        await run_lane(
            "",
            steps=Pass(),
            connections=connections,
            models=dict.fromkeys(ROLES, model),
            events=events,
            engine=engine,
            budget=budget(model_calls=3),
        )

    sizes = {}
    for role, body in zip(ROLES, provider.requests, strict=True):
        assert body["instructions"] == role_text(role)
        assert all(tool["strict"] for tool in body["tools"] if tool["name"] != "read_file")
        body["tools"] = [tool for tool in body["tools"] if tool["name"] != "read_file"]
        sizes[role] = len(json.dumps(body, ensure_ascii=False).encode()) // 4
    assert {role: size for role, size in sizes.items() if size > 1100} == {}


async def test_the_lane_ends_as_its_provider_fails(
    connections: dict[Role, MCPServer], events: Events, engine: Steps
) -> None:
    async with serving(READ, Reply(401, "{}")) as provider:
        model = openai_model("m", base_url=provider.url, api_key=KEY)
        with pytest.raises(RunError) as caught:
            await run_lane(
                "Go.",
                steps=Pass(),
                connections=connections,
                models=dict.fromkeys(ROLES, model),
                events=events,
                engine=engine,
                budget=budget(model_calls=9),
            )

    assert caught.value.code is StopCode.PROVIDER_FAILED
    assert "OPENAI_API_KEY" in str(caught.value)


async def test_no_trace_is_kept_or_sent(
    connections: dict[Role, MCPServer], events: Events, engine: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(RunError):
        await run_lane(
            "Go.",
            steps=Pass(),
            connections=connections,
            models=dict.fromkeys(ROLES, ScriptedModel([[], []])),
            events=events,
            engine=engine,
            budget=budget(model_calls=9),
        )

    with trace("afterwards") as made:
        assert made.export() is None
