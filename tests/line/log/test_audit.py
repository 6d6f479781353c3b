"""A run's audit log held against its chain and its papers: what was done to it shows, whatever it was."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from audit_kit import chained, events_of, lines_of, sha
from lane_kit import CHANGE, FILES, git, make_repository, plan, report, review, run_line

from andon.cli.log_help import LOG_EXITS
from andon.line.log.audit import Verdict, verify
from andon.line.log.event_log import EventLog
from andon.line.run_folder import RunFolder
from andon.line.views.run_log import find_log

Lines = list[bytes]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository of a run that delivered a branch."""
    patch = pytest.MonkeyPatch()
    patch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    root = make_repository(tmp_path_factory.mktemp("ended") / "repo", FILES)
    assert run_line(root, [plan()], *CHANGE, [report()], [review()]).result.stop_code == "delivered"
    patch.undo()
    return root


@pytest.fixture
def repo(ended: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(ended, tmp_path / "repo"))


def folder(repo: Path) -> Path:
    return repo / "factory/runs/task-001"


def log_of(repo: Path) -> Path:
    return folder(repo) / "audit.jsonl"


def held(repo: Path, wanted: str = "task-001", kept: str = "") -> Verdict:
    return verify(find_log(repo, wanted), kept)


def write(repo: Path, lines: Lines) -> None:
    log_of(repo).write_bytes(b"".join(lines))


def name_in_result(repo: Path, lines: Lines) -> None:
    """Have result.json name the end of `lines`."""
    path = folder(repo) / "result.json"
    end = {"events": len(lines), "head": events_of(lines)[-1]["hash"]}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"audit": end}))


def name_in_body(body: str, events: list[dict[str, object]]) -> str:
    """Return a pull-request body that names the same event with the hash it has in `events`."""
    number = int(body.partition("\nEvent ")[2].partition(" of run")[0])
    before = body.partition("SHA-256 `")[2][:64]
    return body.replace(before, str(events[number - 1]["hash"]))


def test_a_run_as_it_was_written_is_intact_in_every_place(repo: Path) -> None:
    lines = lines_of(log_of(repo))
    count, head = len(lines), events_of(lines)[-1]["hash"]
    verdict = held(repo)
    run_id = events_of(lines)[0]["data"]["run"]
    named = next(number for number, event in enumerate(events_of(lines), 1) if event["data"].get("name") == "papers")
    assert verdict == Verdict(
        "intact", run_id, "factory/runs/task-001/audit.jsonl", count, head, "", None, "",
        (
            f"result.json names event {count} with the same hash",
            f"pr-body.md names event {named} with the same hash",
            f"pr-body.md on the branch names event {named} with the same hash",
        ),
    )  # fmt: skip
    assert held(repo, run_id) == held(repo, "last") == verdict
    assert chained(events_of(lines)) == lines


def swapped(lines: Lines) -> Lines:
    return [*lines[:4], lines[5], lines[4], *lines[6:]]


def anew(lines: Lines, number: int) -> Lines:
    """Edit event `number` and make its own hash anew."""
    events = events_of(lines)
    events[number - 1]["data"]["name"] = "forged"
    return [*lines[: number - 1], *chained(events[number - 1 : number], events[number - 2]["hash"]), *lines[number:]]


def put_in(lines: Lines) -> Lines:
    """Put an event behind the fifth that follows it as it should."""
    events = events_of(lines)
    new = {"seq": 6, "at": events[4]["at"], "kind": "gate.answered", "data": {"gate": "evidence", "answer": "yes"}}
    return [*lines[:5], *chained([new], events[4]["hash"]), *lines[5:]]


def appended(lines: Lines) -> Lines:
    """Go on behind the end as the chain goes on."""
    last = events_of(lines)[-1]
    new = {"seq": len(lines) + 1, "at": last["at"], "kind": "warning", "data": {"text": "forged"}}
    return [*lines, *chained([new], last["hash"])]


def without_hash(line: bytes) -> bytes:
    [event] = events_of([line])
    return json.dumps({key: value for key, value in event.items() if key not in ("prev", "hash")}).encode() + b"\n"


