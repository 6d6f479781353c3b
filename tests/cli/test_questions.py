"""Questions at a terminal: what is shown, which keys count, and what never counts as yes."""

import asyncio
import stat
import sys
from pathlib import Path
from typing import TextIO

import pytest
from terminal_kit import Keyboard

from andon.cli.questions import Questions
from andon.line.steps import Answer, Gate
from andon.records.checks import Comparison, TestResult
from andon.records.plan import PlanPayload
from andon.records.stops import StopCode

Terminal = tuple[Keyboard, TextIO]

PLAN = PlanPayload(
    summary="add sub beside add",
    acceptance_criteria=["sub(3, 1) is 2"],
    steps=["test it", "write it"],
    files=["calc.py"],
    tests=[],
    risks=["none \x1b[31mred\x1b[0m [bold]loud[/bold]\n9. a step of mine"],
)
QUESTION = "[s]top: "
EVIDENCE = Gate("evidence", "evidence", "Deliver although 1 check result is gone?", StopCode.CHANGED_TESTS)
DIFF = """\
diff --git a/calc.py b/calc.py
index 1..2 100644
--- a/calc.py
+++ b/calc.py
@@ -1 +1 @@
-old code
+new code
diff --git a/tests/test_calc.py b/tests/test_calc.py
index 1..2 100644
--- a/tests/test_calc.py
+++ b/tests/test_calc.py
@@ -1 +1 @@
-assert True
+assert False
"""


def gate(plan: PlanPayload = PLAN) -> Gate:
    document = plan.model_dump_json(indent=2)
    return Gate("plan-1", "plan", "Go on with this plan?", StopCode.NEEDS_PERSON, shown=document, editable=document)


def ask(
    terminal: Terminal,
    papers: Path,
    put: Gate,
    *typed: str | tuple[str, str | None],
    proposed: bool = False,
    before: str = "",
) -> Answer:
    """Put a gate; at each question, or after the words named, type the keys and Enter (none after Ctrl-D)."""
    person, end = terminal
    questions = Questions(end, end, papers, proposed=proposed, plain=True)

    async def conversation() -> Answer:
        person.type(before)
        asking = asyncio.ensure_future(questions(put))
        for one in typed:
            prompt, keys = one if isinstance(one, tuple) else (QUESTION, one)
            await asyncio.to_thread(person.expect, prompt)
            if keys is not None:
                person.type(keys if keys.endswith("\x04") else keys + "\n")
        return await asyncio.wait_for(asking, 60)

    answer = asyncio.run(conversation())
    end.close()
    person.read_all()
    return answer


def editor(tmp_path: Path, body: str) -> str:
    """Return a command that changes the file it is given: `text` is what stood there, and becomes what is written."""
    script = tmp_path / "editor.py"
    opened = "import sys\nfrom pathlib import Path\npath = Path(sys.argv[1])\ntext = path.read_text()"
    script.write_text(f"{opened}\n{body}\npath.write_text(text)\n")
    return f"{sys.executable} {script}"


def test_a_plan_is_shown_in_words_and_nothing_in_it_is_obeyed(terminal: Terminal, tmp_path: Path) -> None:
    assert ask(terminal, tmp_path, gate(), "y", proposed=True) == Answer("yes")
    assert terminal[0].screen() == [
        "",
        "Plan: add sub beside add",
        "Steps",
        "  1. test it",
        "  2. write it",
        "Files",
        "  - calc.py",
        "Tests",
        "  none named",
        "Risks",
        "  - none red [bold]loud[/bold]",
        "    9. a step of mine",
        "Acceptance criteria (proposed by the planner: the task names none)",
        "  1. sub(3, 1) is 2",
        "",
        "? Go on with this plan?",
        "  [y]es  [n]o (say why)  [e]dit  [s]top: y",
        "",
    ]
    assert "\x1b" not in terminal[0].raw.decode()


@pytest.mark.parametrize(
    ("keys", "answer"),
    [("y", Answer("yes")), ("YES", Answer("yes")), ("s", Answer("stop")), ("stop", Answer("stop")),
     ("no  too big", Answer("no", "too big")), ("\x04", Answer("stop"))],
)  # fmt: skip
def test_a_key_or_its_word_answers(terminal: Terminal, tmp_path: Path, keys: str, answer: Answer) -> None:
    assert ask(terminal, tmp_path, gate(), keys) == answer


@pytest.mark.parametrize("keys", ["", "   ", "yy", "yes please", "j", "\x1b[A", "y n", "ja"])
def test_what_is_not_understood_is_asked_again_with_the_keys(terminal: Terminal, tmp_path: Path, keys: str) -> None:
    assert ask(terminal, tmp_path, gate(), keys, ("Type y, n, e or s, then Enter.", None), "n never") == Answer(
        "no", "never"
    )


def test_no_asks_for_the_reason(terminal: Terminal, tmp_path: Path) -> None:
    assert ask(terminal, tmp_path, gate(), "n", ("Why?", " too much ")) == Answer("no", "too much")


def test_the_end_of_the_input_at_the_reason_stops(terminal: Terminal, tmp_path: Path) -> None:
    assert ask(terminal, tmp_path, gate(), "n", ("passed on: ", "\x04")) == Answer("stop")


