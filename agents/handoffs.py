"""Handoffs with a typed payload: what does not fit goes back to its sender, what fits becomes the receiver's packet."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from agents import Agent, AgentBase, Handoff, HandoffInputData, RunContextWrapper, handoff

from andon.agents.payloads import BadPayload, payload_schema, read_payload
from andon.agents.replies import Repairable, Waits
from andon.records.base import Record

P = TypeVar("P", bound=Record)


@dataclass(frozen=True)
class Accepted:
    """What `receive` returned for a payload that fits."""

    text: str


@dataclass(frozen=True)
class Refused:
    """What the sender is told instead."""

    problem: str


async def deliver(
    raw: str, *, payload: type[P], receive: Callable[[P], Awaitable[str]], refused: Callable[[str], None]
) -> Accepted | Refused:
    """Validate `raw`, give it to `receive`, and report a refusal to `refused` before it is returned.

    `Waits` of `receive` leaves the sender where it is and is no refusal: whoever drives the run stops after the turn.
    Whatever else `receive` or `refused` raise passes through.
    """
    try:
        return Accepted(await receive(read_payload(payload, raw)))
    except Waits as wait:
        return Refused(str(wait))
    except (BadPayload, Repairable) as error:
        refused(str(error))
        return Refused(str(error))


@dataclass
class _Outcome:
    """The last call of one handoff, between the three places where the SDK asks for it."""

    last: Accepted | Refused = Refused("nothing was handed over")

    def message(self, agent: AgentBase[Any]) -> str:
        """Return the call's output, as the sender sees it."""
        return self.last.problem if isinstance(self.last, Refused) else "Handed over."

    def input_of(self, data: HandoffInputData) -> HandoffInputData:
        """Return what the next turn sees: the packet alone, or the sender's own history after a refusal."""
        if isinstance(self.last, Refused):
            return data
        packet = {"role": "user", "content": self.last.text}
        return data.clone(input_history=(packet,), pre_handoff_items=(), input_items=())


def typed_handoff(
    source: Agent[Any],
    target: Agent[Any],
    *,
    tool_name: str,
    description: str,
    payload: type[P],
    receive: Callable[[P], Awaitable[str]],
    refused: Callable[[str], None],
    offered: Callable[[], bool] = lambda: True,
) -> Handoff[Any, Agent[Any]]:
    """Return the handoff `tool_name` from `source` to `target`; a model is shown it where `offered` says so.

    A payload that fits is awaited through `receive`; the text that returns is the one user message `target` starts
    from. A payload that does not fit, or for which `receive` raises `Repairable`, leaves `source` active: it reads
    why as the output of its call, after `refused` was told. Anything else `receive` or `refused` raise ends the run.
    """
    outcome = _Outcome()

    async def invoke(_: RunContextWrapper[Any], raw: str) -> Agent[Any]:
        outcome.last = await deliver(raw, payload=payload, receive=receive, refused=refused)
        return target if isinstance(outcome.last, Accepted) else source

    def shown(_: RunContextWrapper[Any], __: AgentBase[Any]) -> bool:
        return offered()

    # Made by the SDK's own function and then changed: a hand-built Handoff lacks the link that resuming needs, and
    # `input_type=` would end the run at the first payload that does not fit.
    made = handoff(
        target,
        tool_name_override=tool_name,
        tool_description_override=description,
        input_filter=outcome.input_of,
        is_enabled=shown,
    )
    made.input_json_schema = payload_schema(payload)
    made.on_invoke_handoff = invoke
    made.get_transfer_message = outcome.message  # type: ignore[method-assign]
    return made
