"""A client that calls the application without a network."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from watchlist.app import create_app


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str


class Client:
    """Calls the application over WSGI, checked against the WSGI rules."""

    def __init__(self, data: Path, session_key: str) -> None:
        self._app = validator(create_app(data, session_key))

    def get(self, path: str, cookie: str = "") -> Answer:
        """Ask for a page."""
        return self._call("GET", path, b"", cookie)

    def post(self, path: str, **form: str) -> Answer:
        """Send a form."""
        return self._call("POST", path, urlencode(form).encode(), "")

    def _call(self, method: str, path: str, body: bytes, cookie: str) -> Answer:
        environ: dict[str, object] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_COOKIE": cookie,
            "wsgi.input": io.BytesIO(body),
        }
        setup_testing_defaults(environ)
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: object = None
        ) -> Callable[[bytes], object]:
            started.append((status, headers))
            return lambda data: None

        result = self._app(environ, start_response)
        try:
            text = b"".join(result).decode()
        finally:
            result.close()
        status, headers = started[0]
        return Answer(int(status.split()[0]), dict(headers), text)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder of one test."""
    return tmp_path / "data"


@pytest.fixture
def session_key() -> str:
    """The key the application signs sessions with."""
    return "a key for tests"


@pytest.fixture
def client(data: Path, session_key: str) -> Client:
    """A client of an application with nothing saved."""
    return Client(data, session_key)
