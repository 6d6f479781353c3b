"""Checks of the doctor made on real repositories, sandboxes, databases and servers."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from doctor_kit import Answers, Find, Serve

from andon.line.doctor.examination import chosen, examine
from andon.line.doctor.ground import Ground
from andon.records.doctor import CheckResult


@pytest.fixture
def find(tmp_path: Path) -> Find:
    """Make the checks named in a folder and an environment: `await find(folder, "model", call=True, NAME="value")`."""

    async def made(folder: Path, *ids: str, call: bool = False, **environment: str) -> dict[str, CheckResult]:
        home = {"HOME": str(tmp_path / "home")}
        async with Ground(folder, home | environment, call=call) as ground:
            return {result.id: result async for result in examine(ground, chosen(ids))}

    return made


@pytest.fixture
def serve() -> Serve:
    """A server on loopback: `with serve({path: (status, headers, document)}) as (address, requests)`."""

    @contextmanager
    def serving(answers: Answers) -> Iterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
        asked: list[tuple[str, dict[str, str]]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                status, headers, document = answers.get(self.path, (404, {}, {"message": "Not Found"}))
                self.rfile.read(int(self.headers.get("content-length", 0)))
                data = json.dumps(document).encode()
                self.send_response(status)
                for name, value in {"content-length": str(len(data)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            do_POST = do_GET

            def log_message(self, format: str, *args: Any) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    return serving
