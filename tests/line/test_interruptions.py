"""What happens around a run while it goes on: the repository moves, the queue is edited, another run begins."""

import asyncio
import fcntl
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from lane_kit import CHANGE, Ran, git, plan, report, review, run_line

from andon.intake.queue import update_status
from andon.line.log.event_log import EventLog
from andon.line.run_folder import RunFolder
from andon.line.steps import Answer, Gate
from andon.line.uninterrupted import uninterrupted
from andon.records.errors import RunError, UserError
from andon.records.events import RunEvent
from andon.records.stops import StopCode

GOOD = ([plan()], *CHANGE, [report()], [review()])
BRANCH = "factory/task-001-add-subtraction"


def run_while(repo: Path, happens: Callable[[], object]) -> Ran:
    """Run task-001 to a good end; `happens` is called while the run waits at its plan gate."""

    async def ask(gate: Gate) -> Answer:
        await asyncio.to_thread(happens)
        return Answer("yes")

    return run_line(repo, *GOOD, ask=ask)


def queue_of(repo: Path) -> Path:
    return repo / "factory/tasks/queue.json"


def entries(repo: Path) -> Any:
    return json.loads(queue_of(repo).read_text())


def test_a_branch_starts_from_the_commit_that_was_head_when_the_run_began(repo: Path) -> None:
    base = git(repo, "rev-parse", "HEAD")

    def move() -> None:
        git(repo, "checkout", "-qb", "elsewhere")
        (repo / "calc.py").write_text("moved\n")
        git(repo, "commit", "-qam", "moved")

    ran = run_while(repo, move)
    assert (ran.result.stop_code, ran.result.base_commit) == ("delivered", base)
    assert git(repo, "rev-parse", f"{BRANCH}~2") == base
    assert (git(repo, "branch", "--show-current"), (repo / "calc.py").read_text()) == ("elsewhere", "moved\n")


def test_a_commit_nobody_names_any_more_is_still_the_base(repo: Path) -> None:
    base = git(repo, "rev-parse", "HEAD")
    ran = run_while(repo, lambda: git(repo, "commit", "-q", "--amend", "-m", "amended"))
    assert (ran.result.stop_code, git(repo, "rev-parse", f"{BRANCH}~2")) == ("delivered", base)


@pytest.mark.parametrize(
    ("other", "said"), [(BRANCH, f"'{BRANCH}' exists already"), ("factory", "'factory' stands in the way")]
)
def test_a_branch_that_appears_meanwhile_is_left_alone_and_the_tree_is_kept(repo: Path, other: str, said: str) -> None:
    ran = run_while(repo, lambda: git(repo, "branch", other))
    assert (ran.result.stop_code, ran.result.exit_code, ran.result.branch) == ("usage", 2, None)
    assert said in ran.result.message
    assert git(repo, "rev-parse", other) == ran.result.base_commit
    assert [file.path for file in ran.result.files] == ["calc.py", "tests/test_calc.py"]
    assert (ran.result.checks and ran.result.checks.outcome, entries(repo)[0]["status"]) == ("green", "pending")


