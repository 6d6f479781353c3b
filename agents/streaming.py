"""Models asked with streaming: text is told as it comes, an answer is returned only when its stream ended properly."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, cast

from agents import Model, ModelResponse, ModelRetryAdvice, ModelRetryAdviceRequest, Usage
from agents.items import TResponseStreamEvent
from agents.models.fake_id import FAKE_RESPONSES_ID
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseOutputItem,
    ResponseOutputItemDoneEvent,
    ResponseTextDeltaEvent,
)

from andon.agents.answers import IncompleteAnswer


class Streamed(Model):
    """`model`, asked with streaming. What it returns is the same as without."""

    def __init__(self, model: Model) -> None:
        self._model = model

    async def whole_answer(self, said: Callable[[str], None], *args: Any, **kwargs: Any) -> ModelResponse:
        """Return the whole answer; `said` gets each piece of text as it comes. The rest is as in `get_response`.

        Raises:
            IncompleteAnswer: the stream ended without its final event.
        """
        done: list[ResponseOutputItem] = []
        # Every model of ours streams from a generator, which the interface does not say.
        events = cast("Any", self._model.stream_response(*args, **kwargs))
        async with aclosing(events):
            async for event in events:
                if isinstance(event, ResponseTextDeltaEvent):
                    said(event.delta)
                elif isinstance(event, ResponseOutputItemDoneEvent):
                    done.append(event.item)
                elif isinstance(event, ResponseCompletedEvent):
                    return _answer(event.response, done)
        raise IncompleteAnswer(
            "the stream ended without its final event; for a server that cannot stream, set `stream = false` under "
            "[models] in factory/andon.toml, or use --no-stream"
        )

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """Return the whole answer."""
        return await self.whole_answer(_nobody_listens, *args, **kwargs)

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[TResponseStreamEvent]:
        """Return the wrapped model's own stream."""
        return self._model.stream_response(*args, **kwargs)

    def get_retry_advice(self, request: ModelRetryAdviceRequest) -> ModelRetryAdvice | None:
        """Return the wrapped model's advice."""
        return self._model.get_retry_advice(request)

    async def close(self) -> None:
        """Release what the wrapped model holds."""
        await self._model.close()


def _nobody_listens(_: str) -> None: ...


def _answer(response: Response, done: list[ResponseOutputItem]) -> ModelResponse:
    return ModelResponse(
        # Some servers name the items only as they are done, and end with an empty list.
        output=response.output or done,
        usage=_usage(response),
        response_id=None if response.id == FAKE_RESPONSES_ID else response.id,
        request_id=getattr(response, "_request_id", None),
    )


def _usage(response: Response) -> Usage:
    if response.usage is None:
        return Usage(requests=1)
    return Usage(
        requests=1,
        input_tokens=response.usage.input_tokens or 0,
        output_tokens=response.usage.output_tokens or 0,
        total_tokens=response.usage.total_tokens or 0,
        input_tokens_details=response.usage.input_tokens_details,
        output_tokens_details=response.usage.output_tokens_details,
    )
