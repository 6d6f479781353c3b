"""`factory/andon.toml`: what a repository may choose."""

import re
import shlex
import tomllib
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from andon.context.base import BaseFiles
from andon.context.strict_json import decode, problems
from andon.records.base import Record
from andon.records.errors import UserError
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


class Limits(Record):
    """`[limits]`: when a run stops by itself."""

    review_rounds: int = Field(default=2, ge=1, le=20)
    """How many reviews a run may hold; after the last one nothing is handed back."""
    model_calls: int = Field(default=80, ge=1)
    """Model requests in one run, all roles together."""
    command_seconds: int = Field(default=120, ge=1)
    """Time for one command of an agent, in seconds."""
    check_seconds: int = Field(default=600, ge=1)
    """Time for one check of the line, in seconds."""
    setup_seconds: int = Field(default=1200, ge=1)
    """Time for the dependencies to be installed, in seconds."""


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
    protected_paths: dict[str, list[Annotated[str, Field(min_length=1)]]] = Field(default_factory=dict)
    """What an area named in the project context protects, as gitignore patterns."""


def load_settings(files: BaseFiles) -> Settings:
    """Return the settings of the base commit; without the file, the defaults.

    Raises:
        UserError: malformed TOML (with line and column), an unknown key, or a value of the wrong kind (with its key).
    """
    content = files.read(SETTINGS_PATH)
    if content is None:
        return Settings()
    try:
        data = tomllib.loads(decode(content, SETTINGS_PATH))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{SETTINGS_PATH}: malformed TOML: {error}. Correct that line.") from error
    try:
        # Strict, so that "2" and true are not taken for 2 and 1.
        return Settings.model_validate(data, strict=True)
    except ValidationError as error:
        raise UserError(f"{SETTINGS_PATH}: {problems(error)}. Correct the key and run again.") from error
