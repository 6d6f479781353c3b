"""The whole factory on a bundled sample: replayed from its cassette, or recorded into it."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from pathlib import Path

import httpx2

from andon.agents.models import openai_model
from andon.evals.cassettes import open_cassette
from andon.evals.sample_project import copy_sample
from andon.intake.queue import load_queue, next_pending
from andon.line.answerer import ROLES, Answerer
from andon.line.job import prepare, queue_path
from andon.line.log.event_log import Listener
from andon.line.run import run_job
from andon.records.errors import RunError, UserError
from andon.records.result import RunResult
from andon.records.stops import StopCode
from andon.sandbox.repository import Repository

SAMPLE = "watchlist"
"""The sample of `andon demo`."""
MODEL = "recorded"
"""The model name every cassette is recorded with; its label says who really answered."""
CASSETTES: Traversable = files("andon.evals") / "cassettes"
"""Where the shipped cassettes lie: `NAME.yaml` is a run of the sample NAME."""
ENDINGS: Mapping[str, StopCode] = {"unclear": StopCode.QUESTION}
"""How the run of a sample must end where it is right not to deliver."""


async def replay(
    target: Path,
    *,
    run_id: str,
    name: str = SAMPLE,
    cassettes: Traversable = CASSETTES,
    toolchain: str | None = None,
    tier: str | None = None,
    listeners: Sequence[Listener] = (),
) -> RunResult:
    """Run the next task of the sample `name` in a new repository at `target`, the model's answers replayed.

    Raises:
        RunError: `cassette-miss` if the run asked what was not recorded, or left answers unplayed.
        UserError: the sample cannot be put at `target`, or no run could begin.
    """
    with (
        as_file(cassettes / f"{name}.yaml") as path,
        open_cassette(path, mode="replay") as cassette,
    ):
        async with _answerer(cassette.transport, "http://replayed.invalid/v1", "replayed", cassette.label) as answerer:
            result = await run_sample(
                target, answerer, name=name, run_id=run_id, toolchain=toolchain, tier=tier, listeners=listeners
            )
        if cassette.misses:
            raise RunError(StopCode.CASSETTE_MISS, cassette.misses[0])
        if cassette.unplayed():
            raise RunError(
                StopCode.CASSETTE_MISS,
                f"{cassette.unplayed()} recorded answers were not asked for; the run ended early: {result.message}",
            )
    return result


async def run_sample(
    target: Path,
    answerer: Answerer,
    *,
    name: str,
    run_id: str,
    toolchain: str | None,
    tier: str | None = None,
    listeners: Sequence[Listener] = (),
) -> RunResult:
    """Copy the sample `name` to `target` and run the next pending task of its queue."""
    repository = Repository.open(copy_sample(name, target))
    task = next_pending(load_queue(queue_path(repository)))
    if task is None:
        raise UserError("the sample's queue has no pending task")
    job = prepare(
        repository, task, run_id=run_id, started=int(time.time()), queued=True, toolchain=toolchain, tier=tier
    )
    return await run_job(job, answerer, listeners=listeners)


async def record(
    target: Path, cassette_path: Path, *, name: str, base_url: str, answered_by: str, listeners: Sequence[Listener] = ()
) -> RunResult:
    """Run the sample `name` against a live endpoint and write the cassette at `cassette_path` if it ended as it must.

    Raises:
        RunError: it ended otherwise than by delivering, or than by what `ENDINGS` says; nothing was recorded.
        UserError: the sample cannot be put at `target`, no run could begin, or as `open_cassette`.
    """
    about = {"answered_by": answered_by, "model": MODEL, "recorded_at": time.strftime("%Y-%m-%d", time.gmtime())}
    with open_cassette(cassette_path, mode="record", inner=httpx2.AsyncHTTPTransport(), about=about) as cassette:
        async with _answerer(cassette.transport, base_url, "recording", cassette.label) as answerer:
            result = await run_sample(
                target, answerer, name=name, run_id="recording", toolchain=None, listeners=listeners
            )
        wanted = ENDINGS.get(name, StopCode.DELIVERED)
        if result.stop_code is not wanted:
            ended = f"the run of {name} must end as {wanted} and ended as {result.stop_code}: {result.message}"
            raise RunError(result.stop_code, f"nothing was recorded, {ended}")
    return result


@asynccontextmanager
async def _answerer(
    transport: httpx2.AsyncBaseTransport, base_url: str, key: str, label: str
) -> AsyncIterator[Answerer]:
    async with httpx2.AsyncClient(transport=transport, timeout=3600) as client:
        model = openai_model(MODEL, base_url=base_url, api_key=key, http_client=client)
        yield Answerer(models=lambda: dict.fromkeys(ROLES, model), label=label)
