"""What people read while a run goes on: plain lines for files and pipes, a live view for a terminal."""

import io
import re
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

import pytest
from lane_kit import CHANGE, FILES, make_repository, plan, report, review, run_line, write
from terminal_kit import Keyboard

from andon.cli.live_view import LiveView
from andon.cli.progress import Progress, used_words, watching
from andon.records.events import EventKind, RunEvent
from andon.records.result import Usage

Terminal = tuple[Keyboard, TextIO]
HOSTILE = "\x1b[2J\x1b]0;title\x07[bold red]x[/]\u202e:smile:"
SHOWN = "[bold red]x[/]<U+202E>:smile:"


def event(kind: EventKind, **data: Any) -> RunEvent:
    return RunEvent(seq=1, at="2026-01-02T03:04:05.000Z", kind=kind, data=data)


BEGUN = event("run.started", run="r1", task="task-001", title="Add", base="1" * 40)


def test_plain_lines_are_words_without_controls() -> None:
    out = io.StringIO()
    view = Progress(out)
    for one in (
        event("run.started", run="r1", task="task-001", title=f"Add {HOSTILE}", base="1" * 40),
        event("warning", text=HOSTILE),
        event("agent.started", role="planner"),
        event("model.delta", role="planner", text="not a line"),
        event("tool.called", role="planner", tool="read_file", summary=HOSTILE, outcome="done"),
        event("tool.refused", role="planner", tool="write_file", summary="x", reason="closed", rule="r"),
        event("budget.note", role="planner", limit="limits.model_calls", left="2"),
        event("handoff", source="planner", target="executor", tool="transfer_to_executor"),
        event("phase", name="checked", outcome="green", reason="all pass"),
        event("phase", name="setup", origins=["uv.lock"]),
        event(
            "setup.ended",
            origins=["uv.lock"],
            cached=False,
            seconds=12.3,
            hosts=[
                {"host": "pypi.org", "outcome": "allowed"},
                {"host": HOSTILE, "outcome": "refused"},
            ],
        ),
        event("setup.ended", origins=["uv.lock"], cached=True, seconds=12.3, hosts=[]),
    ):
        view.show(one)
    view.tell("stopping")
    assert out.getvalue().splitlines() == [
        f"run r1: Add {SHOWN} (task-001), from 111111111111",
        f"  note: {SHOWN}",
        "  planner",
        f"    read_file {SHOWN}",
        "    write_file refused: closed",
        "    told the planner: 2 left (limits.model_calls)",
        "  planner → executor",
        "  checks: green: all pass",
        "  installing dependencies, the only phase with a way out …",
        f"    dependencies of uv.lock: installed in 12 s; asked pypi.org; refused {SHOWN}",
        "    dependencies of uv.lock: as installed before",
        "andon: stopping",
    ]


