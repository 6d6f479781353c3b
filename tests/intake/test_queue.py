"""factory/tasks/queue.json."""

import json
import os
from pathlib import Path

import pytest

from andon.intake.queue import Queue, find, load_queue, next_pending, update_status
from andon.records.errors import UserError
from andon.records.task import Task

GUIDE_QUEUE = """[
{
"id": "task-001",
"title": "Add a watchlist page",
"status": "pending",
"files": ["src/README.md"],
"acceptanceCriteria": [
"The change is described clearly.",
"The review step runs tests.",
"A PR body is generated."
]
}
]
"""
GUIDE_TASK = """[{
"task_id": "task-001",
"intent": "Add a watchlist page",
"acceptance_criteria": [
"Users can save favourite stocks locally",
"Saved stocks remain after page refresh",
"A PR summary is generated"
],
"constraints": [
"Do not change authentication",
"Keep the change reversible"
],
"context_paths": [
"docs/product/watchlist.md",
"src/routes",
"tests"
]
}]
"""
ISSUES = """[
  {
    "id": "issue-12",
    "title": "Prices are stale",
    "status": "pending",
    "files": [],
    "acceptanceCriteria": [
      "The issue has been reviewed.",
      "A plan or pull request summary is generated.",
      "Automated checks run before merge."
    ],
    "source": "https://github.com/owner/repo/issues/12"
  }
]
"""


@pytest.fixture
def queue_file(tmp_path: Path) -> Path:
    path = tmp_path / "factory" / "tasks" / "queue.json"
    path.parent.mkdir(parents=True)
    return path


def test_the_queue_of_the_guide_loads_unchanged(queue_file: Path) -> None:
    queue_file.write_text(GUIDE_QUEUE)
    task = Task(
        id="task-001",
        title="Add a watchlist page",
        context_paths=["src/README.md"],
        acceptance_criteria=[
            "The change is described clearly.",
            "The review step runs tests.",
            "A PR body is generated.",
        ],
    )
    assert load_queue(queue_file) == Queue((task,))


def test_the_task_of_the_guide_loads_unchanged(queue_file: Path) -> None:
    queue_file.write_text(GUIDE_TASK)
    task = Task(
        id="task-001",
        title="Add a watchlist page",
        acceptance_criteria=[
            "Users can save favourite stocks locally",
            "Saved stocks remain after page refresh",
            "A PR summary is generated",
        ],
        constraints=["Do not change authentication", "Keep the change reversible"],
        context_paths=["docs/product/watchlist.md", "src/routes", "tests"],
    )
    assert load_queue(queue_file) == Queue((task,))


def test_imported_issues_keep_their_source(queue_file: Path) -> None:
    queue_file.write_text(ISSUES)
    (task,) = load_queue(queue_file).tasks
    assert (task.id, task.source) == ("issue-12", "https://github.com/owner/repo/issues/12")


def test_what_the_guides_own_orchestrator_wrote_loads(queue_file: Path) -> None:
    (entry,) = json.loads(GUIDE_QUEUE)
    last_run = {"proposalFile": "factory/runs/task-001/proposal.md", "testExitCode": 0}
    queue_file.write_text(json.dumps([{**entry, "status": "ready-for-pr", "lastRun": last_run}]))
    (task,) = load_queue(queue_file).tasks
    assert (task.status, task.last_run) == ("ready-for-pr", last_run)


def test_a_byte_order_mark_and_windows_newlines_do_not_matter(queue_file: Path) -> None:
    queue_file.write_bytes(("\ufeff" + GUIDE_QUEUE).replace("\n", "\r\n").encode())
    assert [task.id for task in load_queue(queue_file).tasks] == ["task-001"]


def test_an_empty_list_is_a_queue_without_tasks(queue_file: Path) -> None:
    queue_file.write_text("[]")
    assert next_pending(load_queue(queue_file)) is None


def test_the_first_pending_task_is_next(queue_file: Path) -> None:
    tasks = [("a", "delivered"), ("b", "pending"), ("c", "pending")]
    queue_file.write_text(json.dumps([{"id": name, "title": "t", "status": status} for name, status in tasks]))
    found = next_pending(load_queue(queue_file))
    assert found == find(load_queue(queue_file), "b")


