"""run_command and git: what ran, how it ended, and the two ends of what it printed."""

from collections.abc import Sequence

from andon.guardrails.output import clean
from andon.sandbox.protocol import Finished, Sandbox

OUTPUT_BYTES = 10_000
"""Most bytes of output one answer holds; the middle is cut."""
_SHELL = 'if command -v bash >/dev/null 2>&1; then exec bash -c "$1"; else exec sh -c "$1"; fi'
_GIT = ("git", "--no-pager", "-c", "core.fsmonitor=false", "-c", "color.ui=never", "-c", "core.quotePath=false")


async def run_command(sandbox: Sandbox, command: str, *, seconds: float) -> str:
    """Run shell text in the workspace root, without input, and return its exit code and output."""
    done = await _run(sandbox, ["sh", "-c", _SHELL, "sh", command], seconds)
    return render(
        done, seconds=seconds, rest="to read it all, send it to a file under /tmp and print parts with sed -n"
    )


async def run_git(sandbox: Sandbox, args: Sequence[str], *, seconds: float) -> str:
    """Run one git subcommand and return its exit code and output. Which ones may run is decided before."""
    done = await _run(sandbox, [*_GIT, *args], seconds)
    return render(done, seconds=seconds, rest="to read it all, name paths or a smaller range")


def render(done: Finished, *, seconds: float, rest: str) -> str:
    """Return how a command ended and what it printed, return code first, without its duration.

    `rest` says how to read what was cut, where the sandbox did not keep it.
    """
    status = f"exit code {done.exit_code}"
    if done.why in _WHY:
        status += f" ({_WHY[done.why].format(seconds=seconds)})"
    if done.kept:
        rest = f"it is whole in {done.kept}: print parts with sed -n"
    text = clean(done.output, cap=OUTPUT_BYTES, dropped=done.dropped, rest=rest).strip("\n")
    return f"{status}\n{text}" if text else f"{status} (no output)"


async def _run(sandbox: Sandbox, argv: Sequence[str], seconds: float) -> Finished:
    return await sandbox.run(argv, env=_PLAIN, time_limit=seconds, output_cap=OUTPUT_BYTES)


_WHY = {
    "time": "stopped at the limit of {seconds:g} s; all its processes are gone",
    "output": "stopped: it printed without end; all its processes are gone",
    "memory": "the sandbox's memory was used up and one of its processes ended: run less at once",
}

_PLAIN = {"PAGER": "cat", "GIT_PAGER": "cat", "TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "120"}
