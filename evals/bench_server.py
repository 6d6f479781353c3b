"""A model provider on loopback that gives scripted answers at once, and notes when each request came and was answered.

It speaks the Responses interface of OpenAI, without streaming; answers are given in order, whoever asks.
"""

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Call:
    """A scripted answer: one tool call."""

    tool: str
    arguments: dict[str, Any]


Answer = Call | str
"""One tool call, or a text."""


@dataclass(frozen=True)
class Exchange:
    """One request and its answer."""

    received: float
    """Unix seconds, when the request's headers had arrived."""
    answered: float
    """Unix seconds, when the whole answer was handed to the socket."""
    body: bytes
    """The request as it came."""


class ScriptedServer:
    """Serves `answers` from entering the context to leaving it. A request after the last answer gets HTTP 400."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self.exchanges: list[Exchange] = []
        """What was asked so far, in order."""
        self._answers = tuple(answers)
        self._turn = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        """What a client takes as its base URL."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def exchange(self, received: float, body: bytes, send: Callable[[int, bytes], None]) -> None:
        """Answer the next request through `send` (status, body) and note it."""
        # Each role has a connection, so a thread, of its own; two must never take the same answer.
        with self._turn:
            status, answer = self._next(body)
            self.exchanges.append(Exchange(received, time.time(), body))
            send(status, answer)

    def _next(self, body: bytes) -> tuple[int, bytes]:
        number = len(self.exchanges)
        if number >= len(self._answers):
            message = f"the script has {len(self._answers)} answers, no more"
            return 400, json.dumps({"error": {"message": message}}).encode()
        return 200, json.dumps(_response(number, self._answers[number], len(body))).encode()


def _handler_of(script: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body leave in one packet: two would wait for the client's delayed acknowledgement.
        wbufsize = -1
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            received = time.time()
            script.exchange(received, self.rfile.read(int(self.headers["content-length"])), self._send)

        def _send(self, status: int, answer: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
            self.wfile.flush()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: stderr is for people."""

    return Handler


def _response(number: int, answer: Answer, request_bytes: int) -> dict[str, Any]:
    tokens = request_bytes // 4
    return {
        "id": f"resp-{number}",
        "object": "response",
        "created_at": 0,
        "status": "completed",
        "model": "scripted",
        "output": [_item(number, answer)],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 1,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": tokens + 1,
        },
    }


def _item(number: int, answer: Answer) -> dict[str, Any]:
    if isinstance(answer, str):
        content = [{"type": "output_text", "text": answer, "annotations": []}]
        return {"type": "message", "id": f"m-{number}", "role": "assistant", "status": "completed", "content": content}
    return {
        "type": "function_call",
        "id": f"f-{number}",
        "call_id": f"call-{number}",
        "name": answer.tool,
        "arguments": json.dumps(answer.arguments),
        "status": "completed",
    }
