"""Requests and responses, and how they come from and go to WSGI."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

FORM_LIMIT = 10_000
"""Bytes of a form that are read; the rest is ignored."""


@dataclass(frozen=True)
class Request:
    """One request."""

    method: str
    path: str
    form: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Response:
    """One HTML answer."""

    body: str
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


def redirect(path: str) -> Response:
    """Send the browser to `path` with a GET, so that a refresh does not send the form again."""
    return Response("", status=303, headers=(("Location", path),))


def wsgi(answer: Callable[[Request], Response]) -> Application:
    """Return a WSGI application that answers with `answer`."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        response = answer(_request(environ))
        body = response.body.encode()
        headers = [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(body))),
            *response.headers,
        ]
        start_response(f"{response.status} {HTTPStatus(response.status).phrase}", headers)
        return [body]

    return application


def _request(environ: dict[str, Any]) -> Request:
    # WSGI hands the bytes of the path over as latin-1.
    path = environ.get("PATH_INFO", "/").encode("latin-1").decode("utf-8", "replace")
    return Request(environ["REQUEST_METHOD"], path or "/", _form(environ), _cookies(environ))


def _form(environ: dict[str, Any]) -> dict[str, str]:
    size = environ.get("CONTENT_LENGTH") or "0"
    if environ["REQUEST_METHOD"] != "POST" or not size.isdecimal():
        return {}
    body = environ["wsgi.input"].read(min(int(size), FORM_LIMIT))
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _cookies(environ: dict[str, Any]) -> dict[str, str]:
    try:
        cookies = SimpleCookie(environ.get("HTTP_COOKIE", ""))
    except CookieError:
        return {}
    return {name: morsel.value for name, morsel in cookies.items()}
