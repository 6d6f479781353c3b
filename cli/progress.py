"""What people read while a run goes on, and when it has ended."""

from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from andon.cli.event_lines import review_words
from andon.delivery.checks_table import checks_table
from andon.guardrails.output import clean_text
from andon.line.doctor.explains import explaining
from andon.records.checks import TestResult
from andon.records.events import RunEvent
from andon.records.result import FileStat, RunResult, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from andon.cli.live_view import LiveView

PHASES = {
    "sandbox": "starting the sandbox",
    "setup": "installing dependencies, the only phase with a way out",
    "base-checks": "checking the base commit before anyone touches anything",
    "head-again": "red at the head: running those tests a second time, to tell flaky ones apart",
    "base-again": "red at the base: running those tests a second time, to tell flaky ones apart",
    "agents": "planner, executor and reviewer at work",
}
"""Phases of a run, as people are told of them."""


class Progress:
    """Prints one plain line for each event a person cares about: no sign, no colour, nothing written over."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def tell(self, text: str) -> None:
        """Print a sentence of andon's own."""
        print(f"andon: {text}", file=self._out, flush=True)

    def show(self, event: RunEvent) -> None:
        """Print the event, if it is worth a line."""
        line = _line(event)
        if line is not None:
            print(clean_text(line), file=self._out, flush=True)

    __call__ = show


@contextmanager
def watching(out: TextIO, root: Path, *, plain: bool = False) -> "Iterator[Progress | LiveView]":
    """Yield the view for `out`: live with colours on a terminal that can, else (or if asked) plain lines.

    `root` is the repository's work tree.
    """
    if plain or not out.isatty():
        yield Progress(out)
        return
    # Rich is loaded only where it is used.
    from andon.cli.live_view import LiveView
    from andon.cli.printing import wants_plain

    if wants_plain(out):
        yield Progress(out)
        return
    with LiveView(out, root) as view:
        yield view


def papers_of(root: Path, run_id: str) -> Path:
    """Return the folder a run of the repository at `root` writes to while it goes on."""
    return root / "factory" / ".state" / "runs" / run_id


def _line(event: RunEvent) -> str | None:  # noqa: C901  (one case an event kind)
    data = event.data
    match event.kind:
        case "run.started":
            return f"run {data['run']}: {data['title']} ({data['task']}), from {data['base'][:12]}"
        case "warning":
            return f"  note: {data['text']}"
        case "phase" if data["name"] == "checked":
            return f"  checks: {data['outcome']}: {data['reason']}"
        case "phase" if data["name"] in PHASES:
            return f"  {PHASES[data['name']]} …"
        case "setup.ended":
            return f"    {setup_line(data)}"
        case "check.ended":
            return f"    {data['phase']:<4} {data['outcome']:<9} {data['name']}"
        case "agent.started":
            return f"  {data.get('agent', data['role'])}"
        case "model.retried":
            return f"    asking again in {data['wait_seconds']:.1f} s: {_short(data['reason'])}"
        case "tool.called":
            return f"    {data['tool']} {_short(str(data.get('summary', '')))}".rstrip()
        case "tool.refused":
            return f"    {data['tool']} refused: {_short(str(data.get('reason', '')))}"
        case "budget.note":
            return f"    told the {data['role']}: {data['left']} left ({data['limit']})"
        case "person.said":
            return f"  {data['by']} said: {_short(data['text'])}"
        case "role.nudged":
            return f"    told the {data['role']}: {_short(data['text'])}"
        case "handoff":
            return f"  {data['source']} → {data['target']}"
        case "handoff.refused":
            return f"    handoff refused: {_short(str(data.get('reason', '')))}"
        case "review.given":
            return f"  {review_words(data)}"
        case _:
            return None


def setup_line(data: Mapping[str, Any]) -> str:
    """Return what a `setup.ended` says, for people."""
    asked = sorted({one["host"] for one in data["hosts"] if one["outcome"] == "allowed"})
    how = "as installed before" if data["cached"] else f"installed in {data['seconds']:.0f} s"
    refused = sorted({one["host"] for one in data["hosts"] if one["outcome"] == "refused"})
    parts = [
        how,
        *([f"asked {', '.join(asked)}"] if asked else []),
        *([f"refused {', '.join(refused)}"] if refused else []),
    ]
    return f"dependencies of {', '.join(data['origins'])}: {'; '.join(parts)}"


def used_words(usage: Usage) -> str:
    """Return what models used, in words: `12 model calls, 34,000 tokens, about 0.12 US dollars`."""
    calls = "1 model call" if usage.requests == 1 else f"{usage.requests} model calls"
    about = "about " if usage.estimated else ""
    money = [] if usage.cost is None else [f"about {usage.cost:.2f} US dollars"]
    return ", ".join([calls, f"{about}{usage.input_tokens + usage.output_tokens:,} tokens", *money])


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 100 else flat[:99] + "…"


def print_ending(result: RunResult, root: Path, out: TextIO) -> None:
    """Print how a run ended: outcome, branch, diff stat, checks, where the papers lie, what to do next."""

    def say(text: str = "") -> None:
        print(clean_text(text), file=out)

    say()
    say(f"{result.stop_code} (exit {result.exit_code}): {result.message}")
    if result.files:
        say()
        for line in stat_lines(result.files):
            say(f"  {line}")
    tests = root / result.run_folder / "test-result.json"
    if tests.exists():
        shown = TestResult.model_validate_json(tests.read_bytes())
        say()
        for line in checks_table(shown.base, shown.head, shown.comparison).splitlines():
            say(f"  {line}".rstrip())
    say()
    for name, value in _facts(result, root):
        say(f"  {name:<12} {value}")
    say(f"  {'next':<12} {result.remedy}")
    if more := explaining(result.stop_code.value):
        say(f"  {'':<12} `{more}` says more")


def _facts(result: RunResult, root: Path) -> list[tuple[str, str]]:
    facts = [("branch", result.branch)] if result.branch else []
    facts += [("tree", result.tree)] if result.tree and not result.branch else []
    facts += [("sandbox", result.sandbox)] if result.sandbox else []
    facts.append(("answered by", result.answered_by))
    facts += [("used", used_words(result.usage))] if result.usage.requests else []
    facts.append(("run folder", str(root / result.run_folder)))
    return [(name, value) for name, value in facts if value]


def stat_lines(files: list[FileStat]) -> list[str]:
    """Return a diff stat, a line a file and a last line with the sum."""
    width = max(len(file.path) for file in files)
    lines = [
        f"{file.path:<{width}}  " + ("binary" if file.added is None else f"+{file.added} -{file.removed}")
        for file in files
    ]
    added, removed = sum(file.added or 0 for file in files), sum(file.removed or 0 for file in files)
    count = "1 file" if len(files) == 1 else f"{len(files)} files"
    return [*lines, f"{count} changed, +{added} -{removed}"]
