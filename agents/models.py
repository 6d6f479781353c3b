"""Models as the lane uses them: every answer is a step of the engine, counted, and complete."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2
from agents import ItemHelpers, Model, ModelResponse, ModelSettings, OpenAIResponsesModel, TResponseInputItem
from agents.items import TResponseStreamEvent
from openai import AsyncOpenAI
from openai.types.responses import Response

from andon.agents.answers import IncompleteAnswer, ModelAnswer
from andon.agents.provider_calls import complete_answer
from andon.records.calls import Role
from andon.records.events import Events
from andon.records.ports import Steps

# Reasoning that the provider does not store has to travel with us; models without reasoning refuse the wish (HTTP 400).
_REASONS = re.compile(r"(gpt-[5-9]|o\d)(?!.*chat)")

OPENAI_URL = "https://api.openai.com/v1"
"""Given explicitly, because the client would otherwise read its address from the environment."""


class StepModel(Model):
    """A model whose every answer is one step of the engine and one `model.answered` event."""

    def __init__(self, model: Model, *, role: Role, events: Events, engine: Steps) -> None:
        self._model = model
        self._role = role
        self._events = events
        self._engine = engine
        self.calls = 0
        """Answers asked for so far; the n-th has the key n."""
        self.seen: list[TResponseInputItem] = []
        """The input of the last call."""
        self.answer: ModelAnswer | None = None
        """The last answer."""

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """Answer as the wrapped model does; the arguments are those of `Model.get_response`.

        Raises:
            RunError: `provider-failed` when no complete answer could be had.
        """
        self.calls += 1
        self.seen = ItemHelpers.input_to_new_input_list(kwargs["input"] if "input" in kwargs else args[1])

        async def ask() -> dict[str, Any]:
            answer = await complete_answer(self._model, lambda: self._model.get_response(*args, **kwargs))
            self._events.emit(
                "model.answered", role=self._role, tools=answer.tools(), usage=answer.counted().model_dump()
            )
            return answer.model_dump(mode="json")

        stored = await self._engine.step(f"model:{self._role}", str(self.calls), ask)
        self.answer = ModelAnswer.model_validate(stored)
        return self.answer.to_response()

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[TResponseStreamEvent]:
        """Not offered: a turn is acted on only when its answer is whole."""
        raise NotImplementedError("the lane asks its models without streaming")

    async def close(self) -> None:
        """Release what the wrapped model holds."""
        await self._model.close()


class _Responses(OpenAIResponsesModel):
    """OpenAI Responses with our wishes for a provider that stores nothing."""

    async def get_response(
        self, system_instructions: Any, input: Any, model_settings: ModelSettings, *args: Any, **kwargs: Any
    ) -> ModelResponse:
        if _REASONS.match(self.model):
            model_settings = model_settings.resolve(ModelSettings(response_include=["reasoning.encrypted_content"]))
        return await super().get_response(system_instructions, input, model_settings, *args, **kwargs)

    async def _fetch_response(self, *args: Any, **kwargs: Any) -> Any:
        # The client takes any body with status 200 for an answer, and `queued` or `cancelled` for finished.
        response = await super()._fetch_response(*args, **kwargs)
        if not isinstance(response, Response) or not isinstance(response.output, list):
            raise IncompleteAnswer("it is no answer of the Responses interface; check OPENAI_BASE_URL")
        if response.status != "completed":
            raise IncompleteAnswer(f"its status is {response.status}")
        return response

    async def close(self) -> None:
        await self._client.close()


def openai_model(
    name: str, *, base_url: str | None, api_key: str, http_client: httpx2.AsyncClient | None = None
) -> Model:
    """Return the model `name` behind the OpenAI Responses interface, at `base_url` or at OpenAI itself.

    It does not retry; `StepModel` does. `http_client` replaces the transport, for recordings.
    """
    client = AsyncOpenAI(api_key=api_key, base_url=base_url or OPENAI_URL, http_client=http_client, max_retries=0)
    return _Responses(name, client)
