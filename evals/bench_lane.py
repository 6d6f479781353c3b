"""What the lane adds to a bare loop: at the start, in every turn, at the end, and in what the model reads.

Both do the same job in turns, each run in cold processes, so that a slow minute hits both.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from andon.evals.bench_figures import Goal, Group, Measured
from andon.evals.bench_job import FLOOR_TURNS, LANE_TURNS, Ran, run_floor, run_lane
from andon.evals.bench_processes import MeasurementFailed
from andon.records.calls import Role

_ROLES: tuple[Role, ...] = ("planner", "executor", "reviewer")
_NOT_EXIT = ("checks", "deliver")
"""Steps of the work itself, taken out of what comes after the last answer."""


def _measure(runs: int) -> dict[str, Measured]:
    floors, lanes = [], []
    with tempfile.TemporaryDirectory(prefix="andon-bench-") as name:
        for number in range(runs):
            floors.append(run_floor(Path(name, f"floor-{number}")))
            lanes.append(run_lane(Path(name, f"lane-{number}")))
    return {
        "lane.first_request_ratio": _first_request(lanes, floors),
        "lane.exit_ratio": _exit(lanes, floors),
        "lane.turn_extra_ms": _turn_extra(lanes, floors),
        **_weights(lanes[-1], floors[-1]),
    }


def _first_request(lanes: Sequence[Ran], floors: Sequence[Ran]) -> Measured:
    andon = median(ran.exchanges[0].received - ran.started for ran in lanes)
    bare = median(ran.exchanges[0].received - ran.started for ran in floors)
    parts = {
        "andon_s": andon,
        "to_run_started_s": median(_at(ran, "run.started") - ran.started for ran in lanes),
        "sandbox_s": median(_step_seconds(ran, "sandbox", before=ran.exchanges[0].received) for ran in lanes),
        "base_checks_s": median(_step_seconds(ran, "checks", before=ran.exchanges[0].received) for ran in lanes),
        "agents_to_request_s": median(ran.exchanges[0].received - _at(ran, "agent.started") for ran in lanes),
    }
    return Measured(andon / bare, bare, parts)


def _exit(lanes: Sequence[Ran], floors: Sequence[Ran]) -> Measured:
    andon = median(_tail(ran) for ran in lanes)
    bare = median(_tail(ran) for ran in floors)
    parts = {
        "andon_s": andon,
        "delivery_s": median(_step_seconds(ran, "deliver") for ran in lanes),
        "after_run_ended_s": median(ran.ended - _at(ran, "run.ended") for ran in lanes),
    }
    return Measured(andon / bare, bare, parts)


def _turn_extra(lanes: Sequence[Ran], floors: Sequence[Ran]) -> Measured:
    andon = {kind: median(_gap_ms(ran, turn) for ran in lanes) for kind, turn in LANE_TURNS.items()}
    bare = {kind: median(_gap_ms(ran, turn) for ran in floors) for kind, turn in FLOOR_TURNS.items()}
    mean = sum(bare.values()) / len(bare)
    parts = {f"{kind}_ms": ms for kind, ms in andon.items()}
    return Measured(sum(andon.values()) / len(andon) - mean, mean, parts)


def _weights(lane: Ran, floor: Ran) -> dict[str, Measured]:
    """Bytes repeat exactly, so one run is as good as several."""
    requests = _by_role(lane)
    tokens = {
        f"lane.role_tokens.{role}": Measured(len(requests[role][0]) / 4, len(floor.exchanges[0].body) / 4)
        for role in _ROLES
    }
    job = Measured(
        sum(len(body) for bodies in requests.values() for body in bodies) / 4,
        sum(len(exchange.body) for exchange in floor.exchanges) / 4,
        {"requests": len(lane.exchanges), "requests_of_baseline": len(floor.exchanges)},
    )
    kept = [share for bodies in requests.values() for share in kept_shares(bodies)]
    bare = median(kept_shares([exchange.body for exchange in floor.exchanges]))
    return tokens | {
        "lane.job_tokens": job,
        "lane.prefix_kept": Measured(median(kept), bare, {"smallest": min(kept)}),
    }


def _by_role(ran: Ran) -> Mapping[Role, Sequence[bytes]]:
    """Return the request bodies of each role, in order: the run's log says whose the n-th answer was."""
    roles = [event.data["role"] for event in ran.events if event.kind == "model.answered"]
    if len(roles) != len(ran.exchanges):
        raise MeasurementFailed(f"{len(ran.exchanges)} requests came, the run's log knows of {len(roles)} answers")
    asked = list(zip(roles, ran.exchanges, strict=True))
    return {role: [exchange.body for by, exchange in asked if by == role] for role in _ROLES}


def kept_shares(bodies: Sequence[bytes]) -> list[float]:
    """Return, for each request but the first, how much of the one before it begins it unchanged (0 to 1)."""
    texts = [_serialised(json.loads(body)) for body in bodies]
    return [_shared(before, after) / len(before) for before, after in pairwise(texts)]


def _shared(before: str, after: str) -> int:
    pairs = enumerate(zip(before, after, strict=False))
    return next((place for place, (one, other) in pairs if one != other), min(len(before), len(after)))


def _serialised(body: Mapping[str, Any]) -> str:
    """The order providers are taken to cache in: tools, instructions, then the conversation."""
    parts = [body.get("tools"), body.get("instructions"), *_items(body["input"])]
    return "".join(json.dumps(part, ensure_ascii=False) + "\n" for part in parts)


def _items(given: Any) -> Iterator[Any]:
    yield from [{"role": "user", "content": given}] if isinstance(given, str) else given


def _gap_ms(ran: Ran, turn: int) -> float:
    return (ran.exchanges[turn + 1].received - ran.exchanges[turn].answered) * 1000


def _tail(ran: Ran) -> float:
    last = ran.exchanges[-1].answered
    work = sum(
        max(0.0, min(end, ran.ended) - max(begin, last)) for name, begin, end in _steps(ran) if name in _NOT_EXIT
    )
    return ran.ended - last - work


def _step_seconds(ran: Ran, step: str, before: float = float("inf")) -> float:
    return sum(end - begin for name, begin, end in _steps(ran) if name == step and end <= before)


def _steps(ran: Ran) -> list[tuple[str, float, float]]:
    """Return name, begin and end of every step that ended, in Unix seconds."""
    begun: dict[tuple[str, str], float] = {}
    found = []
    for event in ran.events:
        if event.kind == "step.started":
            begun[event.data["name"], event.data["key"]] = _seconds(event.at)
        elif event.kind == "step.ended":
            found.append((event.data["name"], begun[event.data["name"], event.data["key"]], _seconds(event.at)))
    return found


def _at(ran: Ran, kind: str) -> float:
    return next(_seconds(event.at) for event in ran.events if event.kind == kind)


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()


_GOALS = {
    "lane.first_request_ratio": Goal("x", "<=", 1.6),
    "lane.exit_ratio": Goal("x", "<=", 0.5),
    **{f"lane.role_tokens.{role}": Goal("tokens", "<=", 2500) for role in _ROLES},
    "lane.job_tokens": Goal("tokens", "<=", 16000),
    "lane.prefix_kept": Goal("share", ">=", 0.95),
    "lane.turn_extra_ms": Goal("ms", "<=", 25),
}

LANE = Group(_GOALS, _measure)
"""`andon run --headless` beside a bare Agents SDK loop; tokens are bytes of the request body divided by 4."""
