"""Answering a question of a run that waits for a person in the tables."""

import asyncio
import hashlib
import json
import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console

from andon.cli.approve_client import left
from andon.cli.confirming import confirm, terminal
from andon.cli.editor import PLAN, checked_plan, edited
from andon.cli.endings import print_json
from andon.cli.gate_papers import show_evidence, show_facts, show_plan
from andon.cli.papers_shown import papers_while_waiting
from andon.cli.printing import ASK, console_on, say, wants_plain
from andon.cli.stop import person
from andon.line.db import approvals
from andon.line.db.approvals import Question
from andon.line.steps import Answer
from andon.line.views.found_run import FoundRun
from andon.line.views.runs_view import RunsView
from andon.records.errors import UserError
from andon.records.plan import PlanPayload
from andon.sandbox.repository import Repository

if TYPE_CHECKING:
    from andon.line.db.foreign import Unreadable

_VERSION = 1
_MEANINGS = {
    "yes": "say yes to exactly this",
    "kind": "allow this kind for the rest of the run",
    "no": "say no",
    "edit": "let the run go on with the plan as you left it",
}


@dataclass(frozen=True)
class RunQuestions:
    """The questions of the runs of one repository."""

    repository: Repository
    view: RunsView

    def waiting(self) -> tuple[list[Question], list[str]]:
        """Return what can be answered now, oldest first, and a sentence about each question that cannot be read."""
        left_out: list[Unreadable] = []
        asked = approvals.open_questions(self.view.db, self.view.repository, left_out)
        return asked, [one.problem for one in left_out]

    def find(self, wanted: str) -> Question | None:
        """Return the question of that id, or the last one of that run or task; None if there is none.

        Raises:
            UserError: it is one of another repository.
        """
        asked = self._of(wanted)
        if asked is None and (run := self.view.named_or_last(wanted)):
            asked = self._of(run.id)
        if asked is None:
            return None
        if asked.repository != self.view.repository:
            raise UserError(f"{wanted} is asked by a run of {asked.repository}: change into that repository")
        return asked

    def answer(self, asked: Question, answer: Answer, *, edit: bool, as_json: bool) -> int:
        """Show everything that is asked about, take the answer if a person confirms it, and return 0.

        Raises:
            UserError: nobody answered it: no terminal, expired, answered already, not to be answered so, not confirmed,
                or the edited plan is none.
        """
        self._refuse(asked, answer, edit=edit)
        found = FoundRun.of(self.repository, asked.run_id, self.view)
        with ExitStack() as stack:
            terminal_in, terminal_out = terminal(stack)
            console = console_on(terminal_out, plain=wants_plain(terminal_out))
            _show(console, asked, found)
            digest = asked.digest
            if edit:
                answer = approvals.answer_to_keep(Answer("edit", _edited(asked.gate.editable)))
                digest = hashlib.sha256(answer.text.encode()).hexdigest()
                show_plan(console, PlanPayload.model_validate_json(answer.text), proposed=_proposed(found))
                say(console, digest, mark="sha256   ")
            confirm(asked.id, _MEANINGS[answer.kind], digest, terminal_in, terminal_out)
        approvals.answer(self.view.db, asked.id, answer, by=person(), channel="terminal", digest=asked.digest)
        self._tell(asked, answer, as_json=as_json)
        return 0

    def _of(self, wanted: str) -> Question | None:
        try:
            return approvals.question(self.view.db, wanted)
        except UserError:
            return None

    def _refuse(self, asked: Question, answer: Answer, *, edit: bool) -> None:
        """Refuse before anything is asked what could not be answered afterwards."""
        if asked.answer is not None:
            raise UserError(f"{asked.id} was answered already: {asked.answer.kind}")
        if asked.run_status == "ended":
            raise UserError(f"{asked.id} cannot be answered: its run {asked.run_id} has ended")
        if asked.expires_at is not None and asked.expires_at <= self.view.now():
            raise UserError(f"{asked.id} has expired: start the task again")
        if answer.kind == "kind" and not asked.gate.kind:
            raise UserError(f"{asked.id} cannot be allowed for the rest of the run: approve this one without --kind")
        if edit and asked.gate.subject != "plan":
            raise UserError(f"{asked.id} is about no plan: there is nothing to edit; approve or deny it")

    def _tell(self, asked: Question, answer: Answer, *, as_json: bool) -> None:
        serving = any(worker.kind == "serve" for worker in self.view.workers())
        step = f"andon log -f {asked.run_id}" if serving else f"andon resume {asked.run_id}"
        if as_json:
            document = {
                "schema_version": _VERSION,
                "id": asked.id,
                "run_id": asked.run_id,
                "answer": answer.kind,
                "goes_on": serving,
                "next_step": step,
            }
            print_json(json.dumps(document, indent=2, ensure_ascii=False))
            return
        print(f"{asked.id}: {answer.kind}")
        if serving:
            print(f"a worker goes on with the run: `{step}` follows it")
        else:
            print(f"no worker is alive: `{step}` goes on with the run here, `andon serve` with all that wait")


def document_of(asked: Question) -> dict[str, object]:
    """Return a question as `andon approve --json` lists it."""
    return {
        "id": asked.id,
        "run_id": asked.run_id,
        "task_id": asked.task_id,
        "subject": asked.gate.subject,
        "rule": asked.gate.rule,
        "question": asked.gate.question,
        "shown": asked.gate.shown,
        "kind": asked.gate.kind,
        "editable": asked.gate.editable,
        "digest": asked.digest,
        "asked_at": asked.asked_at,
        "expires_at": asked.expires_at,
    }


def _show(console: Console, asked: Question, found: FoundRun) -> None:
    gate, row = asked.gate, found.row
    say(console, (gate.question, ASK), mark="? ", style=ASK)
    if gate.subject == "plan":
        show_plan(console, PlanPayload.model_validate_json(gate.editable), proposed=_proposed(found))
    elif gate.subject == "evidence":
        with papers_while_waiting(found, gate) as papers:
            show_evidence(console, papers)
    if gate.shown:
        show_facts(console, gate.shown)
    console.print()
    facts = [
        ("run", f"{asked.run_id} (task {asked.task_id}: {asked.title})"),
        ("base", f"{row.base_commit}, for the branch {row.branch}" if row else ""),
        ("tree", found.result.tree or "" if found.result else ""),
        ("rule", gate.rule),
        ("kind", gate.kind),
        ("expires", left(asked.expires_at)),
        ("sha256", asked.digest),
    ]
    for name, text in facts:
        if text:
            say(console, text, mark=f"{name:<8} ")


def _proposed(found: FoundRun) -> bool:
    return found.row is not None and not found.row.task.acceptance_criteria


def _edited(document: str) -> str:
    """Return the plan as the person's editor left it.

    Raises:
        UserError: it is no plan; names line or field.
    """
    try:
        return checked_plan(asyncio.run(edited(document, PLAN, os.environ)))
    except UserError as error:
        raise UserError(f"{error}. The question still waits as it was") from error
