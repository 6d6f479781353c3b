"""What a run says when it ends: `result.json`, which is also what `--json` prints."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field

from andon.records.base import Record
from andon.records.calls import Role
from andon.records.checks import Comparison
from andon.records.setup import SetupFacts
from andon.records.stops import StopCode, TaskStatus


class Usage(Record):
    """What the models were asked, as the provider counted it."""

    requests: int = 0
    """Model requests answered."""
    input_tokens: int = 0
    """Tokens sent."""
    output_tokens: int = 0
    """Tokens received."""
    cached_tokens: int = 0
    """Of the tokens sent, those the provider had kept from an earlier request."""
    cache_write_tokens: int = 0
    """Of the tokens sent, those the provider says it keeps for later requests; none of them is a cached one."""
    estimated: int = 0
    """Of the requests, those whose tokens the provider did not count: four characters are taken for one there."""
    cost: Annotated[Decimal | None, Field(ge=0, allow_inf_nan=False)] = None
    """US dollars by the price table, an estimate, written as a decimal string; null: not priced."""

    def plus(self, other: Self) -> Self:
        """Return the sum of both; its cost is known only if both are, and nothing costs nothing."""
        if not self.requests:
            return other
        if not other.requests:
            return self
        known = self.cost is not None and other.cost is not None
        return type(self)(
            requests=self.requests + other.requests,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            estimated=self.estimated + other.estimated,
            cost=(self.cost or Decimal(0)) + (other.cost or Decimal(0)) if known else None,
        )


class FileStat(Record):
    """One changed file."""

    path: str
    """Relative to the repository; undecodable bytes shown as \\xNN."""
    added: int | None
    """Lines added; None for binary files."""
    removed: int | None
    """Lines removed; None for binary files."""


class AuditHead(Record):
    """How far the event stream had come: an anchor outside it, by which a cut or a rewritten stream shows."""

    events: int
    """How many events it held."""
    head: str
    """Hash of the last one, SHA-256 in hex."""


class RunResult(Record):
    """One run, ended."""

    schema_version: Literal[1] = 1
    """Version of this document."""
    run_id: str
    """Unique for every run."""
    task_id: str
    """The task."""
    title: str
    """Its title."""
    status: TaskStatus
    """Where the task stands now."""
    stop_code: StopCode
    """Why the run ended."""
    exit_code: int
    """What the process returns; DESIGN §5."""
    message: str
    """What happened, in a sentence or two."""
    remedy: str
    """What to do next."""
    base_commit: str
    """Where the run started."""
    branch: str | None = None
    """The delivered branch, if one was made."""
    head_commit: str | None = None
    """Its tip: change and papers."""
    tree: str | None = None
    """The changed tree, kept also when nothing was delivered."""
    files: list[FileStat] = Field(default_factory=list)
    """What changed."""
    outside_plan: list[str] = Field(default_factory=list)
    """Changed paths that are neither listed in the plan nor new beside what it lists, sorted."""
    setup: SetupFacts | None = None
    """What was installed before anybody worked; None where nothing was."""
    checks: Comparison | None = None
    """What the checks showed."""
    review_rounds: int = 0
    """Reviews that were held."""
    sandbox: str = ""
    """The tier the run used: `bubblewrap`, …"""
    answered_by: str = ""
    """Who answered as the model: a provider and model, or a cassette's label."""
    usage: Usage = Field(default_factory=Usage)
    """Model requests, tokens and money."""
    usage_by_role: dict[Role, Usage] = Field(default_factory=dict)
    """The same for each role that asked a model."""
    warnings: list[str] = Field(default_factory=list)
    """What a person should know although the run went on."""
    run_folder: str = ""
    """Where the papers lie, relative to the repository."""
    audit: AuditHead | None = None
    """The end of audit.jsonl; None while the run goes on, and where the end could not be written."""


class Refusal(Record):
    """What `--json` prints where no run could begin; the fields it shares with RunResult mean the same."""

    schema_version: Literal[1] = 1
    """Version of this document."""
    stop_code: Literal[StopCode.USAGE, StopCode.INTERRUPTED] = StopCode.USAGE
    """`usage`, or `interrupted` before the run began."""
    exit_code: Literal[2, 130] = 2
    """What the process returns."""
    message: str
    """What is wrong, where, and what to do next."""
