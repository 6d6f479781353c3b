"""Checks of the forge's tokens: what they may do, asked of the forge itself, and only where that was allowed."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from andon.line.doctor.check import Check, Finding
from andon.line.doctor.ground import Ground, NotHere
from andon.records.errors import UserError

if TYPE_CHECKING:
    import requests

_TIMEOUT = (4.0, 5.0)
_GITHUB, _GITLAB = "https://api.github.com", "https://gitlab.com/api/v4"
_BROAD = ("admin:enterprise", "admin:org", "admin:public_key", "delete_repo", "site_admin", "sudo", "admin_mode")
"""Rights that no factory needs."""


def _token(ground: Ground, *names: str) -> tuple[str, str]:
    """Return name and value of the first variable that is set; `NotHere` where none is, or nobody may be asked."""
    for name in names:
        if ground.environment.get(name):
            if not ground.call:
                raise NotHere(f"{name} is set; what it may do is asked on demand: andon doctor forge --call")
            return name, ground.environment[name].strip()
    raise NotHere(f"{' or '.join(names)} is not set: branches stay on this machine")


def _github(ground: Ground) -> Finding:
    name, token = _token(ground, "GITHUB_TOKEN", "GH_TOKEN")
    address = address_of(ground.environment, "GITHUB_API_URL", _GITHUB)
    answer = ask(f"{address}/", {"Authorization": f"Bearer {token}"}, name)
    if isinstance(answer, Finding):
        return answer
    if "X-OAuth-Scopes" not in answer.headers:
        told = f"{name} is taken; as a fine-grained or Actions token it does not say what it may do"
        return Finding("note", told, "give it contents and pull-requests: write, for this repository alone", "taken")
    scopes = {scope.strip() for scope in answer.headers["X-OAuth-Scopes"].split(",") if scope.strip()}
    return _judged(name, scopes, {"repo", "public_repo"}, "a fine-grained token with contents and pull-requests: write")


def _gitlab(ground: Ground) -> Finding:
    name, token = _token(ground, "GITLAB_TOKEN")
    address = address_of(ground.environment, "CI_API_V4_URL", _GITLAB)
    answer = ask(f"{address}/personal_access_tokens/self", {"PRIVATE-TOKEN": token}, name)
    if isinstance(answer, Finding):
        return answer
    try:
        told: Any = answer.json()
        scopes = set(map(str, told["scopes"]))
    except (ValueError, KeyError, TypeError):
        return Finding("error", "the server does not answer as GitLab does", "check CI_API_V4_URL", "refused")
    return _judged(name, scopes, {"api"}, "a project token with the scopes api and write_repository")


def _judged(name: str, scopes: set[str], enough: set[str], better: str) -> Finding:
    listed = ", ".join(sorted(scopes)) or "nothing"
    if not scopes & enough:
        told = f"{name} may do {listed}: no branch can be pushed and no request opened with it"
        return Finding("warning", told, f"make {better}", "too-narrow")
    if broad := sorted(scopes.intersection(_BROAD)):
        told = f"{name} may do {listed}; no factory needs {', '.join(broad)}"
        return Finding("warning", told, f"make {better}", "too-broad")
    return Finding("ok", f"{name} may do {listed}", "", "taken")


def _refusal(status: int, host: str, name: str) -> Finding | None:
    if status == 401:
        return Finding("warning", f"{host} does not know {name} (HTTP 401)", f"set {name} anew", "wrong-token")
    if status == 403:
        told = f"{host} refuses {name} (HTTP 403)"
        return Finding("warning", told, "give it rights on this repository, or wait for its rate", "refused")
    if status != 200:
        return Finding("warning", f"{host} answered with HTTP {status}", "check the address of the API", "refused")
    return None


def ask(address: str, headers: Mapping[str, str], name: str) -> "requests.Response | Finding":
    """Return the answer to one GET, or what is wrong if it is no plain success; `name` is the token's variable."""
    import requests

    host = urlsplit(address).hostname or ""

    def signed(request: requests.PreparedRequest) -> requests.PreparedRequest:
        # As authentication, or what ~/.netrc says of the host would take its place.
        request.headers.update(headers)
        return request

    try:
        # A redirect would carry the token to whoever it names.
        answer = requests.get(address, auth=signed, timeout=_TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:
        told = f"{host} cannot be reached ({type(error).__name__})"
        return Finding("warning", told, "check the network and a proxy", "unreachable")
    return _refusal(answer.status_code, host, name) or answer


def address_of(environment: Mapping[str, str], variable: str, usual: str) -> str:
    """Return the address of the API.

    Raises:
        UserError: a token would travel in the clear, or it is no address.
    """
    said = environment.get(variable, "").strip().rstrip("/") or usual
    parts = urlsplit(said)
    if parts.scheme == "https" and parts.hostname:
        return said
    if parts.scheme == "http" and _is_loopback(parts.hostname or ""):
        return said
    raise UserError(f"{variable} is no https address, and a token is not sent without: set it to one like {usual}")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def branch_is_protected(ground: Ground, slug: str, branch: str) -> bool | None:
    """Ask GitHub whether it protects a branch of `owner/name`; None where it was not asked, or does not say."""
    try:
        name, token = _token(ground, "GITHUB_TOKEN", "GH_TOKEN")
        address = address_of(ground.environment, "GITHUB_API_URL", _GITHUB)
    except (NotHere, UserError):
        return None
    place = f"{address}/repos/{quote(slug)}/branches/{quote(branch, safe='')}"
    answer = ask(place, {"Authorization": f"Bearer {token}"}, name)
    if isinstance(answer, Finding):
        return None
    try:
        protected = answer.json()["protected"]
    except (ValueError, KeyError, TypeError):
        return None
    return protected if isinstance(protected, bool) else None


CHECKS = (
    Check("forge.github", "ask GitHub what the token may do", _github, limit=12.0),
    Check("forge.gitlab", "ask GitLab what the token may do", _gitlab, limit=12.0),
)
