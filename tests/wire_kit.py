"""A provider on loopback with scripted answers: OpenAI Responses, Chat Completions, Anthropic Messages; JSON and SSE,
with faults."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Fault = Literal[
    "busy",
    "broken",
    "overloaded",
    "too-long",
    "gone",
    "hang",
    "drop",
    "early",
    "error",
    "html",
    "no-finish",
    "length",
    "filter",
    "odd-finish",
    "bad-arguments",
]
"""`busy` is HTTP 429, `broken` 500, `overloaded` 529, `too-long` 400 for a conversation that is; `gone` hangs up before
a word, `hang` says nothing until the provider is stopped; `drop` cuts the connection in the middle; `early` ends in the
middle, politely; `error` is an error in place of the answer, status 200."""
_STATUS: dict[Fault | None, int] = {"busy": 429, "broken": 500, "overloaded": 529, "too-long": 400}
_KINDS = {429: "rate_limit_error", 500: "api_error", 529: "overloaded_error", 400: "invalid_request_error"}


@dataclass(frozen=True)
class Turn:
    """One scripted answer; each of its faults comes once, on requests of their own, before it."""

    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    text: str = ""
    refusal: str = ""
    cut: bool = False
    """True if the arguments of its calls end in the middle and yet count as whole; of Responses alone."""
    thought: str = ""
    """Said before everything else, to Anthropic's interface alone."""
    faults: tuple[Fault, ...] = ()
    call_id: str = ""
    """The id of every call; empty: unique ones."""


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str]


@dataclass
class Wire:
    """A provider that gives its turns in order, the last one for ever."""

    turns: list[Turn]
    url: str = ""
    requests: list[Asked] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _given: int = 0
    _faults_given: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    """Set when the provider is stopped."""

    def url_of(self, name: str) -> str:
        """Return the address that the client of the model `name` is given."""
        return self.url.removesuffix("/v1") if name.startswith("anthropic/") else self.url

    def bodies(self) -> list[dict[str, Any]]:
        return [asked.body for asked in self.requests]

    def next(self, asked: Asked) -> tuple[int, Turn, Fault | None]:
        """Return the number and script of the answer to `asked`, and the fault it has."""
        with self._lock:
            self.requests.append(asked)
            turn = self.turns[min(self._given, len(self.turns) - 1)]
            if self._faults_given < len(turn.faults):
                self._faults_given += 1
                return self._given, turn, turn.faults[self._faults_given - 1]
            self._given, self._faults_given = self._given + 1, 0
            return self._given - 1, turn, None


def calls(tool: str, arguments: dict[str, Any], *faults: Fault) -> Turn:
    return Turn(calls=((tool, arguments),), faults=faults)


