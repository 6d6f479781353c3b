"""A provider that answers by what it is asked, so that any process may ask at any time, and counts what it answered."""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from andon.evals.bench_server import Call, ScriptedServer, _response

Script = Mapping[str, Sequence[Call]]
"""Answers by conversation: `planner`, `executor`, `reviewer`, and with a number for later ones of the same role."""


class ByRequest(ScriptedServer):
    """Answers the n-th request of a conversation with its n-th answer, however often and from wherever it is asked."""

    def __init__(self, script: Script, hold: Callable[[str, int], bool] = lambda conversation, number: False) -> None:
        super().__init__([])
        self.answered: Counter[str] = Counter()
        """How often each request, by its digest, was answered whole."""
        self.asked: list[tuple[str, int]] = []
        """Conversation and number of every request, in order."""
        self.held = threading.Event()
        """Set once a request is held back."""
        self.go = threading.Event()
        """Lets what is held back go on."""
        self._script = script
        self._hold = hold

    def exchange(self, received: float, body: bytes, send: Callable[[int, bytes], None]) -> None:
        request = json.loads(body)
        conversation, number = self._place(request)
        self.asked.append((conversation, number))
        if self._hold(conversation, number):
            self.held.set()
            self.go.wait()
        answers = self._script.get(conversation, ())
        if number >= len(answers):
            message = f"no answer {number} in {conversation}"
            with suppress(OSError):
                send(400, json.dumps({"error": {"message": message}}).encode())
            return
        digest = hashlib.sha256(body).hexdigest()
        name = int(hashlib.sha256(f"{conversation}-{number}".encode()).hexdigest()[:8], 16)
        with suppress(OSError):
            send(200, json.dumps(_response(name, answers[number], len(body))).encode())
            self.answered[digest] += 1

    def _place(self, request: Mapping[str, Any]) -> tuple[str, int]:
        tools = {tool["name"] for tool in request["tools"]}
        role = next(
            role
            for role, ending in (
                ("planner", "transfer_to_executor"), ("executor", "transfer_to_reviewer"), ("reviewer", "finish_review"),
            )
            if ending in tools
        )  # fmt: skip
        items = request["input"]
        packet = json.dumps(items[0])
        later = "-2" if "must be mended" in packet or "earlier review" in packet else ""
        return f"{role}{later}", sum(item.get("type") == "function_call" for item in items)
