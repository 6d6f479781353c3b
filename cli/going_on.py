"""A run of the tables brought to its end, or to its next question, in front of a person: here or by another worker."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from andon.cli.endings import flush_streams, print_document
from andon.cli.events_out import EventsOut, finish_events
from andon.cli.papers_shown import folder_while_working, papers_while_waiting
from andon.cli.progress import Progress, watching
from andon.cli.stop import person
from andon.cli.to_its_end import finish, run_to_end
from andon.line.db import approvals, lanes, messages, runs, workers
from andon.line.db.database import Database
from andon.line.db.runs import Run
from andon.line.db.waits import waiting
from andon.line.durable.checkouts import own_state
from andon.line.durable.giving_up import result_without_work
from andon.line.durable.notices import Notice
from andon.line.durable.task_status import note_ends
from andon.line.durable.worker import Worker
from andon.line.durable.worker_ids import bury, new_worker_id
from andon.line.log.event_log import Listener
from andon.line.steps import Answer, Ask, Gate
from andon.line.views.follow import follow
from andon.line.views.found_run import FoundRun
from andon.line.views.runs_view import RunsView
from andon.records.errors import RunError, UserError
from andon.records.events import RunEvent
from andon.records.result import Refusal, RunResult
from andon.records.stops import StopCode
from andon.sandbox.repository import Repository

if TYPE_CHECKING:
    from andon.cli.live_view import LiveView
    from andon.line.db.foreign import Unreadable

_INTERRUPTED = 130
_TOLD = {
    "database-gone": "the database is away",
    "database-back": "the database is back",
    "put-back": "the run is back in the queue",
    "waits": "the run waits",
}
"""Notices of the worker here that a person reads; the rest is seen in the run's events."""


def go_on(db: Database, run_id: str, args: argparse.Namespace) -> int:
    """Bring a run of this repository to its end, print how it ended as `andon run` does, and return its exit code.

    Where a worker of `andon serve` lives the run is followed, else it is worked on in this process. A question is put
    to the person at the terminal; where nobody can be asked (`args.headless`, `args.json`, no terminal) the run waits.
    Ctrl-C ends a run that is worked on here, and takes leave of one that is followed.

    Raises:
        UserError: there is no such run, or the database or the engine cannot be used.
        KeyboardInterrupt: Ctrl-C came while nobody worked on the run.
    """
    repository = Repository.open(Path(args.directory))
    with watching(sys.stderr, repository.root, plain=getattr(args, "plain", False)) as view:
        out = EventsOut(run_id) if getattr(args, "events", False) else None
        going = _Going(db, run_id, args, repository.root, view, out)
        try:
            result = going.to_its_end()
        except KeyboardInterrupt:
            if not _others_see_to(db, runs.get(db, run_id)):
                raise
            result = None
        except RunError as error:
            # The tables cannot be written: how the run ended here is said without them.
            result = result_without_work(runs.get(db, run_id), error.code, str(error))
    if result is None:
        return _took_leave(run_id, as_json=args.json)
    with suppress(UserError, RunError):
        # One that ended elsewhere; what is in the way of it changes nothing about that.
        note_ends(db)
    _fetch(db, run_id, repository, result)
    if going.out is not None:
        return finish_events(result, repository.root)
    return finish(result, repository.root, as_json=args.json)


@dataclass
class _AtTerminal:
    """Who reads and answers while a run is worked on here."""

    listeners: Sequence[Listener]
    ask: Ask | None


