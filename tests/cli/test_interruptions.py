"""A run that is interrupted, killed or starved, as a process: what it leaves, what it says, and how it ends."""

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from lane_kit import FILES, git, make_repository, plan, review
from lane_kit import write as write_file
from process_kit import (
    GOOD,
    PLAN,
    REPORT,
    REVIEW,
    WRITE,
    WRITE_TEST,
    Andon,
    Ended,
    Launcher,
    WaitingGit,
    answer,
    command,
    launching,
    provider,
)

INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Launcher]:
    with launching(make_repository(tmp_path / "repo", FILES), tmp_path) as launcher:
        yield launcher


def with_files(line: Launcher, **files: str) -> None:
    for name, text in files.items():
        path = line.repo / name.replace("__", "/").replace("_toml", ".toml").replace("_sh", ".sh")
        path.write_text(text)
    git(line.repo, "add", "-A")
    git(line.repo, "commit", "-qm", "more")


def interrupted(line: Launcher, andon: Andon) -> Ended:
    """Check everything an interrupted run promises, whenever it was interrupted, and return how it ended."""
    ended = andon.end()
    assert (ended.code, ended.document["stop_code"], ended.document["exit_code"]) == (130, "interrupted", 130), (
        ended.err
    )
    assert json.loads(line.shown("result.json")) == ended.document
    assert (line.status(), line.branches(), line.marked(), andon.left_behind()) == ("stopped", [], [], [])
    assert "Traceback" not in ended.err
    assert andon.events()[-1]["kind"] == "run.ended"
    return ended


@pytest.mark.parametrize("signals", [(INT,), (HUP,), (TERM, INT, TERM)], ids=lambda s: "-".join(n.name for n in s))
def test_while_the_model_thinks(line: Launcher, signals: tuple[signal.Signals, ...]) -> None:
    with provider(*GOOD, hold_at=3) as server:
        andon = line.start(server)
        andon.wait_for(server.asked.is_set)
        andon.stop(*signals)
        ended = interrupted(line, andon)
    assert [file["path"] for file in ended.document["files"]] == ["calc.py", "tests/test_calc.py"]
    assert git(line.repo, "--git-dir", str(store(line)), "show", f"{ended.document['tree']}:calc.py").endswith("a - b")
    assert "+def sub" in line.shown("diff.patch")


def store(line: Launcher) -> Path:
    [found] = (line.repo / "factory/.state/runs").glob("*/store.git")
    return found


def test_while_a_command_of_the_model_runs(line: Launcher) -> None:
    with provider(PLAN, WRITE, command(f"sleep {line.marker}")) as server:
        andon = line.start(server)
        andon.wait_for(line.sleeping)
        andon.stop(TERM)
        ended = interrupted(line, andon)
    assert [file["path"] for file in ended.document["files"]] == ["calc.py"]


def test_again_while_the_first_signal_is_being_obeyed(line: Launcher, tmp_path: Path) -> None:
    waiting = WaitingGit(tmp_path / "bin", "fast-import")
    with provider(PLAN, WRITE, command(f"sleep {line.marker}")) as server:
        andon = line.start(server, path=waiting.folder)
        andon.wait_for(line.sleeping)
        andon.stop(INT)
        andon.wait_for(waiting.reached)
        andon.stop(INT, TERM)
        waiting.release()
        ended = interrupted(line, andon)
    assert [file["path"] for file in ended.document["files"]] == ["calc.py"]


def test_while_the_sandbox_starts(line: Launcher, tmp_path: Path) -> None:
    waiting = WaitingGit(tmp_path / "bin", "refs/heads/main")
    with provider(*GOOD) as server:
        andon = line.start(server, path=waiting.folder)
        andon.wait_for(waiting.reached)
        andon.stop(INT)
        andon.wait_for(lambda: "stopping" in andon.stderr())
        waiting.release()
        interrupted(line, andon)
    assert server.exchanges == []


def test_while_the_base_is_checked(line: Launcher) -> None:
    with_files(line, factory__andon_toml=f'[checks]\ntest = ["sleep {line.marker}"]\n')
    with provider(*GOOD) as server:
        andon = line.start(server)
        andon.wait_for(line.sleeping)
        andon.stop(TERM)
        interrupted(line, andon)
    assert server.exchanges == []


