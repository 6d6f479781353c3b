"""The effect gate at the choke point: before the first call that could write, and after every one."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from mcp.server.context import HandlerResult

from andon.guardrails.effects import may_write
from andon.mcp_servers.effect_gate import EffectGate
from andon.mcp_servers.settled import Held, Settled
from andon.records.calls import ToolCall
from andon.records.events import Events

Hold = Callable[[Sequence[Held]], str]
"""Keeps what was held for whoever asks a person; returns what the model is told of it."""


async def watch(gate: EffectGate | None, call: ToolCall, events: Events) -> EffectGate | None:
    """Return the gate that has to settle `call` afterwards, having looked at the workspace; None for what only reads.

    What a call left that was cut off is settled first, with nobody's word for it.

    Raises:
        RunError: the sandbox is dead.
    """
    if gate is None or not may_write(call):
        return None
    if not gate.begun:
        await gate.begin()
    elif gate.unsettled:
        _tell(await gate.settle(call), call, events)
    gate.unsettled = True
    return gate


async def settle(
    gate: EffectGate,
    call: ToolCall,
    approved: Collection[str],
    events: Events,
    result: HandlerResult,
    hold: Hold | None = None,
) -> HandlerResult:
    """Settle a call that has ended and return its result, with what was undone said below its own text.

    Raises:
        RunError: something that may not stand could not be undone.
    """
    settled = await gate.settle(call, approved)
    _tell(settled, call, events)
    said = hold(settled.held) if hold is not None and settled.held else ""
    text = "\n".join(part for part in (settled.text, said) if part)
    return with_text(result, text)


def _tell(settled: Settled, call: ToolCall, events: Events) -> None:
    whose = {"tool": call.tool, "role": call.role}
    for file in settled.files:
        events.emit("file.changed", path=file.path, how=file.how, diff=file.diff, cut=file.cut, **whose)
    for effect in settled.undone:
        events.emit("effect.undone", path=effect.path, rule=effect.rule, reason=effect.reason, **whose)
    for held in settled.held:
        events.emit("effect.held", path=held.path, rule=held.rule, reason=held.reason, entry=held.entry, **whose)


def with_text(result: HandlerResult, text: str) -> HandlerResult:
    """Return `result` with `text`, if there is any, below its own."""
    if not text:
        return result
    parts: list[Any] = result.get("content", []) if isinstance(result, dict) else []
    if not isinstance(result, dict) or not parts or parts[0].get("type") != "text":
        return result
    first = parts[0] | {"text": f"{parts[0]['text']}\n\n{text}"}
    return result | {"content": [first, *parts[1:]]}
