"""A task: what somebody wants, in both spellings of the guide."""

import re
import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, Field

from andon.records.base import Record
from andon.records.stops import TaskStatus

_PATTERN = 400
_OURS = frozenset({"", "cli", "terminal", "queue", "demo", "mcp-client"})
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


def check_locked(value: str) -> str:
    """Return the gitignore pattern `value` if it can lock paths of a repository.

    Raises:
        ValueError: with a sentence for the person who wrote it.
    """
    text = value.strip()
    if not text.strip("/.") or len(text) > _PATTERN:
        raise ValueError(f"must be a path or pattern of 1 to {_PATTERN} characters, such as src/auth/ or *.lock")
    if any(unicodedata.category(one)[0] == "C" or one in "\u2028\u2029" for one in text):
        raise ValueError("holds a control or invisible character: write it without")
    if text[0] in "!#":
        raise ValueError(f"{text!r} begins with {text[0]!r}: name what is locked, nothing is let out again")
    if "\\" in text or ".." in text.split("/"):
        raise ValueError(
            f"{text!r}: write a path from the top of the repository, with '/', without '..' or backslashes"
        )
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
    locked_paths: list[Annotated[str, AfterValidator(check_locked)]] = Field(
        default_factory=list, max_length=1000, validation_alias=AliasChoices("locked_paths", "lockedPaths", "locked")
    )
    """Gitignore patterns of what this task locks: no agent may change it, and no person can allow it in the run."""
    context_paths: list[str] = Field(default_factory=list, validation_alias=AliasChoices("context_paths", "files"))
    """Files and folders a person thinks are worth reading first."""
    source: str = ""
    """Where the task came from, as an address or a word."""
    last_run: dict[str, Any] = Field(default_factory=dict, validation_alias=AliasChoices("last_run", "lastRun"))
    """What the last run left in the queue; written by the line."""


def is_outsiders(source: str) -> bool:
    """True if `Task.source` does not say that the work was asked for by a person at this machine."""
    return source.strip().casefold() not in _OURS


def slug_of(title: str) -> str:
    """Return the branch part of a title: lower-case ASCII words joined by '-', at most 40 characters, maybe empty."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40].strip("-")


def branch_of(task: Task) -> str:
    """Return `factory/<task-id>-<slug>`, or `factory/<task-id>` for a title without Latin letters or digits."""
    slug = slug_of(task.title)
    return f"factory/{task.id}-{slug}" if slug else f"factory/{task.id}"
