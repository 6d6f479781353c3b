"""A question that only a person answers: what exactly is asked, and what was answered."""

from typing import Literal

from pydantic import Field

from andon.records.base import Record
from andon.records.calls import Role

Subject = Literal["tool", "effect", "plan", "evidence"]
"""What is asked about: a call, a file that a call changed, a plan, a change with too little evidence."""

ApprovalAnswer = Literal["once", "kind", "deny"]
"""Exactly this, this kind for the rest of the run, or not."""

Channel = Literal["terminal", "client"]
"""Where the answer came from: a person at a terminal, or the client, which can answer without a person."""


class Approval(Record):
    """One question, bound to exactly what was asked about."""

    schema_version: Literal[1] = 1
    """Version of this document."""
    id: str = Field(pattern=r"^[0-9a-f]{8}$")
    """Eight random hexadecimal digits."""
    run_id: str
    """Whose question it is."""
    task_id: str
    """What the run works on."""
    subject: Subject
    """What is asked about."""
    tool: str = ""
    """Name of the tool whose call or effect it is; empty for others."""
    role: Role | None = None
    """Whose call it is."""
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the arguments, of path and content, or of the paper that is asked about."""
    state: str = ""
    """Fingerprint of the workspace the question is about; empty where that does not matter."""
    policy: str
    """Version of the policy that asked."""
    rule: str
    """Name of the rule that asked."""
    question: str
    """What is decided, in a line; made from facts."""
    shown: str = ""
    """What to read before answering: arguments, diff. Without control characters and secrets."""
    asked_at: int
    """Seconds since 1970, UTC."""
    expires_at: int
    """From then on it cannot be answered or used; seconds since 1970, UTC."""
    answer: ApprovalAnswer | None = None
    """What was answered; None while it waits."""
    reason: str = ""
    """Why not, in the words of who answered."""
    channel: Channel | None = None
    """Where the answer came from."""
    answered_at: int | None = None
    """Seconds since 1970, UTC."""
    used: bool = False
    """True once what was allowed was done, or the denial was told; an answer counts once."""

    @property
    def unanswered(self) -> "Approval":
        """The question alone, for telling whether two answers are to the same one."""
        return self.model_copy(
            update={"answer": None, "reason": "", "channel": None, "answered_at": None, "used": False}
        )
