"""Who answers a live run: which model plays which role, and which server is asked."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from agents.models import get_default_model

from andon.agents.models import openai_model, wire_and_name
from andon.context.settings import SETTINGS_PATH, Settings
from andon.line.run import ROLES, Answerer
from andon.line.trust import TrustFile, claims_of
from andon.records.calls import Role
from andon.records.errors import UserError


@dataclass(frozen=True)
class ModelFlags:
    """What the command line says of the models; None where it says nothing."""

    model: str | None = None
    planner: str | None = None
    executor: str | None = None
    reviewer: str | None = None
    stream: bool | None = None


@asynccontextmanager
async def live_answerer(
    settings: Settings, flags: ModelFlags, environment: Mapping[str, str], *, root: Path
) -> AsyncIterator[Answerer]:
    """Make the models of the repository at `root` for a run, and close them after it.

    Raises:
        UserError: no key is set, a model's name or an address cannot be used, or the repository names a server that
            no person accepted.
    """
    key = environment.get("OPENAI_API_KEY", "")
    if not key:
        raise UserError(
            "no model to ask: set OPENAI_API_KEY (and OPENAI_BASE_URL for another server), or try `andon demo`"
        )
    names = model_names(settings, flags, environment)
    base_url = endpoint(settings, environment, root)
    stream = settings.models.stream if flags.stream is None else flags.stream
    made = {
        name: openai_model(name, base_url=base_url, api_key=key, stream=stream) for name in sorted(set(names.values()))
    }
    async with AsyncExitStack() as stack:
        for model in made.values():
            stack.push_async_callback(model.close)
        yield Answerer(models={role: made[names[role]] for role in ROLES}, label=", ".join(made))


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
    )
    origin, name = next(((origin, name) for origin, name in said if name), ("the default", get_default_model()))
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
