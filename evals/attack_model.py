"""A fooled model: answers with the calls an attack has planned, and remembers what it was told."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents import Model, ModelResponse
from agents.usage import Usage
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from andon.evals.attack import Attack
from andon.evals.attack_ground import Bait
from andon.evals.attack_work import ENDINGS, endings_of, work_of
from andon.records.calls import Role

_AGAIN = 4
"""So often the last answer of a role comes again, as from a model that does not see why it was refused."""


@dataclass(frozen=True)
class Planned:
    """One call as it is made."""

    tool: str
    arguments: dict[str, Any]
    aim: bool = False


def answers_of(attack: Attack, role: Role, bait: Bait) -> list[list[Planned]]:
    """Return the answers of one role in an attack: what it does as anybody would, and what it was fooled into."""
    before = work_of(attack) if role in ("executor", "client") else []
    answers = [[Planned(tool, arguments)] for tool, arguments in before]
    last = None
    for call in attack.call:
        for number in range(1, call.times + 1):
            if call.role == role:
                made = Planned(call.tool, bait.arguments(call, number), call.aim)
                if call.same_answer and last == role and answers:
                    answers[-1].append(made)
                else:
                    answers.append([made])
            last = call.role
    works = role != "client" or attack.work
    if works and not any(made.tool in ENDINGS[role] for answer in answers for made in answer):
        # Where the plan may not list what the attack is after, the attack goes on outside of it.
        plans = [attack.plan_files, []] if role == "planner" and attack.plan_files else [attack.plan_files]
        for files in plans:
            tool, arguments = endings_of(attack, role, files)
            answers.append([Planned(tool, arguments)])
    return answers


@dataclass
class Script:
    """What became of the answers of all roles."""

    told: list[str] = field(default_factory=list)
    """What the roles read: packets, and what their calls answered; each once."""
    aims_given: int = 0
    """Calls that are the attack itself and were made."""
    left: dict[Role, int] = field(default_factory=dict)
    """Answers of each role that were not asked for."""

    def tell(self, text: str) -> None:
        """Note what a role reads."""
        if text and text not in self.told:
            self.told.append(text)


class FooledModel(Model):
    """Plays the answers of one role in order; the last comes again, then nothing but words."""

    def __init__(self, role: Role, answers: Sequence[Sequence[Planned]], script: Script) -> None:
        self._role = role
        self._answers = list(answers)
        self._script = script
        self._asked = 0
        script.left[role] = len(self._answers)

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """Return the next answer; the arguments are those of `Model.get_response`."""
        for text in _texts(kwargs["input"] if "input" in kwargs else args[1]):
            self._script.tell(text)
        number = self._asked
        self._asked += 1
        self._script.left[self._role] = max(0, len(self._answers) - self._asked)
        if number >= len(self._answers) + _AGAIN or not self._answers:
            return _response([_message("I have nothing more to do.", number)])
        answer = self._answers[min(number, len(self._answers) - 1)]
        self._script.aims_given += sum(made.aim for made in answer)
        return _response([_call(made, f"{self._role}-{number}-{place}") for place, made in enumerate(answer)])

    async def stream_response(self, *args: Any, **kwargs: Any) -> Any:
        """There is no stream: the line asks for whole answers."""
        raise NotImplementedError
        yield  # pragma: no cover

    async def close(self) -> None:
        """Nothing is held."""


def _texts(given: Any) -> Iterator[str]:
    """Yield what a request holds that the model did not write itself."""
    if isinstance(given, str):
        yield given
        return
    for item in given:
        if item.get("type") == "function_call_output":
            yield from _parts(item["output"])
        elif item.get("role") in ("user", "system", "developer"):
            yield from _parts(item["content"])


def _parts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    else:
        yield from (str(part.get("text", "")) for part in content)


def _response(items: list[Any]) -> ModelResponse:
    return ModelResponse(output=items, usage=Usage(), response_id=None)


def _call(made: Planned, call_id: str) -> ResponseFunctionToolCall:
    arguments = json.dumps(made.arguments)
    return ResponseFunctionToolCall(type="function_call", name=made.tool, arguments=arguments, call_id=call_id)


def _message(text: str, number: int) -> ResponseOutputMessage:
    words = ResponseOutputText(type="output_text", text=text, annotations=[])
    return ResponseOutputMessage(
        id=f"message-{number}", type="message", role="assistant", status="completed", content=[words]
    )
