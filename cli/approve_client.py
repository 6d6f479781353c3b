"""Answering a question of an IDE client: a sealed file in `factory/.state/approvals/`."""

import time
from contextlib import ExitStack

from andon.cli.confirming import confirm, terminal
from andon.cli.endings import print_json
from andon.guardrails.output import clean_text
from andon.line.ide.approvals import ApprovalStore
from andon.records.approvals import Approval, ApprovalAnswer
from andon.records.errors import UserError

_MEANINGS: dict[ApprovalAnswer, str] = {
    "once": "allow exactly this, once",
    "kind": "allow what this rule asks about, for the rest of its run",
    "deny": "say no",
}


def answer_client(store: ApprovalStore, asked: Approval, answer: ApprovalAnswer, reason: str, *, as_json: bool) -> int:
    """Show the question, take the answer if a person confirms it, and return 0.

    Raises:
        UserError: nobody answered it: no terminal, expired, answered already, or not confirmed.
    """
    _refuse_closed(store, asked)
    with ExitStack() as stack:
        terminal_in, terminal_out = terminal(stack)
        print(_shown(asked), file=terminal_out)
        confirm(asked.id, _MEANINGS[answer], asked.digest, terminal_in, terminal_out)
    answered = store.answer(asked.id, answer, reason=clean_text(reason))
    if as_json:
        print_json(answered.model_dump_json(indent=2))
    else:
        print(f"{answered.id}: {answered.answer}")
    return 0


def left(expires_at: float | None) -> str:
    """Return how long a question can be answered yet."""
    if expires_at is None:
        return "no time limit"
    minutes = max(0, int(expires_at - time.time()) // 60)
    if minutes < 180:
        return f"{minutes} minutes left"
    return f"{minutes // 60} hours left" if minutes < 4320 else f"{minutes // 1440} days left"


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
        f"expires  {left(asked.expires_at)}",
        f"sha256   {asked.digest}",
    ]
    return clean_text("\n".join(facts))
