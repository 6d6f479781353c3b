"""The end of a run that its phases cannot end themselves: it cannot be begun here, or they fail again and again."""

import traceback
from contextlib import suppress
from pathlib import Path

from andon.guardrails.redact import without_secrets
from andon.line.db import runs
from andon.line.db.database import Database
from andon.line.db.runs import Run
from andon.line.identity import host_name
from andon.records.errors import RunError, UserError
from andon.records.result import RunResult
from andon.records.stops import MEANINGS, StopCode


def give_up(db: Database, run: Run, worker: str, error: BaseException | None) -> None:
    """End a run whose phase failed without ending it: with the error's stop code, or as `internal`.

    What failed is written beside its papers, where this machine has them.

    Raises:
        Fenced: the run is another worker's.
    """
    if isinstance(error, RunError):
        code, message = error.code, str(error)
    else:
        why = f"{type(error).__name__}: {error}" if error else "a phase was over and its run was not"
        code = StopCode.INTERNAL
        message = f"The run was begun {run.attempt} times and failed each time, the last time with {why}"
    result = result_without_work(run, code, without_secrets(message))
    runs.end(db, run.id, worker, result=result, delivery=None)
    if run.host == host_name() and Path(run.root).is_dir():
        _tell_here(run, result, error)


def refuse(db: Database, run: Run, worker: str, error: UserError) -> None:
    """End a run that cannot be begun or gone on with here: what is wrong is a person's to mend, who resumes it.

    Raises:
        Fenced: the run is another worker's.
    """
    result = result_without_work(run, StopCode.USAGE, without_secrets(str(error)))
    runs.end(db, run.id, worker, result=result, delivery=None)


def result_without_work(run: Run, code: StopCode, message: str) -> RunResult:
    """Return the result of a run that a stop kept from working: nothing of it but its row is known."""
    return RunResult(
        run_id=run.id,
        task_id=run.task_id,
        title=run.title,
        status=MEANINGS[code].status,
        stop_code=code,
        exit_code=MEANINGS[code].exit_code,
        message=message,
        remedy=MEANINGS[code].remedy,
        base_commit=run.base_commit,
        warnings=list(run.options.warnings),
    )


def _tell_here(run: Run, result: RunResult, error: BaseException | None) -> None:
    papers = Path(run.root, "factory") / ".state" / "runs" / run.id
    with suppress(OSError):
        papers.mkdir(parents=True, exist_ok=True)
        text = "".join(traceback.format_exception(error)) if error else result.message
        (papers / "internal-error.txt").write_text(without_secrets(text), encoding="utf-8")
        (papers / "result.json").write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