def test_plain_lines_tell_the_verdict_of_each_review_and_how_much_must_be_fixed() -> None:
    out = io.StringIO()
    view = Progress(out)
    must, note = ({"severity": kind, "path": "a.py", "line": 1, "problem": HOSTILE} for kind in ("must-fix", "note"))
    view.show(event("review.given", verdict="changes", summary=HOSTILE, findings=[must, note, must]))
    view.show(event("review.given", who="security", verdict="notes", summary=HOSTILE, findings=[note, note]))
    view.show(event("review.given", verdict="pass", summary=HOSTILE, findings=[note]))
    view.show(event("review.given", verdict="fail", summary=HOSTILE, findings=[]))
    assert out.getvalue().splitlines() == [
        "  review: changes, 2 must-fix, 1 note",
        "  security review: passed on, 2 notes",
        "  review: pass, 1 note",
        "  review: fail",
    ]


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_without_colour_gets_plain_lines(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with watching(terminal[1], tmp_path) as view:
        assert isinstance(view, Progress)


def test_a_pipe_gets_plain_lines_and_so_does_who_asks_for_them(terminal: Terminal, tmp_path: Path) -> None:
    with watching(io.StringIO(), tmp_path) as piped, watching(terminal[1], tmp_path, plain=True) as asked:
        assert (isinstance(piped, Progress), isinstance(asked, Progress)) == (True, True)


def shown(terminal: Terminal, root: Path, *events: RunEvent) -> list[str]:
    """Return the screen a live view leaves; times are shown as they would be at 0:00 and 0.0 s."""
    person, end = terminal
    with LiveView(end, root) as view:
        for one in events:
            view.show(one)
    end.close()
    person.read_all()
    return [re.sub(r"\d+:\d\d$", "0:00", re.sub(r"\d+\.\d s", "0.0 s", line)) for line in person.screen()]


def test_a_whole_run_is_told_with_calls_diffs_checks_and_the_review(terminal: Terminal, tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", FILES)
    ran = run_line(root, [plan()], *CHANGE, [report()], [review()])
    assert shown(terminal, root, *ran.events) == [
        "> Add subtraction",
        f"  run {ran.result.run_id}, task task-001, from {ran.result.base_commit[:12]}",
        "  starting the sandbox …",
        "  checking the base commit before anyone touches anything …",
        "  ✓ passed    pytest",
        "  ✓ passed    ruff check .",
        "  planner, executor and reviewer at work …",
        "",
        "planner  0:00",
        "",
        "planner → executor  0:00",
        "  ● write_file    done 0.0 s  tests/test_calc.py",
        "  ● write_file    done 0.0 s  calc.py",
        "  changed, 2 files",
        "    calc.py  +4 -0",
        "    tests/test_calc.py  +5 -1",
        "    calc.py",
        "    @@ -1,2 +1,6 @@",
        "     def add(a, b):",
        "         return a + b",
        "    +",
        "    +",
        "    +def sub(a, b):",
        "    +    return a - b",
        "    tests/test_calc.py",
        "    @@ -1,5 +1,9 @@",
        "    -from calc import add",
        "    +from calc import add, sub",
        "",
        "",
        "     def test_add():",
        "         assert add(1, 2) == 3",
        "    +",
        "    +",
        "    +def test_sub():",
        "    +    assert sub(3, 1) == 2",
        "  checks: green: all 2 test results and every static check pass",
        "    before      now",
        "  ✓ passed    ✓ passed    pytest",
        "  ✓ passed    ✓ passed    ruff check .",
        "",
        "executor → reviewer  0:00",
        "  ✓ review: pass: the review says pass",
        "",
    ]


def test_a_long_diff_is_bounded_and_its_rest_counted(terminal: Terminal, tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", FILES)
    many = write("calc.py", FILES["calc.py"] + "".join(f"x{n} = {n}\n" for n in range(200)))
    ran = run_line(root, [plan()], [many], [report()], [review("fail")])
    lines = shown(terminal, root, *(one for one in ran.events if one.kind in ("run.started", "tree.taken")))
    assert lines[3] == "    calc.py  +200 -0"
    assert lines[-2] == "    … 143 more lines, in diff.patch of the run folder"
    assert len(lines) == 2 + 2 + 60 + 1 + 1


def test_what_models_and_tools_say_is_neither_obeyed_nor_read_as_markup(terminal: Terminal, tmp_path: Path) -> None:
    finding = {"severity": "must-fix", "path": "a.py", "line": 3, "problem": HOSTILE}
    lines = shown(
        terminal,
        tmp_path,
        event("tool.called", role="executor", tool="run_command", summary=HOSTILE, outcome="failed"),
        event("tool.refused", role="executor", tool="git", summary="push", reason=HOSTILE, rule="r"),
        event("review.given", verdict="changes", summary=HOSTILE, findings=[finding]),
    )
    assert lines == [
        f"  ✗ run_command   failed 0.0 s  {SHOWN}",
        f"  ■ git refused push: {SHOWN}",
        f"  ✗ review: changes, 1 must-fix: {SHOWN}",
        f"    · must-fix a.py:3 {SHOWN}",
        "",
    ]


def test_a_long_reason_shows_three_lines_and_counts_the_rest(terminal: Terminal, tmp_path: Path) -> None:
    lines = shown(terminal, tmp_path, event("warning", text="\n".join("abcdefg")))
    assert lines == ["  note: a", "  b", "  c", "  … 4 more lines", ""]


def test_the_status_line_is_wiped_by_every_line_and_at_the_end(terminal: Terminal, tmp_path: Path) -> None:
    lines = shown(terminal, tmp_path, BEGUN, event("agent.started", role="planner"), event("warning", text="careful"))
    assert lines == ["> Add", "  run r1, task task-001, from 111111111111", "", "planner  0:00", "  note: careful", ""]
    assert re.search(r"0:0\d · planner · 0 calls", terminal[0].raw.decode())


def test_the_status_line_tells_tokens_and_money_so_far(terminal: Terminal, tmp_path: Path) -> None:
    usage = {"requests": 1, "input_tokens": 1000, "output_tokens": 234, "cost": "0.005000"}
    answered = [event("model.answered", role="planner", tools=[], usage=usage)] * 2
    note = event("budget.note", role="planner", limit="limits.cost", left="0.01")
    lines = shown(terminal, tmp_path, BEGUN, *answered, note, event("agent.started", role="planner"))
    assert lines[2:3] == ["  told the planner: 0.01 left (limits.cost)"]
    assert re.search(r"0 calls · 2,468 tokens · \$0\.01", terminal[0].raw.decode())


@pytest.mark.parametrize(
    ("usage", "words"),
    [
        (Usage(requests=1, input_tokens=5, output_tokens=2), "1 model call, 7 tokens"),
        (Usage(requests=2, input_tokens=5000, estimated=1), "2 model calls, about 5,000 tokens"),
        (
            Usage(requests=3, input_tokens=1, output_tokens=1, cost=Decimal("1.234567")),
            "3 model calls, 2 tokens, about 1.23 US dollars",
        ),
    ],
)
def test_what_models_used_is_said_in_words(usage: Usage, words: str) -> None:
    assert used_words(usage) == words


def test_the_status_line_is_gone_while_a_question_is_open(terminal: Terminal, tmp_path: Path) -> None:
    person, end = terminal
    with LiveView(end, tmp_path) as view:
        view.show(BEGUN)
        view.show(event("phase", name="waiting", gate="plan-1", question="Go on?"))
        end.write("the question")
        end.flush()
        person.expect("the question")
        assert person.screen()[-1] == "the question"


def test_what_a_model_is_writing_is_shown_in_the_status_line_only(terminal: Terminal, tmp_path: Path) -> None:
    said = event("model.delta", role="planner", text=f"{HOSTILE} the end")
    person, end = terminal
    with LiveView(end, tmp_path) as view:
        view.show(BEGUN)
        view.show(said)
        while "the end" not in person.text:
            person.expect(" calls")
    end.close()
    person.read_all()
    assert ("the end" in "\n".join(person.screen()), "\x1b[2J" in person.raw.decode()) == (False, False)
