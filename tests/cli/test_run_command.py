"""`andon run` as a process: the sentences for every mistake of a person, and the JSON document."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from lane_kit import FILES, git, make_repository


def andon(cwd: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "ANDON_"))} | environment
    command = [sys.executable, "-m", "andon", *words]
    return subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repo", FILES)


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr.removeprefix("andon: ").rstrip()


def test_a_folder_that_is_no_repository(tmp_path: Path) -> None:
    assert "is not in a git repository" in refusal(andon(tmp_path, "run", "do a thing"))


def test_a_bare_repository(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", ".")
    assert "bare" in refusal(andon(tmp_path, "run", "do a thing"))


def test_a_repository_without_commits(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", ".")
    assert "no commit" in refusal(andon(tmp_path, "run", "do a thing"))


def test_without_a_key_one_sentence_says_what_to_set(repo: Path) -> None:
    said = refusal(andon(repo, "run", "do a thing"))
    assert said == ("no model to ask: set OPENAI_API_KEY (and OPENAI_BASE_URL for another server), or try `andon demo`")
    assert not (repo / "factory/runs").exists()


def test_an_unknown_task_id_names_the_known_ones(repo: Path) -> None:
    said = refusal(andon(repo, "run", "task-999"))
    assert "task-999" in said
    assert "task-001" in said


@pytest.mark.parametrize("intent", ["", "   "])
def test_an_empty_intent(repo: Path, intent: str) -> None:
    assert "the intent is empty" in refusal(andon(repo, "run", intent))


@pytest.mark.parametrize("hostile", ["../x", "--upload-pack=touch pwned", "task-001/../../x"])
def test_a_hostile_id_in_the_queue_is_refused_with_file_and_field(repo: Path, hostile: str) -> None:
    queue = repo / "factory/tasks/queue.json"
    text = queue.read_text().replace("task-001", hostile)
    queue.write_text(text)
    said = refusal(andon(repo, "run"))
    assert "factory/tasks/queue.json" in said
    assert hostile in said
    assert queue.read_text() == text


def test_two_tasks_of_one_id_are_refused(repo: Path) -> None:
    queue = repo / "factory/tasks/queue.json"
    entry = json.loads(queue.read_text())[0]
    queue.write_text(json.dumps([entry, entry]))
    said = refusal(andon(repo, "run"))
    assert "task-001" in said
    assert "queue.json" in said


def test_a_malformed_queue_names_file_and_line_and_is_not_rewritten(repo: Path) -> None:
    queue = repo / "factory/tasks/queue.json"
    queue.write_text('[\n  {"id": "a",\n   "title" "b"}\n]\n')
    assert "factory/tasks/queue.json" in refusal(andon(repo, "run"))
    assert queue.read_text() == '[\n  {"id": "a",\n   "title" "b"}\n]\n'


def test_a_malformed_context_names_file_and_field(tmp_path: Path) -> None:
    files = FILES | {"factory/context/project-context.json": '{"protected_area": ["x"]}\n'}
    said = refusal(andon(make_repository(tmp_path / "odd", files), "run", "task-001", OPENAI_API_KEY="k"))
    assert "factory/context/project-context.json" in said
    assert "protected_area" in said


def test_a_branch_that_exists_says_how_to_go_on(repo: Path) -> None:
    git(repo, "branch", "factory/task-001-add-subtraction")
    said = refusal(andon(repo, "run", "task-001", OPENAI_API_KEY="k"))
    assert "git branch -D factory/task-001-add-subtraction" in said


def test_no_queue_and_no_intent(tmp_path: Path) -> None:
    files = {name: text for name, text in FILES.items() if "queue" not in name}
    assert "andon run" in refusal(andon(make_repository(tmp_path / "none", files), "run"))


def test_nothing_pending(repo: Path) -> None:
    queue = repo / "factory/tasks/queue.json"
    queue.write_text(queue.read_text().replace("pending", "delivered"))
    assert "pending" in refusal(andon(repo, "run"))


def test_extras_belong_to_a_sentence(repo: Path) -> None:
    assert "--accept" in refusal(andon(repo, "run", "task-001", "--accept", "x"))


def test_with_json_a_refusal_is_a_document_too(repo: Path) -> None:
    done = andon(repo, "run", "task-999", "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["exit_code"], document["stop_code"]) == (2, 2, "usage")
    assert "task-999" in document["message"]


def test_an_endpoint_that_does_not_answer_ends_with_60_and_one_document(repo: Path) -> None:
    done = andon(
        repo, "run", "--headless", "--json", OPENAI_API_KEY="secret-key", OPENAI_BASE_URL="http://127.0.0.1:9/v1"
    )
    document = json.loads(done.stdout)
    assert (done.returncode, document["stop_code"], document["exit_code"]) == (60, "provider-failed", 60)
    assert document == json.loads((repo / "factory/runs/task-001/result.json").read_text())
    assert "secret-key" not in done.stdout + done.stderr


def test_no_command_prints_help(tmp_path: Path) -> None:
    done = andon(tmp_path)
    assert (done.returncode, done.stdout.splitlines()[0][:12]) == (0, "usage: andon")
