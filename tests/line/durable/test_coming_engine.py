"""The engine on its way: when it is launched, who waits for it, and what becomes of it."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from andon.line.durable import coming_engine
from andon.line.durable.coming_engine import ComingEngine
from andon.line.durable.journal import JournalledSteps
from andon.records.errors import UserError

PATIENCE = 60


async def _body(run_id: str, phase: int, steps: JournalledSteps) -> dict[str, Any]:
    return {"phase": phase}


def coming(folder: Path, failed: Callable[[], None] = lambda: None) -> ComingEngine:
    return ComingEngine(f"sqlite:///{folder}/engine.sqlite", "worker-1", _body, failed)


async def test_comes_when_it_is_needed(tmp_path: Path) -> None:
    one = coming(tmp_path)
    assert (one.spared, one.engine) == (True, None)
    one.need()
    engine = await asyncio.wait_for(one.come(), PATIENCE)
    assert (one.spared, one.failure) == (False, None)
    assert engine is not None
    assert await engine.run("run-1", 3) == {"phase": 3}
    await one.close()


async def test_comes_by_itself_when_nobody_needs_it_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coming_engine, "_SPARED", 0.0)
    one = coming(tmp_path)
    assert await asyncio.wait_for(one.come(), PATIENCE) is not None
    await one.close()


async def test_never_comes_where_it_was_not_needed_till_the_end(tmp_path: Path) -> None:
    one = coming(tmp_path)
    await asyncio.wait_for(one.close(), PATIENCE)
    assert await asyncio.wait_for(one.come(), PATIENCE) is None
    assert (one.failure, os.listdir(tmp_path)) == (None, [])


async def test_nobody_waits_for_it_longer_than_he_needs_it(tmp_path: Path) -> None:
    one = coming(tmp_path)
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(one.come(over))
    over.set_result(None)
    assert await asyncio.wait_for(waiting, PATIENCE) is None
    await one.close()


async def test_says_why_it_cannot_come(tmp_path: Path) -> None:
    (tmp_path / "engine.sqlite").write_bytes(b"no database" * 100)
    told: list[str] = []
    one = coming(tmp_path, lambda: told.append("failed"))
    one.need()
    assert await asyncio.wait_for(one.come(), PATIENCE) is None
    assert told == ["failed"]
    assert isinstance(one.failure, UserError)
    await one.close()
