"""Checks of the model: its key, names and server; and, only where that was allowed, one answer."""

import time
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from andon.agents.model_names import ANTHROPIC, OPENAI, Maker, maker_of, wire_and_name
from andon.context.settings import Settings
from andon.line.doctor.check import Check, Finding
from andon.line.doctor.ground import Ground, NotHere
from andon.line.live import LiveModels, ModelFlags, choose_models, endpoint, makers_of, model_names
from andon.records.errors import UserError

_TIMEOUT = 10.0
"""Seconds one word may take to come."""
_SLOW = 5.0
_ASK = "Answer with the word: ready"
_FEWEST = 16
"""Tokens: the Responses interface takes no smaller limit."""


def _settings(ground: Ground) -> Settings:
    try:
        return ground.settings
    except NotHere:
        return Settings()


def _makers(ground: Ground) -> tuple[Maker, ...]:
    try:
        return makers_of(model_names(_settings(ground), ModelFlags(), ground.environment))
    except UserError:
        # Another check tells what is wrong with the names.
        return (OPENAI,)


def _key(ground: Ground) -> Finding:
    makers = _makers(ground)
    missing = " and ".join(maker.key for maker in makers if not ground.environment.get(maker.key))
    if missing:
        told = f"{missing} is not set: andon run needs it, andon demo and andon mcp do not"
        return Finding("warning", told, f"set {missing} in the environment, never in a file of the repository")
    return Finding("ok", f"{' and '.join(maker.key for maker in makers)} is set")


def _names(ground: Ground) -> Finding:
    settings = _settings(ground)
    names = model_names(settings, ModelFlags(), ground.environment)
    hosts = [
        _host(endpoint(settings, ground.environment, ground.directory, maker), maker) for maker in makers_of(names)
    ]
    said = ", ".join(f"{role}: {name}" for role, name in names.items())
    return Finding("ok", f"{said}; asked at {' and '.join(hosts)}")


def _host(server: str | None, maker: Maker) -> str:
    return (urlsplit(server).hostname or "?") if server else maker.host


def _call(ground: Ground) -> Finding:
    if not ground.call:
        raise NotHere("costs a token, so only on demand: andon doctor model --call")
    try:
        chosen = choose_models(_settings(ground), ModelFlags(), ground.environment, where=ground.directory)
    except UserError as error:
        raise NotHere(str(error)) from error
    return _worst([_ask_one(chosen, name) for name in sorted(set(chosen.names.values()))])


def _worst(findings: list[Finding]) -> Finding:
    order = ("error", "warning", "note", "ok")
    worst = min(findings, key=lambda finding: order.index(finding.severity))
    return worst._replace(found="; ".join(finding.found for finding in findings))


def _ask_one(chosen: LiveModels, name: str) -> Finding:
    maker, server = maker_of(name), chosen.server_of(name)
    # Both libraries come from one generator, and call their errors the same.
    library = _library(maker)
    host = _host(server.base_url, maker)
    url = server.base_url or f"https://{maker.host}{'' if maker == ANTHROPIC else '/v1'}"
    begun = time.monotonic()
    try:
        # Given explicitly: the client would otherwise read its address from the environment.
        made = library.Anthropic if maker == ANTHROPIC else library.OpenAI
        with made(api_key=server.key, base_url=url, max_retries=0, timeout=_TIMEOUT) as client:
            _answer(client, name, host)
    except (library.AuthenticationError, library.PermissionDeniedError) as error:
        told = f"{host} refused the key for {name} (HTTP {error.status_code})"
        return Finding("error", told, f"set {maker.key} to a key that may use this model", "wrong-key")
    except library.RateLimitError as error:
        told = f"{host} has no room for {name} now (HTTP 429{_code(error)})"
        return Finding("warning", told, "wait, or raise the quota at the provider", "no-quota")
    except library.APITimeoutError:
        told = f"{host} gave no answer of {name} within {_TIMEOUT:.0f} s"
        return Finding("warning", told, "try again, or name a faster model", "slow")
    except library.APIConnectionError as error:
        told = f"{host} cannot be reached: {error.__cause__ or error}"
        return Finding("error", told, f"check the network, a proxy, and {maker.address}", "unreachable")
    except library.APIStatusError as error:
        return _refused(error, host, name)
    except (library.APIError, ValueError) as error:
        told = f"what {host} answers is not of this interface ({type(error).__name__})"
        other = "" if maker == ANTHROPIC else "; name a model chat/NAME for Chat Completions"
        return Finding("error", told, f"check {maker.address}{other}", "refused")
    seconds = time.monotonic() - begun
    if seconds > _SLOW:
        return Finding("warning", f"{name} answered after {seconds:.1f} s", "name a faster model or server", "slow")
    return Finding("ok", f"{name} answered after {seconds:.1f} s", "", "answered")


def _library(maker: Maker) -> ModuleType:
    if maker == ANTHROPIC:
        import anthropic

        return anthropic
    import openai

    return openai


def _code(error: Any) -> str:
    code = getattr(error, "code", None) or getattr(error, "type", None)
    return f", {code}" if code else ""


def _refused(error: Any, host: str, name: str) -> Finding:
    status = error.status_code
    if status == 404 or getattr(error, "code", None) == "model_not_found":
        told = f"{host} knows no model {name!r} at this address (HTTP {status})"
        return Finding("error", told, "name another in ANDON_MODEL or factory/andon.toml", "unknown-model")
    if status >= 500:
        return Finding("warning", f"{host} failed over {name} (HTTP {status})", "try again later", "failing")
    told = f"{host} refused the request for {name} (HTTP {status}{_code(error)})"
    return Finding("error", told, "name a model chat/NAME for a Chat Completions server", "refused")


def _answer(client: Any, name: str, host: str) -> None:
    """Ask for one word.

    Raises:
        APIError: of the client's library: no answer.
        ValueError: what came is no answer.
    """
    wire, known_as = wire_and_name(name)
    if wire == "openai":
        answer = client.responses.create(model=known_as, input=_ASK, max_output_tokens=_FEWEST, store=False)
        if not getattr(answer, "output", None):
            raise ValueError("no output")
        return
    messages: list[dict[str, str]] = [{"role": "user", "content": _ASK}]
    if wire == "anthropic":
        said = client.messages.create(model=known_as, messages=messages, max_tokens=_FEWEST)
        if getattr(said, "type", None) != "message":
            raise ValueError("no message")
        return
    # OpenAI's own newer models take only the second name, most other servers only the first.
    limit = "max_completion_tokens" if host == OPENAI.host else "max_tokens"
    said = client.chat.completions.create(model=known_as, messages=messages, **{limit: 1})
    if not getattr(said, "choices", None):
        raise ValueError("no choices")


CHECKS = (
    Check("model.key", "look for a key in the environment", _key),
    Check("model.names", "find which model plays which role, and who is asked", _names),
    Check("model.call", "ask each model for one word", _call, limit=3 * _TIMEOUT + 5),
)
