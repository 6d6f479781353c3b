"""What the judge costs: a verdict on an ordinary call, on ten kilobytes of shell text, and on what a call left."""

import asyncio
import posixpath
import time
from statistics import median

from andon.evals.bench_effects import effect_10k
from andon.evals.bench_figures import Goal, Group, Measured
from andon.guardrails.judge import Policy, judge
from andon.guardrails.shell import parse
from andon.records.calls import ToolCall

_CALLS: tuple[tuple[str, dict[str, object]], ...] = (
    ("read_file", {"path": "src/app.py"}),
    ("edit_file", {"path": "src/app.py", "edits": [{"old": "a", "new": "b"}]}),
    ("git", {"args": ["diff", "--stat"]}),
    ("run_tests", {"select": ["tests/test_app.py"]}),
    ("run_command", {"command": "python -m pytest -q tests/test_app.py 2>&1 | tail -20"}),
    ("run_command", {"command": "grep -rn 'def add' src | head -5 && sed -n '1,80p' src/app.py"}),
)
_LINE = "for f in src/*.py; do grep -n \"$(basename $f)\" README.md || echo 'none' >> /tmp/out; done\n"
_LONG = (_LINE * (10_000 // len(_LINE) + 1))[:10_000].rsplit("\n", 1)[0]


async def _as_written(path: str) -> str:
    return posixpath.normpath(posixpath.join("/work", path))


def _timed(tool: str, arguments: dict[str, object], policy: Policy) -> float:
    call = ToolCall(tool=tool, arguments=arguments, role="executor")
    started = time.perf_counter()
    decision = asyncio.run(_judged(call, policy))
    seconds = time.perf_counter() - started
    if decision != "allow":
        raise RuntimeError(f"{tool} {arguments} was judged {decision}")
    return seconds


async def _judged(call: ToolCall, policy: Policy) -> str:
    return (await judge(call, policy, _as_written)).verdict


def _measure(runs: int) -> dict[str, Measured]:
    policy = Policy()
    for tool, arguments in _CALLS:
        _timed(tool, arguments, policy)
    verdicts = [_timed(tool, arguments, policy) for _ in range(runs * 10) for tool, arguments in _CALLS]
    long = [_timed("run_command", {"command": _LONG}, policy) for _ in range(runs)]
    bare = []
    for _ in range(runs):
        started = time.perf_counter()
        parse(_LONG)
        bare.append(time.perf_counter() - started)
    return {
        "guard.verdict_ms": Measured(median(verdicts) * 1000, parts={"slowest ms": max(verdicts) * 1000}),
        "guard.shell_10k_ms": Measured(median(long) * 1000, baseline=median(bare) * 1000),
        "guard.effect_10k_ms": effect_10k(runs),
    }


GUARD = Group(
    {
        "guard.verdict_ms": Goal("ms", "<=", 1),
        "guard.shell_10k_ms": Goal("ms", "<=", 50),
        "guard.effect_10k_ms": Goal("ms", "<=", 60),
    },
    _measure,
)
"""A verdict on ordinary calls; ten kilobytes of shell text beside reading it alone; an edit among 10,000 files."""
