"""Servers on loopback and a client that says exactly what it is told, for what the set-up phase may reach."""

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from andon.sandbox.egress import SOCKET_NAME


@dataclass
class Site:
    """An HTTP server on 127.0.0.1 that holds `pages` and keeps what it was asked."""

    port: int
    pages: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"


@contextmanager
def site(pages: dict[str, bytes] | None = None) -> Iterator[Site]:
    found = Site(0, pages or {})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.requests.append(self.requestline + "\n" + str(self.headers).strip())
            body = found.pages.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "application/octet-stream")
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def connect(folder: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection to the proxy whose socket lies in `folder`."""
    held = os.open(folder, os.O_PATH)
    try:
        client = socket.socket(socket.AF_UNIX)
        client.connect(f"/proc/self/fd/{held}/{SOCKET_NAME}")
    finally:
        os.close(held)
    return await asyncio.open_unix_connection(sock=client)


async def ask(folder: Path, words: bytes, *, end: bool = True) -> bytes:
    """Write `words` to the proxy and return everything it answers."""
    reader, writer = await connect(folder)
    writer.write(words)
    if end:
        writer.write_eof()
    try:
        async with asyncio.timeout(20):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()