@pytest.mark.parametrize(("content", "said"), [("[]", "It is empty."), (GUIDE_QUEUE, "It holds: task-001.")])
def test_an_unknown_id_is_answered_with_the_known_ones(queue_file: Path, content: str, said: str) -> None:
    queue_file.write_text(content)
    with pytest.raises(UserError) as caught:
        find(load_queue(queue_file), "task-002")
    assert str(caught.value) == f"factory/tasks/queue.json has no task 'task-002'. {said}"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('[\n{"id": "a",\n "title": }\n]', ":3:11: malformed JSON: Expecting value. Correct that line."),
        ("", ":1: the file is empty. Write JSON into it or remove it."),
        ("{}", ": must be a list of tasks ([{…}, …]), not a dict."),
        ("null", ": must be a list of tasks ([{…}, …]), not a NoneType."),
        ('["task-001"]', ": entry 1: must be an object ({…}), not a str."),
        ('[{"id": "a", "title": "t"}, {"title": "t"}]', ": entry 2: id: this field is required. "),
        ('[{"id": "a", "title": "t", "prio": 1}]', ": entry 1: prio: unknown field, or a second spelling"),
        ('[{"id": "a", "task_id": "b", "title": "t"}]', ": entry 1: task_id: unknown field, or a second spelling"),
        ('[{"id": 7, "title": "t"}]', ": entry 1: id: Input should be a valid string. "),
        ('[{"id": "a", "title": " "}]', ": entry 1: title: must not be empty. "),
        ('[{"id": "a", "title": "t", "acceptanceCriteria": "x"}]', ": entry 1: acceptanceCriteria: Input should be a"),
        ('[{"id": "a", "title": "t", "status": "done"}]', ": entry 1: status: Input should be 'pending', 'running', "),
        ('[{"id": "../x", "title": "t"}]', ": entry 1: id: task id '../x' must be 1 to 64 letters, digits"),
        ('[{"id": "--upload-pack=x", "title": "t"}]', ": entry 1: id: task id '--upload-pack=x' must be 1 to 64"),
        (
            '[{"id": "task-001", "title": "t"}, {"id": "b", "title": "t"}, {"id": "Task-001", "title": "u"}]',
            ": entries 1 and 3 have the same id 'Task-001'. Rename one.",
        ),
    ],
)
def test_a_bad_queue_is_refused_and_left_as_it_is(queue_file: Path, content: str, said: str) -> None:
    queue_file.write_text(content)
    for action in (
        lambda: load_queue(queue_file),
        lambda: update_status(queue_file, "task-001", "running", {}),
    ):
        with pytest.raises(UserError) as caught:
            action()
        assert str(caught.value).startswith(f"factory/tasks/queue.json{said}")
    assert queue_file.read_text() == content


