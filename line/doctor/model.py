"""Checks of the model: its key, names and server; and, only where that was allowed, one answer."""

import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from andon.agents.model_names import wire_and_name
from andon.context.settings import Settings
from andon.line.doctor.check import Check, Finding
from andon.line.doctor.ground import Ground, NotHere
from andon.line.live import LiveModels, ModelFlags, choose_models, endpoint, model_names
from andon.records.errors import UserError

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI

_TIMEOUT = 10.0
"""Seconds one word may take to come."""
_SLOW = 5.0
_OPENAI = "api.openai.com"
_ASK = "Answer with the word: ready"
_FEWEST = 16
"""Tokens: the Responses interface takes no smaller limit."""


def _settings(ground: Ground) -> Settings:
    try:
        return ground.settings
    except NotHere:
        return Settings()


def _key(ground: Ground) -> Finding:
    if not ground.environment.get("OPENAI_API_KEY"):
        told = "OPENAI_API_KEY is not set: andon run needs it, andon demo and andon mcp do not"
        return Finding("warning", told, "set OPENAI_API_KEY in the environment, never in a file of the repository")
    return Finding("ok", "OPENAI_API_KEY is set")


def _names(ground: Ground) -> Finding:
    settings = _settings(ground)
    names = model_names(settings, ModelFlags(), ground.environment)
    server = endpoint(settings, ground.environment, ground.directory)
    said = ", ".join(f"{role}: {name}" for role, name in names.items())
    return Finding("ok", f"{said}; asked at {_host(server)}")


def _host(server: str | None) -> str:
    return (urlsplit(server).hostname or "?") if server else _OPENAI


def _call(ground: Ground) -> Finding:
    if not ground.call:
        raise NotHere("costs a token, so only on demand: andon doctor model --call")
    try:
        chosen = choose_models(_settings(ground), ModelFlags(), ground.environment, root=ground.directory)
    except UserError as error:
        raise NotHere(str(error)) from error
    from openai import OpenAI

    # Given explicitly: the client would otherwise read its address from the environment.
    server = chosen.base_url or f"https://{_OPENAI}/v1"
    with OpenAI(api_key=chosen.key, base_url=server, max_retries=0, timeout=_TIMEOUT) as client:
        return _worst([_ask_one(client, chosen, name) for name in sorted(set(chosen.names.values()))])


def _worst(findings: list[Finding]) -> Finding:
    order = ("error", "warning", "note", "ok")
    worst = min(findings, key=lambda finding: order.index(finding.severity))
    return worst._replace(found="; ".join(finding.found for finding in findings))


def _ask_one(client: "OpenAI", chosen: LiveModels, name: str) -> Finding:
    import openai

    host = _host(chosen.base_url)
    begun = time.monotonic()
    try:
        _answer(client, name, host)
    except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
        told = f"{host} refused the key for {name} (HTTP {error.status_code})"
        return Finding("error", told, "set OPENAI_API_KEY to a key that may use this model", "wrong-key")
    except openai.RateLimitError as error:
        told = f"{host} has no room for {name} now (HTTP 429{f', {error.code}' if error.code else ''})"
        return Finding("warning", told, "wait, or raise the quota at the provider", "no-quota")
    except openai.APITimeoutError:
        told = f"{host} gave no answer of {name} within {_TIMEOUT:.0f} s"
        return Finding("warning", told, "try again, or name a faster model", "slow")
    except openai.APIConnectionError as error:
        told = f"{host} cannot be reached: {error.__cause__ or error}"
        return Finding("error", told, "check the network, a proxy, and OPENAI_BASE_URL", "unreachable")
    except openai.APIStatusError as error:
        return _refused(error, host, name)
    except (openai.OpenAIError, ValueError) as error:
        told = f"what {host} answers is not of this interface ({type(error).__name__})"
        return Finding("error", told, "check OPENAI_BASE_URL; name a model chat/NAME for Chat Completions", "refused")
    seconds = time.monotonic() - begun
    if seconds > _SLOW:
        return Finding("warning", f"{name} answered after {seconds:.1f} s", "name a faster model or server", "slow")
    return Finding("ok", f"{name} answered after {seconds:.1f} s", "", "answered")


def _refused(error: "APIStatusError", host: str, name: str) -> Finding:
    status = error.status_code
    if status == 404 or error.code == "model_not_found":
        told = f"{host} knows no model {name!r} at this address (HTTP {status})"
        return Finding("error", told, "name another in ANDON_MODEL or factory/andon.toml", "unknown-model")
    if status >= 500:
        return Finding("warning", f"{host} failed over {name} (HTTP {status})", "try again later", "failing")
    told = f"{host} refused the request for {name} (HTTP {status}{f', {error.code}' if error.code else ''})"
    return Finding("error", told, "name a model chat/NAME for a Chat Completions server", "refused")


def _answer(client: "OpenAI", name: str, host: str) -> None:
    """Ask for one word.

    Raises:
        OpenAIError: no answer.
        ValueError: what came is no answer.
    """
    wire, known_as = wire_and_name(name)
    if wire == "openai":
        answer = client.responses.create(model=known_as, input=_ASK, max_output_tokens=_FEWEST, store=False)
        if not getattr(answer, "output", None):
            raise ValueError("no output")
        return
    messages: list[dict[str, str]] = [{"role": "user", "content": _ASK}]
    # OpenAI's own newer models take only the second name, most other servers only the first.
    limit = "max_completion_tokens" if host == _OPENAI else "max_tokens"
    said = client.chat.completions.create(model=known_as, messages=messages, **{limit: 1})  # type: ignore[call-overload]
    if not getattr(said, "choices", None):
        raise ValueError("no choices")


CHECKS = (
    Check("model.key", "look for a key in the environment", _key),
    Check("model.names", "find which model plays which role, and who is asked", _names),
    Check("model.call", "ask each model for one word", _call, limit=3 * _TIMEOUT + 5),
)
