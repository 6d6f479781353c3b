"""How a client's call gets the answer of a person: by a form in the client, or by `andon approve` at a terminal.

A client can answer its own form without a person; nothing here can tell. Where that is not wanted, forms are left out
(`forms=False`) and only a terminal answers.
"""

import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

from mcp.server.context import HandlerResult, ServerRequestContext
from mcp_types import ElicitResult, InputRequiredResult

from andon.guardrails.approvals import ONCE_SECONDS, Binding, Grants, digest_of, effect_digest
from andon.guardrails.call_facts import showable
from andon.mcp_servers.forms import answer_in, asked_by_form, shows_forms
from andon.mcp_servers.showing import ReadFile, plain_text, question_of, shown_call, shown_effect
from andon.records.approvals import Approval, ApprovalAnswer, Channel, Subject
from andon.records.calls import Decision, Role, ToolCall
from andon.records.errors import UserError
from andon.records.events import Events

_Key = tuple[Binding | str, str]
"""A call or the digest of an effect, and the rule that asks."""


class Book(Protocol):
    """Where questions wait for answers; see `line/ide/approvals.py`. Every method raises `UserError`."""

    def ask(self, approval: Approval) -> None:
        """Store a question."""
        ...

    def answer(
        self, approval_id: str, answer: ApprovalAnswer, *, reason: str = "", channel: Channel = "terminal"
    ) -> Approval:
        """Note an answer."""
        ...

    def take(self, approval_id: str) -> Approval | None:
        """Return an answer that was not taken before, once."""
        ...

    def drop(self, approval_id: str) -> None:
        """Let a question expire."""
        ...


@dataclass(frozen=True)
class Subjects:
    """Whose questions these are."""

    run: str
    """Id of the run or session."""
    task: str
    """Its task."""
    policy: str
    """Version of the policy."""


