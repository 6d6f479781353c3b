"""A run as a person at a terminal follows it: agents, calls, handoffs, diffs and checks into the scrollback."""

import time
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from rich.cells import cell_len

from andon.cli.diff_view import show_diff
from andon.cli.event_lines import review_words
from andon.cli.printing import BAD, GOOD, MUTED, NEW, Part, console_on, say, sign
from andon.cli.progress import PHASES, papers_of
from andon.cli.status_line import StatusLine
from andon.context.diffs import split_diff
from andon.context.plain import one_line
from andon.records.events import RunEvent
from andon.records.result import Usage
from andon.sandbox.host_git import GitError
from andon.sandbox.store import TreeStore

_DIFF_LINES = 60
_BODY_LINES = 3
_CHECK_STYLES = {"passed": GOOD, "failed": BAD, "timed-out": BAD}


class LiveView:
    """Prints what a run's events tell and keeps one status line below it; a context, so that the line is wiped."""

    def __init__(self, out: TextIO, root: Path) -> None:
        """`root` is the repository's work tree; diffs are read from the run's own store below it."""
        self._console = console_on(out, plain=False)
        self._status = StatusLine(self._console, self._words)
        self._root = root
        self._began = time.monotonic()
        self._role = ""
        self._calls = 0
        self._used = Usage()
        self._said = ""
        self._doing = ""
        self._call_began: datetime | None = None
        self._store = Path()
        self._tree = ""
        self._base_outcomes: dict[str, str] = {}
        self._head_outcomes: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._status.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status.__exit__(kind, error, trace)

    def tell(self, text: str) -> None:
        """Print a sentence of andon's own."""
        with self._status.lifted():
            say(self._console, text, mark="andon: ")

    def show(self, event: RunEvent) -> None:
        """Print the event, if it is worth a line."""
        if event.kind == "model.delta":
            self._said = (self._said + event.data["text"])[-500:]
            self._status.refresh()
            return
        if event.kind == "step.started":
            self._call_began = datetime.fromisoformat(event.at)
            self._doing = event.data["name"].removeprefix("tool:").partition(":")[0]
            self._status.refresh()
            return
        if event.kind in ("model.answered", "model.retried"):
            self._said = ""
        if event.kind == "model.answered":
            self._used = self._used.plus(Usage.model_validate(event.data["usage"]))
        with self._status.lifted():
            self._print(event)
        if event.kind in ("run.started", "gate.answered"):
            self._status.show()
        elif event.kind == "run.ended" or (event.kind, event.data.get("name")) == ("phase", "waiting"):
            self._status.hide()

    def _print(self, event: RunEvent) -> None:  # noqa: C901  (one case an event kind)
        data = event.data
        match event.kind:
            case "run.started":
                self._started(data)
            case "warning":
                self._line("", ("note: ", "bold"), data["text"], most=_BODY_LINES)
            case "phase" if data["name"] == "checked":
                self._checks(data["outcome"], data["reason"])
            case "phase" if data["name"] in PHASES:
                self._line("", (f"{PHASES[data['name']]} {sign(self._console, 'more')}", MUTED))
            case "check.ended":
                self._check(data["phase"], data["name"], data["outcome"])
            case "handoff":
                self._role = data["target"]
                self._heading(f"{data['source']} {sign(self._console, 'to')} {data['target']}")
            case "agent.started" if data.get("agent", data["role"]) != self._role:
                self._role = data.get("agent", data["role"])
                self._heading(self._role)
            case "model.retried":
                self._line("", (f"asking again in {data['wait_seconds']:.1f} s: ", "bold"), one_line(data["reason"]))
            case "tool.called":
                self._call(event)
            case "tool.refused":
                self._refused(f"{data['tool']} refused", data)
            case "budget.note":
                self._line("", (f"told the {data['role']}: {data['left']} left ({data['limit']})", MUTED))
            case "person.said":
                self._line("", (f"{data['by']} said: ", "bold"), data["text"], most=_BODY_LINES)
            case "role.nudged":
                self._line("", (f"told the {data['role']}: ", MUTED), data["text"], most=_BODY_LINES)
            case "handoff.refused":
                self._refused("handoff refused", data)
            case "review.given":
                self._review(data)
            case "tree.taken":
                self._diff(data["tree"])

    def _started(self, data: dict[str, Any]) -> None:
        self._store = papers_of(self._root, data["run"]) / "store.git"
        self._tree = data["base"]
        say(self._console, ("> ", "bold"), (data["title"], "bold"))
        say(self._console, (f"run {data['run']}, task {data['task']}, from {data['base'][:12]}", MUTED), mark="  ")

    def _heading(self, words: str) -> None:
        self._console.print()
        took = int(time.monotonic() - self._began)
        say(self._console, (words, "bold"), (f"  {took // 60}:{took % 60:02}", MUTED))

    def _call(self, event: RunEvent) -> None:
        data = event.data
        self._calls += 1
        failed = data["outcome"] != "done"
        self._line(
            "failed" if failed else "call",
            (f"{data['tool']:<13} ", "bold"),
            (f"{data['outcome']} ", BAD if failed else GOOD),
            (f"{self._seconds(event):.1f} s  ", MUTED),
            str(data.get("summary", "")),
            style=BAD if failed else "",
            most=_BODY_LINES,
        )

    def _seconds(self, event: RunEvent) -> float:
        return (datetime.fromisoformat(event.at) - self._call_began).total_seconds() if self._call_began else 0.0

    def _refused(self, what: str, data: dict[str, Any]) -> None:
        self._line(
            "refused",
            (f"{what} ", f"bold {BAD}"),
            ": ".join(filter(None, [str(data.get("summary", "")), str(data.get("reason", ""))])),
            style=BAD,
            most=_BODY_LINES,
        )

    def _review(self, data: dict[str, Any]) -> None:
        stands = any(finding["severity"] == "must-fix" for finding in data["findings"])
        passed = data["verdict"] in ("pass", "notes") and not stands
        style = GOOD if passed else BAD
        self._line(
            "passed" if passed else "failed",
            (f"{review_words(data)}: ", f"bold {style}"),
            data["summary"],
            style=style,
        )
        for finding in data["findings"]:
            place = f"{finding['path']}:{finding['line']}" if finding["path"] else "the change"
            words = (f"{finding['severity']} ", "bold"), (f"{place} ", NEW), finding["problem"]
            say(self._console, *words, mark=f"    {sign(self._console, 'dot')} ", most=_BODY_LINES)

    def _diff(self, tree: str) -> None:
        try:
            text = TreeStore.open(self._store).diff(self._tree, tree)
        except GitError as error:
            self._line("", (f"the diff cannot be shown: {error.stderr}", MUTED))
            return
        self._tree = tree
        if not text:
            return
        files = split_diff(text)
        self._line("", ("changed" if len(files) == 1 else f"changed, {len(files)} files", "bold"))
        show_diff(self._console, files, most=_DIFF_LINES, whole="in diff.patch of the run folder")

    def _check(self, phase: str, name: str, outcome: str) -> None:
        if phase == "head":
            self._head_outcomes[name] = outcome
            return
        self._base_outcomes[name] = outcome
        self._line(self._check_sign(outcome), (f"{outcome:<9} ", _CHECK_STYLES.get(outcome, "")), name)

    def _checks(self, outcome: str, reason: str) -> None:
        self._line("", (f"checks: {outcome}", "bold"), f": {reason}")
        self._line("", (f"  {'before':<9}   {'now':<9}", MUTED))
        for name, now in self._head_outcomes.items():
            before = self._base_outcomes.get(name, "-")
            self._line("", *self._cell(before), " ", *self._cell(now), " ", name)
        self._head_outcomes.clear()

    def _cell(self, outcome: str) -> tuple[Part, ...]:
        mark = sign(self._console, name) if (name := self._check_sign(outcome)) else " "
        return ((f"{mark} {outcome:<9}", _CHECK_STYLES.get(outcome, "")),)

    @staticmethod
    def _check_sign(outcome: str) -> str:
        return {"passed": "passed", "failed": "failed", "timed-out": "failed"}.get(outcome, "")

    def _line(self, name: str, *parts: Part, style: str = "", most: int | None = None) -> None:
        mark = f"  {sign(self._console, name)} " if name else "  "
        say(self._console, *parts, mark=mark, style=style, most=most)

    def _words(self) -> str:
        took = int(time.monotonic() - self._began)
        dot = sign(self._console, "dot")
        calls = "1 call" if self._calls == 1 else f"{self._calls} calls"
        used = self._used
        tokens = f"{used.input_tokens + used.output_tokens:,} tokens" if used.requests else ""
        money = f"${used.cost:.2f}" if used.cost is not None else ""
        parts = [f"{took // 60}:{took % 60:02}", self._role, calls, tokens, money, self._doing]
        words = "  " + f" {dot} ".join(filter(None, parts))
        said = one_line(self._said)
        room = self._console.width - len(words) - 4
        return f"{words}: {_end_of(said, room)}" if said and room > 10 else words


def _end_of(text: str, columns: int) -> str:
    """Return the last words of `text` that take at most `columns` columns."""
    shown = text[-columns:]
    while cell_len(shown) > columns:
        shown = shown[1:]
    return shown
