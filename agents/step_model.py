"""Models as the lane uses them: every answer is a step of the engine, counted, and complete."""

import json
from collections.abc import AsyncIterator
from functools import cache
from typing import Any

from agents import ItemHelpers, Model, ModelResponse, TResponseInputItem
from agents.items import TResponseStreamEvent

from andon.agents.answers import ModelAnswer
from andon.agents.history import History
from andon.agents.provider_calls import complete_answer
from andon.agents.streaming import Streamed
from andon.guardrails.budgets import Budget
from andon.records.calls import Role
from andon.records.events import Events
from andon.records.ports import Steps


class StepModel(Model):
    """A model whose every answer is one step of the engine and one `model.answered` event."""

    def __init__(
        self, model: Model, *, role: Role, events: Events, engine: Steps, call_ids: set[str], budget: Budget
    ) -> None:
        """`call_ids` are the ids of all tool calls of the run so far, `budget` is what the run may spend.

        The roles of a run share both; they are kept up to date here.
        """
        self._model = model
        self._role = role
        self._events = events
        self._engine = engine
        self._call_ids = call_ids
        self._budget = budget
        self.calls = 0
        """Answers asked for so far; the n-th has the key n."""
        self.history = History()
        """What its runner has put away of the conversation; it is sent all the same."""
        self.seen: list[TResponseInputItem] = []
        """What the model was sent last."""
        self.answer: ModelAnswer | None = None
        """The last answer."""

    @property
    def signs_history(self) -> bool:
        """True where a provider takes back only the conversation it had: its thoughts are signed with what was said."""
        return bool(getattr(self._model, "signs_history", False))

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """Answer as the wrapped model does; the arguments are those of `Model.get_response`.

        The text of a streamed answer is shown as it comes; text of an attempt that failed is void, and a
        `model.retried` event says so.

        Raises:
            RunError: `budget-spent` before a request that the budget has nothing left for, `provider-failed` when no
                complete answer could be had.
        """
        self.calls += 1
        given = ItemHelpers.input_to_new_input_list(kwargs["input"] if "input" in kwargs else args[1])
        self.seen = self.history.sent(given, whole=self.signs_history)
        if "input" in kwargs:
            kwargs["input"] = self.seen
        else:
            args = (args[0], self.seen, *args[2:])

        @cache
        def sent() -> str:
            system = kwargs["system_instructions"] if "system_instructions" in kwargs else args[0]
            return f"{system or ''}{json.dumps(self.seen, ensure_ascii=False, default=str)}"

        async def ask() -> ModelAnswer:
            self._budget.before_model_call(self._role)
            with self._budget.working(self._role):
                whole = await complete_answer(self._model, lambda: self._asked(*args, **kwargs), again=self._retried)
            answer = whole.with_new_call_ids(self._call_ids, f"{self._role}-{self.calls}")
            usage = self._budget.priced(self._role, answer.counted(sent))
            self._events.emit(
                "model.answered",
                role=self._role,
                tools=answer.tools(),
                usage=usage.model_dump(mode="json"),
                so_far=self._budget.so_far(usage),
            )
            return answer

        self.answer = await self._engine.step(f"model:{self._role}", str(self.calls), ask, ModelAnswer)
        self._call_ids.update(self.answer.call_ids())
        # Outside the step, so that answers which a durable engine had stored count as well.
        self._budget.after_answer(self._role, self._budget.priced(self._role, self.answer.counted(sent)))
        return self.answer.to_response()

    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[TResponseStreamEvent]:
        """Give the runner the whole answer as one event: a turn is acted on only when its answer is whole."""
        await self.get_response(*args, **kwargs)
        if self.answer is not None:
            yield self.answer.to_event()

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
