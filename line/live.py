"""Who answers a live run: which model plays which role, and which server is asked; loads no agent SDK to say so."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from andon.agents.model_names import DEFAULT_MODEL, wire_and_name
from andon.context.settings import SETTINGS_PATH, Settings
from andon.line.answerer import ROLES, Answerer
from andon.line.trust import TrustFile, claims_of
from andon.records.calls import Role
from andon.records.errors import UserError

if TYPE_CHECKING:
    from agents import Model


@dataclass(frozen=True)
class ModelFlags:
    """What the command line says of the models; None where it says nothing."""

    model: str | None = None
    planner: str | None = None
    executor: str | None = None
    reviewer: str | None = None
    stream: bool | None = None


@dataclass(frozen=True)
class LiveModels:
    """Which model plays which role at which server, as a person and the repository said it."""

    names: Mapping[Role, str]
    base_url: str | None
    """None is OpenAI itself."""
    key: str = field(repr=False)
    stream: bool


def choose_models(settings: Settings, flags: ModelFlags, environment: Mapping[str, str], *, root: Path) -> LiveModels:
    """Return the models of a run in the repository at `root`; nothing is loaded and nobody is asked.

    Raises:
        UserError: no key is set, a model's name or an address cannot be used, or the repository names a server that
            no person accepted.
    """
    key = environment.get("OPENAI_API_KEY", "")
    if not key:
        raise UserError(
            "no model to ask: set OPENAI_API_KEY (and OPENAI_BASE_URL for another server), or try `andon demo`"
        )
    return LiveModels(
        names=model_names(settings, flags, environment),
        base_url=endpoint(settings, environment, root),
        key=key,
        stream=settings.models.stream if flags.stream is None else flags.stream,
    )


@asynccontextmanager
async def live_answerer(
    settings: Settings, flags: ModelFlags, environment: Mapping[str, str], *, root: Path
) -> AsyncIterator[Answerer]:
    """Say who answers a run in the repository at `root`; the models made for it are closed after it.

    Raises:
        UserError: as `choose_models`.
    """
    chosen = choose_models(settings, flags, environment, root=root)
    made: dict[str, Model] = {}

    def make() -> "Mapping[Role, Model]":
        # Loading the SDK takes two seconds, in which the run does other things.
        from andon.agents.models import openai_model

        for name in chosen.names.values():
            if name not in made:
                made[name] = openai_model(name, base_url=chosen.base_url, api_key=chosen.key, stream=chosen.stream)
        return {role: made[name] for role, name in chosen.names.items()}

    try:
        yield Answerer(models=make, label=", ".join(sorted(set(chosen.names.values()))), names=chosen.names)
    finally:
        for model in made.values():
            await model.close()


def model_names(settings: Settings, flags: ModelFlags, environment: Mapping[str, str]) -> dict[Role, str]:
    """Return the model of each role: flag, else environment, else factory/andon.toml, else the SDK's default.

    Within each of them the role's own word goes before the one for all.

    Raises:
        UserError: a name cannot be used; says where it stands.
    """
    return {role: _name(role, settings, flags, environment) for role in ROLES}


def _name(role: Role, settings: Settings, flags: ModelFlags, environment: Mapping[str, str]) -> str:
    variable = f"ANDON_{role.upper()}_MODEL"
    said = (
        (f"--{role}-model", getattr(flags, role)),
        ("--model", flags.model),
        (variable, environment.get(variable)),
        ("ANDON_MODEL", environment.get("ANDON_MODEL")),
        (f"{SETTINGS_PATH}, models.{role}", getattr(settings.models, role)),
        (f"{SETTINGS_PATH}, models.default", settings.models.default),
        ("OPENAI_DEFAULT_MODEL", environment.get("OPENAI_DEFAULT_MODEL", "").lower()),
    )
    origin, name = next(((origin, name) for origin, name in said if name), ("the default", DEFAULT_MODEL))
    try:
        wire_and_name(name)
    except ValueError as error:
        raise UserError(f"{origin}: {error}") from error
    return name


def endpoint(settings: Settings, environment: Mapping[str, str], root: Path) -> str | None:
    """Return the server that is asked: OPENAI_BASE_URL, else what the repository says and a person accepted, else None.

    Raises:
        UserError: no person accepted what the repository says, or OPENAI_BASE_URL is no address.
    """
    said = environment.get("OPENAI_BASE_URL", "").strip()
    if not said:
        claim = next((claim for claim in claims_of(settings) if claim.key == "provider.base_url"), None)
        return TrustFile.of(environment).accepted_value(claim, root) if claim else None
    try:
        parts = urlsplit(said)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError("OPENAI_BASE_URL is no address: set it to one like https://models.example.org/v1")
    return said
