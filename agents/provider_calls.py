"""Asking a provider: the one retry layer, and what a person is told when it gives up."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass

import httpx2
import openai
from agents import Model, ModelBehaviorError, ModelResponse
from agents.retry import ModelRetryAdviceRequest

from andon.agents.answers import CutShort, IncompleteAnswer, ModelAnswer
from andon.agents.model_names import OPENAI, Maker
from andon.records.errors import LastingFailure, RunError
from andon.records.stops import StopCode

ATTEMPTS = 4
"""How often one answer is asked for."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
"""Seconds: the wait after the first failure, doubled each time; a provider that asks for more than the longest wait
is not waited for."""
SILENCE = 600.0
"""Seconds without a sign of the provider that end an attempt."""
LONGEST_ANSWER = 3600.0
"""Seconds that all attempts at one answer, and the waits between them, may take together."""


def silence() -> httpx2.Timeout:
    """Return how long a client waits for its provider."""
    return httpx2.Timeout(SILENCE, connect=min(5.0, SILENCE))


@dataclass(eq=False)
class ProviderFailure(Exception):
    """A request that brought no answer, as an adapter of ours tells it. It stands for the error it was raised from."""

    maker: Maker
    """Whose settings a person has to look at."""
    status: int | None = None
    """Of HTTP; None where there was no answer at all."""
    said: str = ""
    """The words of the provider."""
    timed_out: bool = False
    """True if nothing came in time."""
    again: bool = False
    """True if the same request may have an answer later."""
    retry_after: float | None = None
    """Seconds after which the provider wants to be asked again."""


# A body cut off politely arrives as broken JSON; the SDK raises ModelBehaviorError for the status `incomplete`.
_DAMAGED = (json.JSONDecodeError, IncompleteAnswer, ModelBehaviorError, httpx2.HTTPError)
_FAILURES = (openai.OpenAIError, ProviderFailure, TimeoutError, *_DAMAGED)
# As servers say that a conversation is too long; a status of its own has only HTTP 413.
_TOO_LONG = re.compile(r"context[ _](length|window)|prompt is too long|maximum context", re.IGNORECASE)
# Keys and tokens are long unbroken words; a message for people loses nothing without them.
_LONG_WORD = re.compile(r"[\w*-]{24,}")


async def complete_answer(
    model: Model, ask: Callable[[], Awaitable[ModelResponse]], *, again: Callable[[str, float], None]
) -> ModelAnswer:
    """Return one complete answer of `ask`, which calls `model`.

    Failures of the network, HTTP 408, 409, 429 and 5xx, and damaged answers are asked again, `ATTEMPTS` times in all
    and within `LONGEST_ANSWER`; `again` is told why and after how many seconds.

    Raises:
        RunError: `provider-failed` with a sentence for people, a `LastingFailure` where asking later is of no use; or
            the RunError hidden in a failure, untried again.
    """
    attempt, clock = 1, asyncio.get_running_loop().time
    deadline = clock() + LONGEST_ANSWER
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                return ModelAnswer.of(await ask())
        except _FAILURES as error:
            if stop := typed_stop(error):
                raise stop from None
            wait = _wait(model, error, attempt)
            if wait is None or clock() + wait >= deadline:
                lasting = wait is None and attempt < ATTEMPTS
                kind = LastingFailure if lasting else RunError
                raise kind(StopCode.PROVIDER_FAILED, _sentence(error, attempt)) from error
            again(_sentence(error, attempt), wait)
        await asyncio.sleep(wait)
        attempt += 1


