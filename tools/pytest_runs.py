"""Runs pytest, reads its report, and tells a pytest that could not begin from red tests."""

import re
import secrets
from collections.abc import Sequence

from andon.guardrails.output import clean_text
from andon.records.project import Command
from andon.sandbox.protocol import Sandbox
from andon.tools.junit import read_junit
from andon.tools.runs import REPORT_BYTES, TestRun, ended, execute, nothing_found

# https://docs.pytest.org/en/stable/reference/exit-codes.html
_USAGE = 4
_NO_TESTS = 5
_TAKES_VALUE = frozenset({"-k", "-m", "-p", "-o", "-c", "-W", "-n", "-r"})
_REPORT_LINE = re.compile(rb"^-* ?generated xml file: .*\n?", re.MULTILINE)
_UNKNOWN = re.compile(r"^.*error: unrecognized arguments: (.+)$", re.MULTILINE)
_REQUIRED = re.compile(r"^ERROR: Missing required plugins: (.+)$", re.MULTILINE)
_NO_PYTEST = re.compile(r"\A\S+: No module named pytest\s*\Z")
_SHOWN = 200


async def run_pytest(
    sandbox: Sandbox, command: Command, select: Sequence[str], time_limit: float, *, to_the_end: bool
) -> TestRun:
    """Run a pytest command; see `run_test_command`."""
    # A new name each time: what an earlier process left in the scratch space is never taken for a report.
    report = f"/tmp/andon-{secrets.token_hex(8)}.xml"  # noqa: S108 - inside the sandbox
    argv = [*(_without_paths(command.argv) if select else command.argv)]
    argv += ["--continue-on-collection-errors"] if to_the_end else []
    # A fixed scratch folder: pytest's own name for it counts up, and would differ between a run and its replay.
    argv += ["-o", "junit_family=xunit1", f"--junitxml={report}", "--basetemp=/tmp/pytest", "-p", "no:cacheprovider"]
    argv += ["-q", "--tb=short", *select]
    done = await execute(sandbox, command, argv, time_limit)
    output = _REPORT_LINE.sub(b"", done.output)
    if done.exit_code == _NO_TESTS and not done.timed_out:
        return nothing_found(done, output)
    try:
        data = await sandbox.read(report, limit=REPORT_BYTES)
    except OSError:
        data = b""
    reason = "" if data or done.timed_out else why_not_begun(command, done.exit_code, output)
    return ended(done, read_junit(data), output=output, reason=reason)


def why_not_begun(command: Command, exit_code: int, output: bytes) -> str:
    """Return why pytest could not begin and what would let it, or an empty string where that is not the case.

    Told apart are options of plugins that are not installed (`--cov`, `-n`, `--timeout` in `addopts`), required plugins
    and a missing pytest; whatever else ends with its usage error (4), as a broken conftest.py does, is red.
    """
    text = clean_text(output.decode("utf-8", "replace"))
    if exit_code == 1 and _NO_PYTEST.match(text):
        return "pytest is not installed in the sandbox"
    if exit_code != _USAGE:
        return ""
    if found := _REQUIRED.search(text):
        plugins = found[1][:_SHOWN]
        return f"pytest could not begin: the plugins it must have are not installed: {plugins}. " + _remedy(
            command, "required_plugins"
        )
    if (found := _UNKNOWN.search(text)) is None:
        return ""
    words = found[1][:_SHOWN]
    if any(word in command.argv for word in words.split()):
        return f"pytest could not begin: it does not know {words}, which the command names"
    return f"pytest could not begin: it does not know {words}, which `addopts` asks for. " + _remedy(command, "addopts")


def _remedy(command: Command, option: str) -> str:
    words = " ".join(command.argv)
    return f'Commit `test = ["{words} -o {option}="]` under [checks] in factory/andon.toml to run without'


def _without_paths(argv: Sequence[str]) -> list[str]:
    """Return a pytest command without the files and folders it names."""
    start = next(
        (at for at, word in enumerate(argv) if word.rsplit("/", 1)[-1] in ("pytest", "py.test")), len(argv) - 1
    )
    kept = list(argv[: start + 1])
    for before, word in zip(argv[start:], argv[start + 1 :], strict=False):
        if word.startswith("-") or before in _TAKES_VALUE or (before.startswith("--") and "=" not in before):
            kept.append(word)
    return kept
