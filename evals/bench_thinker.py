"""A model provider on loopback that takes its time, and answers the runs of the benchmark's job by what they ask."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from andon.evals.bench_job import LANE_ANSWERS
from andon.evals.bench_server import ScriptedServer, _response

_OF_ROLE = {"transfer_to_executor": slice(0, 2), "transfer_to_reviewer": slice(2, 7), "finish_review": slice(7, 8)}
"""Whose answers they are, by the tool that only this role has."""


class ThinkingServer(ScriptedServer):
    """Answers any number of runs of the job at once, each answer `seconds` after it was asked for."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__(())
        self.seconds = seconds
        self._count = 0
        self._counting = threading.Lock()

    def exchange(self, received: float, body: bytes, send: Callable[[int, bytes], None]) -> None:
        """Answer by the role that asks and by how many of its answers stand in the request."""
        answer = self._answer(json.loads(body))
        time.sleep(max(0.0, received + self.seconds - time.time()))
        with self._counting:
            self._count += 1
            number = self._count
        # Whoever asked may be gone by now.
        with suppress(OSError):
            send(200, json.dumps(_response(number, answer, len(body))).encode())

    def _answer(self, request: Mapping[str, Any]) -> Any:
        tools = {tool["name"] for tool in request["tools"]}
        [own] = (answers for tool, answers in _OF_ROLE.items() if tool in tools)
        given = sum(item.get("type") == "function_call" for item in request["input"])
        return LANE_ANSWERS[own][given]
