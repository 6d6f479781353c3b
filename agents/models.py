"""Models by name: `openai/NAME` or NAME and `chat/NAME` for OpenAI's interfaces, `anthropic/NAME` for Claude."""

import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import httpx2
from agents import ItemHelpers, Model, ModelResponse, ModelSettings, OpenAIResponsesModel
from agents.items import TResponseStreamEvent
from openai import AsyncOpenAI, Omit
from openai.types.responses import Response, ResponseCompletedEvent

from andon.agents.answers import IncompleteAnswer
from andon.agents.chat import ChatModel
from andon.agents.model_names import wire_and_name
from andon.agents.provider_calls import silence
from andon.agents.streaming import Streamed

OPENAI_URL = "https://api.openai.com/v1"
"""Given explicitly, because the client would otherwise read its address from the environment."""

# Reasoning that the provider does not store has to travel with us; models without reasoning refuse the wish (HTTP 400).
_REASONS = re.compile(r"(gpt-[5-9]|o\d)(?!.*chat)")
_ENCRYPTED = "reasoning.encrypted_content"


def named_model(
    name: str,
    *,
    base_url: str | None,
    api_key: str,
    http_client: httpx2.AsyncClient | None = None,
    stream: bool = False,
) -> Model:
    """Return the model of that name, at `base_url` or at its maker. Whoever made it closes it.

    It does not retry; `StepModel` does. `http_client` replaces the transport, for recordings.

    Raises:
        ValueError: as `wire_and_name` does.
    """
    wire, known_as = wire_and_name(name)
    if wire != "anthropic":
        return openai_model(name, base_url=base_url, api_key=api_key, http_client=http_client, stream=stream)
    # Loading its library takes as long as the agents SDK.
    from andon.agents.anthropic_model import AnthropicModel

    model = AnthropicModel(known_as, base_url=base_url, api_key=api_key, http_client=http_client)
    return Streamed(model) if stream else model


def openai_model(
    name: str,
    *,
    base_url: str | None,
    api_key: str,
    http_client: httpx2.AsyncClient | None = None,
    stream: bool = False,
) -> Model:
    """Return the model of that name, at `base_url` or at OpenAI itself, as `named_model` does.

    Raises:
        ValueError: as `wire_and_name` does, and for a model that is not asked over an interface of OpenAI.
    """
    wire, known_as = wire_and_name(name)
    if wire == "anthropic":
        raise ValueError(f"{name!r} is not asked over an interface of OpenAI")
    client = AsyncOpenAI(
        api_key=api_key, base_url=base_url or OPENAI_URL, http_client=http_client, max_retries=0, timeout=silence()
    )
    model: Model = ChatModel(known_as, client) if wire == "chat" else _Responses(known_as, client)
    return Streamed(model) if stream else model


class _Responses(OpenAIResponsesModel):
    """OpenAI Responses with our wishes for a provider that stores nothing."""

    async def get_response(
        self, system_instructions: Any, input: Any, model_settings: ModelSettings, *args: Any, **kwargs: Any
    ) -> ModelResponse:
        settings = self._with_wishes(model_settings)
        return await super().get_response(system_instructions, input, settings, *args, **kwargs)

    async def stream_response(
        self, system_instructions: Any, input: Any, model_settings: ModelSettings, *args: Any, **kwargs: Any
    ) -> AsyncIterator[TResponseStreamEvent]:
        settings = self._with_wishes(model_settings)
        events: Any = super().stream_response(system_instructions, input, settings, *args, **kwargs)
        async with aclosing(events):
            async for event in events:
                if isinstance(event, ResponseCompletedEvent):
                    _check_whole(event.response)
                yield event

    def _build_response_create_kwargs(
        self, system_instructions: Any, input: Any, *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        made = super()._build_response_create_kwargs(system_instructions, [], *args, **kwargs)
        # SDK and client would walk over every item again, most of a turn in a long run; they are JSON already.
        items = ItemHelpers.input_to_new_input_list(input) if isinstance(input, str) else [{**item} for item in input]
        del made["input"]
        tools = made.pop("tools")
        whole: dict[str, Any] = {} if isinstance(tools, Omit) else {"tools": tools}
        whole["input"] = self._remove_openai_responses_api_incompatible_fields(items)
        return made | {"extra_body": {**whole, **(made.get("extra_body") or {})}}

    async def _fetch_response(self, *args: Any, **kwargs: Any) -> Any:
        response = await super()._fetch_response(*args, **kwargs)
        if not kwargs["stream"]:
            _check_whole(response)
        return response

    def _with_wishes(self, settings: ModelSettings) -> ModelSettings:
        included = settings.response_include or []
        if not _REASONS.match(self.model) or _ENCRYPTED in included:
            return settings
        return settings.resolve(ModelSettings(response_include=[*included, _ENCRYPTED]))

    async def close(self) -> None:
        await self._client.close()


def _check_whole(response: Any) -> None:
    # The client takes any body with status 200 for an answer, and `queued` or `cancelled` for finished.
    if not isinstance(response, Response) or not isinstance(response.output, list):
        raise IncompleteAnswer("it is no answer of the Responses interface; check OPENAI_BASE_URL")
    if response.status != "completed":
        raise IncompleteAnswer(f"its status is {response.status}")
