"""OpenAI Chat Completions, and the many servers that speak it: an answer counts only with a finish reason and whole."""

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

from agents import ModelSettings, OpenAIChatCompletionsModel
from agents.models.chatcmpl_converter import Converter
from openai import AsyncStream
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from andon.agents.answers import CutShort, IncompleteAnswer

_NO_ANSWER = "it is no answer of the Chat Completions interface; check OPENAI_BASE_URL"


class ChatModel(OpenAIChatCompletionsModel):
    """Chat Completions; `get_response` and `stream_response` raise IncompleteAnswer for what must not be acted on."""

    async def _fetch_response(
        self, system_instructions: Any, input: Any, model_settings: ModelSettings, *args: Any, **kwargs: Any
    ) -> Any:
        # The client would look for the type of every part, a tenth of a second in a long run.
        extra: Any = model_settings.extra_body or {}
        body = {"messages": self._said(system_instructions, input), **extra}
        settings = model_settings.resolve(ModelSettings(include_usage=True, extra_body=body))
        fetched: Any = await super()._fetch_response(None, [], settings, *args, **kwargs)
        if not kwargs["stream"]:
            return _checked(fetched)
        response, stream = fetched
        return response, _CheckedChunks(stream)

    def _said(self, system_instructions: Any, input: Any) -> list[Any]:
        self._validate_official_openai_input_content_types(input)
        said: list[Any] = Converter.items_to_messages(
            input,
            model=self.model,
            base_url=str(self._client.base_url),
            strict_feature_validation=self._strict_feature_validation,
        )
        return [*([{"content": system_instructions, "role": "system"}] if system_instructions else []), *said]

    async def close(self) -> None:
        await self._client.close()


class _CheckedChunks:
    """The chunks of one answer; reading past the last one raises unless the answer is whole."""

    def __init__(self, stream: AsyncStream[ChatCompletionChunk]) -> None:
        self._stream = stream
        self.response = stream.response
        """Where the SDK looks for the request's id."""

    async def __aiter__(self) -> AsyncIterator[ChatCompletionChunk]:
        finish: Any = None
        arguments: dict[int, str] = {}
        async for chunk in self._stream:
            if not isinstance(chunk, ChatCompletionChunk):
                raise IncompleteAnswer(_NO_ANSWER)
            for choice in chunk.choices or ():
                finish = choice.finish_reason or finish
                for call in (choice.delta and choice.delta.tool_calls) or ():
                    piece = (call.function and call.function.arguments) or ""
                    arguments[call.index] = arguments.get(call.index, "") + piece
            yield chunk
        _check_end(finish, arguments.values())

    async def close(self) -> None:
        await self._stream.close()


def _checked(answer: Any) -> ChatCompletion:
    # The client takes any body with status 200 for an answer.
    if not isinstance(answer, ChatCompletion):
        raise IncompleteAnswer(_NO_ANSWER)
    choices = getattr(answer, "choices", None)
    if not isinstance(choices, list) or not choices:
        error = getattr(answer, "error", None)
        raise IncompleteAnswer(f"it holds an error: {error}" if error else _NO_ANSWER)
    message = getattr(choices[0], "message", None)
    if message is None:
        raise IncompleteAnswer(_NO_ANSWER)
    calls = getattr(message, "tool_calls", None) or ()
    _check_end(getattr(choices[0], "finish_reason", None), [call.function.arguments for call in calls])
    return answer


def _check_end(finish: Any, arguments: Iterable[str]) -> None:
    if finish is None:
        raise IncompleteAnswer("it ended without a finish_reason")
    if finish == "length":
        raise CutShort("The model's answer was cut off at its token limit (finish_reason `length`)")
    if finish == "content_filter":
        raise CutShort("The provider's content filter stopped the answer (finish_reason `content_filter`)")
    if finish not in ("stop", "tool_calls"):
        raise IncompleteAnswer(f"its finish_reason {finish!r} is not known")
    for text in arguments:
        if text and not _is_json(text):
            raise IncompleteAnswer("the arguments of a tool call in it are not whole JSON")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
