"""One phase of a run in the tables: from its start, or a person's answer, to the next wait or the end."""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from andon.intake.queue import QUEUE_PATH
from andon.line.answerer import Answerer
from andon.line.budget import asking_off_the_clock, budget_of
from andon.line.conclude import conclude
from andon.line.course import Course
from andon.line.db import answers, blobs, providers, runs
from andon.line.db.database import Database, DatabaseGone
from andon.line.db.runs import Fenced, Run
from andon.line.durable.checkouts import checkout
from andon.line.durable.giving_up import refuse
from andon.line.durable.lane_notes import LaneNotes
from andon.line.durable.loading import load
from andon.line.durable.papers_store import keep_papers
from andon.line.durable.patience import patiently
from andon.line.durable.phase_engine import PhaseEngine
from andon.line.durable.queueing import flags_of
from andon.line.durable.shipping import keep_branch, keep_trees, plant_trees
from andon.line.durable.table_log import TableLog
from andon.line.ground import Early, Ground
from andon.line.identity import host_name
from andon.line.job import Job, prepare
from andon.line.live import live_answerer
from andon.line.log.event_log import Listener
from andon.line.run import clean_up, ending
from andon.line.run_folder import RunFolder
from andon.line.run_state import RunState, UsageSum
from andon.line.saved import Checkpoint, save_lane
from andon.line.steering import Steering
from andon.line.steps import Ask
from andon.line.trust import Elsewhere, Where
from andon.line.uninterrupted import interrupted_later, uninterrupted
from andon.records.errors import UserError
from andon.records.parked import Parked
from andon.records.result import RunResult
from andon.records.stops import StopCode
from andon.sandbox.repository import Repository
from andon.sandbox.start import tier_of

if TYPE_CHECKING:
    from andon.line.engine import JournalledSteps

EXPIRES = 14 * 86_400.0
"""Seconds after which a question of a run cannot be answered any more."""


_ANEW = (
    "what this part of the run had kept cannot be gone on from, as after a change of andon's version: it was begun "
    "anew, and its models were asked and paid again"
)
_TRIES = 20
"""So many attempts at a phase outlast an outage of hours; a model server that refuses for ever ends the run."""


class Attendant(Protocol):
    """Who is at the terminal of a run."""

    listeners: Sequence[Listener]
    """Are told of everything that happens from now on."""
    ask: Ask | None
    """Puts a question to the person; None: nobody is there to answer."""


@dataclass(frozen=True)
class Place:
    """Where phases are worked on."""

    db: Database
    worker: str
    """The name this process has in the tables."""
    state: Path
    """Where checkouts of other machines' repositories are made."""
    environment: Mapping[str, str]
    """Keys and addresses of the models."""
    attendant: Callable[[str], Attendant | None] = lambda run_id: None
    """Who attends a run; None: nobody."""
    retries: bool = False
    """Whether a run whose model server fails waits in the queue for better times; else it ends."""


@dataclass
class _Stand:
    """What a phase of one run is worked on with."""

    run: Run
    repository: Repository
    elsewhere: Elsewhere | None
    """The run's repository where `repository` is a checkout of ours."""
    job: Job
    folder: RunFolder
    events: TableLog
    state: RunState
    early: Early | None = None

    @property
    def local(self) -> bool:
        """True if this is the checkout that the run was queued from."""
        return self.elsewhere is None

    @property
    def where(self) -> Where:
        """Which repository's claims the person of this machine must have accepted."""
        return self.elsewhere or self.repository.root


