"""The job of the benchmark: a small repository with one failing test, mended in five turns by scripted answers.

Run tests, read, edit, run tests, finish: done by the bare loop, and by andon's three roles with a plan before it and a
review after it.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from andon.evals.bench_processes import MeasurementFailed, bench_environment, run_timed
from andon.evals.bench_server import Answer, Call, Exchange, ScriptedServer
from andon.records.events import RunEvent

_WRONG, _RIGHT = "return a - b", "return a + b"
_CRITERION = "add(1, 2) is 3"
TASK = "task-001"
"""The task in the queue."""
_FILES = {
    "calc.py": f"def add(a, b):\n    {_WRONG}\n\n\ndef double(a):\n    return 2 * a\n",
    "tests/test_calc.py": "from calc import add, double\n\n\n"
    "def test_add():\n    assert add(1, 2) == 3\n\n\ndef test_double():\n    assert double(2) == 4\n",
    "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\n\n[tool.ruff]\nline-length = 100\n',
    "factory/tasks/queue.json": f'[{{"id": "{TASK}", "title": "Mend addition", "status": "pending",\n'
    f'  "acceptanceCriteria": ["{_CRITERION}"], "files": ["calc.py"]}}]\n',
}

FLOOR_ANSWERS: tuple[Answer, ...] = (
    Call("run_tests", {}),
    Call("read_file", {"path": "calc.py"}),
    Call("edit_file", {"path": "calc.py", "old": _WRONG, "new": _RIGHT}),
    Call("run_tests", {}),
    "The tests pass.",
)
FLOOR_TURNS = {"read": 1, "edit": 2}
"""Which answer of the bare loop asks for what."""

LANE_ANSWERS: tuple[Answer, ...] = (
    Call("read_file", {"path": "tests/test_calc.py"}),
    Call(
        "transfer_to_executor",
        {
            "summary": "Addition subtracts; make it add.",
            "acceptance_criteria": [_CRITERION],
            "steps": ["See test_add fail.", "Mend add in calc.py.", "Run all tests."],
            "files": ["calc.py"],
            "tests": ["tests/test_calc.py::test_add"],
            "risks": [],
        },
    ),
    Call("run_tests", {}),
    Call("read_file", {"path": "calc.py"}),
    Call("edit_file", {"path": "calc.py", "edits": [{"old": _WRONG, "new": _RIGHT}]}),
    Call("run_tests", {}),
    Call("transfer_to_reviewer", {"summary": "add adds now; both tests pass.", "not_done": []}),
    Call(
        "finish_review",
        {
            "verdict": "pass",
            "summary": "The change does what the plan says.",
            "criteria": [{"number": 1, "status": "met", "evidence": "tests/test_calc.py::test_add"}],
            "findings": [],
        },
    ),
)
LANE_TURNS = {"read": 3, "edit": 4}
"""Which answer of the lane asks for what; the executor's, whose turns are those of the bare loop."""


@dataclass(frozen=True)
class Ran:
    """The job, done once by a cold process. Times are Unix seconds."""

    started: float
    ended: float
    exchanges: tuple[Exchange, ...]
    """One for every answer of the script."""
    events: tuple[RunEvent, ...] = ()
    """The run's audit.jsonl; the bare loop has none."""


def run_floor(root: Path) -> Ran:
    """Do the job with the bare loop in a new repository at `root`.

    Raises:
        MeasurementFailed: it did not do its work.
    """
    make_repository(root)
    script = str(Path(__file__).with_name("bench_floor.py"))
    ran = _run([sys.executable, "-I", script, str(root)], root.parent, FLOOR_ANSWERS)
    if _RIGHT not in (root / "calc.py").read_text("utf-8"):
        raise MeasurementFailed("the bare loop ended without the edit")
    return ran


def run_lane(root: Path) -> Ran:
    """Do the job with `andon run --headless` in a new repository at `root`.

    Raises:
        MeasurementFailed: it did not deliver.
    """
    make_repository(root)
    options = ["--headless", "--json", "--no-stream", "--model", "scripted"]
    command = [sys.executable, "-m", "andon", "run", *options, "-C", str(root)]
    ran = _run(command, root.parent, LANE_ANSWERS)
    audit = root / "factory" / "runs" / TASK / "audit.jsonl"
    events = tuple(RunEvent.model_validate_json(line) for line in audit.read_text("utf-8").splitlines())
    return Ran(ran.started, ran.ended, ran.exchanges, events)


def _run(command: list[str], cwd: Path, answers: tuple[Answer, ...]) -> Ran:
    with ScriptedServer(answers) as server:
        environment = bench_environment(OPENAI_API_KEY="none", OPENAI_BASE_URL=server.url)
        timed = run_timed(command, cwd=cwd, environment=environment)
        exchanges = tuple(server.exchanges)
    if len(exchanges) != len(answers):
        raise MeasurementFailed(f"{len(exchanges)} requests came where the job takes {len(answers)}")
    return Ran(timed.started, timed.ended, exchanges)


def make_repository(root: Path) -> None:
    for name, text in _FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "base"]):
        identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.invalid", "-c", "commit.gpgSign=false"]
        command = ["git", *identity, "-C", str(root), *words]
        done = subprocess.run(command, env=bench_environment(), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise MeasurementFailed(f"git {words[0]} failed: {done.stderr.strip()}")
