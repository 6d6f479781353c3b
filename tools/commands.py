"""run_command and git: what ran, how it ended, and the two ends of what it printed."""

import re
from collections.abc import Sequence

from andon.guardrails.output import clean
from andon.sandbox.protocol import Finished, Sandbox
from andon.tools.search import PERL

OUTPUT_BYTES = 10_000
"""Most bytes of output one answer holds; the middle is cut."""
_SHELL = 'if command -v bash >/dev/null 2>&1; then exec bash -c "$1"; else exec sh -c "$1"; fi'
_GREP = (
    "git grep reads basic POSIX patterns: -i ignores case, -E takes a|b and x+, -P takes \\d and (?…), -F is literal"
)
_FATAL = 128
_REFUSED = re.compile(rb"fatal: (command line|-e option|-f option), '")
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
    rest = "to read it all, name paths or a smaller range"
    return render(done, seconds=seconds, rest=rest, note=_GREP if _is_misread(args, done) else "")


def _is_misread(args: Sequence[str], done: Finished) -> bool:
    """Say whether git grep refused a pattern, or found nothing with one that other engines read in another way."""
    if args[0] != "grep" or any(re.fullmatch(r"-\w*[PF]\w*|--(perl-regexp|fixed-strings)", arg) for arg in args):
        return False
    if done.exit_code == 1:
        return any(PERL.search(arg) for arg in args)
    return done.exit_code == _FATAL and _REFUSED.match(done.output) is not None


def render(done: Finished, *, seconds: float, rest: str, note: str = "") -> str:
    """Return how a command ended and what it printed, return code first, without its duration.

    `rest` says how to read what was cut, where the sandbox did not keep it; `note` stands behind the return code.
    """
    status = f"exit code {done.exit_code}"
    if done.why in _WHY:
        status += f" ({_WHY[done.why].format(seconds=seconds)})"
    status += f"; {note}" if note else ""
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
