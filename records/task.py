"""A task: what somebody wants, in both spellings of the guide."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, Field

from andon.records.base import Record
from andon.records.stops import TaskStatus

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_task_id(value: str) -> str:
    """Return `value` if it can be a folder and a part of a branch name everywhere.

    Raises:
        ValueError: with a sentence for the person who wrote the id.
    """
    if not _ID.fullmatch(value) or ".." in value or value.endswith((".", ".lock")):
        raise ValueError(
            f"task id {value!r} must be 1 to 64 letters, digits, '.', '_' or '-', begin with a letter or digit, "
            "hold no '..' and not end in '.' or '.lock'"
        )
    return value


def _one_line(value: str) -> str:
    text = " ".join(value.split())
    if not text:
        raise ValueError("must not be empty")
    return text


class Task(Record):
    """One unit of work."""

    id: Annotated[str, AfterValidator(check_task_id)] = Field(validation_alias=AliasChoices("id", "task_id"))
    """Names the run folder and the branch."""
    title: Annotated[str, AfterValidator(_one_line)] = Field(validation_alias=AliasChoices("title", "intent"))
    """The intent in one sentence."""
    status: TaskStatus = "pending"
    """Where the task stands in the queue."""
    acceptance_criteria: list[str] = Field(
        default_factory=list, validation_alias=AliasChoices("acceptance_criteria", "acceptanceCriteria")
    )
    """What must hold afterwards. Empty: the planner proposes criteria, and the run says so."""
    constraints: list[str] = Field(default_factory=list)
    """What must not happen."""
    context_paths: list[str] = Field(default_factory=list, validation_alias=AliasChoices("context_paths", "files"))
    """Files and folders a person thinks are worth reading first."""
    source: str = ""
    """Where the task came from, as an address or a word."""
    last_run: dict[str, Any] = Field(default_factory=dict, validation_alias=AliasChoices("last_run", "lastRun"))
    """What the last run left in the queue; written by the line."""


def slug_of(title: str) -> str:
    """Return the branch part of a title: lower-case ASCII words joined by '-', at most 40 characters, maybe empty."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40].strip("-")


def branch_of(task: Task) -> str:
    """Return `factory/<task-id>-<slug>`, or `factory/<task-id>` for a title without Latin letters or digits."""
    slug = slug_of(task.title)
    return f"factory/{task.id}-{slug}" if slug else f"factory/{task.id}"