def test_what_a_person_edits_in_the_queue_meanwhile_survives(repo: Path) -> None:
    added = {"id": "task-002", "title": "Later", "source": "me"}

    def edit() -> None:
        [entry] = entries(repo)
        assert entry["status"] == "running"
        queue_of(repo).write_text(json.dumps([added, entry | {"title": "Reworded", "constraints": ["mine"]}]))

    ran = run_while(repo, edit)
    assert (ran.result.stop_code, ran.result.title) == ("delivered", "Add subtraction")
    first, second = entries(repo)
    assert first == added
    assert (second.pop("lastRun")["runId"], second) == (
        ran.result.run_id,
        {
            "id": "task-001",
            "title": "Reworded",
            "status": "ready-for-pr",
            "acceptanceCriteria": ["sub(3, 1) is 2"],
            "files": ["calc.py"],
            "constraints": ["mine"],
        },
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]\n", "has no task 'task-001'"),
        ('[{"id": "task-001"', "queue.json"),
        (None, "There is no factory/tasks/queue.json"),
    ],
    ids=["entry removed", "made malformed", "file removed"],
)
def test_a_queue_that_cannot_take_the_status_is_a_warning_and_not_rewritten(
    repo: Path, content: str | None, said: str
) -> None:
    queue = queue_of(repo)
    ran = run_while(repo, queue.unlink if content is None else lambda: queue.write_text(str(content)))
    assert (ran.result.stop_code, ran.result.exit_code, ran.result.branch) == ("delivered", 0, BRANCH)
    assert "could not be set to 'ready-for-pr'" in ran.result.warnings[-1]
    assert said in ran.result.warnings[-1]
    assert (queue.read_text() if queue.exists() else None) == content
    assert json.loads((ran.folder / "result.json").read_text()) == ran.result.model_dump(mode="json")


def test_runs_that_end_at_the_same_time_lose_no_status(repo: Path) -> None:
    tasks = [{"id": f"task-{number}", "title": "x"} for number in range(4)]
    queue_of(repo).write_text(json.dumps(tasks))

    def end(number: int) -> None:
        for count in range(10):
            update_status(queue_of(repo), f"task-{number}", "delivered", {"count": count})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(end, range(4)))
    assert entries(repo) == [task | {"status": "delivered", "lastRun": {"count": 9}} for task in tasks]


def test_a_second_run_of_the_task_is_refused_and_leaves_no_trace(repo: Path) -> None:
    refused: list[str] = []

    def second() -> None:
        before = queue_of(repo).read_text()
        with pytest.raises(UserError) as caught:
            run_line(repo, *GOOD)
        refused.append(str(caught.value))
        assert queue_of(repo).read_text() == before

    first = run_while(repo, second)
    assert first.result.stop_code == "delivered"
    [said] = refused
    assert f"another run of task-001 is going on (run {first.result.run_id}, process " in said
    assert len(list((repo / "factory/.state/runs").iterdir())) == 1


def test_a_cancelled_run_is_a_result_and_lets_the_next_one_begin(repo: Path) -> None:
    async def give_up(gate: Gate) -> Answer:
        raise asyncio.CancelledError

    first = run_line(repo, [plan()], ask=give_up)
    assert (first.result.stop_code, first.result.exit_code) == ("interrupted", 130)
    assert run_line(repo, *GOOD).result.stop_code == "delivered"


def test_a_fault_in_andon_keeps_the_tree_too(repo: Path) -> None:
    async def broken(gate: Gate) -> Answer:
        if gate.name == "plan-1":
            return Answer("yes")
        raise ZeroDivisionError("a fault")

    no_tests = ([plan()], *CHANGE, [report()], [review()])
    git(repo, "rm", "-q", "pyproject.toml", "tests/test_calc.py")
    git(repo, "commit", "-qm", "no checks")
    ran = run_line(repo, *no_tests, ask=broken)
    assert (ran.result.stop_code, ran.result.message) == ("internal", "ZeroDivisionError: a fault")
    assert [file.path for file in ran.result.files] == ["calc.py", "tests/test_calc.py"]
    assert "Traceback" in (ran.folder / "internal-error.txt").read_text()


# The run folder


def papers(root: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (root / "factory/runs/task-001").iterdir()}


def folder_of(root: Path, run_id: str) -> RunFolder:
    folder = RunFolder.create(root, run_id, "task-001")
    (folder.path / "audit.jsonl").write_text("")
    return folder


def published(root: Path, run_id: str) -> None:
    folder = folder_of(root, run_id)
    folder.write("result.json", f'"{run_id}"')
    folder.publish()
    folder.release()


