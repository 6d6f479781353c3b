"""Runs in the tables worked on by real processes: a provider that answers by what it is asked, and workers to kill."""

import asyncio
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lane_kit import FILES, SUB, call, git, make_repository, plan, review, write
from process_kit import REPORT, REVIEW, WRITE, WRITE_TEST, answer, command

from andon.evals.bench_server import Answer as Said
from andon.evals.bench_server import ScriptedServer, _response
from andon.intake.queue import find, load_queue
from andon.line.db import approvals, events, queue, runs, workers
from andon.line.db.database import Database, database_url
from andon.line.db.events import EventRow
from andon.line.db.runs import Run, RunOptions
from andon.line.durable.phase import Phases, Place
from andon.line.durable.queueing import enqueue
from andon.line.durable.worker import Worker
from andon.line.durable.worker_ids import new_worker_id
from andon.line.job import queue_path
from andon.line.log.event_log import Listener
from andon.line.steps import Answer, Ask
from andon.sandbox.repository import Repository

Script = Mapping[str, Sequence[Said]]
"""Answers by conversation: `planner`, `executor`, `reviewer`, and with a number for later ones of the same role."""

_MADE_AGAIN = re.compile("\n\nandon: the workspace was made again[^\n]*")
BRANCH = "factory/task-001-add-subtraction"
CI = ".github/workflows/ci.yml"
MAKE_CI = f"""from pathlib import Path

place = Path("{CI}")
place.parent.mkdir(parents=True, exist_ok=True)
place.write_text("on: push\\n")
"""
SUB_TOLD = SUB.replace("def sub(a, b):\n", 'def sub(a, b):\n    """Return a without b."""\n')
LONG: Script = {
    "planner": [answer(call("read_file", path="calc.py")), answer(plan())],
    "executor": [
        WRITE_TEST,
        "I think about it.",
        answer(call("amend_plan", paths=["helper.py"], why="it holds the constant")),
        answer(write("helper.py", "ONE = 2\n")),
        WRITE,
        command("python -c 'import calc; print(calc.sub(3, 1))'"),
        answer(write("make_ci.py", MAKE_CI)),
        command("python make_ci.py"),
        REPORT,
    ],
    "reviewer": [answer(call("run_tests")), answer(review("changes"))],
    "executor-2": [answer(write("calc.py", SUB_TOLD)), REPORT],
    "reviewer-2": [REVIEW],
}
"""A nudge, an amendment, a command, a change that a person must allow, and two rounds of review."""
LONG_FILES = FILES | {"helper.py": "ONE = 1\n"}
"""The repository that `LONG` works on."""
SHORT: Script = {"planner": [answer(plan())], "executor": [WRITE_TEST, WRITE, REPORT], "reviewer": [REVIEW]}
"""Answers that do the task of lane_kit well."""
PATIENCE = 150.0
PARKED_KEY = "0123456789abcdef0123456789abcdef"
"""What the bundles in tests/line/fixtures are sealed with."""


class ByRequest(ScriptedServer):
    """Answers the n-th request of a conversation with its n-th answer, however often and from wherever it is asked."""

    def __init__(self, script: Script, hold: Callable[[str, int], bool] = lambda conversation, number: False) -> None:
        super().__init__([])
        self.answered: Counter[str] = Counter()
        """How often each request, by its digest, was answered whole."""
        self.asked: list[tuple[str, int]] = []
        """Conversation and number of every request, in order."""
        self.bodies: list[str] = []
        """The requests themselves, without what they say of a workspace that was made again."""
        self.held = threading.Event()
        """Set once a request is held back."""
        self.go = threading.Event()
        """Lets what is held back go on."""
        self._script = script
        self._hold = hold

    def exchange(self, received: float, body: bytes, send: Callable[[int, bytes], None]) -> None:
        request = json.loads(body)
        conversation, number = self._place(request)
        with self._turn:
            self.asked.append((conversation, number))
            self.bodies.append(_plain(request))
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
                ("planner", "transfer_to_executor"), ("executor", "transfer_to_reviewer"),
                ("reviewer", "finish_review"),
            )
            if ending in tools
        )  # fmt: skip
        items = request["input"]
        packet = json.dumps(items[0])
        later = "-2" if "mend every must-fix" in packet or "# Review 1 asked for" in packet else ""
        given = sum(item.get("type") == "function_call" or item.get("role") == "assistant" for item in items)
        return f"{role}{later}", given