@dataclass
class _Going:
    db: Database
    run_id: str
    args: argparse.Namespace
    root: Path
    view: "Progress | LiveView"
    out: EventsOut | None = None
    """Where the events go that a program reads."""
    shown: int = 0
    """Number of the last event that was shown."""
    followed: bool = False

    def to_its_end(self) -> RunResult:
        """Return the result the run has at its end, or while it waits for a person nobody can ask here.

        Raises:
            KeyboardInterrupt: the person takes leave of a run that another worker has.
        """
        while True:
            run = runs.get(self.db, self.run_id)
            if run.status == "ended":
                return run.result or result_without_work(run, StopCode(run.stop_code or "internal"), run.message)
            if run.status == "parked" and (question := self._open(run)):
                if not self._answer(run, question):
                    return run.result or result_without_work(run, StopCode.NEEDS_PERSON, question.gate.question)
            elif halted := self._halted(run):
                return halted
            elif _others_see_to(self.db, run):
                self._follow()
            else:
                self._work_here(run)

    def _open(self, run: Run) -> approvals.Question | None:
        """Return the question a parked run waits at; None if it is answered, or was not answered in time.

        Raises:
            UserError: this andon cannot read it.
        """
        left: list[Unreadable] = []
        asked = approvals.open_questions(self.db, run.repository, left)
        for one in left:
            if one.run_id == run.id:
                raise UserError(one.problem)
        return next((one for one in asked if one.run_id == run.id), None)

    def _answer(self, run: Run, question: approvals.Question) -> bool:
        """Put the question to the person here; False: nobody can be asked."""
        if self._person() is None:
            return False
        found = FoundRun.of(Repository.open(self.root), run.id, RunsView(self.db, run.repository))
        with papers_while_waiting(found, question.gate) as papers:
            ask = self._asker(run, papers)
            answer = asyncio.run(_asked(ask, question.gate)) if ask else None
        if answer is None:
            return False
        try:
            approvals.answer(self.db, question.id, answer, by=person(), channel="terminal", digest=question.digest)
        except UserError:
            # Somebody may have been quicker elsewhere: theirs counts then.
            if approvals.question(self.db, question.id).answer is None:
                raise
            self.view.tell("it was answered elsewhere meanwhile; that answer counts")
        return True

    def _halted(self, run: Run) -> RunResult | None:
        """Return how a run stands that may not begin, since its lane is closed until a person opens it."""
        lane = lanes.lane(self.db, run.repository, run.lane)
        if run.status != "queued" or run.attempt or lane.state == "open":
            return None
        why = f"lane {lane.name} is {lane.state}: {lane.reason or 'no reason was given'}"
        return result_without_work(run, StopCode.LANE_HALTED, f"The run waits in the queue, {why}.")

    def _follow(self) -> None:
        """Show what another worker does, until there is something to do here."""
        if not self.followed:
            self.view.tell(f"another worker sees to run {self.run_id}; Ctrl-C leaves it to that")
        self.followed = True

        def done(run: Run) -> bool:
            # One that was answered waits for that worker, as one in the queue does.
            asks = run.status == "parked" and self._open(run) is not None
            return run.status == "ended" or asks or not _others_see_to(self.db, run)

        for row in follow(self.db, self.run_id, after=self.shown, done=done):
            self.shown = row.seq
            with suppress(OSError):
                if self.out is not None:
                    self.out.line(row.line.encode() + b"\n")
            self._show(RunEvent.model_validate_json(row.line))

    def _show(self, event: RunEvent) -> None:
        # A run goes on although its follower's terminal is closed; the person is told by the exit code.
        with suppress(OSError):
            self.view.show(event)

    def _work_here(self, run: Run) -> None:
        """Work on the run as the one-run worker of this process; what ends it ends with its report."""
        from andon.line.durable.phase import Phases, Place

        # Two listeners: one that cannot write any more is told nothing further.
        listeners = [self._seen, *([self.out.show] if self.out else [])]
        papers = folder_while_working(self.db, run, self.root, os.environ)
        terminal = _AtTerminal(listeners, self._asker(run, papers))
        worker_id = new_worker_id()
        place = Place(self.db, worker_id, own_state(os.environ), os.environ, attendant=lambda run_id: terminal)
        tell = self._notice
        worker = Worker(self.db, worker_id, Phases(place), kind="run", only=run.id, tell=tell)
        run_to_end(worker.work, tell=self.view.tell)
        if worker.stopped and runs.get(self.db, run.id).status != "ended":
            messages.stop(self.db, run.id, person())

    def _seen(self, event: RunEvent) -> None:
        self.shown = max(self.shown, event.seq)
        self.view.show(event)

    def _notice(self, notice: Notice) -> None:
        if notice.what in _TOLD:
            text = self._why_it_waits(notice.run) if notice.what == "waits" and notice.run else notice.text
            self.view.tell(f"{_TOLD[notice.what]}: {text}" if text else _TOLD[notice.what])

    def _why_it_waits(self, run: Run) -> str:
        queued = waiting(self.db, run.repository, served=True, unreadable=[])
        return next((one.detail for one in queued if one.run.id == run.id), "")

    def _person(self) -> TextIO | None:
        """Return where the person here reads; None without a terminal to type on and to read from."""
        unasked = getattr(self.args, "headless", False) or self.args.json
        return None if unasked else person_at(sys.stdin)

    def _asker(self, run: Run, papers: Path) -> Ask | None:
        """Return who is asked at gates, and shown `papers` where the evidence is in question; None: nobody."""
        out = self._person()
        if out is None:
            return None
        # Imported here: what it needs is of use to a person only.
        from andon.cli.questions import Questions

        proposed = not run.task.acceptance_criteria
        return Questions(sys.stdin, out, papers, proposed=proposed, plain=getattr(self.args, "plain", False))


async def _asked(ask: Ask, gate: Gate) -> Answer:
    return await ask(gate)


def _others_see_to(db: Database, run: Run) -> bool:
    """Say whether another living worker has the run or will take it."""
    bury(db)
    alive = workers.alive(db)
    return any(one.kind == "serve" or (run.status == "running" and one.id == run.worker) for one in alive)


def _took_leave(run_id: str, *, as_json: bool) -> int:
    message = f"run {run_id} goes on without you: `andon log -f {run_id}` follows it, `andon stop {run_id}` ends it"
    with suppress(OSError):
        print(f"andon: {message}", file=sys.stderr, flush=True)
    if as_json:
        print_document(Refusal(stop_code=StopCode.INTERRUPTED, exit_code=130, message=message))
    flush_streams()
    return _INTERRUPTED


def _fetch(db: Database, run_id: str, repository: Repository, result: RunResult) -> None:
    """Bring a branch that was delivered on another machine into this repository."""
    if result.branch and repository.branch(result.branch) is None:
        from andon.line.durable.shipping import take

        take(db, repository, runs.get(db, run_id))


def person_at(stdin: TextIO) -> TextIO | None:
    """Return where a person who types on `stdin` reads questions, or None if nobody is there."""
    return next((out for out in (sys.stderr, sys.stdout) if out.isatty()), None) if stdin.isatty() else None
