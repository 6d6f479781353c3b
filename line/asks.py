"""What a person is asked during one run, between turns, and what was allowed."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from andon.guardrails.approvals import Grants
from andon.guardrails.call_facts import call_facts, showable
from andon.line.effect_facts import effect_facts
from andon.line.steps import Answer, Gate, InProcessEngine
from andon.mcp_servers.ask import Granted
from andon.mcp_servers.effect_gate import EffectGate
from andon.mcp_servers.settled import Held
from andon.records.calls import Decision, ToolCall
from andon.records.events import Events
from andon.records.stops import StopCode

Judge = Callable[[ToolCall], Awaitable[Decision]]
"""The verdict on a call as the workspace stands now."""


@dataclass
class Asks:
    """Puts calls and effects to a person. What was allowed is in `grants`, bound to what was shown."""

    engine: InProcessEngine
    events: Events
    grants: Grants
    granted: Granted
    _asked: int = 0

    async def call(self, call: ToolCall, judge: Judge, read: Callable[[str], Awaitable[str | None]]) -> str | None:
        """Ask for one call; return None if it may be made, else what the role that made it is told.

        `read` returns a text file of the workspace, None for what is none: the diff that is shown is made of it.

        Raises:
            RunError: as `InProcessEngine.wait`.
        """
        # What was allowed once and not used by the call it was for is no answer to another one.
        self.grants.drop_once()
        decision = await judge(call)
        if decision.verdict != "ask" or not self.granted.is_open(call, decision):
            # The choke point judges once more when the call is made.
            return None
        if not showable(call):
            return f"refused (too-long): no person can be shown all of this {call.tool}; make several shorter calls"
        binding = self.granted.binding(call)
        path = call.arguments.get("path")
        facts = call_facts(call, decision, await read(path) if isinstance(path, str) else None)
        answer = await self.ask("tool", f"Allow the {call.role} this call of {call.tool}?", facts, decision, call.role)
        if answer.kind == "kind":
            for rule in decision.rules:
                self.grants.kind(rule, call.role)
        elif answer.kind == "yes":
            self.grants.once(binding)
        else:
            return refused_by_person(decision.rule, answer)
        return None

    async def effects(self, held: Sequence[Held], gate: EffectGate) -> str:
        """Ask for changes that were undone until a person allows them, those of one rule together.

        What is allowed is put back; return what the executor is told of them all.

        Raises:
            RunError: as `InProcessEngine.wait`, or the workspace is lost.
        """
        said = []
        for _, together in groupby(sorted(held, key=lambda each: each.rules), key=lambda each: each.rules):
            said.append(await self._effects_of(list(together), gate))
        return "\n".join(said)

    async def _effects_of(self, held: Sequence[Held], gate: EffectGate) -> str:
        paths = ", ".join(each.path for each in held)
        decision = Decision(verdict="ask", rule=held[0].rule, reason=held[0].reason, also=held[0].also)
        answer = await self.ask("effect", f"Allow this change of {paths}?", effect_facts(held), decision, "executor")
        if answer.kind not in ("yes", "kind"):
            return f"{paths}: {refused_by_person(decision.rule, answer)}"
        if answer.kind == "kind":
            for rule in decision.rules:
                self.grants.kind(rule, "executor")
        problem: str = await self.engine.step("effect", str(self._asked), lambda: gate.apply(held))
        if problem:
            return f"{paths}: a person allowed the change, but {problem}"
        for each in held:
            self.events.emit("effect.applied", path=each.path, rule=each.rule, entry=each.entry)
        return f"A person allowed the change of {paths}: it is in the workspace again."

    async def ask(self, subject: str, question: str, facts: str, decision: Decision, role: str) -> Answer:
        """Put one question with the facts it is about; yes, kind and no are answers.

        Raises:
            RunError: as `InProcessEngine.wait`.
        """
        self._asked += 1
        gate = Gate(
            f"{subject}-{self._asked}",
            "effect" if subject == "effect" else "tool",
            f"{question} {decision.reason}",
            StopCode.NEEDS_PERSON,
            rule=", ".join(decision.rules),
            shown=facts,
            kind=f"all that {_named(decision)} about, by the {role}, in this run",
        )
        return await self.engine.wait(gate)


def _named(decision: Decision) -> str:
    rules = ", ".join(map(repr, decision.rules))
    return f"the rules {rules} ask" if decision.also else f"the rule {rules} asks"


def refused_by_person(rule: str, answer: Answer) -> str:
    """Return what a role is told of a person's no."""
    why = f": {answer.text}" if answer.text else "; no reason was given"
    return f"refused ({rule}): a person said no{why}. Do without it, or report it under not_done."
