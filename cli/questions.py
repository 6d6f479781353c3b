"""Questions of a run put to a person at the terminal: shown in words, answered with a letter and Enter."""

import asyncio
import os
import termios
from pathlib import Path
from typing import TextIO

from rich.console import Console

from andon.cli.editor import PLAN, checked_plan, edited
from andon.cli.gate_papers import show_evidence, show_facts, show_plan
from andon.cli.printing import ASK, BAD, MUTED, console_on, say, sign, wants_plain
from andon.line.steps import Answer, Gate
from andon.records.errors import UserError
from andon.records.plan import PlanPayload

_WORDS = {word: word[0] for word in ("y", "yes", "k", "kind", "n", "no", "e", "edit", "s", "stop")}
_KEYS = {"question": "  [y]es: as it proposes  [n] and your answer  [s]top: "}
_LINE_BYTES = 65_536


class Questions:
    """Puts the gates of one run to the person at the terminal. Called with a gate, it returns the answer."""

    def __init__(self, stdin: TextIO, out: TextIO, papers: Path, *, proposed: bool, plain: bool = False) -> None:
        """`papers` is the run's own folder; `proposed` says that the plan's criteria are the planner's."""
        self._input = stdin.fileno()
        self._console = console_on(out, plain=plain or wants_plain(out))
        self._papers = papers
        self._proposed = proposed

    async def __call__(self, gate: Gate) -> Answer:
        """Show what the gate is about and return what the person answers; the end of the input is `stop`."""
        if gate.subject == "plan":
            return await self._plan(gate)
        if gate.subject == "evidence":
            show_evidence(self._console, self._papers)
        else:
            show_facts(self._console, gate.shown)
        return await self._decided(gate, "") or Answer("yes")

    async def _plan(self, gate: Gate) -> Answer:
        document = draft = gate.editable
        while True:
            show_plan(self._console, PlanPayload.model_validate_json(document), proposed=self._proposed)
            answer = await self._decided(gate, "[e]dit  ")
            if answer is None:
                return Answer("yes") if document == gate.editable else Answer("edit", document)
            if answer.kind != "edit":
                return answer
            try:
                draft = await edited(draft, PLAN, os.environ)
                document = checked_plan(draft)
            except UserError as error:
                say(self._console, f"{error}. The plan stands as it was.", mark="not taken over: ", style=BAD)

    async def _decided(self, gate: Gate, edit: str) -> Answer | None:
        """Ask until there is an answer; None is a yes."""
        keys = "y" + "k" * bool(gate.kind) + "n" + "e" * bool(edit) + "s"
        _question(self._console, gate.question)
        kind = "[k]ind  " if gate.kind else ""
        if gate.kind:
            say(self._console, (f"yes: this once; kind: {gate.kind}", MUTED), mark="  ")
        while True:
            said = await self._line(_KEYS.get(gate.subject, f"  [y]es  {kind}[n]o (say why)  {edit}[s]top: "))
            if said is None:
                return Answer("stop")
            word, _, rest = said.strip().partition(" ")
            key = _WORDS.get(word.lower(), "")
            if key == "n":
                return await self._no(rest.strip())
            if key in keys and key and not rest.strip():
                return {"y": None, "k": Answer("kind"), "e": Answer("edit"), "s": Answer("stop")}[key]
            say(self._console, (f"Type {', '.join(keys[:-1])} or {keys[-1]}, then Enter.", MUTED), mark="  ")

    async def _no(self, reason: str) -> Answer:
        said = reason or await self._line("  Why? One line, it is passed on: ")
        return Answer("stop") if said is None else Answer("no", said.strip())

    async def _line(self, prompt: str) -> str | None:
        """Return the next line, or None at the end of the input. What was typed before the prompt is dropped."""
        try:
            return await self._typed(prompt)
        except (OSError, termios.error):
            return None  # the terminal is gone

    async def _typed(self, prompt: str) -> str | None:
        out = self._console.file
        # Keys pressed before the question was on the screen are no answer to it.
        termios.tcflush(self._input, termios.TCIFLUSH)
        out.write(prompt)
        out.flush()
        try:
            data = await _next_line(self._input)
        except asyncio.CancelledError:
            out.write("\n")
            raise
        if not data.endswith(b"\n"):
            out.write("\n")
        return data.decode("utf-8", "replace") if data else None


def _question(console: Console, question: str) -> None:
    console.print()
    say(console, (question, ASK), mark=f"{sign(console, 'asks')} ", style=ASK)


async def _next_line(file: int) -> bytes:
    """Read one line of a terminal without a thread, so that a run can be stopped while it waits."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(file, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(file)
    return os.read(file, _LINE_BYTES)
