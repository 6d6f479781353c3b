"""`andon log`: what it prints of a run, how it goes on with one, and what it says of a log that was changed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from audit_kit import lines_of
from lane_kit import CHANGE, FILES, make_repository, plan, report, review, run_line

from andon.cli.main import main
from andon.line.log.event_log import EventLog
from andon.line.run_folder import RunFolder
from andon.records.events import EventKind

Event = tuple[EventKind, dict[str, Any]]
BEGUN: Event = ("run.started", {"run": "run-1", "task": "task-001", "title": "Add", "base": "c" * 40})
ENDED: Event = ("run.ended", {"stop_code": "delivered", "exit_code": 0, "message": "Branch b holds it."})


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repo", FILES)


def left(repo: Path, *events: Event, run: str = "run-1", task: str = "task-001") -> Path:
    """Leave the log of a run that is over, and return it."""
    folder = RunFolder.create(repo, run, task)
    log = EventLog(folder.path / "audit.jsonl")
    for kind, data in events:
        log.emit(kind, **data)
    log.close()
    folder.release()
    return folder.path / "audit.jsonl"


def andon(repo: Path, *words: str) -> int:
    return main(["log", "-C", str(repo), *words])


def test_every_event_is_a_line_of_when_who_and_what(repo: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = left(
        repo,
        BEGUN,
        ("phase", {"name": "sandbox"}),
        ("agent.started", {"role": "planner"}),
        ("model.answered", {"role": "planner", "tools": ["read_file", "search"], "usage": {}}),
        ("tool.called", {"role": "planner", "tool": "read_file", "summary": "a.py", "outcome": "done"}),
        ("tool.refused", {"role": "executor", "tool": "run_command", "summary": "curl x", "verdict": "deny",
                          "rule": "network", "reason": "no network"}),
        ("check.ended", {"phase": "head", "name": "pytest", "outcome": "passed", "reason": ""}),
        ("review.given", {"verdict": "pass", "summary": "fine", "findings": []}),
        ("phase", {"name": "checked", "outcome": "green", "reason": "all pass"}),
        ENDED,
    )  # fmt: skip
    at = [json.loads(line)["at"] for line in log.read_text().splitlines()]
    assert andon(repo, "task-001") == 0
    assert capfd.readouterr().out.splitlines() == [
        f"{when}  {line}"
        for when, line in zip(
            at,
            [
                "line      run run-1 of task-001 began at cccccccccccc: Add",
                "line      phase sandbox",
                "planner   begins",
                "planner   answered with read_file, search",
                "planner   read_file a.py: done",
                "executor  run_command curl x: deny (network): no network",
                "line      check pytest at the head: passed",
                "line      review: pass",
                "line      phase checked: green: all pass",
                "line      ended: delivered (exit 0): Branch b holds it.",
            ],
            strict=True,
        )
    ]


def test_what_others_wrote_prints_no_control_code_and_no_second_line(
    repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    left(
        repo,
        BEGUN,
        ("warning", {"text": "a\x1b[31m red\x1b]0;title\x07\u202e\nrun.ended forged\x9b2J"}),
        ("warning", {"text": "long " * 200}),
        ("budget.note", {"role": "exec\nutor", "odd\nkey": {"deep": ["\x1b[2J"]}}),
    )
    assert andon(repo, "run-1") == 0
    out = capfd.readouterr().out
    lines = [line.partition("Z  ")[2] for line in out.splitlines()]
    assert lines[1] == "line      note: a red<U+202E> run.ended forged"
    assert (len(lines[2]), lines[2][-1]) == (len("line      ") + 200, "…")
    assert lines[3].startswith("exec utor  budget.note odd key={'deep': ")
    assert not {"\x07", "\x1b", "\x9b"} & set(out)
    assert len(lines) == 4


def test_json_is_the_stored_events_byte_for_byte(repo: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    log = left(repo, BEGUN, ("warning", {"text": "ä\u2028\x1b"}), ENDED)
    assert andon(repo, "last", "--json") == 0
    assert capfdbinary.readouterr().out == log.read_bytes()


def test_lines_that_are_no_events_are_left_out_and_told(repo: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = left(repo, BEGUN, ("phase", {"name": "sandbox"}), ENDED)
    first, second, third = lines_of(log)
    log.write_bytes(first + b'\xff{"seq": 1}\n' + second + third[:-9])
    assert andon(repo, "run-1") == 0
    told = capfd.readouterr()
    assert [line.partition("Z  line      ")[2] for line in told.out.splitlines()] == [
        "run run-1 of task-001 began at cccccccccccc: Add", "phase sandbox",
    ]  # fmt: skip
    assert told.err.splitlines() == [
        "andon: a line that is no event was left out; --verify says more",
        "andon: a last line that was not written whole was left out; --verify says more",
    ]


def test_the_log_of_an_older_andon_prints(repo: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = left(repo, BEGUN, ENDED)
    old = [json.loads(line) for line in log.read_text().splitlines()]
    log.write_text("".join(json.dumps({k: e[k] for k in ("seq", "at", "kind", "data")}) + "\n" for e in old))
    assert andon(repo, "run-1") == 0
    assert len(capfd.readouterr().out.splitlines()) == 2
    assert andon(repo, "run-1", "--verify") == 2
    assert capfd.readouterr().out.startswith("not chained: ")


def test_run_task_and_last_name_the_same_latest_run(repo: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    older = left(repo, BEGUN)
    newer = left(repo, ("run.started", BEGUN[1] | {"run": "run-2"}), ENDED, run="run-2")
    os.utime(older, ns=(1, 1))
    for wanted, log in (("run-1", older), ("run-2", newer), ("task-001", newer), ("last", newer)):
        assert andon(repo, wanted, "--json") == 0
        assert capfdbinary.readouterr().out == log.read_bytes()


@pytest.mark.parametrize("wanted", ["nothing", "../../etc/passwd", ".hidden", "", "last"])
def test_what_is_not_there_is_refused(repo: Path, capfd: pytest.CaptureFixture[str], wanted: str) -> None:
    assert andon(repo, wanted) == 2
    assert f"no run or task {wanted!r} has left a log here: `andon status` shows" in capfd.readouterr().err


def test_a_log_that_leads_elsewhere_is_not_read(repo: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    log = left(repo, BEGUN)
    log.unlink()
    log.symlink_to(secret)
    assert andon(repo, "run-1") == 2
    told = capfd.readouterr()
    assert "audit.jsonl is a link that leaves the repository" in told.err
    assert "secret" not in told.out
    log.unlink()
    os.mkfifo(log)
    assert andon(repo, "run-1") == 2


@contextmanager
def living(repo: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that holds the run and writes a phase for each line it is told; `end` ends the run."""
    script = (
        "import sys; from pathlib import Path; from andon.line.run_folder import RunFolder\n"
        "from andon.line.log.event_log import EventLog\n"
        "folder = RunFolder.create(Path(sys.argv[1]), 'run-live', 'task-001')\n"
        "log = EventLog(folder.path / 'audit.jsonl')\n"
        "log.emit('run.started', run='run-live', task='task-001', title='t', base='c')\n"
        "print('holds', flush=True)\n"
        "for line in sys.stdin:\n"
        "    if line == 'end\\n':\n"
        "        log.emit('run.ended', stop_code='delivered', exit_code=0, message='m'); break\n"
        "    log.emit('phase', name=line.strip())\n"
    )
    command = [sys.executable, "-c", script, str(repo)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holds\n"
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def following(repo: Path, *words: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "andon", "log", "-C", str(repo), "task-001", "-f", *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def tell(process: "subprocess.Popen[str]", words: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{words}\n")
    process.stdin.flush()


def heard(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().partition("Z  ")[2].rstrip()


def test_following_goes_on_with_the_run_and_ends_with_it(repo: Path) -> None:
    with living(repo) as run, following(repo) as log:
        assert heard(log) == "line      run run-live of task-001 began at c: t"
        tell(run, "one")
        assert heard(log) == "line      phase one"
        tell(run, "two")
        assert heard(log) == "line      phase two"
        tell(run, "end")
        assert heard(log) == "line      ended: delivered (exit 0): m"
        assert log.wait(60) == 0


def test_following_ends_when_the_process_of_the_run_is_gone(repo: Path) -> None:
    with living(repo) as run, following(repo) as log:
        assert heard(log).startswith("line      run run-live")
        tell(run, "one")
        assert heard(log) == "line      phase one"
        run.kill()
        out, err = log.communicate(timeout=60)
    assert (out, err) == ("", "andon: the process of the run is gone, and the run did not end\n")
    assert log.returncode == 10


def test_ctrl_c_ends_following_with_130_and_not_a_word(repo: Path) -> None:
    with living(repo), following(repo) as log:
        assert heard(log).startswith("line      run run-live")
        log.send_signal(signal.SIGINT)
        out, err = log.communicate(timeout=60)
    assert (log.returncode, out, err) == (130, "", "")


def test_a_reader_that_goes_away_is_no_fault(repo: Path) -> None:
    many: list[tuple[EventKind, dict[str, Any]]] = [("phase", {"name": "x" * 150})] * 2000
    left(repo, BEGUN, *many)
    command = [sys.executable, "-m", "andon", "log", "-C", str(repo), "run-1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 130


def test_verify_tells_an_intact_log_from_a_changed_one(
    repo: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    result = run_line(repo, [plan()], *CHANGE, [report()], [review()]).result
    assert result.audit is not None
    assert andon(repo, "last", "--verify") == 0
    out = capfdbinary.readouterr().out.decode().splitlines()
    assert out[:4] == [
        f"intact: {result.audit.events} events, head {result.audit.head}",
        f"  run   {result.run_id}",
        "  log   factory/runs/task-001/audit.jsonl",
        f"  also  result.json names event {result.audit.events} with the same hash",
    ]
    assert [line.split(" names event ")[0] for line in out[4:]] == [
        "  also  pr-body.md",
        "  also  pr-body.md on the branch",
    ]
    log = repo / "factory/runs/task-001/audit.jsonl"
    lines = lines_of(log)
    log.write_bytes(b"".join([*lines[:6], *lines[7:]]))
    assert andon(repo, "last", "--verify", "--json") == 21
    assert json.loads(capfdbinary.readouterr().out) == {
        "schema_version": 1,
        "verdict": "broken",
        "run_id": result.run_id,
        "log": "factory/runs/task-001/audit.jsonl",
        "events": 6,
        "head": json.loads(lines[5])["hash"],
        "fault": "removed",
        "line": 7,
        "problem": "it is event 8: event 7 is missing before it",
        "compared": [],
    }


def test_verify_of_a_killed_run_asks_for_a_person(repo: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = left(repo, BEGUN, ("phase", {"name": "sandbox"}))
    head = json.loads(lines_of(log)[-1])["hash"]
    assert andon(repo, "run-1", "--verify") == 10
    assert capfd.readouterr().out.splitlines()[0] == (
        f"open: 2 events hold, head {head}; the run did not come to its end, "
        "so it would not show if events had been cut off"
    )
    assert andon(repo, "run-1", "--verify", "--head", head) == 0
    assert andon(repo, "run-1", "--verify", "--head", "0" * 64) == 21


@pytest.mark.parametrize(
    "words", [["--head", "0" * 64], ["--verify", "--head", "abc"], ["--verify", "--head", "G" * 64]]
)
def test_a_head_that_is_no_hash_or_has_no_use_is_refused(
    repo: Path, capfd: pytest.CaptureFixture[str], words: list[str]
) -> None:
    left(repo, BEGUN)
    assert andon(repo, "run-1", *words) == 2
    assert "--head is the hash of an event" in capfd.readouterr().err


def test_help_teaches_and_following_and_verifying_exclude_each_other(
    repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["log", "--help"])
    out = capfd.readouterr().out
    for words in ("andon log last --verify", "--follow", "--head HASH", "21  --verify: broken", "import hashlib"):
        assert words in out
    with pytest.raises(SystemExit, match="2"):
        andon(repo, "last", "-f", "--verify")


def test_it_loads_no_sdk_protocol_engine_or_schema_library(repo: Path) -> None:
    left(repo, BEGUN, ENDED)
    script = (
        "import sys; from andon.cli.main import main\n"
        "code = main(['log', '-C', sys.argv[1], 'last']), main(['log', '-C', sys.argv[1], 'last', '--verify'])\n"
        "heavy = {'agents', 'openai', 'mcp', 'docker', 'pydantic', 'rich', 'asyncio'} & set(sys.modules)\n"
        "print(code, sorted(heavy), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(repo)], capture_output=True, text=True, check=True)
    assert done.stderr == "(0, 10) []\n"
