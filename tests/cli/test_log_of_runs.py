"""`andon log` of runs in the tables: printed, followed from another process, and verified against row and copy."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from runs_kit import BEGUN, begun, db, ended, parked, queued, repo, told

from andon.cli.main import main
from andon.line.db import approvals
from andon.line.db.again import again
from andon.line.db.database import Database
from andon.line.db.rows import Run
from andon.line.log.chain import seal_of
from andon.records.result import AuditHead
from andon.records.stops import StopCode

__all__ = ["db", "repo"]

RUN = "20261129-080000-aaaaaa"
START: tuple[str, dict[str, Any]] = ("run.started", BEGUN | {"run": RUN})
PHASE: tuple[str, dict[str, Any]] = ("phase", {"name": "sandbox"})
END: tuple[str, dict[str, Any]] = ("run.ended", {"stop_code": "delivered", "exit_code": 0, "message": "Done."})


def andon(repo: Path, *words: str) -> int:
    return main(["log", "-C", str(repo), *words])


def head_of(lines: list[bytes]) -> str:
    seal = seal_of(lines[-1][:-1])
    assert seal is not None
    return seal.hash


def over(db: Database, repo: Path) -> list[bytes]:
    """Leave a run that ended, its row naming the end of its events."""
    run = begun(db, queued(db, repo))
    lines = told(db, run, START, PHASE, END)
    ended(db, run, audit=AuditHead(events=3, head=head_of(lines)))
    return lines


@contextmanager
def following(repo: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "andon", "log", "-C", str(repo), "task-001", "-f"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=dict(os.environ)) as process:
        try:
            yield process
        finally:
            process.kill()


def heard(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().partition("Z  ")[2].rstrip()


@pytest.mark.parametrize("wanted", [RUN, "20261129-08", "task-001", "last"])
def test_the_events_of_a_run_are_printed_as_they_are_stored(
    db: Database, repo: Path, capfdbinary: pytest.CaptureFixture[bytes], wanted: str
) -> None:
    lines = over(db, repo)
    assert andon(repo, wanted, "--json") == 0
    assert capfdbinary.readouterr().out == b"".join(lines)
    assert andon(repo, wanted) == 0
    assert [line.partition("Z  ")[2] for line in capfdbinary.readouterr().out.decode().splitlines()] == [
        f"line      run {RUN} of task-001 began at cccccccccccc: Add",
        "line      phase sandbox",
        "line      ended: delivered (exit 0): Done.",
    ]


def test_more_events_than_one_read_brings_are_all_printed_in_order(
    db: Database, repo: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    lines = told(db, begun(db, queued(db, repo)), START, *[("phase", {"name": str(number)}) for number in range(1200)])
    assert andon(repo, RUN, "--json") == 0
    assert capfdbinary.readouterr().out == b"".join(lines)


def test_a_run_that_has_not_begun_has_an_empty_log(db: Database, repo: Path, capfd: pytest.CaptureFixture[str]) -> None:
    queued(db, repo)
    assert andon(repo, RUN) == 0
    assert capfd.readouterr().out == ""
    assert andon(repo, "nothing") == 2


def test_following_goes_on_with_a_run_of_another_process_and_ends_with_it(db: Database, repo: Path) -> None:
    run = begun(db, queued(db, repo))
    lines = told(db, run, START)
    with following(repo) as log:
        assert heard(log) == f"line      run {RUN} of task-001 began at cccccccccccc: Add"
        lines += told(db, run, PHASE, after=1, prev=head_of(lines))
        assert heard(log) == "line      phase sandbox"
        told(db, run, END, after=2, prev=head_of(lines))
        ended(db, run)
        assert heard(log) == "line      ended: delivered (exit 0): Done."
        assert log.wait(60) == 0


def test_following_a_run_that_was_resumed_does_not_end_with_its_first_end(db: Database, repo: Path) -> None:
    run = begun(db, queued(db, repo))
    lines = told(db, run, START, END)
    ended(db, run, StopCode.PROVIDER_FAILED)
    run = begun(db, again(db, RUN))
    with following(repo) as log:
        assert heard(log).startswith("line      run ")
        assert heard(log).startswith("line      ended: ")
        told(db, run, PHASE, after=2, prev=head_of(lines))
        assert heard(log) == "line      phase sandbox"


def _parks(db: Database, run: Run) -> str:
    parked(db, run)
    return f"the run waits for a person: andon approve {approvals.question(db, run.id).id}"


def _ends(db: Database, run: Run) -> str:
    ended(db, run, StopCode.STUCK)
    return "the run ended with stuck: It ended with stuck."


def _dies(db: Database, run: Run) -> str:
    with db.transaction() as tx:
        tx.execute("UPDATE workers SET beat_at = beat_at - 13")
    return f"nobody works on the run: start `andon serve`, or `andon resume {RUN}`"


@pytest.mark.parametrize("happens", [_parks, _ends, _dies])
def test_following_ends_when_nothing_more_is_to_be_expected_and_says_why(
    db: Database, repo: Path, happens: Any
) -> None:
    run = begun(db, queued(db, repo))
    told(db, run, START)
    with following(repo) as log:
        assert heard(log).startswith("line      run ")
        said = happens(db, run)
        out, err = log.communicate(timeout=60)
    assert (log.returncode, out, err) == (10, "", f"andon: {said}\n")


def test_ctrl_c_ends_following_with_130_and_not_a_word(db: Database, repo: Path) -> None:
    told(db, begun(db, queued(db, repo)), START)
    with following(repo) as log:
        assert heard(log).startswith("line      run ")
        log.send_signal(signal.SIGINT)
        out, err = log.communicate(timeout=60)
    assert (log.returncode, out, err) == (130, "", "")


def verdict(repo: Path, capfd: pytest.CaptureFixture[str], code: int, *words: str) -> dict[str, Any]:
    assert andon(repo, RUN, "--verify", "--json", *words) == code
    found: dict[str, Any] = json.loads(capfd.readouterr().out)
    return found


def test_events_that_end_where_the_row_says_are_intact(
    db: Database, repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = over(db, repo)
    found = verdict(repo, capfd, 0)
    assert (found["verdict"], found["log"], found["events"], found["head"]) == (
        "intact", "the events table", 3, head_of(lines),
    )  # fmt: skip
    assert found["compared"] == [
        f"factory/.state/runs/{RUN}/result.json is missing: not compared",
        "the hash in the run's row is that of event 3",
    ]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("UPDATE events SET line = replace(line, 'sandbox', 'sandbux') WHERE seq = 2", "edited"),
        ("DELETE FROM events WHERE seq = 2", "removed"),
        ("DELETE FROM events WHERE seq = 3", "head-differs"),
        ("DELETE FROM events", "head-differs"),
    ],
)
def test_events_that_were_changed_in_the_table_are_broken(
    db: Database, repo: Path, capfd: pytest.CaptureFixture[str], change: str, fault: str
) -> None:
    over(db, repo)
    with db.transaction() as tx:
        tx.execute(change)
    assert verdict(repo, capfd, 21)["fault"] == fault


def test_a_copy_on_this_machine_that_was_changed_is_broken_too(
    db: Database, repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = over(db, repo)
    copy = repo / "factory/.state/runs" / RUN / "audit.jsonl"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(b"".join(lines[:2]))
    found = verdict(repo, capfd, 0)
    assert found["compared"][-1].startswith(f"factory/.state/runs/{RUN}/audit.jsonl: open: 2 events hold")
    copy.write_bytes(lines[0] + lines[1].replace(b"sandbox", b"sandbux"))
    found = verdict(repo, capfd, 21)
    assert (found["log"], found["fault"], found["line"]) == (f"factory/.state/runs/{RUN}/audit.jsonl", "edited", 2)


def test_a_run_that_goes_on_is_intact_so_far_and_one_that_waits_is_open(
    db: Database, repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = begun(db, queued(db, repo))
    lines = told(db, run, START, PHASE)
    assert verdict(repo, capfd, 0)["compared"][-1] == "the run goes on: this is how far it has come"
    parked(db, run)
    assert verdict(repo, capfd, 10)["verdict"] == "open"
    assert verdict(repo, capfd, 0, "--head", head_of(lines))["verdict"] == "intact"
    assert verdict(repo, capfd, 21, "--head", "0" * 64)["fault"] == "head-differs"


def test_last_is_a_run_outside_the_tables_if_that_wrote_later(
    db: Database, repo: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    lines = over(db, repo)
    other = repo / "factory/.state/runs/demo-run/audit.jsonl"
    other.parent.mkdir(parents=True)
    other.write_bytes(lines[0].replace(RUN.encode(), b"demo-run"))
    # A file system's clock may be a tick behind that of a database.
    later = time.time_ns() + 1_000_000_000
    os.utime(other, ns=(later, later))
    assert andon(repo, "last", "--json") == 0
    assert capfdbinary.readouterr().out == other.read_bytes()
    os.utime(other, ns=(1, 1))
    assert andon(repo, "last", "--json") == 0
    assert capfdbinary.readouterr().out == b"".join(lines)


def test_it_loads_no_sdk_protocol_engine_or_schema_library(repo: Path) -> None:
    with_tables = Database.open(f"sqlite:///{repo}/factory/.state/andon.sqlite")
    over(with_tables, repo)
    with_tables.close()
    script = (
        "import sys; from andon.cli.main import main\n"
        "code = [main(['log', '-C', sys.argv[1], 'last', *more]) for more in ([], ['--verify'], ['-f'])]\n"
        "heavy = {'agents', 'openai', 'mcp', 'pydantic', 'rich', 'asyncio', 'dbos', 'sqlalchemy', 'psycopg'}\n"
        "print(code, sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(repo)], capture_output=True, text=True, check=True)
    assert done.stderr == "[0, 0, 0] []\n"
