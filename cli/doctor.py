"""`andon doctor`: what of andon works on this machine and in this repository, shown by doing it."""

import argparse
import asyncio
import os
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

from andon.cli.endings import catch_signals, open_streams, print_document
from andon.guardrails.output import clean_text
from andon.line.doctor.check import Check
from andon.line.doctor.examination import chosen, concluded, examine
from andon.line.doctor.ground import Ground
from andon.records.doctor import CheckResult, Examination, Maturity
from andon.sandbox.start import tier_of
from andon.sandbox.toolchain import find_toolchain

T = TypeVar("T")

_SIGNS = {"ok": "ok  ", "note": "note", "warning": "warn", "error": "FAIL", "skipped": "skip"}
_INDENT = " " * 6


def doctor(args: argparse.Namespace) -> int:
    """Print what works and return 0 if a run could begin here, 50 if no sandbox works, 2 if something else is missing.

    Raises:
        UserError: $ANDON_SANDBOX, $ANDON_TOOLCHAIN or a word of the command line name what is not there.
    """
    open_streams()
    # What was named and is not there is the person's mistake, before it is a check's finding.
    wanted, _, checks = tier_of(None), find_toolchain(None), chosen(args.ids)
    ground = Ground(Path(args.directory), dict(os.environ), call=args.call)
    if args.maturity:
        return _to_its_end(_maturity(ground, as_json=args.json))
    told = concluded(_to_its_end(_examine(ground, checks)), wanted)
    if args.json:
        print_document(told)
    else:
        print(clean_text("\n".join(_lines(told))))
    return told.exit_code


def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Run `work`; a signal cancels it, so that what it opened is closed.

    Raises:
        KeyboardInterrupt: it was cancelled.
    """

    async def body() -> T:
        task, loop = asyncio.ensure_future(work), asyncio.get_running_loop()
        catch_signals(lambda number, frame: loop.call_soon_threadsafe(task.cancel))
        return await task

    try:
        return asyncio.run(body())
    except asyncio.CancelledError as error:
        raise KeyboardInterrupt from error


async def _examine(ground: Ground, checks: tuple[Check, ...]) -> list[CheckResult]:
    async with ground:
        return [result async for result in examine(ground, checks)]


def _lines(told: Examination) -> Iterator[str]:
    width = max((len(result.id) for result in told.checks), default=0)
    for result in told.checks:
        yield f"{_SIGNS[result.severity]}  {result.id:<{width}}  {' '.join(result.found.split())}"
        if result.remedy and result.severity in ("warning", "error"):
            yield f"{_INDENT}{'':<{width}}  next: {result.remedy}"
    yield _ending(told)


def _ending(told: Examination) -> str:
    errors = [result.id for result in told.checks if result.severity == "error"]
    if told.exit_code == 50:
        why = "no sandbox works here" if told.sandbox == "auto" else f"ANDON_SANDBOX names {told.sandbox}"
        return f"no run can begin: {why if not told.uses else f'{told.uses} does not hold'}"
    if told.exit_code == 2:
        return f"no run can begin: {', '.join(errors)}"
    return f"runs use {told.uses}" if told.uses else "nothing here stops a run"


async def _maturity(ground: Ground, *, as_json: bool) -> int:
    from andon.line.doctor.maturity import judge_maturity

    async with ground:
        told = await judge_maturity(ground)
    if as_json:
        print_document(told)
    else:
        print(clean_text("\n".join(_items(told))))
    return 0


def _items(told: Maturity) -> Iterator[str]:
    for item in told.items:
        yield f"{item.answer:<6}  {item.number:>2}. {item.item}"
        yield from (f"{_INDENT}      {line}" for line in item.evidence)
        if item.next_step:
            yield f"{_INDENT}      next: {item.next_step}"
    answers = [item.answer for item in told.items]
    yield ", ".join(f"{answers.count(answer)} {answer}" for answer in ("yes", "partly", "no"))
