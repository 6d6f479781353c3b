"""An event as one line for people: when, who, what. It may be of any version, and damaged."""

from collections.abc import Callable, Mapping
from typing import Any

from andon.context.plain import one_line
from andon.guardrails.output import clean_text


def review_words(its: Mapping[str, Any]) -> str:
    """Return what a `review.given` says: `review: pass`, `security review: passed on, 1 note`."""
    who = f"{its['who']} " if "who" in its else ""
    verdict = "passed on" if its["verdict"] == "notes" else its["verdict"]
    must_fix = sum(finding["severity"] == "must-fix" for finding in its["findings"])
    notes = len(its["findings"]) - must_fix
    counts = [f"{must_fix} must-fix"] * bool(must_fix) + [f"{notes} note{'s' * (notes > 1)}"] * bool(notes)
    return f"{who}review: {', '.join([verdict, *counts])}"


_LONGEST = 200
_Facts = Mapping[str, Any]

_SAID: dict[str, Callable[[_Facts], str]] = {
    "run.started": lambda its: f"run {its['run']} of {its['task']} began at {its['base'][:12]}: {its['title']}",
    "run.ended": lambda its: f"ended: {its['stop_code']} (exit {its['exit_code']}): {its['message']}",
    "step.started": lambda its: f"step {its['name']} {its['key']}",
    "step.ended": lambda its: f"step {its['name']} {its['key']}: {its['outcome']}",
    "warning": lambda its: f"note: {its['text']}",
    "agent.started": lambda its: "begins",
    "model.answered": lambda its: f"answered with {', '.join(its['tools']) or 'text'}",
    "tool.called": lambda its: f"{its['tool']} {its['summary']}: {its['outcome']}",
    "tool.refused": lambda its: f"{its['tool']} {its['summary']}: {its['verdict']} ({its['rule']}): {its['reason']}",
    "file.changed": lambda its: f"{its['path']} {its['how']}",
    "person.said": lambda its: f"{its['by']} said: {its['text']}",
    "role.nudged": lambda its: f"was told: {its['text']}",
    "handoff": lambda its: f"{its['source']} to {its['target']}",
    "handoff.refused": lambda its: f"{its['tool']} refused: {its['reason']}",
    "review.given": review_words,
    "check.ended": lambda its: f"check {its['name']} at the {its['phase']}: {its['outcome']}",
    "tree.taken": lambda its: f"tree {its['tree'][:12]}, {len(its['changed'])} changed, {len(its['refused'])} refused",
}
"""What is told of an event whose facts are as they should be; of others all facts are told."""


def event_line(event: Mapping[str, Any]) -> str:
    """Return when, who and what on one line, without a control character, cut at 200 letters."""
    its = event["data"]
    try:
        what = _phase(its) if event["kind"] == "phase" else _SAID[event["kind"]](its)
    except (KeyError, TypeError, ValueError):
        facts = (f"{name}={value}" for name, value in its.items() if name != "role")
        what = " ".join([str(event["kind"]), *facts])
    who = its.get("role")
    shown = _clean(what)
    line = shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
    return f"{_clean(event['at'])}  {_clean(who) if isinstance(who, str) else 'line':<8}  {line}"


def _phase(its: _Facts) -> str:
    more = [str(its[name]) for name in ("gate", "outcome", "question", "reason") if name in its]
    return f"phase {': '.join([its['name'], *more])}"


def _clean(text: str) -> str:
    # Most are plain, and a letter at a time is slow over a long log.
    plain = text.isascii() and text.isprintable()
    return " ".join(text.split()) if plain else one_line(clean_text(text))
