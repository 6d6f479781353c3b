"""A small repository, and runs of the whole line on it with a scripted model. Everything but the model is live."""

import asyncio
import itertools
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.testing import ScriptedModel, assistant_message, function_call

from andon.intake.queue import find, load_queue
from andon.line.answerer import ROLES, Answerer
from andon.line.job import prepare, queue_path
from andon.line.run import run_job
from andon.line.steps import Answer, Ask, Gate
from andon.records.calls import Role
from andon.records.events import RunEvent
from andon.records.result import RunResult
from andon.records.task import Task
from andon.sandbox.repository import Repository

FILES = {
    "calc.py": "def add(a, b):\n    return a + b\n",
    "auth/login.py": "def login():\n    return None\n",
    "tests/test_calc.py": "from calc import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n",
    "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\n\n[tool.ruff]\nline-length = 100\n',
    "factory/context/project-context.json": '{"protected_areas": ["authentication"], "rules": ["Keep it small"]}\n',
    "factory/tasks/queue.json": """[
  {"id": "task-001", "title": "Add subtraction", "status": "pending",
   "acceptanceCriteria": ["sub(3, 1) is 2"], "files": ["calc.py"]}
]
""",
}

_ids = itertools.count(1)


def git(root: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.invalid", "-C", str(root), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def make_repository(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "base")
    return root


def call(tool: str, **arguments: Any) -> Any:
    """Return one tool call of a scripted answer."""
    return function_call(tool, arguments, call_id=f"call-{next(_ids)}")


def text(words: str) -> Any:
    """Return a scripted answer of plain text."""
    return assistant_message(words)


def plan(**changes: Any) -> Any:
    payload: dict[str, Any] = {
        "summary": "add sub beside add",
        "acceptance_criteria": ["sub(3, 1) is 2"],
        "steps": ["test it", "write it"],
        "files": ["calc.py", "tests/test_calc.py"],
        "tests": ["tests/test_calc.py"],
        "risks": [],
    }
    return call("transfer_to_executor", **payload | changes)


def report(**changes: Any) -> Any:
    return call("transfer_to_reviewer", **{"summary": "added sub", "not_done": []} | changes)


def review(verdict: str = "pass", **changes: Any) -> Any:
    must_fix = {"severity": "must-fix", "path": "calc.py", "line": 5, "problem": "say what it does"}
    payload: dict[str, Any] = {
        "verdict": verdict,
        "summary": f"the review says {verdict}",
        "criteria": [{"number": 1, "status": "met", "evidence": "test_sub"}],
        "findings": [] if verdict == "pass" else [must_fix],
    }
    return call("hand_back" if verdict == "changes" else "finish_review", **payload | changes)


SUB = FILES["calc.py"] + "\n\ndef sub(a, b):\n    return a - b\n"
SUB_TEST = (
    FILES["tests/test_calc.py"].replace("import add", "import add, sub")
    + "\n\ndef test_sub():\n    assert sub(3, 1) == 2\n"
)


def write(path: str, content: str) -> Any:
    return call("write_file", path=path, content=content)


CHANGE = ([write("tests/test_calc.py", SUB_TEST)], [write("calc.py", SUB)])
"""Two answers that do the task well."""


@dataclass
class Ran:
    """One run of the line, ended."""

    result: RunResult
    root: Path
    model: ScriptedModel
    events: list[RunEvent] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.root / self.result.run_folder

    def first_inputs(self) -> list[str]:
        """Return the packets: the whole input of every request that is one user message."""
        inputs = [call.input for call in self.model.calls]
        return [one[0]["content"] for one in inputs if isinstance(one, list) and len(one) == 1]

    def kinds(self, *wanted: str) -> list[tuple[str, dict[str, Any]]]:
        return [(event.kind, event.data) for event in self.events if event.kind in wanted]


def run_line(
    root: Path,
    *answers: Any,
    task: Task | None = None,
    ask: Ask | None = None,
    toolchain: str | None = None,
    names: Mapping[Role, str] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Ran:
    """Run a task of the repository at `root`, by default the queue's `task-001`, with scripted answers.

    `names` are the models that are paid for, by role.
    """
    repository = Repository.open(root)
    chosen = task or find(load_queue(queue_path(repository)), "task-001")
    run_id = f"run-{next(_ids)}"
    job = prepare(repository, chosen, run_id=run_id, started=1_700_000_000, queued=task is None, toolchain=toolchain)
    model = ScriptedModel(answers)
    events: list[RunEvent] = []
    answerer = Answerer(models=lambda: dict.fromkeys(ROLES, model), label="scripted", names=names or {})
    result = asyncio.run(run_job(job, answerer, listeners=[events.append], ask=ask, clock=clock))
    return Ran(result, root, model, events)


def person(*said: Answer) -> tuple[Ask, list[Gate]]:
    """Return a person who agrees to plans and gives these answers to the rest, and the list of what was asked."""
    asked: list[Gate] = []
    left = list(said)

    async def ask(gate: Gate) -> Answer:
        if gate.subject == "plan":
            return Answer("yes")
        asked.append(gate)
        return left.pop(0)

    return ask, asked
