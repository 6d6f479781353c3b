"""`andon status`: what it says of runs that ended, that go on, and that left damaged papers; and what it loads."""

import fcntl
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from lane_kit import CHANGE, FILES, make_repository, plan, report, review, run_line

from andon.cli.main import main
from andon.line.ide.approvals import ApprovalStore
from andon.line.run_folder import RunFolder
from andon.records.approvals import Approval
from andon.records.stops import MEANINGS, StopCode

GOOD = ([plan()], *CHANGE, [report()], [review()])
REVIEW_IT = "Review the branch and open a pull request with pr-body.md."


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repo", FILES)


def stored(repo: Path, task_id: str, run_id: str = "run-1", **changes: object) -> dict[str, Any]:
    """Put the result of a run where a run puts it, and return it."""
    result = {
        "schema_version": 1, "run_id": run_id, "task_id": task_id, "title": f"Title of {task_id}",
        "status": "ready-for-pr", "stop_code": "delivered", "exit_code": 0, "message": "Branch b holds it.",
        "remedy": REVIEW_IT, "base_commit": "c", "branch": "b", "run_folder": f"factory/runs/{task_id}",
    } | changes  # fmt: skip
    for folder in (f"factory/runs/{task_id}", f"factory/.state/runs/{run_id}"):
        (repo / folder).mkdir(parents=True, exist_ok=True)
        (repo / folder / "result.json").write_text(json.dumps(result))
    return result


