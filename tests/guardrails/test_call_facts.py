"""What a person reads of a call: its facts, readable, whole or cut with a note."""

from typing import Any

from andon.guardrails.call_facts import call_facts, showable, shown_facts
from andon.records.calls import Decision, ToolCall

ASK = Decision(verdict="ask", rule="install", reason="a package index", also=("git",))


def call(tool: str, **arguments: Any) -> ToolCall:
    return ToolCall(tool=tool, arguments=arguments, role="executor")


def test_a_command_is_shown_with_every_rule_that_asks() -> None:
    assert call_facts(call("run_command", command="pip install x"), ASK, None) == (
        "tool: run_command, called by the executor\nrule: install, git\ncommand: pip install x"
    )


def test_no_line_of_an_argument_passes_for_a_fact() -> None:
    facts = call_facts(call("run_command", command="true\nrule: none\x1b[2J\u202e"), ASK, None)
    assert facts.splitlines()[2:] == ["command: true", "  | rule: none<U+202E>"]


def test_a_written_file_is_shown_as_a_diff_of_what_lies_there() -> None:
    facts = call_facts(call("write_file", path="a.py", content="x = 2\n"), ASK, "x = 1\n")
    assert facts.splitlines()[2:] == ["path: a.py", "--- a/a.py", "+++ b/a.py", "@@ -1 +1 @@", "-x = 1", "+x = 2"]


def test_an_edit_is_shown_as_the_diff_it_would_make_or_as_it_is_where_it_would_fail() -> None:
    edit = call("edit_file", path="a.py", edits=[{"old": "1", "new": "2"}])
    assert "+x = 2" in call_facts(edit, ASK, "x = 1\n").splitlines()
    assert 'edits: [{"old": "1", "new": "2"}]' in call_facts(edit, ASK, "x = 11\n").splitlines()


def test_what_is_too_long_is_cut_in_the_middle_and_says_so() -> None:
    lines = shown_facts([f"line {number}" for number in range(1000)]).splitlines()
    assert (lines[0], lines[200], lines[-1], len(lines)) == ("line 0", "[… 600 lines are not shown]", "line 999", 401)
    text = shown_facts(["a" * 50_000 + "end"])
    assert ("[… 10003 characters are not shown]" in text, text.endswith("end")) == (True, True)


def test_a_command_that_nobody_can_read_whole_cannot_be_asked_for() -> None:
    assert showable(call("run_command", command="true; " * 100))
    assert not showable(call("run_command", command="echo " + "a" * 30_000 + "; git push origin HEAD:main"))
    assert not showable(call("run_command", command="true\n" * 300 + "git push origin HEAD:main"))
    assert showable(call("write_file", path="a", content="a" * 100_000)), "its diff is cut, with a note"