@contextmanager
def serving(*turns: Turn) -> Iterator[Wire]:
    """Run a provider for as long as the block lasts."""
    wire = Wire(list(turns))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(wire))
    server.daemon_threads = True
    wire.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield wire
    finally:
        wire.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _handler_of(wire: Wire) -> type[BaseHTTPRequestHandler]:  # noqa: C901  (one small class)
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            number, turn, fault = wire.next(Asked(self.path, body, {k.lower(): v for k, v in self.headers.items()}))
            if status := _STATUS.get(fault):
                headers = [("retry-after-ms", "1")] if fault == "busy" else []
                self._whole(status, "application/json", json.dumps(_error(self.path, status)).encode(), *headers)
            elif fault in ("gone", "hang"):
                if fault == "hang":
                    wire.over.wait(30)
                self.close_connection = True
            elif fault == "html":
                self._whole(200, "text/html", b"<html>a portal</html>")
            elif body.get("stream"):
                self._stream(_events(self.path, number, turn, fault), fault)
            else:
                self._json(_document(self.path, number, turn, fault), fault)

        def _json(self, document: dict[str, Any], fault: Fault | None) -> None:
            data = json.dumps(document).encode()
            if fault == "drop":
                self._head(200, "application/json", ("content-length", str(len(data))))
                self.wfile.write(data[: len(data) // 2])
                self.close_connection = True
            else:
                self._whole(200, "application/json", data[: len(data) // 2] if fault == "early" else data)

        def _stream(self, events: Sequence[str], fault: Fault | None) -> None:
            self._head(200, "text/event-stream", ("transfer-encoding", "chunked"))
            for event in events[: len(events) // 2] if fault in ("drop", "early") else events:
                data = event.encode()
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            if fault == "drop":
                self.close_connection = True
            else:
                self.wfile.write(b"0\r\n\r\n")

        def _whole(self, status: int, kind: str, data: bytes, *headers: tuple[str, str]) -> None:
            self._head(status, kind, ("content-length", str(len(data))), *headers)
            self.wfile.write(data)

        def _head(self, status: int, kind: str, *headers: tuple[str, str]) -> None:
            self.send_response(status)
            for name, value in (("content-type", kind), ("x-request-id", "req_1"), ("request-id", "req_1"), *headers):
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None: ...

    return Handler


def _error(path: str, status: int) -> dict[str, Any]:
    message = "prompt is too long: 9 tokens > 8 maximum" if status == 400 else "slow down"
    if path.endswith("/messages"):
        return {"type": "error", "error": {"type": _KINDS[status], "message": message}, "request_id": "req_1"}
    if status == 400:
        message = "This model's maximum context length is 8 tokens."
        return {"error": {"message": message, "code": "context_length_exceeded", "type": _KINDS[status]}}
    return {"error": {"message": message}}


def _document(path: str, number: int, turn: Turn, fault: Fault | None) -> dict[str, Any]:
    if path.endswith("/messages"):
        return _error(path, 529) if fault == "error" else _message(number, turn, fault)
    if fault == "error":
        return {"error": {"message": "upstream broke", "code": 502}}
    return _completion(number, turn, fault) if path.endswith("/chat/completions") else _response(number, turn, fault)


def _events(path: str, number: int, turn: Turn, fault: Fault | None) -> list[str]:
    if path.endswith("/chat/completions"):
        if fault == "error":
            return ['data: {"error": {"message": "upstream broke"}}\n\n']
        return [f"data: {json.dumps(chunk)}\n\n" for chunk in _chunks(number, turn, fault)] + ["data: [DONE]\n\n"]
    if path.endswith("/messages"):
        said = [_error(path, 529)] if fault == "error" else _message_events(_message(number, turn, fault), fault)
        return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in said]
    events = [{"type": "error", "code": "502", "message": "upstream broke", "param": None}]
    if fault != "error":
        events = _response_events(_response(number, turn, fault))
    return [
        f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': count})}\n\n"
        for count, event in enumerate(events)
    ]


def _response(number: int, turn: Turn, fault: Fault | None) -> dict[str, Any]:
    output: list[dict[str, Any]] = [
        {
            "type": "function_call",
            "id": f"fc_{number}_{n}",
            "call_id": turn.call_id or f"call_{number}_{n}",
            "name": tool,
            "arguments": _arguments(arguments, "bad-arguments" if turn.cut else fault),
            "status": "completed",
        }
        for n, (tool, arguments) in enumerate(turn.calls)
    ]
    if turn.text or turn.refusal:
        part: dict[str, Any] = {"type": "output_text", "text": turn.text, "annotations": []}
        if turn.refusal:
            part = {"type": "refusal", "refusal": turn.refusal}
        said = {"type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed"}
        output.insert(0, {**said, "content": [part]})
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 0,
        "model": "m",
        "status": "incomplete" if fault == "length" else "in_progress" if fault == "no-finish" else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if fault == "length" else None,
        "output": output,
        "usage": {
            "input_tokens": 11,
            "output_tokens": 7,
            "total_tokens": 18,
            "input_tokens_details": {"cached_tokens": 3},
            "output_tokens_details": {"reasoning_tokens": 2},
        },
        "parallel_tool_calls": True,
        "tool_choice": "required",
        "tools": [],
    }


def _response_events(response: dict[str, Any]) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**response, "status": "in_progress", "output": [], "usage": None}}
    ]
    for index, item in enumerate(response["output"]):
        place = {"output_index": index, "item_id": item["id"]}
        events.append({"type": "response.output_item.added", "output_index": index, "item": item})
        if item["type"] == "message":
            text = item["content"][0].get("text", "")
            events += [
                {"type": "response.output_text.delta", **place, "content_index": 0, "delta": piece, "logprobs": []}
                for piece in _pieces(text)
            ]
        else:
            events += [
                {"type": "response.function_call_arguments.delta", **place, "delta": piece}
                for piece in _pieces(item["arguments"])
            ]
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    ending = "response.incomplete" if response["status"] == "incomplete" else "response.completed"
    return [*events, {"type": ending, "response": response}]


_USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 3},
    "completion_tokens_details": {"reasoning_tokens": 2},
}


def _completion(number: int, turn: Turn, fault: Fault | None) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": turn.text or None, "refusal": turn.refusal or None}
    if turn.calls:
        message["tool_calls"] = [
            {
                "id": turn.call_id or f"call_{number}_{n}",
                "type": "function",
                "function": {"name": tool, "arguments": _arguments(arguments, fault)},
            }
            for n, (tool, arguments) in enumerate(turn.calls)
        ]
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": _finish(turn, fault)}],
        "usage": _USAGE,
    }