def typed_stop(error: BaseException) -> RunError | None:
    """Return the RunError that `error` is or was raised from, for libraries that wrap what they did not expect."""
    return next((link for link in _chain(error) if isinstance(link, RunError)), None)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _wait(model: Model, error: Exception, attempt: int) -> float | None:
    """Return the seconds to wait before asking again, or None where that is of no use."""
    if attempt >= ATTEMPTS or _cut_short(error) or _too_long(error):
        return None
    advice = model.get_retry_advice(ModelRetryAdviceRequest(error=error, attempt=attempt, stream=False))
    suggested = advice.suggested if advice else None
    if suggested is None:
        # The plain APIError is an error that arrived within a stream.
        suggested = isinstance(error, _DAMAGED) or type(error) is openai.APIError
    asked_for = advice.retry_after if advice else None
    wait = FIRST_WAIT * 2 ** (attempt - 1) if asked_for is None else asked_for
    return wait if suggested and wait <= LONGEST_WAIT else None


def _cut_short(error: Exception) -> str | None:
    """Return a clause on why the same question would be cut off again."""
    if isinstance(error, CutShort):
        return str(error)
    # The SDK puts the reason of an `incomplete` response into its message only.
    if isinstance(error, ModelBehaviorError) and "max_output_tokens" in str(error):
        return "The model's answer was cut off at its token limit (`max_output_tokens`)"
    return None


def _too_long(error: Exception) -> bool:
    """True if the conversation is longer than what the model reads."""
    failure = error if isinstance(error, ProviderFailure) else _failure_of(error)
    code = str(error.code) if isinstance(error, openai.APIError) else ""
    if failure is None or failure.status is None:
        # Within a stream an error of OpenAI has a code and no status.
        return bool(_TOO_LONG.search(code))
    return failure.status == 413 or (failure.status == 400 and bool(_TOO_LONG.search(f"{code} {failure.said}")))


def _sentence(error: Exception, attempts: int) -> str:
    if clause := _cut_short(error):
        return f"{clause}: take another model or server, or narrow the task."
    often = f", asked {attempts} times" if attempts > 1 else ""
    failure = error if isinstance(error, ProviderFailure) else _failure_of(error)
    if _too_long(error):
        said = f" It said: {_clean(failure.said)}" if failure and failure.said.strip() else ""
        return (
            "The conversation does not fit the model's context window: take a model with a larger one, or narrow the "
            f"task.{said}"
        )
    if failure:
        return _failure_sentence(failure, often)
    detail = "its body is not whole JSON" if isinstance(error, json.JSONDecodeError) else _clean(str(error)).rstrip(".")
    return f"The model provider's answer cannot be used{often}: {detail}."


def _failure_of(error: Exception) -> ProviderFailure | None:
    """Return what an error of OpenAI's client or of the transport says; None if an answer came that is damaged."""
    if isinstance(error, openai.APIStatusError):
        message = error.body.get("message") if isinstance(error.body, Mapping) else None
        return ProviderFailure(OPENAI, status=error.status_code, said=message if isinstance(message, str) else "")
    if isinstance(error, openai.APITimeoutError | httpx2.TimeoutException | TimeoutError):
        return ProviderFailure(OPENAI, timed_out=True)
    if isinstance(error, openai.APIConnectionError | httpx2.HTTPError):
        return ProviderFailure(OPENAI)
    return None


def _failure_sentence(failure: ProviderFailure, often: str) -> str:
    status, maker = failure.status, failure.maker
    if failure.timed_out:
        return f"The model provider did not answer in time{often}."
    if status is None:
        return f"The model provider could not be reached{often}: check the network and {maker.address}."
    if status in (401, 403):
        return f"The model provider refused the key (HTTP {status}): set {maker.key} to one that may use this model."
    said = f" It said: {_clean(failure.said)}" if failure.said.strip() else ""
    if status == 404:
        return f"The model provider does not know this model or address (HTTP 404): check both.{said}"
    if status == 429:
        return f"The model provider's rate or quota is used up (HTTP 429{often}).{said}"
    if status >= 500:
        return f"The model provider failed (HTTP {status}{often}).{said}"
    return f"The model provider refused the request (HTTP {status}).{said}"


def _clean(text: str) -> str:
    return _LONG_WORD.sub("[…]", " ".join("".join(c if c.isprintable() else " " for c in text).split()))[:200]
