"""What a person is asked during one run, between turns, and what was allowed."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from andon.guardrails.approvals import Binding, Grants
from andon.guardrails.call_facts import call_facts, showable
from andon.line.effect_facts import effect_facts
from andon.line.steps import Answer, Engine, Gate
from andon.mcp_servers.ask import Granted
from andon.mcp_servers.effect_gate import EffectGate
from andon.mcp_servers.settled import Held
from andon.records.calls import Decision, ToolCall
from andon.records.events import Events
from andon.records.stops import StopCode

Judge = Callable[[ToolCall], Awaitable[Decision]]
"""The verdict on a call as the workspace stands now."""


@dataclass(frozen=True)
class CallQuestion:
    """What one call comes to."""

    refusal: str = ""
    """What the role is told instead of making it."""
    decision: Decision | None = None
    """The verdict that a person is asked about; None: nobody is asked."""
    facts: str = ""
    """What the person reads."""
    binding: Binding | None = None
    """What the answer is bound to."""


@dataclass
class Asks:
    """Puts calls and effects to a person. What was allowed is in `grants`, bound to what was shown."""

    engine: Engine
    events: Events
    grants: Grants
    granted: Granted
    asked: int = 0
    """Questions that were answered so far."""
    looked: int = 0
    """Calls that were looked at so far."""

    async def call(self, call: ToolCall, judge: Judge, read: Callable[[str], Awaitable[str | None]]) -> str | None:
        """Ask for one call; return None if it may be made, else what the role that made it is told.

        `read` returns a text file of the workspace, None for what is none: the diff that is shown is made of it.

        Raises:
            RunError: as `Engine.wait`.
        """
        # What was allowed once and not used by the call it was for is no answer to another one.
        self.grants.drop_once()
        self.looked += 1
        question = await self.engine.step(
            "question", str(self.looked), lambda: self._question(call, judge, read), CallQuestion
        )
        if question.decision is None or question.binding is None:
            return question.refusal or None
        title = f"Allow the {call.role} this call of {call.tool}?"
        answer = await self.ask("tool", title, question.facts, question.decision, call.role)
        if answer.kind == "kind":
            for rule in question.decision.rules:
                self.grants.kind(rule, call.role)
        elif answer.kind == "yes":
            self.grants.once(question.binding)
        else:
            return refused_by_person(question.decision.rule, answer)
        return None

    async def _question(
        self, call: ToolCall, judge: Judge, read: Callable[[str], Awaitable[str | None]]
    ) -> CallQuestion:
        decision = await judge(call)
        if decision.verdict != "ask" or not self.granted.is_open(call, decision):
            # The choke point judges once more when the call is made.
            return CallQuestion()
        if not showable(call):
            text = f"refused (too-long): no person can be shown all of this {call.tool}; make several shorter calls"
            return CallQuestion(text)
        path = call.arguments.get("path")
        facts = call_facts(call, decision, await read(path) if isinstance(path, str) else None)
        return CallQuestion("", decision, facts, self.granted.binding(call))

    async def effects(self, held: Sequence[Held], gate: EffectGate) -> str:
        """Ask for changes that were undone until a person allows them, all by the same rules.

        What is allowed is put back; return what the executor is told of it.

        Raises:
            RunError: as `Engine.wait`, or the workspace is lost.
        """
        paths = ", ".join(each.path for each in held)
        decision = Decision(verdict="ask", rule=held[0].rule, reason=held[0].reason, also=held[0].also)
        answer = await self.ask("effect", f"Allow this change of {paths}?", effect_facts(held), decision, "executor")
        if answer.kind not in ("yes", "kind"):
            return f"{paths}: {refused_by_person(decision.rule, answer)}"
        if answer.kind == "kind":
            for rule in decision.rules:
                self.grants.kind(rule, "executor")
        problem: str = await self.engine.step("effect", str(self.asked), lambda: gate.apply(held), str)
        if problem:
            return f"{paths}: a person allowed the change, but {problem}"
        for each in held:
            self.events.emit("effect.applied", path=each.path, rule=each.rule, entry=each.entry)
        return f"A person allowed the change of {paths}: it is in the workspace again."

    async def ask(self, subject: str, question: str, facts: str, decision: Decision, role: str) -> Answer:
        """Put one question with the facts it is about; yes, kind and no are answers.

        Raises:
            RunError: as `Engine.wait`.
        """
        gate = Gate(
            f"{subject}-{self.asked + 1}",
            "effect" if subject == "effect" else "tool",
            f"{question} {decision.reason}",
            StopCode.NEEDS_PERSON,
            rule=", ".join(decision.rules),
            shown=facts,
            kind=f"all that {_named(decision)} about, by the {role}, in this run",
        )
        answer = await self.engine.wait(gate)
        self.asked += 1
        return answer


def _named(decision: Decision) -> str:
    rules = ", ".join(map(repr, decision.rules))
    return f"the rules {rules} ask" if decision.also else f"the rule {rules} asks"


def refused_by_person(rule: str, answer: Answer) -> str:
    """Return what a role is told of a person's no."""
    why = f": {answer.text}" if answer.text else "; no reason was given"
    return f"refused ({rule}): a person said no{why}. Do without it, or report it under not_done."