def _chunks(number: int, turn: Turn, fault: Fault | None) -> list[dict[str, Any]]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        head = {"id": f"chatcmpl-{number}", "object": "chat.completion.chunk", "created": 0, "model": "m"}
        return {**head, "choices": [choice], "usage": None}

    made = [chunk({"role": "assistant", "content": ""})] + [chunk({"content": piece}) for piece in _pieces(turn.text)]
    if turn.refusal:
        made.append(chunk({"refusal": turn.refusal}))
    for n, (tool, arguments) in enumerate(turn.calls):
        head = {"index": n, "id": turn.call_id or f"call_{number}_{n}", "type": "function"}
        made.append(chunk({"tool_calls": [{**head, "function": {"name": tool, "arguments": ""}}]}))
        made += [
            chunk({"tool_calls": [{"index": n, "function": {"arguments": piece}}]})
            for piece in _pieces(_arguments(arguments, fault))
        ]
    if fault != "no-finish":
        made.append(chunk({}, _finish(turn, fault)))
    return [*made, {**made[0], "choices": [], "usage": _USAGE}]


def _finish(turn: Turn, fault: Fault | None) -> str | None:
    odd: dict[Fault | None, str | None] = {
        "no-finish": None, "length": "length", "filter": "content_filter", "odd-finish": "eos",
    }  # fmt: skip
    return odd.get(fault, "tool_calls" if turn.calls else "stop")


def _arguments(arguments: Any, fault: Fault | None) -> str:
    text = json.dumps(arguments)
    return text[: len(text) // 2] if fault == "bad-arguments" else text


def _pieces(text: str) -> list[str]:
    size = max(8, len(text) // 20)
    return [text[at : at + size] for at in range(0, len(text), size)]


def _message(number: int, turn: Turn, fault: Fault | None) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if turn.thought:
        content.append({"type": "thinking", "thinking": turn.thought, "signature": f"sig_{number}=="})
    if turn.text or turn.refusal:
        content.append({"type": "text", "text": turn.text or turn.refusal})
    for n, (tool, arguments) in enumerate(turn.calls):
        # Without streaming this interface cannot carry broken JSON, but what is no object.
        given: Any = [arguments] if fault == "bad-arguments" else arguments
        content.append({"type": "tool_use", "id": turn.call_id or f"call_{number}_{n}", "name": tool, "input": given})
    usage = {
        "input_tokens": 6,
        "cache_creation_input_tokens": 2,
        "cache_read_input_tokens": 3,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 2},
    }
    head = {"id": f"msg_{number}", "type": "message", "role": "assistant", "model": "m", "content": content}
    return {**head, "stop_reason": _stop_reason(turn, fault), "stop_sequence": None, "usage": usage}


def _stop_reason(turn: Turn, fault: Fault | None) -> str | None:
    odd: dict[Fault | None, str | None] = {
        "no-finish": None, "length": "max_tokens", "filter": "model_context_window_exceeded", "odd-finish": "eos",
    }  # fmt: skip
    return odd.get(fault, "refusal" if turn.refusal else "tool_use" if turn.calls else "end_turn")


def _message_events(message: dict[str, Any], fault: Fault | None) -> list[dict[str, Any]]:
    begun = {**message, "content": [], "stop_reason": None, "usage": {**message["usage"], "output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": begun}, {"type": "ping"}]
    for index, block in enumerate(message["content"]):
        emptied: dict[str, dict[str, Any]] = {
            "text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}, "tool_use": {"input": {}},
        }  # fmt: skip
        events.append(
            {"type": "content_block_start", "index": index, "content_block": {**block, **emptied[block["type"]]}}
        )
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in _deltas(block, fault)]
        events.append({"type": "content_block_stop", "index": index})
    ending = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    events.append({"type": "message_delta", "delta": ending, "usage": {"output_tokens": 7}})
    return [*events, {"type": "message_stop"}]


def _deltas(block: dict[str, Any], fault: Fault | None) -> list[dict[str, Any]]:
    if block["type"] == "text":
        return [{"type": "text_delta", "text": piece} for piece in _pieces(block["text"])]
    if block["type"] == "thinking":
        thought = [{"type": "thinking_delta", "thinking": piece} for piece in _pieces(block["thinking"])]
        return [*thought, {"type": "signature_delta", "signature": block["signature"]}]
    text = _arguments(block["input"], fault)
    return [{"type": "input_json_delta", "partial_json": piece} for piece in _pieces(text)]
