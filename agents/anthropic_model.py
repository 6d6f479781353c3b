"""Claude over Anthropic's Messages interface, as a model of the Agents SDK."""

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any

import anthropic
import httpx2
from agents import Model, ModelResponse, ModelRetryAdvice, ModelRetryAdviceRequest
from agents.items import TResponseStreamEvent
from openai.types.responses import Response, ResponseCompletedEvent, ResponseTextDeltaEvent, ResponseUsage

from andon.agents.answers import IncompleteAnswer
from andon.agents.anthropic_answer import PAUSED, answer_of, checked, joined
from andon.agents.anthropic_request import continued, request_of
from andon.agents.anthropic_stream import StreamedMessage
from andon.agents.model_names import ANTHROPIC
from andon.agents.provider_calls import ProviderFailure, silence

ANTHROPIC_URL = "https://api.anthropic.com"
"""Given explicitly, because the client would otherwise read its address from the environment."""
PAUSES = 5
"""So often a provider may pause one answer."""

# Within a stream an error has a name instead of a status; https://docs.anthropic.com/en/api/errors.
_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class AnthropicModel(Model):
    """One model; it asks once and does not retry. The arguments of its methods are those of `Model`."""

    signs_history = True
    """Thoughts of newer models are signed with the conversation they were had in."""

    def __init__(
        self, model: str, *, base_url: str | None, api_key: str, http_client: httpx2.AsyncClient | None = None
    ) -> None:
        """`http_client` replaces the transport, for recordings."""
        self.model = model
        self._client = anthropic.AsyncAnthropic(
            api_key=api_key,
            base_url=base_url or ANTHROPIC_URL,
            http_client=http_client,
            max_retries=0,
        )

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """Return the whole answer.

        Raises:
            ProviderFailure: no answer came.
            IncompleteAnswer: one came that must not be acted on.
        """
        request, message = self._request(*args, **kwargs), None
        for _ in range(PAUSES):
            with _failures():
                came = await self._create(request, stream=False)
            message = joined(message, checked(came))
            if message.get("stop_reason") != PAUSED:
                return answer_of(message, getattr(came, "_request_id", None))
            request = continued(request, checked(came)["content"])
        raise _paused()

    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[TResponseStreamEvent]:
        """Give text as it comes, and the whole answer in the last event; without that event there is no answer.

        Raises:
            ProviderFailure: no answer came, or its stream broke.
            IncompleteAnswer: one came that must not be acted on.
        """
        request, message = self._request(*args, **kwargs), None
        for _ in range(PAUSES):
            came = StreamedMessage()
            with _failures():
                async with await self._create(request, stream=True) as stream:
                    async for event in stream:
                        if text := came.take(event):
                            yield _text(text)
                    request_id = stream.response.headers.get("request-id")
            if not came.ended:
                return
            part = came.whole()
            message = joined(message, part)
            if message.get("stop_reason") != PAUSED:
                yield _completed(answer_of(message, request_id))
                return
            request = continued(request, part["content"])
        raise _paused()

    def get_retry_advice(self, request: ModelRetryAdviceRequest) -> ModelRetryAdvice | None:
        """Return whether asking again may help, and when, as the provider says it."""
        error = request.error
        if not isinstance(error, ProviderFailure):
            return None
        return ModelRetryAdvice(suggested=error.again, retry_after=error.retry_after)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _request(
        self,
        system_instructions: Any,
        input: Any,
        model_settings: Any,
        tools: Any,
        output_schema: Any,
        handoffs: Any,
        tracing: Any,
        **_: Any,
    ) -> dict[str, Any]:
        return request_of(self.model, system_instructions, input, model_settings, tools, output_schema, handoffs)

    async def _create(self, request: Mapping[str, Any], *, stream: bool) -> Any:
        create: Any = self._client.messages.create
        # With the client's own timeout it would refuse to ask for long answers without streaming.
        return await create(**{"timeout": silence(), **request}, stream=stream)


def _paused() -> IncompleteAnswer:
    return IncompleteAnswer(f"the provider paused it {PAUSES} times")


def _text(text: str) -> ResponseTextDeltaEvent:
    return ResponseTextDeltaEvent.construct(type="response.output_text.delta", delta=text)


def _completed(answer: ModelResponse) -> ResponseCompletedEvent:
    usage = ResponseUsage.construct(
        input_tokens=answer.usage.input_tokens,
        output_tokens=answer.usage.output_tokens,
        total_tokens=answer.usage.total_tokens,
        input_tokens_details=answer.usage.input_tokens_details,
        output_tokens_details=answer.usage.output_tokens_details,
    )
    response = Response.construct(id=answer.response_id, object="response", output=answer.output, usage=usage)
    response._request_id = answer.request_id
    return ResponseCompletedEvent.construct(type="response.completed", response=response, sequence_number=0)


@contextmanager
def _failures() -> Iterator[None]:
    """Turn what the client and its transport raise into failures that name Anthropic's own settings."""
    try:
        yield
    except anthropic.APIStatusError as error:
        raise _of_status(error) from error
    except (anthropic.APITimeoutError, httpx2.TimeoutException) as error:
        raise ProviderFailure(ANTHROPIC, timed_out=True, again=True) from error
    except (anthropic.APIConnectionError, httpx2.HTTPError) as error:
        raise ProviderFailure(ANTHROPIC, again=True) from error
    except anthropic.AnthropicError as error:
        raise IncompleteAnswer(str(error)) from error


def _of_status(error: anthropic.APIStatusError) -> ProviderFailure:
    body = error.body if isinstance(error.body, Mapping) else {}
    told = body.get("error")
    told = told if isinstance(told, Mapping) else {}
    status = error.status_code
    if status < 400:
        status = _STATUS.get(str(told.get("type")), 500)
    headers = error.response.headers
    advised = headers.get("x-should-retry", "").strip().lower()
    again = advised == "true" or (advised != "false" and (status in (408, 409, 429) or status >= 500))
    said = told.get("message")
    return ProviderFailure(
        ANTHROPIC,
        status=status,
        said=said if isinstance(said, str) else "",
        again=again,
        retry_after=_retry_after(headers),
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds a provider asks to wait; None where it says nothing that can be understood."""
    said = headers.get("retry-after", "")
    try:
        if milliseconds := headers.get("retry-after-ms"):
            wait = float(milliseconds) / 1000
        elif said.replace(".", "", 1).isdigit():
            wait = float(said)
        else:
            wait = parsedate_to_datetime(said).timestamp() - time.time()
    except (ValueError, TypeError, IndexError):
        return None
    return max(wait, 0.0)