class ClientAsking:
    """Implements `Asking` for the clients of one session. An answer counts for the question it was given to alone."""

    def __init__(
        self,
        subjects: Subjects,
        grants: Grants,
        book: Book,
        events: Events,
        *,
        state: Callable[[], Awaitable[str]],
        read: ReadFile,
        clock: Callable[[], float],
        forms: bool = True,
    ) -> None:
        """`state` fingerprints the workspace as it stands, `read` reads a file of it, `clock` gives seconds since 1970;
        `forms` says whether a client may be asked itself."""
        self._subjects, self._grants, self._book, self._events = subjects, grants, book, events
        self._state, self._read, self._clock, self._forms = state, read, clock, forms
        self._open: dict[_Key, Approval] = {}
        self._denied: dict[_Key, str] = {}
        self.allowed: list[str] = []
        """What was allowed so far, a sentence each, for papers."""

    def is_open(self, call: ToolCall, decision: Decision) -> bool:
        """Nothing is asked before a client's call is made."""
        return False

    async def answer(
        self, call: ToolCall, decision: Decision, ctx: ServerRequestContext[Any, Any]
    ) -> Decision | HandlerResult:
        """Return what a person decided of the call, or the question for the client to put to one.

        Raises:
            RunError: the sandbox is dead.
        """
        try:
            return await self._answered(call, decision, ctx)
        except UserError as error:
            return _no(decision.rule, f"{decision.reason}; a person has to allow this and cannot be asked: {error}")

    def held(self, call: ToolCall, path: str, entry: str, rule: str, reason: str, facts: str) -> str:
        """Ask about what a call changed at `path`, and return what the client is told: the change is undone by now.

        `entry` is the id of the new content, `facts` what a person is shown of it.
        """
        digest = effect_digest(path, entry)
        if (digest, rule) in self._denied:
            return f"this was denied: {self._denied[digest, rule]}"
        try:
            approval = self._open.get((digest, rule))
            if approval is None or self._clock() >= approval.expires_at:
                question = f"May {path} be changed by {call.tool}? The rule {rule} asks: {reason}"
                approval = self._new("effect", call.role, call.tool, digest, "", rule, question, shown_effect(facts))
                self._ask((digest, rule), approval)
        except UserError as error:
            return f"a person has to allow this and cannot be asked: {error}"
        return _pending(approval)

    def accepted(self, path: str, entry: str) -> bool:
        """Return whether a person allowed exactly this content at exactly this path."""
        if self._grants.accepted(path, entry):
            return True
        digest = effect_digest(path, entry)
        for key, approval in [one for one in self._open.items() if one[0][0] == digest]:
            with suppress(UserError):
                decision = self._taken(key, approval)
                if decision is not None and decision.verdict == "allow":
                    self._grants.accept(path, entry)
        return self._grants.accepted(path, entry)

    async def _answered(
        self, call: ToolCall, decision: Decision, ctx: ServerRequestContext[Any, Any]
    ) -> Decision | HandlerResult:
        if not showable(call):
            return _no(
                "too-long", f"a person cannot be shown all of this {call.tool}; make it shorter, in several calls"
            )
        binding = await self._binding(call)
        key = (binding, decision.rule)
        if self._grants.take(binding, *decision.rules):
            return _yes(decision.rule)
        if key in self._denied:
            return _no(decision.rule, f"this was denied: {self._denied[key]}")
        approval = self._open.get(key)
        if approval is not None and (taken := self._taken(key, approval)) is not None:
            return taken
        if approval is None or self._clock() >= approval.expires_at:
            shown, question = await shown_call(call, decision, self._read), question_of(call, decision)
            role, tool = call.role, call.tool
            self._drop_older(binding, decision.rule)
            approval = self._new("tool", role, tool, binding.digest, binding.state, decision.rule, question, shown)
            self._ask(key, approval)
        if not (self._forms and shows_forms(ctx)):
            return _no(decision.rule, f"{decision.reason}; {_pending(approval)}")
        given = await asked_by_form(approval, ctx)
        return given if isinstance(given, InputRequiredResult) else self._heard(key, approval, decision, given)

    def _heard(self, key: _Key, approval: Approval, decision: Decision, result: ElicitResult | None) -> Decision:
        """Return what an answered form decides; one that says nothing understandable leaves the question open."""
        said, reason = answer_in(result)
        if said is None:
            return _no(decision.rule, f"{decision.reason}; nobody answered the question: {_pending(approval)}")
        # Where somebody at a terminal was first, or it expired, what the book says counts.
        with suppress(UserError):
            self._book.answer(approval.id, said, reason=plain_text(reason), channel="client")
        return self._taken(key, approval) or _no(decision.rule, f"{decision.reason}; {_pending(approval)}")

    def _taken(self, key: _Key, approval: Approval) -> Decision | None:
        """Return what was answered to an open question, which closes it; None while nothing was."""
        try:
            answered = self._book.take(approval.id)
        except UserError:
            # Gone or tampered with: the same call asks anew.
            del self._open[key]
            raise
        if answered is None or answered.unanswered != approval:
            return None
        del self._open[key]
        rule, role = approval.rule, approval.role
        self._events.emit(
            "gate.answered", gate=f"approval-{approval.id}", answer=answered.answer, channel=answered.channel
        )
        if answered.answer not in ("once", "kind"):
            self._denied[key] = plain_text(answered.reason) or "no reason was given"
            return _no(rule, f"this was denied: {self._denied[key]}")
        if answered.answer == "kind" and role is not None:
            self._grants.kind(rule, role)
        how = "at a terminal" if answered.channel == "terminal" else "through the client"
        extent = "for this session" if answered.answer == "kind" else "once"
        self.allowed.append(f"allowed {extent}, {how} (approval {approval.id}): {approval.tool}, rule {rule}")
        return _yes(rule)

    async def _binding(self, call: ToolCall) -> Binding:
        run, policy = self._subjects.run, self._subjects.policy
        return Binding(run, call.role, call.tool, digest_of(call.arguments), await self._state(), policy)

    def _new(
        self, subject: Subject, role: Role, tool: str, digest: str, state: str, rule: str, question: str, shown: str
    ) -> Approval:
        now = int(self._clock())
        return Approval(
            id=secrets.token_hex(4),
            run_id=self._subjects.run,
            task_id=self._subjects.task,
            subject=subject,
            tool=tool,
            role=role,
            digest=digest,
            state=state,
            policy=self._subjects.policy,
            rule=rule,
            question=plain_text(question),
            shown=shown,
            asked_at=now,
            expires_at=now + int(ONCE_SECONDS),
        )

    def _drop_older(self, binding: Binding, rule: str) -> None:
        """Let questions about the same call expire that were asked before the workspace changed."""
        for key, approval in list(self._open.items()):
            older = key[0]
            if isinstance(older, Binding) and key[1] == rule and replace(older, state=binding.state) == binding:
                self._book.drop(approval.id)
                del self._open[key]

    def _ask(self, key: _Key, approval: Approval) -> None:
        self._book.ask(approval)
        self._open[key] = approval
        facts = {"subject": approval.subject, "tool": approval.tool, "role": approval.role, "rule": approval.rule}
        self._events.emit("approval.asked", approval=approval.id, **facts, digest=approval.digest[:16])


def _yes(rule: str) -> Decision:
    return Decision(verdict="allow", rule=rule, reason="a person allowed it")


def _no(rule: str, reason: str) -> Decision:
    return Decision(verdict="refuse", rule=rule, reason=reason)


def _pending(approval: Approval) -> str:
    what = "make the same call again" if approval.subject == "tool" else "make the same change again"
    return f"this needs a person: approval {approval.id}: a person runs `andon approve {approval.id}`, then {what}"
