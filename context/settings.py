"""`factory/andon.toml`: what a repository may choose."""

import re
import shlex
import tomllib
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from andon.context.base import BaseFiles
from andon.context.strict_json import decode, problems
from andon.records.base import Record
from andon.records.budget import Allowance, Amount, Count, Price
from andon.records.errors import UserError
from andon.records.lanes import LANE_NAME
from andon.records.review import Specialist
from andon.sandbox.egress_rules import AllowedHost

SETTINGS_PATH = "factory/andon.toml"
"""Where the settings lie, relative to the repository."""

# Only what a person can read off the screen: no user name in front of the host, no look-alike letters.
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/%-]*)?")
_SHELL_WORDS = frozenset({"&&", "||", "|", ";", "&", ">", ">>", "<", "<<", "2>&1"})


def _argv(value: Any) -> tuple[str, ...]:
    """Return an argument vector from a list of words or from one string split as a shell would."""
    if isinstance(value, str):
        try:
            words = shlex.split(value)
        except ValueError as error:
            raise ValueError(f"cannot be split into words: {error}") from error
        operators = [word for word in words if word in _SHELL_WORDS or word.endswith(";")]
        if operators:
            raise ValueError(
                f"holds {operators[0]!r}, but commands run without a shell: write one entry a command, or call a script"
            )
        value = words
    if not isinstance(value, list | tuple) or not value or not all(isinstance(word, str) for word in value):
        raise ValueError("must be a command: a string, or a list of words")
    if not value[0] or "=" in value[0]:
        raise ValueError(f"must begin with a program, not {value[0]!r}")
    if any("\0" in word for word in value):
        raise ValueError("must not hold a null character")
    return tuple(value)


Argv = Annotated[tuple[str, ...], BeforeValidator(_argv)]


class Limits(Allowance):
    """`[limits]`: when a run stops by itself. What a run may spend is counted over all its roles."""

    review_rounds: int = Field(default=2, ge=1, le=20)
    """How many reviews a run may hold; after the last one nothing is handed back."""
    model_calls: Count = 80
    """Model requests in one run."""
    tokens: Count = 10_000_000
    """Tokens sent and received in one run, cached ones included."""
    minutes: Amount = Decimal(120)
    """Working time of one run in minutes; waiting for a person does not count."""
    tool_calls: Count = 500
    """Calls of tools in one run, refused ones included."""
    amended_paths: int = Field(default=20, ge=0, le=10_000)
    """How many ordinary files the executor may add to the plan in one run before a person is asked; a folder counts as
    the files in it."""
    planner: Allowance = Field(default_factory=Allowance)
    """What the planner may spend of it."""
    executor: Allowance = Field(default_factory=Allowance)
    """What the executor may spend of it."""
    reviewer: Allowance = Field(default_factory=Allowance)
    """What the reviewer may spend of it."""
    command_seconds: int = Field(default=120, ge=1)
    """Time for one command of an agent, in seconds."""
    check_seconds: int = Field(default=600, ge=1)
    """Time for one check of the line, in seconds."""
    setup_seconds: int = Field(default=1200, ge=1)
    """Time for the dependencies to be installed, in seconds."""
    halt_after: int = Field(default=3, ge=0, le=1000)
    """How many runs of a lane in a row may stop for the same reason before the lane takes no further one until a person
    opens it; 0: it never halts."""
    provider_runs: int | None = Field(default=None, ge=1, le=1000)
    """How many runs may ask one model server at once, over all workers on the database; None: as many as there are."""


class Models(Record):
    """`[models]`: which model plays which role. Empty: as the command line or the environment says."""

    default: str = ""
    """For every role not named here."""
    planner: str = ""
    """For the planner."""
    executor: str = ""
    """For the executor."""
    reviewer: str = ""
    """For the reviewer."""
    stream: bool = True
    """Ask for answers as they are written; false for servers that cannot."""


def _address(value: str) -> str:
    if value and not _ADDRESS.fullmatch(value):
        raise ValueError("must be an address such as https://models.example.org/v1, without user, query or fragment")
    return value


class Provider(Record):
    """`[provider]`: where the models are. A repository does not decide this alone: see `andon trust`."""

    base_url: Annotated[str, AfterValidator(_address)] = ""
    """The server that is asked. Empty: OpenAI. OPENAI_BASE_URL goes before it."""