def test_a_missing_queue_says_what_to_do(queue_file: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_queue(queue_file)
    said = 'There is no factory/tasks/queue.json. Write one, or give the intent in words: andon run "…".'
    assert str(caught.value) == said


def test_an_update_changes_one_entry_and_keeps_spelling_order_and_mode(queue_file: Path) -> None:
    queue_file.write_text(
        '[{"title": "Café ☕", "task_id": "a", "constraints": ["x"]},'
        ' {"intent": "t", "id": "b", "last_run": {"n": 1}, "status": "pending", "files": []}]'
    )
    queue_file.chmod(0o640)
    update_status(queue_file, "a", "running", {})
    update_status(queue_file, "b", "ready-for-pr", {"branch": "factory/b-t"})
    assert queue_file.read_text() == (
        "[\n"
        "  {\n"
        '    "title": "Café ☕",\n'
        '    "task_id": "a",\n'
        '    "constraints": [\n'
        '      "x"\n'
        "    ],\n"
        '    "status": "running",\n'
        '    "lastRun": {}\n'
        "  },\n"
        "  {\n"
        '    "intent": "t",\n'
        '    "id": "b",\n'
        '    "last_run": {\n'
        '      "branch": "factory/b-t"\n'
        "    },\n"
        '    "status": "ready-for-pr",\n'
        '    "files": []\n'
        "  }\n"
        "]\n"
    )
    assert queue_file.stat().st_mode & 0o777 == 0o640
    assert os.listdir(queue_file.parent) == ["queue.json"]


def test_locked_paths_load_and_stay_as_they_were_written(queue_file: Path) -> None:
    queue_file.write_text('[{"id": "a", "title": "b", "lockedPaths": ["tests/gate/ ", "*.lock"]}]')
    assert load_queue(queue_file).tasks[0].locked_paths == ["tests/gate/", "*.lock"]
    update_status(queue_file, "a", "running", {})
    assert json.loads(queue_file.read_text())[0]["lockedPaths"] == ["tests/gate/ ", "*.lock"]


def test_a_lock_that_locks_nothing_is_named(queue_file: Path) -> None:
    queue_file.write_text('[{"id": "a", "title": "b", "locked": ["src", "!tests"]}]')
    with pytest.raises(UserError, match=r"entry 1: .*'!tests' begins with '!': name what is locked"):
        load_queue(queue_file)


def test_an_update_keeps_windows_newlines_and_the_byte_order_mark(queue_file: Path) -> None:
    queue_file.write_bytes(b'\xef\xbb\xbf[\r\n{"id": "a", "title": "t"}]')
    update_status(queue_file, "a", "running", {})
    content = queue_file.read_bytes()
    assert content.startswith(b'\xef\xbb\xbf[\r\n  {\r\n    "id": "a",\r\n') and content.count(b"\n") == content.count(
        b"\r\n"
    )


def test_an_unknown_id_changes_nothing(queue_file: Path) -> None:
    queue_file.write_text(GUIDE_QUEUE)
    with pytest.raises(UserError, match=r"has no task 'x'\. It holds: task-001\."):
        update_status(queue_file, "x", "running", {})
    assert queue_file.read_text() == GUIDE_QUEUE


def test_an_update_reads_the_file_again(queue_file: Path) -> None:
    queue_file.write_text(GUIDE_QUEUE)
    load_queue(queue_file)
    queue_file.write_text(ISSUES)
    update_status(queue_file, "issue-12", "running", {})
    assert [task.status for task in load_queue(queue_file).tasks] == ["running"]


def test_a_link_out_of_the_repository_is_refused(queue_file: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "queue.json"
    outside.write_text(GUIDE_QUEUE)
    queue_file.symlink_to(outside)
    for action in (
        lambda: load_queue(queue_file),
        lambda: update_status(queue_file, "task-001", "running", {}),
    ):
        with pytest.raises(UserError) as caught:
            action()
        said = "factory/tasks/queue.json is a link that leaves the repository. Put the file itself there."
        assert str(caught.value) == said
    assert outside.read_text() == GUIDE_QUEUE


def test_a_linked_folder_that_leaves_the_repository_is_refused(tmp_path: Path) -> None:
    repository, outside = tmp_path / "repository", tmp_path / "outside"
    (outside / "tasks").mkdir(parents=True)
    (outside / "tasks" / "queue.json").write_text(GUIDE_QUEUE)
    repository.mkdir()
    (repository / "factory").symlink_to(outside)
    with pytest.raises(UserError, match="leaves the repository"):
        update_status(repository / "factory" / "tasks" / "queue.json", "task-001", "running", {})


def test_a_link_inside_the_repository_stays_a_link(queue_file: Path) -> None:
    real = queue_file.with_name("all.json")
    real.write_text(GUIDE_QUEUE)
    queue_file.symlink_to("all.json")
    update_status(queue_file, "task-001", "running", {})
    assert queue_file.is_symlink() and '"status": "running"' in real.read_text()


def test_a_link_to_itself_and_a_folder_are_refused(queue_file: Path) -> None:
    queue_file.symlink_to("queue.json")
    with pytest.raises(UserError, match=r"^factory/tasks/queue\.json cannot be read: "):
        load_queue(queue_file)
    queue_file.unlink()
    queue_file.mkdir()
    with pytest.raises(UserError, match=r"^factory/tasks/queue\.json cannot be read: Is a directory\.$"):
        load_queue(queue_file)