ALL, END = -1, -2
NO_HASH = "it is no event with its hash at the end"
TAMPERED: dict[str, tuple[Callable[[Lines], Lines], str, int, str]] = {
    "one letter": (
        lambda lines: [*lines[:4], lines[4].replace(b"base-checks", b"base_checks"), *lines[5:]],
        "edited", 5, "its text is not what its hash was made of",
    ),
    "white space": (
        lambda lines: [lines[0].replace(b'": ', b'":', 1), *lines[1:]],
        "edited", 1, "its text is not what its hash was made of",
    ),
    "a key twice": (
        lambda lines: [*lines[:-1], lines[-1].replace(b'"exit_code"', b'"exit_code": 20, "exit_code"')],
        "edited", END, "its text is not what its hash was made of",
    ),
    "line ends": (
        lambda lines: [line.replace(b"\n", b"\r\n") for line in lines],
        "edited", 1, NO_HASH,
    ),
    "edited and hashed anew": (
        lambda lines: anew(lines, 5), "edited", 6, "it does not follow the line before: one of the two was written anew"
    ),
    "edited, and all behind it hashed anew": (
        lambda lines: chained(events_of(anew(lines, 5))), "head-differs", END, "result.json names another hash for"
    ),
    "the first hashed anew for another run": (
        lambda lines: chained(events_of([lines[0].replace(b'"run": "', b'"run": "x')])) + lines[1:],
        "edited", 2, "it does not follow the line before: one of the two was written anew",
    ),
    "a hash of zeros": (
        lambda lines: [*lines[:4], lines[4][:-67] + b"0" * 64 + lines[4][-3:], *lines[5:]],
        "edited", 5, "its text is not what its hash was made of",
    ),
    "a line without its hash": (
        lambda lines: [*lines[:4], without_hash(lines[4]), *lines[5:]], "edited", 5, NO_HASH
    ),
    "the first without its hash": (
        lambda lines: [without_hash(lines[0]), *lines[1:]], "edited", 1, "it carries no hash, and later lines do"
    ),
    "no line with a hash": (
        lambda lines: [without_hash(line) for line in lines],
        "edited", 1, "no line carries a hash, and result.json names one",
    ),
    "garbage": (lambda lines: [*lines[:4], b"\xff\x00{]\n", *lines[5:]], "edited", 5, NO_HASH),
    "an endless depth": (
        lambda lines: [*lines[:4], b"[" * 100_000 + b"\n", *lines[5:]], "edited", 5, NO_HASH
    ),
    "the first removed": (lambda lines: lines[1:], "removed", 1, "it is event 2: event 1 is missing before it"),
    "some removed": (
        lambda lines: lines[:4] + lines[7:], "removed", 5, "it is event 8: events 5 to 7 are missing before it"
    ),
    "some removed, the rest hashed anew": (
        lambda lines: chained(events_of(lines[:4] + lines[7:])), "edited", 5, "it says it is event 8"
    ),
    "two swapped": (swapped, "reordered", 5, "it is event 6, and event 5 comes later"),
    "one twice": (
        lambda lines: lines[:5] + lines[4:], "added", 6, "it is event 5: a line was added before it, or it was repeated"
    ),
    "one put in": (put_in, "added", 7, "it is event 6: a line was added before it, or it was repeated"),
    "the last cut off": (lambda lines: lines[:-1], "truncated", ALL, "and the log ends after event"),
    "many cut off": (lambda lines: lines[:9], "truncated", 10, "and the log ends after event 9"),
    "cut in a line": (lambda lines: [*lines[:-1], lines[-1][:-20]], "truncated", ALL, "and the log ends after event"),
    "its last line end": (lambda lines: [*lines[:-1], lines[-1][:-1]], "truncated", ALL, "the log ends after event"),
    "emptied": (lambda lines: [], "truncated", 1, "and the log ends after event 0"),
    "gone on behind its end": (appended, "added", 0, "it comes after the end of the run"),
    "garbage behind its end": (lambda lines: [*lines, b"x\n"], "added", 0, "it comes after the end of the run"),
}  # fmt: skip


@pytest.mark.parametrize("how", TAMPERED)
def test_the_first_line_that_is_wrong_is_named_and_what_is_wrong_with_it(repo: Path, how: str) -> None:
    change, fault, line, problem = TAMPERED[how]
    lines = lines_of(log_of(repo))
    write(repo, change(lines))
    verdict = held(repo)
    places = {ALL: len(lines), END: len(lines), 0: len(lines) + 1}
    assert (verdict.verdict, verdict.fault, verdict.line) == ("broken", fault, places.get(line, line))
    assert problem in verdict.problem


def test_a_log_made_anew_differs_from_every_place_that_was_not(repo: Path) -> None:
    true_head = events_of(lines_of(log_of(repo)))[-1]["hash"]
    lines = chained(events_of(anew(lines_of(log_of(repo)), 5)))
    write(repo, lines)
    name_in_result(repo, lines)
    body = folder(repo) / "pr-body.md"
    forged = name_in_body(body.read_text(), events_of(lines))
    assert (held(repo).fault, held(repo).problem[:35]) == ("head-differs", "pr-body.md names another hash for e")
    body.write_text(forged)
    assert held(repo).problem.startswith("pr-body.md on the branch names another hash for event")
    git(repo, "branch", "-D", json.loads((folder(repo) / "result.json").read_text())["branch"])
    # Nothing is left that was out of reach, but for what somebody kept.
    assert held(repo).verdict == "intact"
    assert held(repo, kept=true_head).fault == "head-differs"
    assert held(repo, kept=events_of(lines)[6]["hash"]).compared[-1] == "the hash you gave is that of event 7"


def test_a_cut_log_whose_result_was_cut_too_differs_from_the_branch(repo: Path) -> None:
    lines = lines_of(log_of(repo))[:9]
    write(repo, lines)
    name_in_result(repo, lines)
    (folder(repo) / "pr-body.md").unlink()
    verdict = held(repo)
    assert (verdict.verdict, verdict.fault, verdict.line) == ("broken", "truncated", 10)
    assert verdict.problem.startswith("pr-body.md on the branch names event ")