def _plain(request: Any) -> str:
    """Return a request as it would be if no workspace had been made again."""

    def plain(value: Any) -> Any:
        if isinstance(value, str):
            return _MADE_AGAIN.sub("", value)
        if isinstance(value, list):
            return [plain(one) for one in value]
        return {key: plain(one) for key, one in value.items()} if isinstance(value, dict) else value

    return json.dumps(plain(request), sort_keys=True)


@dataclass
class Serving:
    """A process of `andon serve`, in a session of its own."""

    process: "subprocess.Popen[bytes]"
    folder: Path

    @property
    def said(self) -> str:
        return (self.folder / "out").read_text() + (self.folder / "err").read_text()

    @property
    def id(self) -> str:
        """The worker's name in the tables; empty while it has not said it."""
        _, found, rest = (self.folder / "out").read_text().partition(" worker ")
        return rest.partition(",")[0] if found else ""

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """As if its machine lost power; its sandboxes die with it."""
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        return self.process.wait(PATIENCE)


@dataclass
class Attending:
    """Who is at the terminal of a run."""

    ask: Ask | None
    listeners: Sequence[Listener] = ()


@dataclass
class Shop:
    """A repository, the tables of its runs, and the processes that work on them."""

    repo: Path
    folder: Path
    url: str
    db: Database
    server: ByRequest
    extra: dict[str, str] = field(default_factory=dict)
    """Of the environment of its processes."""
    started: list[Serving] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    """How many requests had come before each kill."""

    @property
    def environment(self) -> dict[str, str]:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "ANDON_", "GIT_", "XDG_"))}
        env |= {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": self.server.url, "ANDON_MODEL": "m", "HOME": str(self.folder)}
        if self.db.dialect == "postgresql":
            env["ANDON_DATABASE_URL"] = self.url
        return env | {"ANDON_SANDBOX": "bubblewrap"} | self.extra

    def queue(self, task_id: str = "task-001") -> Run:
        """Queue a task of the repository."""
        repository = Repository.open(self.repo)
        task = find(load_queue(queue_path(repository)), task_id)
        options = RunOptions(started=1_700_000_000, queued=True, stream=False, sandbox="bubblewrap")
        return enqueue(self.db, repository, task, options=options, environment=self.environment)

    def serve(self, *words: str, wrapper: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> Serving:
        """Start a worker; `wrapper` is a command that runs what follows it."""
        place = self.folder / f"worker-{len(self.started)}"
        (place / "scratch").mkdir(parents=True)
        env = self.environment | {"TMPDIR": str(place / "scratch")} | dict(environment or {})
        with (place / "out").open("wb") as out, (place / "err").open("wb") as err:
            process = subprocess.Popen(
                [*wrapper, sys.executable, "-m", "andon", "serve", "--workers", "1", *words],
                cwd=self.repo, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
            )  # fmt: skip
        self.started.append(Serving(process, place))
        return self.started[-1]

    def work(self, ask: Ask | None = None, *, state: str = "state") -> None:
        """Work in this process on what can be begun, as a worker of its own whose checkouts lie in `state`.

        `ask` is who sits at its terminal; None: nobody.
        """
        worker_id = new_worker_id()
        attendant = Attending(ask)
        place = Place(self.db, worker_id, self.folder / state, self.environment, attendant=lambda run_id: attendant)
        asyncio.run(Worker(self.db, worker_id, Phases(place), once=True).work())

    def andon(self, *words: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
        """Run another command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "andon", *words], cwd=cwd or self.repo, env=self.environment, check=False,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE,
        )  # fmt: skip

    def row(self, run_id: str) -> Run:
        return runs.get(self.db, run_id)

    def seq(self, run_id: str) -> int:
        """Return the number of the last event that is stored."""
        last = events.last(self.db, run_id)
        return last.seq if last else 0

    def wait_for(self, happened: Callable[[], object], seconds: float = PATIENCE) -> float:
        """Return after how many seconds `happened()` held."""
        began = time.monotonic()
        while not happened():
            assert time.monotonic() < began + seconds, "it did not happen\n" + "\n".join(s.said for s in self.started)
            time.sleep(0.01)
        return time.monotonic() - began

    def answer(self, run_id: str, said: Answer | None = None) -> None:
        """Answer what the run waits for."""
        asked = approvals.question(self.db, run_id)
        approvals.answer(
            self.db, asked.id, said or Answer("yes"), by="somebody", channel="terminal", digest=asked.digest
        )

    def finish(self, run_id: str, happened: Callable[[], object] = lambda: False) -> bool:
        """Say yes wherever the run waits, until it has ended; True as soon as `happened()` holds before that."""

        def done() -> bool:
            run = self.row(run_id)
            if run.status == "parked" and approvals.question(self.db, run_id).answer is None:
                self.answer(run_id)
            return run.status == "ended" or bool(happened())

        self.wait_for(done)
        return self.row(run_id).status != "ended"

    def bury(self) -> None:
        """Nobody has to wait till a worker that was killed is taken for dead."""
        self.marks.append(len(self.server.asked))
        with self.db.transaction() as tx:
            tx.execute("DELETE FROM workers")


@contextmanager
def shop(folder: Path, url: str, script: Script = SHORT, files: Mapping[str, str] = FILES) -> Iterator[Shop]:
    """A repository with its tables at `url`, empty: the file in it. What is still alive at the end is killed."""
    repo = make_repository(folder / "repo", dict(files))
    url = url if url.startswith("postgresql") else database_url({}, repo)
    db = Database.open(url)
    with ByRequest(script) as server:
        made = Shop(repo, folder, url, db, server)
        try:
            yield made
        finally:
            server.go.set()
            for one in made.started:
                if one.process.poll() is None:
                    os.killpg(one.process.pid, signal.SIGKILL)
                    one.process.wait()
            db.close()


@dataclass(frozen=True)
class Outcome:
    """What a run came to, without what differs from run to run: ids, times, what repeated requests cost."""

    tree: str
    """Of the commit with the change."""
    result: dict[str, Any]
    told: list[tuple[str, str]]
    """Kind and facts of every event of the run's body, in order."""
    papers: dict[str, str]
    """By name; those that hold ids and times without their text."""


_OWN = {"run_id", "base_commit", "head_commit", "audit", "usage", "usage_by_role"}
_SAME = {"plan.json", "diff.patch", "review.md"}


def outcome(made: Shop, run_id: str) -> Outcome:
    """Return what the run came to."""
    run = made.row(run_id)
    assert run.result is not None, run
    result = json.loads(run.result.model_dump_json())
    plain = json.loads(run.result.model_dump_json().replace(run_id, "RUN"))
    stored = json.loads((made.repo / "factory/.state/runs" / run_id / "result.json").read_text())
    assert stored == result, "the paper and the row are the same"
    tree = git(made.repo, "rev-parse", f"{BRANCH}~1^{{tree}}") if result["branch"] else ""
    folder = made.repo / "factory/runs/task-001"
    return Outcome(
        tree,
        {key: value for key, value in plain.items() if key not in _OWN},
        told(made, run_id),
        {
            path.name: path.read_text() if path.name in _SAME else ""
            for path in sorted(folder.iterdir())
            if path.suffix != ".andon"
        },
    )


def events_of(made: Shop, run_id: str) -> list[EventRow]:
    """Return what is stored of a run's events."""
    return events.after(made.db, run_id, 0, 100_000)


def told(made: Shop, run_id: str) -> list[tuple[str, str]]:
    """Return what the body of a run told between its steps, in order."""
    base = made.row(run_id).base_commit

    def plain(line: str) -> str:
        return json.dumps(json.loads(line)["data"], sort_keys=True).replace(run_id, "RUN").replace(base, "BASE")

    return [(row.kind, plain(row.line)) for row in events_of(made, run_id) if row.place and "!" not in row.place]


def repeated(made: Shop, undisturbed: Sequence[str]) -> list[tuple[str, int]]:
    """Return the requests that were made again, each the last before a kill; all others came once and in order."""
    bodies, again = list(made.server.bodies), []
    for mark in reversed(made.marks):
        if 0 < mark < len(bodies) and bodies[mark] == bodies[mark - 1]:
            again.append(made.server.asked[mark])
            del bodies[mark]
    assert bodies == list(undisturbed), difference(bodies, undisturbed)
    return again[::-1]


def difference(found: Sequence[str], wanted: Sequence[str]) -> str:
    """Say where two sequences of requests part."""
    for number, (one, other) in enumerate(zip(found, wanted, strict=False)):
        if one != other:
            at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
            return f"request {number} holds {one[max(at - 200, 0) : at + 300]!r}, not {other[at : at + 300]!r}"
    return f"{len(found)} requests, not {len(wanted)}"


def claim_once(db: Database, worker: str) -> Run | None:
    """Let a worker that only lives in the tables take what is next."""
    workers.beat(db, workers.Worker(worker, "nowhere", 1, "serve", 1, "1"))
    found = queue.claim(db, worker)
    return found.run if found else None