def test_while_the_change_is_checked(line: Launcher) -> None:
    with_files(line, factory__andon_toml='[checks]\ntest = ["sh check.sh"]\n', check_sh="exit 0\n")
    hang = answer(write_file("check.sh", f"exec sleep {line.marker}\n"))
    with provider(answer(plan(files=["check.sh"])), hang, REPORT, REVIEW) as server:
        andon = line.start(server)
        andon.wait_for(line.sleeping)
        andon.stop(INT)
        ended = interrupted(line, andon)
    assert [file["path"] for file in ended.document["files"]] == ["check.sh"]
    assert ended.document["checks"] is None


@pytest.mark.parametrize("terminal", [False, True], ids=["andon alone", "every process of the terminal"])
@pytest.mark.parametrize("at", ["fetch --quiet --no-tags", "update-ref --no-deref -m"])
def test_while_the_branch_is_made_there_is_a_delivered_branch_or_none(
    line: Launcher, tmp_path: Path, at: str, terminal: bool
) -> None:
    waiting = WaitingGit(tmp_path / "bin", at)
    with provider(*GOOD) as server:
        andon = line.start(server, path=waiting.folder)
        andon.wait_for(waiting.reached)
        if terminal:
            os.killpg(andon.process.pid, INT)
        else:
            andon.stop(INT)
        waiting.release()
        if terminal and andon.process.wait(60) == 130:
            interrupted(line, andon)
            return
        ended = andon.end()
    assert (ended.code, ended.document["stop_code"], line.status()) == (0, "delivered", "ready-for-pr")
    assert line.branches() == [ended.document["branch"]]
    assert git(line.repo, "rev-parse", ended.document["branch"]) == ended.document["head_commit"]
    assert andon.left_behind() == []


def test_before_a_run_began_there_is_a_document_too(line: Launcher, tmp_path: Path) -> None:
    waiting = WaitingGit(tmp_path / "bin", "rev-parse")
    with provider(*GOOD) as server:
        andon = line.start(server, path=waiting.folder)
        andon.wait_for(waiting.reached)
        andon.stop(TERM)
        ended = andon.end()
    assert (ended.code, ended.document["stop_code"], ended.document["exit_code"]) == (130, "interrupted", 130)
    assert "Traceback" not in ended.err
    assert (line.status(), (line.repo / "factory/runs").exists()) == ("pending", False)


def test_a_signal_that_was_ignored_for_us_stays_ignored(line: Launcher) -> None:
    with provider(*GOOD, hold_at=0) as server:
        andon = line.start(server, wrapper=["sh", "-c", 'trap "" HUP INT; exec "$@"', "sh"])
        andon.wait_for(server.asked.is_set)
        andon.stop(HUP, INT)
        server.release()
        ended = andon.end()
    assert (ended.code, ended.document["stop_code"]) == (0, "delivered"), ended.err


def kill_bwrap(andon: Andon) -> None:
    """Kill the bwrap process that andon started, not the first process inside."""
    children = Path(f"/proc/{andon.process.pid}/task/{andon.process.pid}/children").read_text().split()
    [bwrap] = [int(child) for child in children if Path(f"/proc/{child}/comm").read_text() == "bwrap\n"]
    os.kill(bwrap, signal.SIGKILL)


def test_a_sandbox_killed_before_a_tree_was_stored_says_so(line: Launcher) -> None:
    with provider(PLAN, WRITE, command(f"sleep {line.marker}")) as server:
        andon = line.start(server)
        andon.wait_for(line.sleeping)
        kill_bwrap(andon)
        ended = andon.end()
    assert (ended.code, ended.document["stop_code"], ended.document["tree"]) == (50, "worker-dead", None)
    assert any("no changed tree was stored before" in warning for warning in ended.document["warnings"])
    assert (line.status(), line.marked(), andon.left_behind()) == ("stopped", [], [])