def test_a_run_without_a_result_is_open_until_a_kept_hash_vouches_for_its_end(repo: Path) -> None:
    (folder(repo) / "result.json").unlink()
    (folder(repo) / "pr-body.md").unlink()
    head = events_of(lines_of(log_of(repo)))[-1]["hash"]
    assert (held(repo).verdict, held(repo).problem) == (
        "open", "no result.json names its end, so it would not show if events had been cut off",
    )  # fmt: skip
    assert held(repo, kept=head).verdict == "intact"
    assert held(repo, kept=sha(b"x")).verdict == "broken"


def test_papers_of_another_run_are_no_witness(repo: Path) -> None:
    result = folder(repo) / "result.json"
    mine = result.read_text()
    result.write_text(json.dumps(json.loads(mine) | {"run_id": "run-other"}))
    assert (held(repo).fault, held(repo).line) == ("another-run", None)
    result.write_text(mine)
    body = folder(repo) / "pr-body.md"
    body.write_text(body.read_text().replace("of run `", "of run `other-"))
    assert held(repo).problem.startswith("pr-body.md names run 'other-")


def test_a_head_of_no_event_is_none_of_the_log(repo: Path) -> None:
    body = folder(repo) / "pr-body.md"
    start, _, rest = body.read_text().partition("\nEvent ")
    body.write_text(f"{start}\nEvent 0{rest[rest.index(' of run') :]}")
    assert (held(repo).fault, held(repo).line) == ("head-differs", 0)
    body.write_text(f"{start}\nEvent 999999999{rest[rest.index(' of run') :]}")
    assert held(repo).fault == "truncated"


def test_a_log_without_a_chain_is_said_to_be_one(repo: Path) -> None:
    write(repo, [without_hash(line) for line in lines_of(log_of(repo))])
    result = folder(repo) / "result.json"
    old = {key: value for key, value in json.loads(result.read_text()).items() if key not in ("audit", "branch")}
    result.write_text(json.dumps(old))
    (folder(repo) / "pr-body.md").unlink()
    assert (held(repo).verdict, held(repo).events, held(repo).line) == ("not-chained", 0, None)


@pytest.fixture
def going(tmp_path: Path) -> tuple[RunFolder, EventLog]:
    """A run that has begun and goes on."""
    root = make_repository(tmp_path / "going", FILES)
    run = RunFolder.create(root, "run-live", "task-001")
    log = EventLog(run.path / "audit.jsonl")
    log.emit("run.started", run="run-live", task="task-001", title="t", base="c" * 40)
    log.emit("phase", name="sandbox")
    return run, log


def test_a_run_that_goes_on_is_intact_as_far_as_it_has_come(going: tuple[RunFolder, EventLog]) -> None:
    run, log = going
    verdict = held(run.root)
    assert (verdict.verdict, verdict.events, verdict.head) == ("intact", 2, log.head.head)
    assert verdict.compared[-1] == "the run goes on: this is how far it has come"
    run.release()


def test_a_killed_run_is_open(going: tuple[RunFolder, EventLog]) -> None:
    run, _ = going
    run.release()
    assert (held(run.root).verdict, held(run.root).events) == ("open", 2)
    assert held(run.root).problem.startswith("the run did not come to its end")


@pytest.mark.parametrize("cut", [1, 30, 170])
def test_a_last_line_that_was_not_written_whole_is_said_to_be_one(going: tuple[RunFolder, EventLog], cut: int) -> None:
    run, log = going
    log.emit("phase", name="base-checks")
    run.release()
    with (run.path / "audit.jsonl").open("r+b") as stream:
        stream.truncate(stream.seek(0, os.SEEK_END) - cut)
    verdict = held(run.root)
    assert (verdict.verdict, verdict.events) == ("open", 2)
    assert verdict.problem == "the last line was not written whole: its writer was killed, or the disk was full"


def test_an_older_run_of_a_task_is_held_against_its_own_papers(repo: Path) -> None:
    first = events_of(lines_of(log_of(repo)))[0]["data"]["run"]
    run = RunFolder.create(repo, "run-later", "task-001")
    log = EventLog(run.path / "audit.jsonl")
    log.emit("run.started", run="run-later", task="task-001", title="t", base="c" * 40)
    run.release()
    assert (held(repo).run_id, held(repo).verdict) == ("run-later", "open")
    assert (held(repo, first).run_id, held(repo, first).verdict) == (first, "intact")


def test_the_program_in_the_help_agrees(repo: Path, tmp_path: Path) -> None:
    program = LOG_EXITS.partition("audit.jsonl):\n")[2]
    script = tmp_path / "check.py"
    script.write_text("".join(line.removeprefix("  ") for line in program.splitlines(keepends=True)))
    log = log_of(repo)

    def checked() -> tuple[int, str]:
        done = subprocess.run([sys.executable, script, log], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    good = lines_of(log)
    assert checked() == (0, f"{len(good)} {held(repo).head}\n")
    for how, (change, _, line, _) in TAMPERED.items():
        if line > 0 and how not in ("many cut off", "emptied"):
            write(repo, change(good))
            assert checked() == (1, ""), how
