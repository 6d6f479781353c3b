"""A real sandbox on a real repository, and a workbench over it."""

from dataclasses import dataclass
from typing import Any

import pytest
from workspace_kit import Start
from workspace_kit import start as start

from andon.guardrails.judge import Policy
from andon.guardrails.protected import resolve_protected
from andon.mcp_servers.toolset import Workbench
from andon.records.events import EventKind
from andon.records.project import Command, ProjectSetup


class Journal:
    """Keeps events in memory."""

    def __init__(self) -> None:
        self.events: list[tuple[EventKind, dict[str, Any]]] = []

    def emit(self, kind: EventKind, **data: Any) -> None:
        self.events.append((kind, data))


@dataclass(frozen=True)
class Bench:
    """A workbench and the journal it writes to."""

    workbench: Workbench
    journal: Journal


@pytest.fixture
async def bench(start: Start) -> Bench:
    """A workbench on a small project with a protected area and its own factory folder."""
    files: dict[str, str | bytes] = {
        "src/app.py": "x = 1\n",
        "src/auth/login.py": "y = 2\n",
        "tests/test_app.py": "def test_a(): assert 1 == 2\n",
        "factory/andon.toml": "",
        ".env": "KEY=1\n",
    }
    setup = ProjectSetup(tests=[Command(kind="test", runner="pytest", argv=("python", "-m", "pytest"))])
    policy = Policy(protected=tuple(resolve_protected(["src/auth/"], list(files), {})))
    journal = Journal()
    workbench = Workbench(
        sandbox=await start(files),
        setup=setup,
        policy=policy,
        docs=lambda query: f"README.md:1 about {query}",
        events=journal,
        command_seconds=30,
    )
    return Bench(workbench, journal)
