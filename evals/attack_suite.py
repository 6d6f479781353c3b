"""The attack suite: every scripted attack on the sample under a user's own policy, and what stopped each."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from andon.evals.attack import RISKS, Attack, Risk
from andon.evals.attack_ground import Own
from andon.evals.attack_harms import harms_of
from andon.evals.attack_runs import Happened, carry_out
from andon.evals.attack_stops import Stopper, stoppers_of
from andon.records.base import Record
from andon.records.stops import MEANINGS, StopCode

Verdict = Literal["stopped", "not-stopped", "not-run"]

_AT_ONCE = 2
_SECONDS = 300
"""One attack takes a few; longer is a fault, and no pass."""
_NO_FAULT_OF_THE_ATTACK = frozenset(
    {
        StopCode.PROVIDER_FAILED,
        StopCode.CASSETTE_MISS,
        StopCode.DISK_FAILED,
        StopCode.INTERNAL,
        StopCode.SETUP_FAILED,
        StopCode.NO_TOOLCHAIN,
        StopCode.ENGINE_GONE,
        StopCode.WORKER_SILENT,
    }
)
"""How a run ends that says nothing of the attack."""
_NO_SANDBOX = frozenset({StopCode.NO_SANDBOX, StopCode.NO_IMAGE})
"""The same, where nothing could begin at all."""


class AttackOutcome(Record):
    """How one attack ended."""

    id: str
    """The attack."""
    risk: Risk
    """The risk it belongs to."""
    title: str
    """What is tried."""
    outcome: Verdict
    """`not-stopped`: it took effect; `not-run`: nothing is known."""
    harms: list[str] = Field(default_factory=list)
    """What took effect."""
    stopped_by: list[Stopper] = Field(default_factory=list)
    """What stood in its way, in order."""
    loosened_by: list[str] = Field(default_factory=list)
    """What of the user's own policy or settings let it through; empty where the shipped ones would have, too."""
    why: str = ""
    """Why it was not run."""
    stop_code: str = ""
    """How its run ended; empty where none began."""
    exit_code: int | None = None
    """The same as the exit code of `andon run`."""
    seconds: float = 0.0
    """Wall time."""


class SuiteReport(Record):
    """What `andon eval security --json` prints."""

    schema_version: Literal[1] = 1
    """Version of this document."""
    policy: str
    """Version of the policy that was attacked."""
    loosened: list[str]
    """What the user's policy loosens, in words."""
    risks: dict[Risk, str]
    """The risks by number."""
    attacks: list[AttackOutcome]
    """In the order of the list."""
    exit_code: int
    """What the process returns."""


def report_of(own: Own, outcomes: Sequence[AttackOutcome]) -> SuiteReport:
    """Return the document of what happened: exit code 0 where all were stopped, 30 where one took effect, else 50
    where no sandbox could be had and 10 where another could not be run."""
    loosened = list(own.policy.changes)
    return SuiteReport(
        policy=own.policy.version, loosened=loosened, risks=RISKS, attacks=list(outcomes), exit_code=_code(outcomes)
    )


def _code(outcomes: Sequence[AttackOutcome]) -> int:
    found = {outcome.outcome for outcome in outcomes}
    if "not-stopped" in found:
        return MEANINGS[StopCode.POLICY_REFUSED].exit_code
    if "not-run" not in found and found:
        return 0
    absent = any(outcome.stop_code in _NO_SANDBOX for outcome in outcomes if outcome.outcome == "not-run")
    return MEANINGS[StopCode.NO_SANDBOX if absent else StopCode.NEEDS_PERSON].exit_code


async def run_suite(
    attacks: Sequence[Attack],
    own: Own,
    *,
    tier: str | None = None,
    tell: Callable[[AttackOutcome], None] = lambda outcome: None,
) -> list[AttackOutcome]:
    """Run `attacks`, two at a time, and return their outcomes in the same order; `tell` hears of each as it ends.

    `tier` is as in `prepare`. Everything lies in temporary folders that are gone afterwards.

    Raises:
        UserError: git is missing or fails.
    """
    free = asyncio.Semaphore(_AT_ONCE)

    async def one(attack: Attack) -> AttackOutcome:
        async with free:
            outcome = await run_attack(attack, own, tier=tier)
        tell(outcome)
        return outcome

    return list(await asyncio.gather(*map(one, attacks)))


async def run_attack(attack: Attack, own: Own, *, tier: str | None = None) -> AttackOutcome:
    """Run one attack under `own`. One that takes effect is run again under what is shipped, to say what loosened it.

    Raises:
        UserError: git is missing or fails.
    """
    begun = time.monotonic()
    outcome = await _tried(attack, own, tier)
    if outcome.outcome == "not-stopped":
        outcome = outcome.model_copy(update={"loosened_by": await _loosened(attack, own, tier)})
    return outcome.model_copy(update={"seconds": round(time.monotonic() - begun, 2)})


async def _tried(attack: Attack, own: Own, tier: str | None) -> AttackOutcome:
    with tempfile.TemporaryDirectory(prefix="andon-attack-", ignore_cleanup_errors=True) as folder:
        try:
            async with asyncio.timeout(_SECONDS):
                seen = await carry_out(attack, own, Path(folder), tier=tier)
        except TimeoutError:
            why = f"it did not come to an end within {_SECONDS} seconds"
            return AttackOutcome(id=attack.id, risk=attack.risk, title=attack.title, outcome="not-run", why=why)
        harms, stoppers = harms_of(seen), stoppers_of(seen, own.policy.strict)
    why = "" if harms else _not_run(seen, stoppers)
    return AttackOutcome(
        id=attack.id,
        risk=attack.risk,
        title=attack.title,
        outcome="not-stopped" if harms else "not-run" if why else "stopped",
        harms=harms,
        stopped_by=stoppers,
        why=why,
        stop_code=str(seen.result.stop_code) if seen.result else "",
        exit_code=seen.result.exit_code if seen.result else None,
    )


def _not_run(seen: Happened, stoppers: Sequence[Stopper]) -> str:
    """Return why an attack without effect is no evidence, or nothing."""
    began = any(harm.kind == "began" for harm in seen.attack.never)
    if seen.refusal:
        return "" if began else f"no run began: {seen.refusal}"
    result = seen.result
    if result is None:
        return "its run came to no end"
    cut_off = result.stop_code is StopCode.INTERRUPTED and seen.attack.route != "session"
    if cut_off or result.stop_code in _NO_FAULT_OF_THE_ATTACK | _NO_SANDBOX:
        return f"its run ended early ({result.stop_code}): {result.message}"
    if not began and not seen.aims:
        return f"the script did not come to its aim: the run ended before ({result.stop_code}): {result.message}"
    if seen.attack.person == "careless" and not seen.questions:
        return "nobody was asked, so there was no answer to misuse"
    if not stoppers:
        return "nothing stood in its way and nothing took effect: the script does not attack what it means to"
    return ""


async def _loosened(attack: Attack, own: Own, tier: str | None) -> list[str]:
    """Return what of `own` let an attack through: what differs from the first stricter setting that stops it."""
    if own.policy_text:
        strict = await _tried(attack, own.without_policy(), tier)
        if strict.outcome == "stopped":
            rules = {stopper.rule for stopper in strict.stopped_by}
            named = [change for change in own.policy.changes if any(f"'{rule}'" in change for rule in rules if rule)]
            return named or list(own.policy.changes)
    if own.settings:
        shipped = await _tried(attack, Own(), tier)
        if shipped.outcome == "stopped":
            return [f"factory/andon.toml sets [{table}]: {values}" for table, values in own.settings.items()]
    return []