def test_a_sandbox_killed_later_leaves_the_last_stored_tree(line: Launcher) -> None:

    handed_back = answer(review("changes"))
    spoilt = answer(write_file("calc.py", "spoilt\n"))
    with provider(PLAN, WRITE_TEST, WRITE, REPORT, handed_back, spoilt, command(f"sleep {line.marker}")) as server:
        andon = line.start(server)
        andon.wait_for(line.sleeping)
        kill_bwrap(andon)
        ended = andon.end()
    assert (ended.code, ended.document["stop_code"]) == (50, "worker-dead")
    assert any("the last stored tree stands" in warning for warning in ended.document["warnings"])
    assert "+def sub" in line.shown("diff.patch")
    assert "spoilt" not in line.shown("diff.patch")
    assert ended.document["checks"]["outcome"] == "green"


def test_after_andon_itself_was_killed_nothing_of_it_is_in_the_way(line: Launcher) -> None:
    with_files(line, factory__andon_toml="[limits]\ncommand_seconds = 5\n")
    with provider(PLAN, WRITE, command(f"sleep {line.marker}")) as server:
        killed = line.start(server)
        killed.wait_for(line.sleeping)
        killed.stop(signal.SIGKILL)
        assert killed.end().code == -signal.SIGKILL
    assert [event["seq"] for event in killed.events()] == list(range(1, len(killed.events()) + 1))
    assert line.status() == "running"
    with provider() as server:
        said = line.start(server).end()
    assert (said.code, "task-001: marked as running" in said.document["message"]) == (2, True)
    with provider(WRITE_TEST, REPORT, REVIEW) as server:
        # It goes on with the run that was killed: plan and edit are not paid again.
        ended = line.start(server, "task-001").end()
    assert (ended.code, line.status(), line.marked()) == (0, "ready-for-pr", [])
    assert ended.document["run_id"] == killed.events()[0]["data"]["run"]


def test_of_two_runs_of_one_task_the_second_is_refused_before_it_asks_a_model(line: Launcher) -> None:
    with provider(*GOOD, hold_at=0) as first_server, provider(*GOOD) as second_server:
        first = line.start(first_server)
        first.wait_for(first_server.asked.is_set)
        second = line.start(second_server, "task-001").end()
        assert (second.code, second_server.exchanges) == (2, [])
        assert (
            f"another run of task-001 is going on (run {first.events()[0]['data']['run']}" in second.document["message"]
        )
        assert line.status() == "running"
        first_server.release()
        assert (first.end().code, line.status()) == (0, "ready-for-pr")


def no_traceback(ended: Ended) -> Ended:
    assert "Traceback" not in ended.err
    assert "Traceback" not in ended.document["message"]
    return ended


def view(*options: str) -> list[str]:
    """Return a wrapper that shows the machine as it is but for `options`, in a mount namespace of its own."""
    return ["bwrap", "--dev-bind", "/", "/", *options, "--"]


@pytest.mark.parametrize("kilobytes", [4, 40, 400])
def test_a_full_disk_is_a_typed_stop_with_a_sentence(line: Launcher, kilobytes: int) -> None:
    state = line.repo / "factory/.state"
    state.mkdir()
    grow = command("head -c 600000 /dev/urandom > big.bin")
    full = view("--size", str(kilobytes * 1024), "--tmpfs", str(state))
    with provider(PLAN, WRITE, grow, REPORT, REVIEW) as server:
        andon = line.start(server, wrapper=full)
        ended = no_traceback(andon.end())
    assert (ended.code, ended.document["stop_code"]) in ((70, "disk-failed"), (2, "usage")), ended.document
    assert re.search(r"No space left on device|Out of diskspace|disk is full|disk I/O error", ended.document["message"])
    assert (line.branches(), andon.left_behind()) == ([], [])
    for paper in (line.repo / "factory/runs").glob("*/*.json"):
        json.loads(paper.read_text())
    assert not list((line.repo / "factory/runs").glob(".*"))


def test_under_a_file_size_limit_no_run_begins_and_the_next_one_is_free(line: Launcher) -> None:
    with provider(*GOOD) as server:
        ended = no_traceback(line.start(server, wrapper=["prlimit", "--fsize=2500"]).end())
    # The tables of runs are larger: nothing began, and nothing half made is in the way of the next run.
    assert (ended.code, ended.document["stop_code"]) == (2, "usage")
    assert "andon.sqlite" in ended.document["message"]
    assert (line.branches(), line.status(), server.exchanges) == ([], "pending", [])
    with provider(*GOOD) as server:
        assert line.start(server).end().code == 0