@pytest.mark.parametrize("killed_after", ["new.mkdir", "target -> old"])
def test_a_run_killed_while_it_publishes_leaves_the_run_before_as_the_latest(tmp_path: Path, killed_after: str) -> None:
    published(tmp_path, "one")
    runs = tmp_path / "factory/runs"
    (runs / ".task-001.new").mkdir()
    (runs / ".task-001.new/result.json").write_text("half")
    if killed_after == "target -> old":
        (runs / "task-001").rename(runs / ".task-001.old")
    folder = folder_of(tmp_path, "two")
    assert papers(tmp_path) == {"audit.jsonl": "", "result.json": '"one"'}
    assert sorted(path.name for path in runs.iterdir()) == ["task-001"]
    folder.write("result.json", '"two"')
    folder.publish()
    assert papers(tmp_path) == {"audit.jsonl": "", "result.json": '"two"'}
    assert sorted(path.name for path in runs.iterdir()) == ["task-001"]


def test_a_publication_that_fails_leaves_the_run_before_as_the_latest(tmp_path: Path) -> None:
    published(tmp_path, "one")
    folder = folder_of(tmp_path, "two")
    folder.write("result.json", '"two"')
    (folder.path / "audit.jsonl").unlink()
    with pytest.raises(RunError) as caught:
        folder.publish()
    assert caught.value.code is StopCode.DISK_FAILED
    assert papers(tmp_path) == {"audit.jsonl": "", "result.json": '"one"'}


def test_a_lock_file_nobody_holds_says_nothing(tmp_path: Path) -> None:
    lock = tmp_path / "factory/.state/locks/task-001"
    lock.parent.mkdir(parents=True)
    lock.write_text("run gone, process 1")
    folder_of(tmp_path, "two").release()
    assert lock.read_text().startswith("run two, process ")


def test_a_lock_somebody_holds_names_them_and_ids_differ_in_more_than_case(tmp_path: Path) -> None:
    lock = tmp_path / "factory/.state/locks/task-001"
    lock.parent.mkdir(parents=True)
    lock.write_text("run one, process 7")
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another run of TASK-001 is going on \\(run one, process 7\\)"):
            RunFolder.create(tmp_path, "two", "TASK-001")


def test_a_state_folder_whose_ignore_file_was_cut_short_ignores_itself_again(tmp_path: Path) -> None:
    ignore = tmp_path / "factory/.state/.gitignore"
    ignore.parent.mkdir(parents=True)
    ignore.write_text("")
    folder_of(tmp_path, "one")
    assert ignore.read_text() == "*\n"


# The event stream


def test_a_listener_that_cannot_write_ends_no_run(tmp_path: Path) -> None:
    heard: list[str] = []

    def closed(event: RunEvent) -> None:
        heard.append(f"closed {event.seq}")
        raise BrokenPipeError

    log = EventLog(tmp_path / "audit.jsonl", [closed, lambda event: heard.append(f"open {event.seq}")])
    log.emit("phase", name="a")
    log.emit("phase", name="b")
    assert heard == ["closed 1", "open 1", "open 2"]


def test_an_event_that_cannot_be_stored_is_a_typed_stop_and_told_to_nobody() -> None:
    told: list[RunEvent] = []
    with pytest.raises(RunError) as caught:
        EventLog(Path("/dev/full/audit.jsonl"), [told.append])
    assert (caught.value.code, told) == (StopCode.DISK_FAILED, [])
    assert "/dev/full/audit.jsonl cannot be written: Not a directory." in str(caught.value)


# Work that is done to its end


async def test_cancellations_do_not_reach_uninterrupted_work_and_its_value_comes_back() -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def work() -> str:
        begun.set()
        await go.wait()
        return "done"

    outer = asyncio.ensure_future(uninterrupted(work()))
    await begun.wait()
    for _ in range(3):
        outer.cancel()
        await asyncio.wait({outer}, timeout=0)
    go.set()
    assert await outer == "done"


async def test_an_error_of_uninterrupted_work_is_raised() -> None:
    async def work() -> None:
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        await uninterrupted(work())
