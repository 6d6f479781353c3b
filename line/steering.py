"""What a person says to a run while its agents work: read by them between two turns, and kept for those who follow."""

import asyncio
from dataclasses import dataclass, field

from andon.guardrails.output import clean_text
from andon.line.db import said
from andon.line.db.database import Database, DatabaseGone
from andon.line.durable.patience import patiently
from andon.records.calls import Role
from andon.records.events import Events
from andon.records.ports import Steps

LONGEST = 4000
"""Characters of one message; more belongs into the task, or into a file of the repository."""

_WHAT_TO_DO: dict[Role, str] = {
    "planner": "Plan by it.",
    "executor": (
        "Work by it. A path that the plan does not cover needs amend_plan first; what you leave out goes under "
        "not_done."
    ),
    "reviewer": "Judge the change by it too.",
}
_SAME_RIGHTS = "What is closed stays closed: this changes the work, not the rules."


@dataclass(frozen=True)
class Said:
    """One message, as the journal keeps it."""

    id: int
    """Its number among the messages."""
    text: str
    """What was said."""
    by: str
    """Who said it."""


@dataclass
class Steering:
    """Gives messages of the tables to the agents. Implements `agents.desk.Voices`.

    Nothing is kept of a turn in which nobody said anything; what was read is a step of the run, so that a run that is
    gone on with elsewhere hears the same at the same place.
    """

    db: Database
    run_id: str
    engine: Steps
    events: Events
    so_far: list[str] = field(default_factory=list)
    """Everything that was said in the run, in order."""
    _due: str = ""
    """The turn after which something is to be read: it stays so, whatever becomes of the database."""
    _heard: set[str] = field(default_factory=set)
    _read: set[int] = field(default_factory=set)

    async def said(self, turn: int) -> bool:
        """Say whether there is something to read after this turn. A database that is away has nothing to say."""
        key = str(turn)
        if self.engine.recorded("said", key) or (key == self._due and key not in self._heard):
            return True
        if self.engine.replaying or key in self._heard:
            return False
        try:
            waits = await asyncio.to_thread(self._unread)
        except DatabaseGone:
            return False
        self._due = key if waits else ""
        return bool(waits)

    async def heard(self, turn: int, role: Role) -> str:
        """Return what is to be read after this turn, in words for the role that goes on; empty for nothing.

        Raises:
            RunError: `database-gone`.
        """
        if not await self.said(turn):
            return ""
        key = str(turn)
        self._heard.add(key)

        async def read() -> list[Said]:
            return await patiently(self._unread)

        heard = await self.engine.step("said", key, read, list[Said])
        ids = [one.id for one in heard]
        self._read.update(ids)
        # After the step is kept: a message may be given twice to a process that dies here, and is never lost.
        await patiently(lambda: said.note_read(self.db, ids))
        for one in heard:
            self.so_far.append(one.text)
            self.events.emit("person.said", role=role, text=one.text, by=one.by)
        return told(role, [one.text for one in heard])

    def _unread(self) -> list[Said]:
        unread = [one for one in said.unread(self.db, self.run_id) if one.id not in self._read]
        return [Said(one.id, clean_text(one.text)[:LONGEST], one.said_by) for one in unread]


def told(role: Role, texts: list[str]) -> str:
    """Return what a role reads of messages; empty for none."""
    if not texts:
        return ""
    return "\n\n".join(["A person who follows this run says:", *texts, f"{_WHAT_TO_DO[role]} {_SAME_RIGHTS}"])


def with_said(packet: str, texts: list[str]) -> str:
    """Return a packet with what people have said to the run so far, which whoever starts from it was not told."""
    if not texts:
        return packet
    lines = "\n".join(f"- {' '.join(text.split())}" for text in texts)
    return f"{packet}\n\n# A person said while this run was going on\n{lines}"
