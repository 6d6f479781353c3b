"""All checks of `andon doctor`: which are made, at once where they do not disturb each other, and what they come to."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import groupby
from typing import Literal

from andon.line.doctor import cloudflare, forge, machine, model, repository, tables
from andon.line.doctor.boundaries import boundaries
from andon.line.doctor.check import Check, finish_threads, make
from andon.line.doctor.ground import Ground
from andon.line.doctor.tiers import BUBBLEWRAP, DOCKER
from andon.records.doctor import CheckResult, Examination
from andon.records.errors import UserError

CHECKS: tuple[Check, ...] = (
    *machine.CHECKS,
    *DOCKER,
    *boundaries("docker"),
    *BUBBLEWRAP,
    *boundaries("bubblewrap"),
    *repository.CHECKS,
    *tables.CHECKS,
    *model.CHECKS,
    *forge.CHECKS,
    *cloudflare.CHECKS,
)
"""In the order they are told."""

_LAST = 5.0
"""Seconds that checks which were given up may take to tidy up."""
_TIERS = ("docker", "bubblewrap")


def chosen(ids: Sequence[str]) -> tuple[Check, ...]:
    """Return the checks whose ids begin with one of `ids`, part by part; all without any.

    Raises:
        UserError: one of them is the beginning of no id.
    """
    for wanted in ids:
        if not any(_begins(check.id, wanted) for check in CHECKS):
            groups = sorted({check.id.partition(".")[0] for check in CHECKS})
            raise UserError(f"there is no check {wanted!r}: name one of {', '.join(groups)}, or a whole id of --json")
    return tuple(check for check in CHECKS if not ids or any(_begins(check.id, wanted) for wanted in ids))


def _begins(check: str, wanted: str) -> bool:
    return check == wanted or check.startswith(f"{wanted}.")


async def examine(ground: Ground, checks: Iterable[Check]) -> AsyncIterator[CheckResult]:
    """Make the checks and yield what each found, in their order. What they opened is gone when `ground` is left."""
    results = {check.id: asyncio.get_running_loop().create_future() for check in checks}
    groups = [list(group) for _, group in groupby(sorted(checks, key=lambda one: one.group), lambda one: one.group)]
    tasks = [asyncio.create_task(_one_by_one(ground, group, results)) for group in groups]
    try:
        for check in checks:
            yield await results[check.id]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        finish_threads(_LAST)


async def _one_by_one(
    ground: Ground, checks: Iterable[Check], results: dict[str, "asyncio.Future[CheckResult]"]
) -> None:
    for check in checks:
        result = await make(check, ground)
        results[check.id].set_result(result)


def concluded(results: Sequence[CheckResult], wanted: str) -> Examination:
    """Return what the results come to. What is wrong with a tier that no run would use stops none: it is a note."""
    seen = [tier for tier in _TIERS if any(_is_of(result, tier) for result in results)]
    looked = [tier for tier in seen if wanted in ("auto", tier)]
    uses = next((tier for tier in looked if _starts(results, tier)), "")
    idle = [tier for tier in seen if tier not in looked or uses not in ("", tier)]
    told = [
        result.model_copy(update={"severity": "note"})
        if result.severity in ("error", "warning") and any(_is_of(result, tier) for tier in idle)
        else result
        for result in results
    ]
    return Examination(sandbox=wanted, uses=uses, exit_code=_exit(told, looked, uses), checks=told)


def _exit(results: Sequence[CheckResult], looked: Sequence[str], uses: str) -> Literal[0, 2, 50]:
    errors = [result for result in results if result.severity == "error"]
    # A tier that starts is used, so that a hole in its boundary must stop everything.
    if (looked and not uses) or any(_is_of(result, uses) for result in errors):
        return 50
    return 2 if errors else 0


def _starts(results: Sequence[CheckResult], tier: str) -> bool:
    """Say whether a sandbox of the tier stood, by everything that was tried."""
    stood = f"sandbox.{tier}.start"
    started = [result.severity == "ok" for result in results if result.id == stood]
    # Where the start itself was not asked for, a check in a sandbox tells: it is skipped where none stands.
    others = [result.severity != "skipped" for result in results if _is_of(result, tier)]
    return started[0] if started else all(others)


def _is_of(result: CheckResult, tier: str) -> bool:
    return bool(tier) and result.id.startswith(f"sandbox.{tier}.")