class Checks(Record):
    """`[checks]`: commands that stand in for the detected ones."""

    test: list[Argv] | None = None
    """Commands that show behaviour; None: detected, empty: none."""
    static: list[Argv] | None = None
    """Linters and syntax checks; None: detected, empty: none on purpose, so that tests alone can be green."""
    audit: bool | None = None
    """Ask an advisory service about the dependencies: true: for every change, false: never and without a word. None:
    a change of a lock file is said not to be audited. A repository does not decide this alone: see `andon trust`."""


def _host(value: str) -> str:
    AllowedHost.parse(value)
    return value


class SandboxSettings(Record):
    """`[sandbox]`: how dependencies get in. A repository does not decide this alone: see `andon trust`."""

    setup: list[Argv] | None = None
    """Commands that stand in for what lock files say; empty: nothing is installed, which needs nobody's acceptance."""
    hosts: list[Annotated[str, AfterValidator(_host)]] = Field(default_factory=list)
    """Servers the set-up may reach besides the registries: `HOST` or `HOST:PORT`."""
    image: Annotated[str, Field(pattern=r"^([a-z0-9][A-Za-z0-9._/:@-]*)?$")] = ""
    """The image of the Docker tier. ANDON_IMAGE goes before it."""


class Approvals(Record):
    """`[approvals]`: what a person is asked, and what happens where there is none."""

    plan: Literal["attended", "always", "never"] = "attended"
    """When the plan waits for a person: where one is there, always, or never."""
    unattended: Literal["park", "refuse"] = "park"
    """What becomes of a call or a change that only a person may allow, where nobody can be asked: the run waits (exit
    10), or the call is refused and the run goes on."""
    elicitation: bool = True
    """Whether an MCP client may be asked by a form of its own, which it could answer without a person; if not, only
    `andon approve` answers."""


def _lane(name: str) -> str:
    if not LANE_NAME.fullmatch(name):
        raise ValueError(
            "cannot be the name of a lane: write letters, digits, '.', '_' or '-', a letter or digit first"
        )
    return name


def _once(names: list[Specialist]) -> list[Specialist]:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"names {twice!r} twice: each reviewer looks once in a round")
    return names


class LaneSettings(Record):
    """`[lanes.NAME]`: how the runs of one lane are worked on."""

    reviewers: Annotated[list[Specialist], AfterValidator(_once)] = Field(default_factory=list)
    """Specialised reviewers that look at a change before the reviewer does, in this order."""


class Settings(Record):
    """Everything `factory/andon.toml` may say. Every key may be left out."""

    limits: Limits = Field(default_factory=Limits)
    """When a run stops by itself."""
    models: Models = Field(default_factory=Models)
    """Which model plays which role."""
    provider: Provider = Field(default_factory=Provider)
    """Where the models are."""
    checks: Checks = Field(default_factory=Checks)
    """Commands that stand in for the detected ones."""
    sandbox: SandboxSettings = Field(default_factory=SandboxSettings)
    """How dependencies get in."""
    approvals: Approvals = Field(default_factory=Approvals)
    """What a person is asked."""
    lanes: dict[Annotated[str, AfterValidator(_lane)], LaneSettings] = Field(default_factory=dict)
    """How the runs of a lane are worked on, by its name; `default` is the lane of runs that name none."""
    prices: dict[Annotated[str, Field(min_length=1)], Price] = Field(default_factory=dict)
    """What models cost that the shipped price table lacks or has wrong, by their names at the provider."""
    protected_paths: dict[str, list[Annotated[str, Field(min_length=1)]]] = Field(default_factory=dict)
    """What an area named in the project context protects, as gitignore patterns."""


def _decimal(text: str) -> Decimal:
    # Money as it was written, not as the nearest binary number.
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("inf")


def load_settings(files: BaseFiles) -> Settings:
    """Return the settings of the base commit; without the file, the defaults.

    Raises:
        UserError: malformed TOML (with line and column), an unknown key, or a value of the wrong kind (with its key).
    """
    content = files.read(SETTINGS_PATH)
    if content is None:
        return Settings()
    try:
        data = tomllib.loads(decode(content, SETTINGS_PATH), parse_float=_decimal)
    except ValueError as error:
        raise UserError(f"{SETTINGS_PATH}: malformed TOML: {error}. Correct that line.") from error
    try:
        # Strict, so that "2" and true are not taken for 2 and 1.
        return Settings.model_validate(data, strict=True)
    except ValidationError as error:
        raise UserError(f"{SETTINGS_PATH}: {problems(error)}. Correct the key and run again.") from error