@contextmanager
def going_on(repo: Path, task_id: str) -> Iterator[int]:
    """A process that holds the task as a living run does."""
    script = (
        "import sys; from pathlib import Path; from andon.line.run_folder import RunFolder\n"
        "from andon.line.log.event_log import EventLog\n"
        "folder = RunFolder.create(Path(sys.argv[1]), 'run-live', sys.argv[2])\n"
        "log = EventLog(folder.path / 'audit.jsonl', [])\n"
        "log.emit('run.started', run='run-live', task=sys.argv[2], title='Its title', base='c')\n"
        "log.emit('phase', name='sandbox'); log.emit('phase', name='base-checks')\n"
        "print('holds', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, str(repo), task_id]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "holds\n"
        try:
            yield process.pid
        finally:
            process.stdin.close()


def document(repo: Path, capfdbinary: pytest.CaptureFixture[bytes], *words: str) -> dict[str, Any]:
    assert main(["status", "-C", str(repo), "--json", *words]) == 0
    found: dict[str, Any] = json.loads(capfdbinary.readouterr().out)
    assert (found["schema_version"], found["repository"]) == (2, str(repo))
    return found


def test_a_delivered_run_waits_for_a_person_with_branch_papers_and_next_step(
    repo: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    result = run_line(repo, *GOOD).result
    assert document(repo, capfdbinary) == {
        "schema_version": 2,
        "repository": str(repo),
        "tasks": [
            {
                "task_id": "task-001",
                "title": "Add subtraction",
                "status": "ready-for-pr",
                "needs_person": True,
                "next_step": REVIEW_IT,
                "running": None,
                "last": {
                    "run_id": result.run_id,
                    "stop_code": "delivered",
                    "exit_code": 0,
                    "message": result.message,
                    "branch": result.branch,
                    "papers": "factory/runs/task-001",
                },
                "run_id": "",
                "question": "",
            }
        ],
        "more_tasks": 0,
        "runs": {},
        "queue": [],
        "lanes": [],
        "workers": [],
        "approvals": [],
        "unreadable": [],
    }


def test_a_living_run_is_told_from_a_killed_one(repo: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    queue = [{"id": "task-001", "title": "Add", "status": "running"}]
    (repo / "factory/tasks/queue.json").write_text(json.dumps(queue))
    with going_on(repo, "task-001") as process:
        [task] = document(repo, capfdbinary)["tasks"]
    since, event = task["running"].pop("since"), task["running"].pop("event")
    assert since.startswith("20")
    assert (event["seq"], event["kind"], event["data"]) == (3, "phase", {"name": "base-checks"})
    assert task == {
        "task_id": "task-001",
        "title": "Add",
        "status": "running",
        "needs_person": False,
        "next_step": "",
        "running": {
            "run_id": "run-live", "process": process, "doing": "base-checks", "title": "Its title", "worker": "",
        },
        "last": None,
        "run_id": "",
        "question": "",
    }  # fmt: skip
    [task] = document(repo, capfdbinary)["tasks"]
    assert (task["status"], task["running"], task["needs_person"]) == ("stopped", None, False)
    assert task["next_step"] == "the process of its run is gone: run it again with `andon run task-001`"


@pytest.mark.parametrize(
    ("code", "heading"),
    [
        ("delivered", "waiting for you"),
        ("needs-person", "waiting for you"),
        ("failed-review", "waiting for you"),
        ("policy-refused", "failed"),
        ("budget-spent", "failed"),
        ("sandbox-lost", "failed"),
        ("provider-failed", "failed"),
        ("interrupted", "failed"),
    ],
)
def test_only_what_a_person_has_to_judge_waits_for_one(
    repo: Path, capfdbinary: pytest.CaptureFixture[bytes], code: str, heading: str
) -> None:
    meaning = MEANINGS[StopCode(code)]
    stored(repo, "a", status=meaning.status, stop_code=code, exit_code=meaning.exit_code)
    [task] = document(repo, capfdbinary, "a")["tasks"]
    assert task["needs_person"] is (heading == "waiting for you")
    assert main(["status", "-C", str(repo), "a"]) == 0
    assert capfdbinary.readouterr().out.decode().splitlines()[0] == heading


def test_looking_does_not_keep_a_run_from_beginning(repo: Path) -> None:
    lock = repo / "factory/.state/locks/task-001"
    lock.parent.mkdir(parents=True)
    lock.write_text("")
    looked = subprocess.Popen(
        [sys.executable, "-c", "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_SH);"
         "print('looks', flush=True); sys.stdin.readline()", str(lock)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with looked as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        process.stdin.write("\n")
        process.stdin.flush()
        RunFolder.create(repo, "run-2", "task-001").release()


def test_a_lock_that_does_not_say_who_holds_it_is_no_run(repo: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    lock = repo / "factory/.state/locks/task-001"
    lock.parent.mkdir(parents=True)
    lock.write_text("somebody")
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert [task["status"] for task in document(repo, capfdbinary)["tasks"]] == ["pending"]


def test_people_read_what_runs_what_waits_and_the_rest_without_control_codes(
    repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    stored(repo, "other", title="Evil \x1b[31mtitle\nnext     forged", status="stopped", stop_code="no-sandbox",
           exit_code=50, message="No sandbox.", remedy="Install it.", branch=None)  # fmt: skip
    with going_on(repo, "sentence-1") as process:
        assert main(["status", "-C", str(repo)]) == 0
    out = capfd.readouterr().out
    run = next(line for line in out.splitlines() if line.startswith("    run "))
    assert f"run-live, process {process}, since 20" in run
    assert out.replace(run, "RUN").splitlines() == [
        "running now",
        "  sentence-1  Its title  [running]",
        "RUN",
        "    doing   base-checks",
        "failed",
        "  other  Evil title next forged  [stopped]",
        "    ended   no-sandbox (exit 50): No sandbox.",
        "    papers  factory/runs/other",
        "    next    Install it.",
        "the others",
        "  task-001  Add subtraction  [pending]",
        "    next    run it with `andon run task-001`",
    ]


def test_one_task_and_one_older_run_can_be_named(repo: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    stored(repo, "a", "run-old", message="The old one.")
    stored(repo, "a", "run-new", message="The new one.")
    for wanted, message, papers in (
        ("a", "The new one.", "factory/runs/a"),
        ("run-new", "The new one.", "factory/runs/a"),
        ("run-old", "The old one.", "factory/.state/runs/run-old"),
    ):
        [task] = document(repo, capfdbinary, wanted)["tasks"]
        assert (task["task_id"], task["last"]["message"], task["last"]["papers"]) == ("a", message, papers)


@pytest.mark.parametrize("wanted", ["nothing", "../../etc", ".hidden"])
def test_what_is_not_there_is_refused_with_what_is(repo: Path, capfd: pytest.CaptureFixture[str], wanted: str) -> None:
    assert main(["status", "-C", str(repo), wanted]) == 2
    assert f"there is no task and no run {wanted!r} here; tasks: task-001." in capfd.readouterr().err


def test_a_folder_without_anything_says_how_to_begin(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = make_repository(tmp_path / "empty", {"README.md": "x\n"})
    assert main(["status", "-C", str(root)]) == 0
    assert capfd.readouterr().out == f'no task and no run in {root}: start one with andon run "…"\n'


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is no JSON: it is damaged"),
        (b'{"schema_version": 1', "is no JSON: it is damaged"),
        (b"[" * 100_000, "is no JSON: it is damaged"),
        (b"\xff\xfe", "is no JSON: it is damaged"),
        (b"[]", "is no result of a run"),
        (b"{}", "is no result of a run"),
        (b'{"schema_version": 9}', "has the version 9, which this andon does not know"),
        (b'{"schema_version": 1, "run_id": 3}', "lacks run_id, task_id, title, status"),
        (None, "is missing"),
    ],
)
def test_a_damaged_result_is_named_and_hides_nothing_else(
    repo: Path, capfdbinary: pytest.CaptureFixture[bytes], content: bytes | None, problem: str
) -> None:
    stored(repo, "good")
    (repo / "factory/runs/bad").mkdir()
    if content is not None:
        (repo / "factory/runs/bad/result.json").write_bytes(content)
    found = document(repo, capfdbinary)
    assert [task["task_id"] for task in found["tasks"]] == ["task-001", "good"]
    [wrong] = found["unreadable"]
    assert (wrong["path"], wrong["problem"][: len(problem)]) == ("factory/runs/bad/result.json", problem)


def test_foreign_files_links_and_another_tasks_result_are_named(
    repo: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    stored(repo, "a")
    runs = repo / "factory/runs"
    (runs / "note.txt").write_text("mine")
    (runs / "elsewhere").symlink_to(tmp_path)
    (runs / "b").mkdir()
    (runs / "b/result.json").write_bytes((runs / "a/result.json").read_bytes())
    (runs / "c").mkdir()
    (tmp_path / "secret.json").write_text("{}")
    (runs / "c/result.json").symlink_to(tmp_path / "secret.json")
    assert document(repo, capfdbinary)["unreadable"] == [
        {"path": "factory/runs/b/result.json", "problem": "is of the task 'a', not of this folder's"},
        {"path": "factory/runs/c/result.json", "problem": "is a link that leaves the repository"},
        {"path": "factory/runs/elsewhere", "problem": "is no run folder: andon did not put it there"},
        {"path": "factory/runs/note.txt", "problem": "is no run folder: andon did not put it there"},
    ]


@pytest.mark.parametrize(
    ("queue", "tasks", "problem"),
    [
        ("{", [], "is no JSON: it is damaged"),
        ("{}", [], "is no list of tasks"),
        ('[{"title": "no id"}, {"task_id": "t", "intent": "Do"}]', ["t"], "entry 1 is no task"),
        ('[3, {"id": "t", "title": "Do", "status": 7}]', [], "entry 1 is no task"),
    ],
)
def test_a_damaged_queue_is_named(
    repo: Path, capfdbinary: pytest.CaptureFixture[bytes], queue: str, tasks: list[str], problem: str
) -> None:
    (repo / "factory/tasks/queue.json").write_text(queue)
    found = document(repo, capfdbinary)
    assert [task["task_id"] for task in found["tasks"]] == tasks
    assert found["unreadable"][0]["path"] == "factory/tasks/queue.json"
    assert found["unreadable"][0]["problem"].startswith(problem)


def test_it_loads_no_sdk_protocol_engine_or_schema_library(repo: Path) -> None:
    stored(repo, "a")
    script = (
        "import sys; from andon.cli.main import main; code = main(['status', '-C', sys.argv[1], '--json'])\n"
        "heavy = {'agents', 'openai', 'mcp', 'docker', 'pydantic', 'rich', 'asyncio'} & set(sys.modules)\n"
        "sys.exit(code or ' '.join(sorted(heavy)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(repo)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def ask(repo: Path, config: Path, approval_id: str, run_id: str, minutes: int) -> None:
    now = int(time.time())
    store = ApprovalStore.of(repo, {"XDG_CONFIG_HOME": str(config)})
    store.ask(
        Approval(
            id=approval_id,
            run_id=run_id,
            task_id="task-001",
            subject="tool",
            digest="a" * 64,
            policy="p",
            rule="packages",
            question="May it \x1b[2Jinstall?",
            asked_at=now,
            expires_at=now + 60 * minutes,
        )
    )


def test_what_waits_for_an_answer_is_listed_with_the_command_that_gives_it(
    repo: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    ask(repo, tmp_path, "ab12cd34", "run-1", 60)
    ask(repo, tmp_path, "00000001", "run-2", 0)
    ask(repo, tmp_path, "00000002", "run-2", 60)
    ApprovalStore.of(repo, {"XDG_CONFIG_HOME": str(tmp_path)}).answer("00000002", "deny")
    (repo / "factory/.state/approvals/00000003.json").write_text("{")
    [asked] = document(repo, capfdbinary)["approvals"]
    assert (asked["id"], asked["question"], asked["run_id"]) == ("ab12cd34", "May it \x1b[2Jinstall?", "run-1")
    assert main(["status", "-C", str(repo)]) == 0
    shown = capfdbinary.readouterr().out.decode().split("\n")
    assert "  ab12cd34  May it install?" in shown
    assert "    next    andon approve ab12cd34, or andon deny ab12cd34 --reason …" in shown
    assert not any("0000000" in line for line in shown)


def test_one_task_shows_its_own_questions_alone(
    repo: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    result = run_line(repo, *GOOD).result
    ask(repo, tmp_path, "ab12cd34", result.run_id, 60)
    ask(repo, tmp_path, "00000001", "run-2", 60)
    assert [one["id"] for one in document(repo, capfdbinary, "task-001")["approvals"]] == ["ab12cd34"]