@pytest.mark.parametrize("closed", [".", "factory"])
def test_what_cannot_be_written_is_said_before_a_model_is_asked(line: Launcher, closed: str) -> None:
    place = str((line.repo / closed).resolve())
    with provider(*GOOD) as server:
        ended = no_traceback(line.start(server, wrapper=view("--ro-bind", place, place)).end())
    assert (ended.code, ended.document["stop_code"], server.exchanges) == (2, "usage", [])
    assert "Read-only file system" in ended.document["message"]
    assert re.search("cannot (write the run folder|make the folder)", ended.document["message"])


def test_a_queue_that_cannot_be_written_is_said_before_a_model_is_asked(line: Launcher) -> None:
    place = str(line.repo / "factory/tasks")
    with provider(*GOOD) as server:
        ended = no_traceback(line.start(server, wrapper=view("--ro-bind", place, place)).end())
    assert (ended.code, ended.document["stop_code"], server.exchanges) == (2, "usage", [])
    assert "factory/tasks/queue.json cannot be written" in ended.document["message"]


def test_a_git_folder_that_cannot_be_written_is_a_typed_stop_with_the_tree(line: Launcher) -> None:
    place = str(line.repo / ".git")
    with provider(*GOOD) as server:
        ended = no_traceback(line.start(server, wrapper=view("--ro-bind", place, place)).end())
    assert (ended.code, ended.document["stop_code"]) == (70, "disk-failed")
    assert "Read-only file system" in ended.document["message"]
    assert [file["path"] for file in ended.document["files"]] == ["calc.py", "tests/test_calc.py"]


@pytest.mark.parametrize(
    ("redirect", "json_output"), [(">&- 2>&- <&-", True), ("> /dev/full", True), ("> /dev/full 2>&1", False)]
)
def test_where_nobody_reads_the_run_still_ends_as_it_ended(line: Launcher, redirect: str, json_output: bool) -> None:
    with provider() as server:
        andon = line.start(server, json_output=json_output, wrapper=["sh", "-c", f'"$@" {redirect}; exit $?', "sh"])
        assert andon.end().code == 60
    assert json.loads(line.shown("result.json"))["stop_code"] == "provider-failed"
    assert "Exception ignored" not in andon.stderr()


def test_a_broken_pipe_takes_nothing_back(line: Launcher) -> None:
    pipe = 'f=$1; shift; mkfifo "$f"; { "$@"; echo $? > "$f"; } 2>&1 | head -n 1 > /dev/null & exit $(cat "$f")'
    with provider(*GOOD) as server:
        wrapper = ["sh", "-c", pipe, "sh", str(line.folder / "code")]
        assert line.start(server, wrapper=wrapper).end().code == 0
    assert (line.status(), len(line.branches())) == ("ready-for-pr", 1)


def test_without_a_home_and_in_a_locale_without_letters(line: Launcher) -> None:
    queue = line.repo / "factory/tasks/queue.json"
    queue.write_text(queue.read_text().replace("Add subtraction", "Füge Subtraktion hinzu → 引き算"))
    ascii_only: dict[str, str | None] = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "HOME": None}
    with provider() as server:
        ended = line.start(server, environment=ascii_only).end()
        assert (ended.code, ended.document["title"]) == (60, "Füge Subtraktion hinzu → 引き算"), ended.err
        people = line.start(server, "task-001", json_output=False, environment=ascii_only).end()
    assert (people.code, b"provider-failed (exit 60)" in people.out, "Traceback" in people.err) == (60, True, False)


def test_a_deleted_working_directory_is_a_sentence_or_no_matter(line: Launcher) -> None:
    gone = line.folder / "gone"
    lost = ["sh", "-c", 'cd "$1" && rmdir "$1" && shift && exec "$@"', "sh", str(gone)]
    gone.mkdir()
    with provider() as server:
        assert line.start(server, "-C", str(line.repo), wrapper=lost, cwd=line.folder).end().code == 60
        gone.mkdir()
        ended = no_traceback(line.start(server, wrapper=lost, cwd=line.folder).end())
    assert ended.code == 2
    assert "directory" in ended.document["message"]
    shutil.rmtree(gone, ignore_errors=True)
