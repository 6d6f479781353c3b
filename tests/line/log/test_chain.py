"""What the chain is made of, over what a run may have to write."""

import json
from pathlib import Path
from typing import Any

import pytest
from audit_kit import chained, events_of, lines_of, sha

from andon.line.log.audit import verify
from andon.line.log.chain import seal_of
from andon.line.log.event_log import EventLog
from andon.line.views.run_log import RunLog
from andon.records.events import RunEvent
from andon.records.result import AuditHead

FACTS: dict[str, Any] = {
    "other scripts": {"text": "naïve 日本語 🎉 עברית"},
    "what ends a line for some": {"text": "a\u2028b\u2029c\x85d\x1ce\x0bf\rg\nh"},
    "direction and terminal controls": {"text": "\u202eevil\u2066 \x9b31m \x1b[31m"},
    "half a pair": {"text": "name-\udc80.py", "more": "\ud83d"},
    "what looks like a seal": {"text": '", "prev": "' + "0" * 64 + '", "hash": "' + "1" * 64 + '"}'},
    "keys of the seal": {"prev": "0" * 64, "hash": "1" * 64},
    "three megabytes": {"text": "ä line\n" * 400_000},
    "deep": {"a": [[[[[[[[{"b": None, "c": 1.5e-07, "d": 10**30, "e": True}]]]]]]]]},
    "nothing": {},
}


def begun(folder: Path, told: list[RunEvent]) -> EventLog:
    folder.mkdir()
    log = EventLog(folder / "audit.jsonl", [told.append])
    log.emit("run.started", run=folder.name, task="task-001", title="t", base="c" * 40)
    return log


@pytest.mark.parametrize("what", FACTS)
def test_whatever_an_event_holds_is_one_line_that_holds_it_and_is_sealed(tmp_path: Path, what: str) -> None:
    told: list[RunEvent] = []
    log = begun(tmp_path / "run-1", told)
    log.emit("tool.called", **FACTS[what])
    log.emit("run.ended", stop_code="delivered", exit_code=0, message="m")
    log.close()
    stored = tmp_path / "run-1/audit.jsonl"
    lines = lines_of(stored)
    assert stored.read_text("utf-8").splitlines() == [line[:-1].decode() for line in lines]
    assert [event["data"] for event in events_of(lines)] == [event.data for event in told]
    assert events_of(lines)[1]["data"] == FACTS[what]
    verdict = verify(RunLog(tmp_path, stored, "run-1", "task-001"))
    assert (verdict.verdict, verdict.events, verdict.fault) == ("open", 3, "")


def test_what_is_told_is_what_is_stored_and_follows_from_the_run_and_the_line_before(tmp_path: Path) -> None:
    told: list[RunEvent] = []
    log = begun(tmp_path / "run-1", told)
    log.emit("model.delta", role="planner", text="I")
    log.emit("phase", name="agents")
    stored = events_of(lines_of(tmp_path / "run-1/audit.jsonl"))
    assert stored == [event.model_dump(mode="json") for event in told if event.seq]
    assert stored[0]["prev"] == sha(b"andon-audit-1 run-1")
    assert stored[1]["prev"] == stored[0]["hash"]
    assert [(event.prev, event.hash) for event in told if not event.seq] == [("", "")]
    assert log.head == AuditHead(events=2, head=stored[1]["hash"])
    assert lines_of(tmp_path / "run-1/audit.jsonl") == chained(stored)


def test_the_same_events_of_two_runs_have_no_hash_in_common(tmp_path: Path) -> None:
    hashes: set[str] = set()
    for name in ("run-1", "run-2"):
        told: list[RunEvent] = []
        begun(tmp_path / name, told).emit("phase", name="agents")
        hashes |= {event.hash for event in told}
    assert len(hashes) == 4


def test_the_papers_of_a_run_name_one_head(tmp_path: Path) -> None:
    log = begun(tmp_path / "run-1", [])
    first = log.anchor()
    log.emit("phase", name="agents")
    assert (log.anchor(), log.head.events) == (first, 2)


@pytest.mark.parametrize("line", [b"", b"{}", b'{"prev": "", "hash": ""}', b', "prev": "' + b"0" * 64 + b'"}'])
def test_a_line_without_a_seal_has_none(line: bytes) -> None:
    assert seal_of(line) is None


def test_a_hash_is_of_the_bytes_of_the_line(tmp_path: Path) -> None:
    begun(tmp_path / "run-1", [])
    [line] = lines_of(tmp_path / "run-1/audit.jsonl")
    body = line[: line.rindex(b', "hash": "')]
    found = seal_of(line[:-1])
    assert found is not None
    assert (found.prev, found.hash, found.real) == (sha(b"andon-audit-1 run-1"), sha(body), sha(body))
    assert json.loads(line)["hash"] == sha(body)
