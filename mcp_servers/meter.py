"""The budget around every call of a tool: what is spent or goes in circles is refused, what is nearly spent is told."""

import itertools
from collections.abc import Awaitable, Callable
from typing import Any

from mcp.server.context import HandlerResult

from andon.guardrails.budgets import Budget
from andon.guardrails.stalls import failure_of
from andon.records.calls import Decision, Role
from andon.records.events import Events
from andon.tools.definitions import DEFINITIONS


class Meter:
    """Counts the calls of one workbench, by whatever role."""

    def __init__(self, budget: Budget, events: Events, state: Callable[[], str] | None = None) -> None:
        """`state` tells how the workspace stands; without it every call that may write counts as a change of it."""
        self._budget = budget
        self._events = events
        self._writes = itertools.count(1)
        self._version = "0"
        self._told = state
        self._state = state or (lambda: self._version)

    async def call(
        self,
        role: Role,
        tool: str,
        arguments: Any,
        run: Callable[[], Awaitable[HandlerResult]],
        refuse: Callable[[Decision], HandlerResult],
    ) -> HandlerResult:
        """Return the result of `run`, or of `refuse` for a call in circles, with a line on what is nearly spent.

        A role whose work stands still reads a line on that too.

        Raises:
            RunError: `budget-spent` or `stuck`; nothing was run then.
        """
        circles = self._budget.before_tool_call(role, tool, arguments, state=self._state())
        if circles is not None:
            return self._noted(role, refuse(circles))
        with self._budget.working(role):
            result = await run()
        if self._told is None and not (tool in DEFINITIONS and DEFINITIONS[tool].reads_only):
            self._version = str(next(self._writes))
        failure = failure_of(_text(result), is_error=isinstance(result, dict) and bool(result.get("isError")))
        self._budget.after_tool_call(role, tool, arguments, str(result), state=self._state(), failure=failure)
        return self._noted(role, result)

    def _noted(self, role: Role, result: HandlerResult) -> HandlerResult:
        notes = self._budget.notes(role)
        for note in notes:
            self._events.emit("budget.note", role=role, limit=note.limit, left=note.left)
        nudges = self._budget.nudges(role)
        for nudge in nudges:
            self._events.emit("role.nudged", role=role, text=nudge)
        lines = [*(note.text for note in notes), *nudges]
        texts = [part for part in _content(result) if part.get("type") == "text"]
        if not lines or not texts or not isinstance(result, dict):
            return result
        last = texts[-1]
        told = {**last, "text": "\n\n".join([last["text"], *lines])}
        return {**result, "content": [told if part is last else part for part in _content(result)]}


def _text(result: HandlerResult) -> str:
    return "\n".join(str(part.get("text", "")) for part in _content(result))


def _content(result: HandlerResult) -> list[Any]:
    return list(result.get("content", [])) if isinstance(result, dict) else []
