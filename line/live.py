"""Who answers a live run: which model plays which role, and which server is asked; loads no agent SDK to say so."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from andon.agents.model_names import ANTHROPIC, DEFAULT_MODEL, OPENAI, Maker, maker_of, wire_and_name
from andon.context.settings import SETTINGS_PATH, Settings
from andon.line.answerer import ROLES, Answerer
from andon.line.trust import TrustFile, Where, claims_of
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
class ModelServer:
    """Where models are asked, and with what."""

    base_url: str | None
    """None is the maker's own server."""
    key: str = field(repr=False)


@dataclass(frozen=True)
class LiveModels:
    """Which model plays which role at which server, as a person and the repository said it."""

    names: Mapping[Role, str]
    servers: Mapping[Maker, ModelServer]
    """The servers of the makers that are asked."""
    stream: bool

    def server_of(self, name: str) -> ModelServer:
        """Return the server that is asked for the model of that name."""
        return self.servers[maker_of(name)]


def choose_models(settings: Settings, flags: ModelFlags, environment: Mapping[str, str], *, where: Where) -> LiveModels:
    """Return the models of a run in the repository `where`; nothing is loaded and nobody is asked.

    Raises:
        UserError: a key is not set, a model's name or an address cannot be used, or the repository names a server that
            no person accepted.
    """
    names = model_names(settings, flags, environment)
    asked = makers_of(names)
    missing = [maker for maker in asked if not environment.get(maker.key)]
    if missing:
        raise UserError(_no_key(missing, names))
    return LiveModels(
        names=names,
        servers={
            maker: ModelServer(endpoint(settings, environment, where, maker), environment[maker.key]) for maker in asked
        },
        stream=settings.models.stream if flags.stream is None else flags.stream,
    )


def makers_of(names: Mapping[Role, str]) -> tuple[Maker, ...]:
    """Return the makers whose servers these models are asked at, each once, sorted by name."""
    return tuple(sorted({maker_of(name) for name in names.values()}))


def _no_key(missing: list[Maker], names: Mapping[Role, str]) -> str:
    if missing == [OPENAI]:
        return "no model to ask: set OPENAI_API_KEY (and OPENAI_BASE_URL for another server), or try `andon demo`"
    wanted = ", ".join(sorted({name for name in names.values() if maker_of(name) in missing}))
    keys = " and ".join(maker.key for maker in missing)
    return f"{wanted} cannot be asked: set {keys}, or name other models"


@asynccontextmanager
async def live_answerer(
    settings: Settings, flags: ModelFlags, environment: Mapping[str, str], *, where: Where
) -> AsyncIterator[Answerer]:
    """Say who answers a run in the repository `where`; the models made for it are closed after it.

    Raises:
        UserError: as `choose_models`.
    """
    chosen = choose_models(settings, flags, environment, where=where)
    made: dict[str, Model] = {}

    def make() -> "Mapping[Role, Model]":
        # Loading the SDK takes two seconds, in which the run does other things.
        from andon.agents.models import named_model

        for name in chosen.names.values():
            if name not in made:
                server = chosen.server_of(name)
                made[name] = named_model(name, base_url=server.base_url, api_key=server.key, stream=chosen.stream)
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


def endpoint(settings: Settings, environment: Mapping[str, str], where: Where, maker: Maker = OPENAI) -> str | None:
    """Return the server that is asked for models of `maker`; None is the maker's own.

    It is what the variable of that maker says. A repository can only name a server with OpenAI's interfaces, and a
    person has to have accepted it.

    Raises:
        UserError: no person accepted what the repository says, or the variable holds no address.
    """
    said = environment.get(maker.address, "").strip()
    if not said:
        claim = next((claim for claim in claims_of(settings) if claim.key == "provider.base_url"), None)
        asked = claim if maker == OPENAI else None
        return TrustFile.of(environment).accepted_value(asked, where) if asked else None
    try:
        parts = urlsplit(said)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        example = f"https://models.example.org{'' if maker == ANTHROPIC else '/v1'}"
        raise UserError(f"{maker.address} is no address: set it to one like {example}")
    return said
