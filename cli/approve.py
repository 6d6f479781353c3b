"""`andon approve` and `andon deny`: a person reads what is asked and answers it at the controlling terminal."""

import argparse
import json
import os
import termios
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TextIO

from andon.cli.endings import open_streams, print_json
from andon.guardrails.output import clean_text
from andon.line.approvals import ApprovalStore
from andon.records.approvals import Approval, ApprovalAnswer
from andon.records.errors import UserError
from andon.sandbox.repository import Repository

_VERSION = 1
_TYPED = 6
_MEANINGS: dict[ApprovalAnswer, str] = {
    "once": "allow exactly this, once",
    "kind": "allow what this rule asks about, for the rest of its run",
    "deny": "say no",
}


def approve(args: argparse.Namespace) -> int:
    """List what waits, or show one question and allow it if a person says so; return 0.

    Raises:
        UserError: nobody answered it: no terminal, nothing of that id, expired, answered already, or not confirmed.
    """
    open_streams()
    store = _store(args)
    if args.approval is None:
        if args.kind:
            raise UserError("which one? `andon approve` lists what waits")
        return _list(store, as_json=args.json)
    return _answer(store, args, "kind" if args.kind else "once")


def deny(args: argparse.Namespace) -> int:
    """Show one question and say no to it if a person confirms; return 0.

    Raises:
        UserError: as for `approve`.
    """
    open_streams()
    return _answer(_store(args), args, "deny", args.reason)


def _store(args: argparse.Namespace) -> ApprovalStore:
    return ApprovalStore.of(Repository.open(Path(args.directory)).root, os.environ)


def _list(store: ApprovalStore, *, as_json: bool) -> int:
    waiting, problems = store.waiting()
    if as_json:
        documents = [one.model_dump(mode="json") for one in waiting]
        document = {"schema_version": _VERSION, "waiting": documents, "unreadable": list(problems)}
        print_json(json.dumps(document, indent=2, ensure_ascii=False))
        return 0
    for one in waiting:
        print(f"{one.id}  {_line(one.question)}\n  {_left(one)}, run {_line(one.run_id)}: andon approve {one.id}")
    for problem in problems:
        print(f"not believed: {_line(problem)}")
    if not waiting:
        print("nothing waits for an answer here")
    return 0


def _answer(store: ApprovalStore, args: argparse.Namespace, answer: ApprovalAnswer, reason: str = "") -> int:
    asked = store.get(args.approval)
    _refuse_closed(store, asked)
    with ExitStack() as stack:
        terminal_in, terminal_out = _terminal(stack)
        print(_shown(asked), file=terminal_out)
        if not _confirmed(asked, answer, terminal_in, terminal_out):
            raise UserError(f"{asked.id} was not answered: the digest's first {_TYPED} characters were not typed")
    answered = store.answer(asked.id, answer, reason=clean_text(reason))
    if args.json:
        print_json(answered.model_dump_json(indent=2))
    else:
        print(f"{answered.id}: {answered.answer}")
    return 0


def _refuse_closed(store: ApprovalStore, asked: Approval) -> None:
    if asked.answer is not None:
        raise UserError(f"{asked.id} was answered already: {asked.answer}")
    if store.clock() >= asked.expires_at:
        raise UserError(f"{asked.id} has expired: it is asked again when the same call is made again")


def _shown(asked: Approval) -> str:
    facts = [
        asked.question,
        "",
        *([asked.shown, ""] if asked.shown else []),
        f"run      {asked.run_id} (task {asked.task_id})",
        f"rule     {asked.rule}, policy {asked.policy}",
        *([f"state    {asked.state}"] if asked.state else []),
        f"expires  {_left(asked)}",
        f"sha256   {asked.digest}",
    ]
    return clean_text("\n".join(facts))


def _confirmed(asked: Approval, answer: ApprovalAnswer, terminal_in: TextIO, terminal_out: TextIO) -> bool:
    # Keys pressed before the question was on the screen are no answer to it.
    with suppress(termios.error):
        termios.tcflush(terminal_in.fileno(), termios.TCIFLUSH)
    terminal_out.write(f"To {_MEANINGS[answer]}, type the first {_TYPED} characters of the sha256 above: ")
    terminal_out.flush()
    return terminal_in.readline().strip().lower() == asked.digest[:_TYPED]


def _left(asked: Approval) -> str:
    minutes = max(0, int(asked.expires_at - time.time()) // 60)
    return f"{minutes} minutes left"


def _line(text: str) -> str:
    return " ".join(clean_text(text).split())


def _terminal(stack: ExitStack) -> tuple[TextIO, TextIO]:
    """Open the terminal itself, so that neither a pipe nor a script's input can answer."""
    try:
        return stack.enter_context(open("/dev/tty")), stack.enter_context(open("/dev/tty", "w"))
    except OSError as error:
        raise UserError("this asks a person and there is no terminal: run it in one") from error
