"""Runs of three roles in processes that are killed at any moment: `engine_proof.py URL FOLDER SEED...`.

Planner, executor and reviewer hand off to each other in one run of the SDK. A person is asked twice: about the plan,
where the phase ends after the turn, and about a command, where it ends with a pending approval. Both times it ends with
`RunState.to_json`, and the next phase goes on from `RunState.from_json`.
"""

import asyncio
import json
import os
import random
import secrets
import signal
import sys
import threading
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from agents import (
    Agent,
    FunctionTool,
    Model,
    ModelResponse,
    RunConfig,
    Runner,
    RunResultStreaming,
    RunState,
    ToolExecutionConfig,
    Usage,
)
from agents.items import TResponseStreamEvent
from agents.testing import function_call
from agents.tool_context import ToolContext
from agents.tracing import set_tracing_disabled

from andon.agents.answers import ModelAnswer
from andon.agents.handoffs import typed_handoff
from andon.agents.replies import Waits
from andon.line.engine import Engine, JournalledSteps
from andon.records.base import Record

ROLES = ("planner", "executor", "reviewer")


class Note(Record):
    """What a role hands over."""

    text: str


def _call(name: str, **arguments: Any) -> tuple[str, dict[str, Any]]:
    return name, arguments


SCRIPT: dict[str, list[list[tuple[str, dict[str, Any]]]]] = {
    "planner": [[_call("to_executor", text="first plan")], [_call("to_executor", text="second plan")]],
    "executor": [
        [_call("edit", path="a.py", text="one"), _call("edit", path="b.py", text="two")],
        [_call("command", words="make clean")],
        [_call("to_reviewer", text="first change")],
        [_call("edit", path="a.py", text="three")],
        [_call("to_reviewer", text="second change")],
    ],
    "reviewer": [[_call("to_executor", text="once more")], [_call("finish", text="good")]],
}


class Log:
    """What began and ended, on a file that all attempts append to."""

    def __init__(self, path: Path, kill_at: int, delay: float) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._left = kill_at
        self._delay = delay

    def emit(self, kind: Any, **data: Any) -> None:
        word = {"step.started": "began", "step.ended": str(data.get("outcome"))}[kind]
        os.write(self._file, f"{word} {data['name']}:{data['key']}{' again' if data.get('again') else ''}\n".encode())
        self._left -= 1
        if self._left == 0:
            threading.Timer(self._delay, os.kill, (os.getpid(), signal.SIGKILL)).start()


class KeptModel(Model):
    """Answers from the script; every answer is a step."""

    def __init__(self, role: str, steps: JournalledSteps, calls: dict[str, int], asked: list[str]) -> None:
        self._role, self._steps, self._calls, self._asked = role, steps, calls, asked

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        self._calls[self._role] += 1
        number = self._calls[self._role]
        self._asked.append(f"{self._role} {number}: {json.dumps(kwargs.get('input', args[1] if args else None))}")

        async def ask() -> ModelAnswer:
            await asyncio.sleep(0.002)
            calls = enumerate(SCRIPT[self._role][number - 1])
            output = [
                function_call(name, arguments, call_id=f"{self._role}-{number}-{n}") for n, (name, arguments) in calls
            ]
            return ModelAnswer.of(ModelResponse(output=output, usage=Usage(), response_id=None))

        answer = await self._steps.step(f"model:{self._role}", str(number), ask, of=ModelAnswer)
        return answer.to_response()

    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[TResponseStreamEvent]:
        response = await self.get_response(*args, **kwargs)
        yield ModelAnswer.of(response).to_event()


