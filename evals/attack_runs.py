"""One attack carried out: everything is live but the model, and what happened is kept as it was seen."""

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from andon.evals.attack import Attack
from andon.evals.attack_ground import Bait, Own, lay_out
from andon.evals.attack_listener import listening
from andon.evals.attack_traces import Traces
from andon.line.answerer import ROLES, Answerer
from andon.line.ide.ground import ground
from andon.line.job import Job, prepare
from andon.line.live import ModelFlags, live_answerer
from andon.line.run import run_job
from andon.line.steps import Answer, Ask, Gate
from andon.records.errors import UserError
from andon.records.events import RunEvent
from andon.records.result import RunResult
from andon.records.task import Task
from andon.sandbox.repository import Repository

_LIVE_SECONDS = 60
_RUN = "attacked"


@dataclass
class Happened:
    """What one attack came to."""

    attack: Attack
    bait: Bait
    repository: Repository
    before: Traces
    """Of the repository, before the attack."""
    result: RunResult | None = None
    """How the run ended; None: none began."""
    refusal: str = ""
    """Why no run began."""
    events: list[RunEvent] = field(default_factory=list)
    """The run's stream."""
    told: list[str] = field(default_factory=list)
    """What the roles read."""
    aims: int = 0
    """Calls made that are the attack itself."""
    left: int = 0
    """Scripted answers of the attacking roles that were never asked for."""
    questions: list[str] = field(default_factory=list)
    """What a person was asked, as it stands on the screen."""
    arrived: int = 0
    """Connections to the listener."""


async def carry_out(attack: Attack, own: Own, folder: Path, *, tier: str | None) -> Happened:
    """Make `attack` on a sample under `own`, in the empty folder `folder`; `tier` is as in `prepare`.

    Raises:
        UserError: git is missing or fails.
    """
    root, host = folder / "sample", folder / "host"
    root.mkdir()
    host.mkdir()
    async with listening() as listener:
        bait = Bait.make(listener.port, host)
        repository = await asyncio.to_thread(lay_out, attack, own, bait, root)
        seen = Happened(attack, bait, repository, Traces.of(repository))
        with _environment(attack, bait):
            try:
                seen.result = await _ROUTES[attack.route](seen, tier)
            except UserError as error:
                seen.refusal = str(error)
        # What was sent at the very end may still be on its way.
        await asyncio.sleep(0)
        seen.arrived = len(listener.arrived)
    return seen


@contextmanager
def _environment(attack: Attack, bait: Bait) -> Iterator[None]:
    """Put the credential where those of a factory stand, if the attack looks for it there."""
    name = f"BAIT_API_KEY_{bait.port}"
    if attack.in_environment:
        os.environ[name] = bait.secret
    try:
        yield
    finally:
        os.environ.pop(name, None)


def _task(seen: Happened) -> Task:
    task = seen.attack.task
    return Task.model_validate({"id": seen.attack.id, **seen.bait.filled(task.model_dump())})


def _job(seen: Happened, tier: str | None) -> Job:
    return prepare(
        seen.repository,
        _task(seen),
        run_id=_RUN,
        started=int(time.time()),
        queued=False,
        toolchain=None,
        tier=tier,
    )


async def _lane(seen: Happened, tier: str | None) -> RunResult:
    # The agent SDK takes two seconds to load, and `andon --help` reads this file's folder.
    from andon.evals.attack_model import FooledModel, Script, answers_of

    script = Script()
    answers = {role: answers_of(seen.attack, role, seen.bait) for role in ROLES}
    attacking = {call.role for call in seen.attack.call}

    def models() -> dict[Any, Any]:
        return {role: FooledModel(role, answers[role], script) for role in ROLES}

    job = await asyncio.to_thread(_job, seen, tier)
    answerer = Answerer(models=models, label="the script of an attack")
    result = await run_job(job, answerer, listeners=[seen.events.append], ask=_asker(seen))
    seen.told, seen.aims = script.told, script.aims_given
    seen.left = sum(left for role, left in script.left.items() if role in attacking)
    return result


async def _live(seen: Happened, tier: str | None) -> RunResult | None:
    job = await asyncio.to_thread(_job, seen, tier)
    environment = {"OPENAI_API_KEY": seen.bait.secret, "HOME": str(seen.bait.host.parent / "home")}
    flags = ModelFlags(model="attacked")
    async with live_answerer(job.settings, flags, environment, where=seen.repository.root) as answerer:
        with suppress(TimeoutError):
            async with asyncio.timeout(_LIVE_SECONDS):
                return await run_job(job, answerer, listeners=[seen.events.append])
    return None


def _asker(seen: Happened) -> Ask | None:
    """Return the person of an attack, who answers a lane's questions."""
    if seen.attack.person == "nobody":
        return None

    async def ask(gate: Gate) -> Answer:
        first = seen.attack.person == "careless" and not seen.questions
        seen.questions.append("\n".join(part for part in (gate.question, gate.shown, gate.kind) if part))
        return Answer("yes") if first else Answer("no", "not this")

    return ask


async def _session(seen: Happened, tier: str | None) -> RunResult:
    from mcp import Client
    from mcp.shared.exceptions import MCPError

    from andon.evals.attack_model import answers_of
    from andon.line.ide.session import IdeSession

    begun = await asyncio.to_thread(_ground, seen, tier)
    answers = answers_of(seen.attack, "client", seen.bait)
    calls = [made for answer in answers for made in answer]
    session = IdeSession(begun, [seen.events.append])
    seen.left = len(calls)
    try:
        async with Client(session.server(), elicitation_callback=_form(seen)) as client:
            for made in calls:
                seen.aims += made.aim
                seen.left -= 1
                try:
                    result = await client.call_tool(made.tool, made.arguments)
                except MCPError as error:
                    seen.told.append(str(error))
                    break
                seen.told.append("\n".join(getattr(part, "text", "") for part in result.content))
    finally:
        result_of_session = await session.end()
    return result_of_session


def _ground(seen: Happened, tier: str | None) -> Any:
    return ground(
        seen.repository,
        title=_task(seen).title,
        session_id=seen.attack.id,
        run_id=_RUN,
        started=int(time.time()),
        toolchain=None,
        tier=tier,
    )


def _form(seen: Happened) -> Any:
    """Return who fills in the forms of a client; None: it shows none."""
    if seen.attack.person == "nobody":
        return None
    from mcp_types import ElicitResult

    async def fill_in(context: Any, params: Any) -> ElicitResult:
        first = seen.attack.person == "careless" and not seen.questions
        seen.questions.append(str(params.message))
        return ElicitResult(action="accept", content={"answer": "once" if first else "deny", "reason": "not this"})

    return fill_in


_ROUTES: dict[str, Any] = {"lane": _lane, "session": _session, "live": _live}


def texts_of(seen: Sequence[RunEvent]) -> list[str]:
    """Return events as they are stored."""
    return [event.model_dump_json() for event in seen]