@dataclass
class Phases:
    """Carries out phases; the body of the engine."""

    place: Place
    leaving: bool = False
    """True: a phase that is cancelled concludes nothing, its run goes on elsewhere."""
    _early: dict[str, _Stand] = field(default_factory=dict)

    async def begin(self, run: Run) -> bool:
        """See `Phases.begin` of `phase_task`."""
        if run.phase != 0 or run.attempt != 1:
            return False
        # What the sandbox needs comes first: the base is checked in it while the agent SDK is loaded, which takes a
        # second. Whoever needs either before waits for what is left of that.
        sandbox = () if tier_of(run.options.sandbox) == "bubblewrap" else ("andon.sandbox.docker_worker",)
        threading.Thread(target=load, args=(*sandbox, "andon.line.agents_phase"), daemon=True).start()
        stand = await self._stand(run)
        if not stand.events.fresh:
            return False
        stand.early = Early(Ground.of(stand.job, stand.folder, stand.events.of_steps))
        self._early[run.id] = stand
        return True

    async def drop(self, run: Run) -> None:
        """End what was begun early of a run whose phase is not carried out here."""
        if (stand := self._early.pop(run.id, None)) is not None:
            await _closed(stand)

    async def body(self, run_id: str, phase: int, steps: "JournalledSteps") -> dict[str, Any]:
        """Carry out a phase; its row says how it ended before this returns.

        Cancelled, the run ends as interrupted, unless `leaving` is set: then it stands as it is.

        Raises:
            Fenced: another process has the run.
            RunError: `database-gone`.
        """
        stand = self._early.pop(run_id, None)
        try:
            run = await interrupted_later(patiently(lambda: runs.get(self.place.db, run_id)))
            if run.worker != self.place.worker:
                raise Fenced(run_id)
            try:
                if stand is None:
                    stand = await interrupted_later(self._stand(run))
                return await self._carried_out(stand, steps)
            except DatabaseGone:
                # Not the run's fault: it goes back and is begun again.
                raise
            except UserError as error:
                return await self._refused(run, error)
        finally:
            if stand is not None:
                await _closed(stand)

    async def _stand(self, run: Run) -> _Stand:
        place = self.place
        repository = await asyncio.to_thread(checkout, place.db, run, place.state, host_name())
        elsewhere = None if str(repository.root) == run.root else Elsewhere(run.repository, run.id)
        job = await asyncio.to_thread(
            prepare,
            repository,
            run.task,
            run_id=run.id,
            started=run.options.started,
            # A checkout of ours holds no files; where a run was queued the queue may be gone by now.
            queued=run.options.queued and elsewhere is None and (repository.root / QUEUE_PATH).is_file(),
            toolchain=None,
            tier=run.options.sandbox,
            base=run.base_commit,
            elsewhere=elsewhere,
        )
        job = replace(job, branch=run.branch, warnings=tuple(run.options.warnings), lane=run.lane)
        folder = RunFolder.of_table(repository.root, run.id, run.task.id)
        usage = UsageSum()
        budget = budget_of(job.settings, {}, time.monotonic)
        state = RunState(usage=usage, budget=budget, warnings=list(job.warnings))
        attendant = place.attendant(run.id)
        events = TableLog(
            place.db,
            run.id,
            place.worker,
            folder.path / "audit.jsonl",
            phase=run.phase,
            attempt=run.attempt,
            listeners=attendant.listeners if attendant else (),
            remembering=[usage, state.effects],
        )
        return _Stand(run, repository, elsewhere, job, folder, events, state)

    async def _carried_out(self, stand: _Stand, steps: "JournalledSteps") -> dict[str, Any]:
        run, place = stand.run, self.place
        flags = flags_of(run.options)
        async with live_answerer(stand.job.settings, flags, place.environment, where=stand.where) as answerer:
            stand.state.budget = budget_of(stand.job.settings, answerer.names, time.monotonic)
            course = await interrupted_later(self._course(stand, steps, answerer))
            try:
                code, message = await ending(course)
                parked = None
            except Parked as error:
                code, message, parked = error.code, str(error), error
            except Fenced:
                await uninterrupted(clean_up(course, keep_tree=False))
                raise
            if code is StopCode.INTERRUPTED and self.leaving:
                await uninterrupted(clean_up(course, keep_tree=False))
                raise asyncio.CancelledError
            return await uninterrupted(self._concluded(stand, course, code, message, parked))

    async def _course(self, stand: _Stand, steps: "JournalledSteps", answerer: Answerer) -> Course:
        place, run, state = self.place, stand.run, stand.state
        if stand.events.ended:
            stand.events.emit("run.resumed", phase=run.phase)
        if stand.events.kept and not steps.replaying:
            stand.events.begin_anew(_ANEW)
        saved = await self._checkpoint(stand)
        goes_on = saved.lane if saved else None
        notes = LaneNotes(stand.events, state.budget, lambda: state.lane, goes_on)
        steps.attach(stand.events, notes, stand.events.begun, stand.events.flush)
        attendant = place.attendant(run.id)
        ask = attendant.ask if attendant else None
        answered = await patiently(lambda: answers.answered(place.db, run.id))
        engine = PhaseEngine(steps, stand.events, answered, asking_off_the_clock(ask, state.budget))
        if saved is not None:
            state.budget.restore(saved.budget)
            state.warnings = list(saved.warnings)
        if stand.events.begun_anew:
            state.warnings.append(_ANEW)
        steering = Steering(place.db, run.id, engine, stand.events)
        return Course(
            stand.job, answerer, stand.folder, stand.events, engine, state, AsyncExitStack(), saved, steering,
            stand.early,
        )  # fmt: skip

    async def _checkpoint(self, stand: _Stand) -> Checkpoint | None:
        run, db = stand.run, self.place.db
        if not run.checkpoint:
            return None
        saved = Checkpoint.model_validate_json(await patiently(lambda: blobs.get(db, run.checkpoint)))
        ground = Ground.of(stand.job, stand.folder, stand.events)
        if saved.pack and not all(ground.store.holds(tree) for tree in saved.trees):
            pack = saved.pack
            await patiently(lambda: plant_trees(db, pack, ground.store.path))
        return saved

    async def _concluded(
        self, stand: _Stand, course: Course, code: StopCode, message: str, parked: Parked | None
    ) -> dict[str, Any]:
        place, run = self.place, stand.run
        stand.events.conclude()
        checkpoint = await self._kept(stand, course, parked) if parked else ""
        await clean_up(course, keep_tree=code is not StopCode.DELIVERED)
        if code is StopCode.PROVIDER_FAILED and not stand.state.lasting:
            await patiently(lambda: providers.failed(place.db, run.provider, message))
            if place.retries and run.attempt < _TRIES:
                return await self._put_back(stand, message)
        elif stand.state.usage.sum.requests:
            await patiently(lambda: providers.worked(place.db, run.provider))
        result = await conclude(
            stand.job,
            course.answerer.label,
            stand.folder,
            stand.events,
            stand.state,
            code,
            message,
            waits=parked is not None,
        )
        await self._publish(stand)
        if parked is not None:
            await self._park(stand, checkpoint, parked, result)
            return {"status": "parked"}
        await self._end(stand, result)
        return {"status": "ended"}

    async def _kept(self, stand: _Stand, course: Course, parked: Parked) -> str:
        """Store what to go on from, and return its digest."""
        lane = stand.state.lane
        if lane is None:
            raise parked
        workspace = lane.workspace()
        trees = sorted({workspace, lane.tree, *filter(None, (lane.checked, lane.reviewed)), lane.base_tree})
        db, job = self.place.db, stand.job
        pack = None
        if db.dialect == "postgresql":
            pack = await patiently(lambda: keep_trees(db, lane.store.path, job.base_commit, trees))
        saved = Checkpoint(
            trees=trees,
            pack=pack,
            workspace=workspace,
            lane=save_lane(lane),
            agents=parked.agents,
            review=stand.state.review,
            base=list(lane.base),
            facts=stand.state.facts,
            warnings=stand.state.warnings,
            budget=stand.state.budget.saved(),
        )
        return await patiently(lambda: blobs.put(db, saved.model_dump_json().encode()))

    async def _publish(self, stand: _Stand) -> None:
        db, run = self.place.db, stand.run
        if db.dialect == "postgresql":
            await patiently(lambda: keep_papers(db, run.id, stand.folder.papers))

    async def _park(self, stand: _Stand, checkpoint: str, parked: Parked, result: RunResult) -> None:
        db, run, worker = self.place.db, stand.run, self.place.worker
        await patiently(
            lambda: runs.park(
                db,
                run.id,
                worker,
                phase=run.phase,
                checkpoint=checkpoint,
                gate=parked.gate,
                expires=time.time() + EXPIRES,
                result=result,
            )
        )
        if db.dialect == "sqlite":
            await asyncio.to_thread(self._bundle, stand)

    def _bundle(self, stand: _Stand) -> None:
        """Leave the run as one file too: this machine may be thrown away."""
        from andon.line.bundles.bundle import write_bundle
        from andon.line.bundles.file import BundleKey

        lane = stand.state.lane
        if lane is None:
            return
        with suppress(UserError, OSError):
            key = BundleKey.of(self.place.environment, stand.repository.root)
            row = runs.get(self.place.db, stand.run.id)
            content = write_bundle(self.place.db, row, stand.folder.papers, lane.store, key)
            stand.folder.write(f"{stand.run.id}.andon", content)
            stand.folder.publish()

    async def _end(self, stand: _Stand, result: RunResult) -> None:
        db, run, worker = self.place.db, stand.run, self.place.worker
        delivery = None
        if result.branch is not None and not stand.local:
            branch = result.branch
            delivery = await patiently(lambda: keep_branch(db, stand.repository, run.base_commit, branch))
        await patiently(lambda: runs.end(db, run.id, worker, result=result, delivery=delivery))

    async def _put_back(self, stand: _Stand, message: str) -> dict[str, Any]:
        db, run, worker = self.place.db, stand.run, self.place.worker
        await stand.events.flush()
        await patiently(lambda: runs.put_back(db, run.id, worker, not_before=0.0, message=message))
        return {"status": "put-back"}

    async def _refused(self, run: Run, error: UserError) -> dict[str, Any]:
        await patiently(lambda: refuse(self.place.db, run, self.place.worker, error))
        return {"status": "ended"}


async def _closed(stand: _Stand) -> None:
    stand.events.close()
    if stand.early is not None:
        await uninterrupted(stand.early.close())