def test_what_was_typed_before_the_question_is_no_answer(terminal: Terminal, tmp_path: Path) -> None:
    assert ask(terminal, tmp_path, gate(), "n not this", before="y\ny\n") == Answer("no", "not this")


def test_a_closed_terminal_stops(terminal: Terminal, tmp_path: Path) -> None:
    person, end = terminal
    questions = Questions(end, end, tmp_path, proposed=False, plain=True)

    async def hung_up() -> Answer:
        asking = asyncio.ensure_future(questions(gate()))
        await asyncio.to_thread(person.expect, QUESTION)
        person.hang_up()
        return await asyncio.wait_for(asking, 60)

    assert asyncio.run(hung_up()) == Answer("stop")


def test_an_edited_plan_is_shown_again_and_only_yes_takes_it(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", editor(tmp_path, "text = text.replace('write it', 'write it well')"))
    changed = PLAN.model_copy(update={"steps": ["test it", "write it well"]})
    answer = ask(terminal, tmp_path, gate(), "e", ("2. write it well", None), "y")
    assert answer == Answer("edit", changed.model_dump_json(indent=2))


def test_visual_goes_before_editor_and_its_file_is_private_and_gone(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    look = f"Path({str(seen)!r}).write_text(f'{{path}} {{path.stat().st_mode}} {{path.parent.stat().st_mode}}')"
    monkeypatch.setenv("VISUAL", editor(tmp_path, look))
    monkeypatch.setenv("EDITOR", "false")
    assert ask(terminal, tmp_path, gate(), "e", "s") == Answer("stop")
    path, file_mode, folder_mode = seen.read_text().split()
    assert (stat.S_IMODE(int(file_mode)), stat.S_IMODE(int(folder_mode))) == (0o600, 0o700)
    assert not Path(path).parent.exists()


def test_an_invalid_edit_names_the_field_and_is_kept_for_the_next_try(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mend = (
        "text = text.replace('\"steps\"', '\"step\"') if '\"steps\"' in text else text.replace('\"step\"', '\"steps\"')"
    )
    monkeypatch.setenv("VISUAL", editor(tmp_path, mend))
    answer = ask(terminal, tmp_path, gate(), "e", ("steps: this field is required", None), "e", "y")
    assert answer == Answer("yes")


@pytest.mark.parametrize(
    ("command", "said"),
    [(None, "set VISUAL or EDITOR"), ("no-such-editor-here", "cannot be started"), ("false", "ended with 1"),
     ("'", "VISUAL cannot be understood"), ("rm", "the editor left no plan.json")],
)  # fmt: skip
def test_an_editor_that_does_not_work_is_said_and_changes_nothing(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str | None, said: str
) -> None:
    monkeypatch.delenv("EDITOR", raising=False)
    monkeypatch.delenv("VISUAL", raising=False)
    if command:
        monkeypatch.setenv("VISUAL", command)
    assert ask(terminal, tmp_path, gate(), "e", (said, None), "y") == Answer("yes")


@pytest.mark.parametrize(
    ("body", "said"),
    [("text = 'no json'", "plan.json"), ("text = ''", "plan.json"), ("text = '[]'", "plan.json"),
     ("text = text.replace('{', '{\"files\": [],', 1)", "stands twice")],
)  # fmt: skip
def test_an_edit_that_is_no_plan_is_not_taken_over(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, said: str
) -> None:
    monkeypatch.setenv("VISUAL", editor(tmp_path, body))
    assert ask(terminal, tmp_path, gate(), "e", ("not taken over: ", None), (said, None), "s") == Answer("stop")


def evidence(papers: Path) -> Path:
    comparison = Comparison(outcome="changed-tests", gone=["tests/test_calc.py::test_add"], reason="one is gone")
    (papers / "test-result.json").write_text(TestResult(base=[], comparison=comparison).model_dump_json())
    (papers / "diff.patch").write_text(DIFF)
    return papers


def test_before_evidence_is_judged_the_changed_tests_come_first(terminal: Terminal, tmp_path: Path) -> None:
    assert ask(terminal, evidence(tmp_path), EVIDENCE, "y") == Answer("yes")
    assert terminal[0].screen() == [
        "",
        "Tests of the base that are gone",
        "  - tests/test_calc.py::test_add",
        "The change, tests first",
        "    tests/test_calc.py  +1 -1",
        "    calc.py  +1 -1",
        "    tests/test_calc.py",
        "    @@ -1 +1 @@",
        "    -assert True",
        "    +assert False",
        "    calc.py",
        "    @@ -1 +1 @@",
        "    -old code",
        "    +new code",
        "",
        "? Deliver although 1 check result is gone?",
        "  [y]es  [n]o (say why)  [s]top: y",
        "",
    ]


def test_evidence_cannot_be_edited(terminal: Terminal, tmp_path: Path) -> None:
    answer = ask(terminal, evidence(tmp_path), EVIDENCE, "e", ("Type y, n or s, then Enter.", None), "n no")
    assert answer == Answer("no", "no")
