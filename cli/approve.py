"""`andon approve` and `andon deny`: a person reads what is asked and answers it at the controlling terminal."""

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from andon.cli.approve_client import answer_client, left
from andon.cli.endings import open_streams, print_json
from andon.guardrails.output import clean_text
from andon.line.ide.approvals import ApprovalStore
from andon.line.ide.waiting import APPROVALS
from andon.line.steps import Answer
from andon.line.views.runs_view import RunsView
from andon.records.approvals import ApprovalAnswer
from andon.records.errors import UserError
from andon.sandbox.repository import Repository

if TYPE_CHECKING:
    from andon.cli.approve_run import RunQuestions

_VERSION = 1


def approve(args: argparse.Namespace) -> int:
    """List what waits, or show one question and allow it if a person says so; return 0.

    Raises:
        UserError: nobody answered it: no terminal, nothing of that id, expired, answered already, or not confirmed.
    """
    open_streams()
    if args.approval is None:
        if args.kind or args.edit or args.answer:
            raise UserError("which one? `andon approve` lists what waits")
        return _list(args)
    answer = Answer("edit") if args.edit else Answer("kind") if args.kind else Answer("yes")
    if args.answer is not None:
        # What is said at a planner's question is the answer to it.
        answer = Answer("no", clean_text(args.answer))
        return _answer(args, answer, "once", said=True)
    return _answer(args, answer, "kind" if args.kind else "once")


def deny(args: argparse.Namespace) -> int:
    """Show one question and say no to it if a person confirms; return 0.

    Raises:
        UserError: as for `approve`.
    """
    open_streams()
    return _answer(args, Answer("no", clean_text(args.reason)), "deny", args.reason)


def _answer(
    args: argparse.Namespace, answer: Answer, of_client: ApprovalAnswer, reason: str = "", *, said: bool = False
) -> int:
    repository = Repository.open(Path(args.directory))
    wanted = args.approval
    of_runs = _of_runs(repository)
    here = "/" not in wanted and (repository.root / APPROVALS / f"{wanted}.json").exists()
    if of_runs and not here and (asked := of_runs.find(wanted)):
        if said and asked.gate.subject != "question":
            raise UserError(f"{wanted} is no planner's question: approve it without --answer, or deny it")
        return of_runs.answer(asked, answer, edit=answer.kind == "edit", as_json=args.json)
    store = ApprovalStore.of(repository.root, os.environ)
    found = store.get(wanted)
    if said:
        raise UserError(f"{wanted} is no planner's question: approve it without --answer, or deny it")
    if answer.kind == "edit":
        raise UserError(f"{wanted} is about no plan: there is nothing to edit; approve or deny it")
    return answer_client(store, found, of_client, reason, as_json=args.json)


def _of_runs(repository: Repository) -> "RunQuestions | None":
    view = RunsView.of(repository, os.environ)
    if view is None:
        return None
    # Loaded where runs were ever queued.
    from andon.cli.approve_run import RunQuestions

    return RunQuestions(repository, view)


def _list(args: argparse.Namespace) -> int:
    repository = Repository.open(Path(args.directory))
    waiting, not_believed = ApprovalStore.of(repository.root, os.environ).waiting()
    of_runs = _of_runs(repository)
    asked, left_out = of_runs.waiting() if of_runs else ([], [])
    problems = [*not_believed, *left_out]
    if args.json:
        from andon.cli.approve_run import document_of

        document = {
            "schema_version": _VERSION,
            "waiting": [one.model_dump(mode="json") for one in waiting],
            "runs": [document_of(one) for one in asked],
            "unreadable": problems,
        }
        print_json(json.dumps(document, indent=2, ensure_ascii=False))
        return 0
    lines = [_waits(one.id, one.question, one.expires_at, one.run_id) for one in waiting]
    lines += [_waits(one.id, one.gate.question, one.expires_at, one.run_id) for one in asked]
    for line in lines:
        print(line)
    for problem in problems:
        print(f"not believed: {_line(problem)}")
    if not lines:
        print("nothing waits for an answer here")
    return 0


def _waits(approval_id: str, question: str, expires_at: float | None, run_id: str) -> str:
    return f"{approval_id}  {_line(question)}\n  {left(expires_at)}, run {_line(run_id)}: andon approve {approval_id}"


def _line(text: str) -> str:
    return " ".join(clean_text(text).split())
