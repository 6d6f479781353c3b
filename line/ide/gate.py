"""The effect gate of a client's session: what it holds becomes a question."""

from collections.abc import Collection
from dataclasses import replace
from os import fsdecode

from andon.guardrails.approvals import Grants
from andon.guardrails.judge import Policy
from andon.line.effect_facts import effect_facts
from andon.mcp_servers.asking import ClientAsking
from andon.mcp_servers.effect_gate import EffectGate, Held, Settled
from andon.mcp_servers.workspace_diff import BaseTree
from andon.records.calls import ToolCall
from andon.sandbox.protocol import Sandbox

_ASKED = 20
"""Effects of one call that are asked about; of more the client is told to make fewer at once."""


class SessionGate(EffectGate):
    """Watches the workspace of one session."""

    def __init__(self, sandbox: Sandbox, policy: Policy, base: BaseTree, asking: ClientAsking, grants: Grants) -> None:
        """`grants` are those of `asking`."""
        super().__init__(sandbox, policy, base, accepted=asking.accepted, kinds=grants.kinds)
        self._asking = asking

    async def settle(self, call: ToolCall, approved: Collection[str] = ()) -> Settled:
        """See `EffectGate.settle`; the text also says how each held change can be allowed."""
        settled = await super().settle(call, approved)
        if not settled.held:
            return settled
        asked = [f"{each.path}: {self._ask(call, each)}" for each in settled.held[:_ASKED]]
        if len(settled.held) > _ASKED:
            asked.append(f"{len(settled.held) - _ASKED} more were not asked about: change fewer files at once")
        return replace(settled, text="\n".join([settled.text, *asked]))

    async def left_open(self) -> str:
        """Settle what a call left that was cut off before it was settled; return what became of it, or nothing.

        Raises:
            RunError: as `settle`.
        """
        if not self.begun:
            return ""
        return (await self.settle(ToolCall(tool="run_command", arguments={}, role="client"))).text

    def _ask(self, call: ToolCall, held: Held) -> str:
        return self._asking.held(call, fsdecode(held.raw), held.entry, held.rule, held.reason, effect_facts([held]))