class Proof:
    """One run: its row and its work lie in files of `folder`."""

    def __init__(self, folder: Path, log: Log) -> None:
        self._folder, self._log = folder, log
        self.waits = False

    @property
    def row(self) -> dict[str, Any]:
        path = self._folder / "row.json"
        return json.loads(path.read_text()) if path.exists() else {"phase": 0, "attempt": 0, "status": "queued"}

    def set_row(self, **values: Any) -> None:
        new = self._folder / f"row.{os.getpid()}"
        new.write_text(json.dumps(self.row | values))
        new.replace(self._folder / "row.json")

    async def body(self, run_id: str, phase: int, steps: JournalledSteps) -> dict[str, Any]:
        steps.attach(self._log)
        kept = self.row.get("checkpoint") or {"calls": dict.fromkeys(ROLES, 0), "asked": []}
        calls, asked = dict(kept["calls"]), list(kept["asked"])
        agents = self._agents(steps, calls, asked, plan_read=phase > 0)
        given: Any = [{"role": "user", "content": "Write it."}]
        if phase:
            given = await RunState.from_json(agents["planner"], kept["state"])
        if phase == 1:
            given.add_input("Make another plan.")
        if phase == 2:
            [asking] = given.get_interruptions()
            given.approve(asking)
        result = await self._phase(agents["planner"], given)
        if result.interruptions or self.waits:
            state = result.to_state().to_json()
            checkpoint = {"state": state, "calls": calls, "asked": asked}
            self.set_row(phase=phase + 1, attempt=0, status="queued", checkpoint=checkpoint)
            return {"status": "parked"}
        self.set_row(status="ended", checkpoint=None, asked=asked, said=result.final_output)
        return {"status": "ended"}

    async def _phase(self, agent: Agent[Any], given: Any) -> RunResultStreaming:
        config = RunConfig(tracing_disabled=True, tool_execution=ToolExecutionConfig(max_function_tool_concurrency=1))
        result = Runner.run_streamed(agent, given, max_turns=None, run_config=config)
        async for _ in result.stream_events():
            if self.waits:
                result.cancel(mode="after_turn")
        return result

    def _agents(
        self, steps: JournalledSteps, calls: dict[str, int], asked: list[str], *, plan_read: bool
    ) -> dict[str, Agent[Any]]:
        agents = {role: Agent[Any](name=role, model=KeptModel(role, steps, calls, asked)) for role in ROLES}
        agents["executor"].tools = [self._tool("edit", steps), self._tool("command", steps, asks=True)]
        agents["reviewer"].tools = [self._tool("finish", steps)]
        agents["reviewer"].tool_use_behavior = {"stop_at_tool_names": ["finish"]}

        async def plan(note: Note) -> str:
            if not plan_read:
                self.waits = True
                raise Waits("A person reads the plan.")
            return await received(note)

        async def received(note: Note) -> str:
            return f"Go on from: {note.text}"

        for source, target, receive in (
            ("planner", "executor", plan), ("executor", "reviewer", received), ("reviewer", "executor", received),
        ):  # fmt: skip
            agents[source].handoffs = [
                typed_handoff(
                    agents[source],
                    agents[target],
                    tool_name=f"to_{target}",
                    description="Hand over.",
                    payload=Note,
                    receive=receive,
                    refused=lambda problem: None,
                )
            ]
        return agents

    def _tool(self, name: str, steps: JournalledSteps, *, asks: bool = False) -> FunctionTool:
        async def invoke(context: ToolContext[Any], arguments: str) -> str:
            async def run() -> str:
                await asyncio.sleep(0.002)
                given = json.loads(arguments)
                if name == "edit":
                    (self._folder / given["path"]).write_text(given["text"])
                return f"{name} {given}"

            return await steps.step(f"tool:{name}", context.tool_call_id, run, of=str)

        schema = {"type": "object", "properties": {}, "additionalProperties": True}
        return FunctionTool(name, name, schema, invoke, strict_json_schema=False, needs_approval=asks)


async def work(url: str, run_id: str, proof: Proof) -> None:
    """Work on a run until it has ended; people answer at once."""
    set_tracing_disabled(True)
    engine = await Engine.launch(url, worker=f"proof:{os.getpid()}:{secrets.token_hex(4)}", body=proof.body)
    while (row := proof.row)["status"] != "ended":
        attempt = row["attempt"] + 1
        proof.set_row(attempt=attempt)
        proof.waits = False
        await engine.run(run_id, row["phase"], attempt=attempt)
    await engine.forget(run_id)
    await engine.close()


def process(url: str, folder: Path, kill_at: int, delay: float) -> int:
    """Work on a run in a process of its own; return how that ended. Forked: it has everything loaded."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        asyncio.run(work(url, f"proof-{folder.name}", Proof(folder, Log(folder / "log", kill_at, delay))))
        os._exit(0)
    except BaseException:  # noqa: BLE001 - a fork must not run on in its parent's code
        traceback.print_exc()
        os._exit(1)


def main(url: str, folder: Path, seeds: list[str]) -> None:
    """Make one run for each seed, whose processes die twice where the seed says; for the seed `none` none does."""
    for seed in seeds:
        dice = random.Random(seed)  # noqa: S311 - where to die is no secret
        own = folder / seed
        own.mkdir()
        ends = [process(url, own, dice.randint(1, at), dice.random() * 0.02) for at in (24, 12) if seed != "none"]
        ends.append(process(url, own, 0, 0.0))
        (own / "ends").write_text(json.dumps(ends))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
