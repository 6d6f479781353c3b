"""What the tables add to how a repository stands."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from andon.line.ide.waiting import Waiting
from andon.line.resumable import can_go_on
from andon.line.views.run_rows import Asked, RunRow, Worker, iso
from andon.line.views.runs_view import RunsView
from andon.line.views.status_files import RUNS, STATE, Running, result_at
from andon.records.stops import MEANINGS, Meaning, StopCode

SHOWN = 50
"""How many tasks of each kind are shown of those that only the tables know."""
_FIRST = 5
_UNKNOWN = Meaning("stopped", 70, "This andon does not know that stop code: look at it with the andon that wrote it.")


@dataclass(frozen=True)
class Last:
    """How the last run of a task ended."""

    run_id: str
    stop_code: str
    exit_code: int
    message: str
    branch: str | None
    papers: str
    """Where they lie, relative to the repository; empty if they are not on this machine."""

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> "Last":
        """Return what a result says."""
        branch = result.get("branch")
        return cls(
            result["run_id"],
            result["stop_code"],
            result["exit_code"],
            result["message"],
            branch if isinstance(branch, str) else None,
            result["run_folder"],
        )


@dataclass(frozen=True)
class Queued:
    """A run that waits in the queue."""

    run_id: str
    task_id: str
    title: str
    lane: str
    priority: int
    """Lower ones begin first."""
    since: str
    """ISO 8601 in UTC."""
    waits_for: str
    """Why it has not begun, where that is one plain reason; else empty."""


@dataclass(frozen=True)
class Rows:
    """The runs that stand for the tasks that are shown, and what belongs to them."""

    root: Path = Path()
    runs: Mapping[str, RunRow] = field(default_factory=dict)
    """By task."""
    known: frozenset[str] = frozenset()
    """Every task with a run in the tables."""
    questions: Mapping[str, Asked] = field(default_factory=dict)
    """By run."""
    events: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    """Of runs that go on: the last phase and the last event."""
    workers: tuple[Worker, ...] = ()
    now: float = 0.0

    @classmethod
    def of(cls, view: RunsView, root: Path, tasks: Sequence[str]) -> "Rows":
        """Read what is shown of a repository; `tasks` are those of its queue file."""
        some = [task for status in ("running", "parked") for task in view.recent(status, SHOWN)]
        # A task that was run several times takes several of these.
        ended = view.recent("ended", 4 * SHOWN)[:SHOWN]
        wanted = list(dict.fromkeys([*tasks, *some, *ended]))
        return cls._with(view, root, view.of_tasks(wanted), frozenset(view.tasks()))

    @classmethod
    def of_run(cls, view: RunsView, root: Path, wanted: str) -> "Rows":
        """Read what is shown of one run or task; nothing if there is none.

        Raises:
            UserError: as `RunsView.named`.
        """
        run = view.named(wanted)
        return cls._with(view, root, {run.task_id: run}, frozenset({run.task_id})) if run else cls()

    @classmethod
    def _with(cls, view: RunsView, root: Path, runs: Mapping[str, RunRow], known: frozenset[str]) -> "Rows":
        going = [run.id for run in runs.values() if run.status == "running"]
        return cls(
            root,
            runs,
            known,
            view.questions([run.id for run in runs.values() if run.status == "parked"]),
            {run_id: (view.last_event(run_id, "phase"), view.last_event(run_id)) for run_id in going},
            tuple(view.workers()),
            view.now(),
        )

    def waiting(self) -> Iterator[Waiting]:
        """Return the questions that can still be answered."""
        for asked in self.questions.values():
            if self._open(asked):
                yield Waiting(asked.id, asked.question, asked.run_id, asked.expires_at)

    def active(self, run: RunRow) -> tuple[str, str, str]:
        """Return status, open question and next step of a run that has not ended."""
        if run.status == "queued":
            return "pending", "", f"it waits in the queue as run {run.id}{self._starts(run)}"
        if run.status == "running":
            gone = run.worker not in {worker.id for worker in self.workers}
            return "running", "", f"its worker is gone{self._starts(run)}" if gone else ""
        asked = self.questions.get(run.id)
        if asked and self._open(asked):
            step = f"andon approve {asked.id}, or andon deny {asked.id} --reason …"
            return "waiting-approval", asked.question or run.message, step
        what = f"it was answered: {asked.answer}" if asked and asked.answer else "nobody answered in time"
        return "waiting-approval", "", f"{what}{self._starts(run)}"

    def running(self, run: RunRow, held: Running | None) -> Running:
        """Return a run that goes on, as its worker's lock on this machine and its events say."""
        phase, event = self.events.get(run.id, (None, None))
        process = next((worker.process for worker in self.workers if worker.id == run.worker), 0)
        return Running(
            run.id,
            held.process if held else process,
            iso(run.started_at),
            str(phase["data"].get("name", "")) if phase else held.doing if held else "",
            run.title,
            run.worker,
            event or (held.event if held else None),
        )

    def result(self, run: RunRow) -> dict[str, Any]:
        """Return what is told of a run that has ended; what it left no result of comes from its row."""
        meaning = MEANINGS[StopCode(run.stop_code)] if run.stop_code in list(StopCode) else _UNKNOWN
        told: dict[str, Any] = {"status": meaning.status, "exit_code": meaning.exit_code, "remedy": meaning.remedy}
        for name, own in tuple(told.items()):
            said = run.result.get(name)
            told[name] = said if isinstance(said, type(own)) else own
        if can_go_on(run.stop_code) and "andon resume" not in told["remedy"]:
            told["remedy"] = f"{told['remedy']} `andon resume {run.id}` goes on where it stopped."
        named = {"run_id": run.id, "task_id": run.task_id, "title": run.title, "branch": run.result.get("branch")}
        return told | named | {"stop_code": run.stop_code, "message": run.message, "run_folder": self._papers(run)}

    def _papers(self, run: RunRow) -> str:
        own, latest = f"{STATE}/runs/{run.id}", f"{RUNS}/{run.task_id}"
        for folder in (latest, own):
            found = result_at(self.root, self.root / folder / "result.json", [])
            if found and found["run_id"] == run.id:
                return folder
        return ""

    def _open(self, asked: Asked) -> bool:
        return not asked.answer and (asked.expires_at is None or asked.expires_at > self.now)

    def _starts(self, run: RunRow) -> str:
        """Say what makes a run go on, if nobody is alive who would do it."""
        serving = any(worker.kind == "serve" for worker in self.workers)
        return "" if serving else f": start `andon serve`, or `andon resume {run.id}`"


def queue_standing(view: RunsView, rows: Rows) -> tuple[tuple[Queued, ...], tuple[Mapping[str, str], ...]]:
    """Return what begins next and why each of it waits, and the lanes that are not open."""
    lanes = tuple(view.closed_lanes())
    closed = {lane["name"]: lane for lane in lanes}
    first = tuple(
        Queued(run.id, run.task_id, run.title, run.lane, run.priority, iso(run.queued_at), why)
        for run in view.queued(_FIRST)
        for why in [_why(view, rows, run, closed)]
    )
    return first, lanes


def _why(view: RunsView, rows: Rows, run: RunRow, closed: Mapping[str, Mapping[str, str]]) -> str:
    if lane := closed.get(run.lane):
        return f"lane {run.lane} is {lane['state']}: {lane['reason']}"
    if busy := view.busy_with(run):
        return f"run {busy} works on the same task or branch"
    if run.not_before > rows.now:
        return f"not before {iso(run.not_before)}"
    if (until := view.resting(run.provider)) > rows.now:
        return f"{run.provider} is left alone until {iso(until)} after failures"
    return "" if any(worker.kind == "serve" for worker in rows.workers) else "no worker is alive"
