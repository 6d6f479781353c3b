"""Holds a run's audit log against its own chain and against every place outside it that names its head.

The chain alone shows what was changed within the log. That its end was cut off, or all of it made anew, shows only
against a head kept elsewhere: in `result.json`, in `pr-body.md`, on the delivered branch, or where the caller kept it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from andon.delivery.audit_line import NamedHead, named_head
from andon.line.log.audit_walk import Broken, Walked, walk
from andon.line.views.run_log import RunLog, opened
from andon.line.views.status_files import RUNS, Problems, result_at
from andon.records.errors import UserError
from andon.sandbox.host_git import GitError, run_git
from andon.sandbox.repository import Repository

_LARGEST_BODY = 4_000_000


@dataclass(frozen=True)
class Verdict:
    """How a log stands."""

    verdict: Literal["intact", "open", "broken", "not-chained"]
    """`open`: nothing is wrong with what is there, and nothing vouches for where it ends."""
    run_id: str
    log: str
    """Its path, relative to the repository."""
    events: int
    """How many hold."""
    head: str
    """Hash of the last of them."""
    fault: str
    """What kind of change broke it; empty if none did."""
    line: int | None
    """Where it breaks first, from 1."""
    problem: str
    """What is wrong or missing, for people; empty if nothing is."""
    compared: tuple[str, ...]
    """What each place outside the log said, a sentence each."""


@dataclass(frozen=True)
class _Anchor:
    """A head named outside the log."""

    place: str
    events: int
    head: str
    final: bool = False
    """Whether the log ended there."""


def verify(log: RunLog, kept: str = "") -> Verdict:
    """Read the whole log and return how it stands. `kept` is the hash of an event, kept by the caller.

    Raises:
        UserError: the log cannot be read, or the repository cannot.
    """
    # Asked first: a run that ends meanwhile is looked at as one that goes on, never as one that was cut.
    alive = log.going_on()
    notes: list[str] = []
    anchors, foreign = _anchors(log, notes)
    with opened(log) as stream:
        walked = walk(stream, {anchor.events for anchor in anchors}, {kept} if kept else ())
    broken = walked.broken or (None if walked.chained else _stripped(anchors, kept))
    if walked.chained and not broken:
        broken = _of_another_run(log, walked) or foreign or _against(walked, anchors, notes)
        broken = broken or _against_kept(walked, kept, notes)
    vouched = any(anchor.final for anchor in anchors) or walked.places.get(kept) == walked.events > 0
    word, problem = _word(walked, broken, alive=alive, vouched=vouched)
    if alive:
        notes.append("the run goes on: this is how far it has come")
    return Verdict(
        verdict=word,
        run_id=log.run_id,
        log=str(log.path.relative_to(log.root)),
        events=walked.events,
        head=walked.head,
        fault=broken.fault if broken else "",
        line=broken.line if broken else None,
        problem=problem,
        compared=tuple(notes),
    )


def _word(
    walked: Walked, broken: Broken | None, *, alive: bool, vouched: bool
) -> tuple[Literal["intact", "open", "broken", "not-chained"], str]:
    if broken:
        return "broken", broken.problem
    if not walked.chained:
        return "not-chained", "an andon that made no chain yet wrote this log, or somebody took the hashes out"
    if alive or (vouched and not walked.torn):
        return "intact", ""
    if walked.torn:
        return "open", "the last line was not written whole: its writer was killed, or the disk was full"
    if not walked.events:
        return "open", "the log is empty"
    why = "no result.json names its end" if walked.ended else "the run did not come to its end"
    return "open", f"{why}, so it would not show if events had been cut off"


def _stripped(anchors: list[_Anchor], kept: str) -> Broken | None:
    named = anchors[0].place if anchors else "the hash you gave" if kept else ""
    return Broken("edited", 1, f"no line carries a hash, and {named} names one") if named else None


def _of_another_run(log: RunLog, walked: Walked) -> Broken | None:
    if walked.events and walked.run_id != log.run_id:
        return Broken("another-run", 1, f"it begins run {walked.run_id!r}, not {log.run_id!r}")
    return None


def _against(walked: Walked, anchors: list[_Anchor], notes: list[str]) -> Broken | None:
    for anchor in anchors:
        if anchor.events > walked.events:
            cut = f"{anchor.place} names event {anchor.events}, and the log ends after event {walked.events}"
            return Broken("truncated", walked.events + 1, cut)
        if walked.hashes.get(anchor.events) != anchor.head:
            return Broken("head-differs", anchor.events, f"{anchor.place} names another hash for event {anchor.events}")
        if anchor.final and walked.events > anchor.events:
            return Broken("added", anchor.events + 1, f"{anchor.place} says that the log ends after {anchor.events}")
        notes.append(f"{anchor.place} names event {anchor.events} with the same hash")
    return None


def _against_kept(walked: Walked, kept: str, notes: list[str]) -> Broken | None:
    if kept and kept not in walked.places:
        return Broken("head-differs", None, "no event has the hash you gave: the log was cut before it, or made anew")
    if kept:
        notes.append(f"the hash you gave is that of event {walked.places[kept]}")
    return None


def _anchors(log: RunLog, notes: list[str]) -> tuple[list[_Anchor], Broken | None]:
    """Return the heads named outside the log, and what is wrong if one of the papers speaks of another run."""
    anchors: list[_Anchor] = []
    problems: Problems = []
    result = result_at(log.root, log.path.with_name("result.json"), problems) or {}
    notes += [f"{path} {problem}: not compared" for path, problem in problems]
    if result and result["run_id"] != log.run_id:
        return [], Broken("another-run", None, f"result.json is of run {result['run_id']!r}, not {log.run_id!r}")
    if end := _end(result):
        anchors.append(end)
    elif result:
        notes.append("result.json names no head: not compared")
    named = _named_in(log.path.with_name("pr-body.md"))
    if named and named.run_id != log.run_id:
        return anchors, Broken("another-run", None, f"pr-body.md names run {named.run_id!r}, not {log.run_id!r}")
    for place, one in (("pr-body.md", named), ("pr-body.md on the branch", _on_branch(log, result, notes))):
        anchors += [_Anchor(place, one.events, one.head)] if one else []
    return anchors, None


def _end(result: dict[str, Any]) -> _Anchor | None:
    audit = result.get("audit")
    if not isinstance(audit, dict) or type(audit.get("events")) is not int or not isinstance(audit.get("head"), str):
        return None
    return _Anchor("result.json", max(1, audit["events"]), audit["head"], final=True)


def _named_in(body: Path) -> NamedHead | None:
    try:
        if body.is_symlink() or not body.is_file() or body.stat().st_size > _LARGEST_BODY:
            return None
        return named_head(body.read_text("utf-8", "replace"))
    except OSError:
        return None


def _on_branch(log: RunLog, result: dict[str, Any], notes: list[str]) -> NamedHead | None:
    """Return the head that the papers on the delivered branch name, if the branch is there and is this run's."""
    branch = result.get("branch")
    if not isinstance(branch, str):
        return None
    try:
        repository = Repository.open(log.root)
        commit = repository.branch(branch)
        if commit is None:
            notes.append(f"the branch {branch} is gone: not compared")
            return None
        path = f"{RUNS}/{result['task_id']}/pr-body.md"
        body = run_git(["cat-file", "blob", f"{commit}:{path}"], git_dir=repository.git_dir)
    except (GitError, UserError):
        notes.append(f"the branch {branch} holds no pr-body.md of this run: not compared")
        return None
    named = named_head(body.decode("utf-8", "replace"))
    if named is None or named.run_id != log.run_id:
        notes.append(f"pr-body.md on the branch {branch} names no head of this run: not compared")
        return None
    return named
