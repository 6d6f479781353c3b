"""Models as the lane uses them: every answer is a step of the engine, counted, and complete."""

from collections.abc import AsyncIterator
from typing import Any

from agents import ItemHelpers, Model, ModelResponse, TResponseInputItem
from agents.items import TResponseStreamEvent

from andon.agents.answers import ModelAnswer
from andon.agents.provider_calls import complete_answer
from andon.agents.streaming import Streamed
from andon.records.calls import Role
from andon.records.events import Events
from andon.records.ports import Steps


class StepModel(Model):
    """A model whose every answer is one step of the engine and one `model.answered` event."""

    def __init__(self, model: Model, *, role: Role, events: Events, engine: Steps, call_ids: set[str]) -> None:
        """`call_ids` are the ids of all tool calls of the run so far, shared by its roles and kept up to date here."""
        self._model = model
        self._role = role
        self._events = events
        self._engine = engine
        self._call_ids = call_ids
        self.calls = 0
        """Answers asked for so far; the n-th has the key n."""
        self.seen: list[TResponseInputItem] = []
        """The input of the last call."""
        self.answer: ModelAnswer | None = None
        """The last answer."""

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """Answer as the wrapped model does; the arguments are those of `Model.get_response`.

        The text of a streamed answer is shown as it comes; text of an attempt that failed is void, and a
        `model.retried` event says so.

        Raises:
            RunError: `provider-failed` when no complete answer could be had.
        """
        self.calls += 1
        self.seen = ItemHelpers.input_to_new_input_list(kwargs["input"] if "input" in kwargs else args[1])

        async def ask() -> dict[str, Any]:
            whole = await complete_answer(self._model, lambda: self._asked(*args, **kwargs), again=self._retried)
            answer = whole.with_new_call_ids(self._call_ids, f"{self._role}-{self.calls}")
            self._events.emit(
                "model.answered", role=self._role, tools=answer.tools(), usage=answer.counted().model_dump()
            )
            return answer.model_dump(mode="json")

        stored = await self._engine.step(f"model:{self._role}", str(self.calls), ask)
        self.answer = ModelAnswer.model_validate(stored)
        self._call_ids.update(self.answer.call_ids())
        return self.answer.to_response()

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[TResponseStreamEvent]:
        """Not offered: a turn is acted on only when its answer is whole."""
        raise NotImplementedError("the runner sees whole answers only")

    async def close(self) -> None:
        """Release what the wrapped model holds."""
        await self._model.close()

    async def _asked(self, *args: Any, **kwargs: Any) -> ModelResponse:
        if isinstance(self._model, Streamed):
            return await self._model.whole_answer(self._said, *args, **kwargs)
        return await self._model.get_response(*args, **kwargs)

    def _said(self, text: str) -> None:
        self._events.emit("model.delta", role=self._role, text=text)

    def _retried(self, reason: str, wait: float) -> None:
        self._events.emit("model.retried", role=self._role, reason=reason, wait_seconds=wait)
