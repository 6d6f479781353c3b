"""What an error that ended a run means: one stop code and one sentence."""

import signal

from andon.line.disk import disk_failure
from andon.records.errors import RunError, UserError
from andon.records.stops import StopCode
from andon.sandbox.host_git import GitError


def stop_of(error: Exception) -> tuple[StopCode, str]:
    """Return the stop code of `error` and what to tell a person; `internal` for what nobody expected."""
    if _interrupted(error):
        return StopCode.INTERRUPTED, "The run was interrupted."
    if isinstance(error, UserError):
        return StopCode.USAGE, str(error)
    if isinstance(error, RunError) and error.code is StopCode.DISK_FAILED:
        return error.code, str(error)
    # Before other codes: a git that cannot write looks like a tree that git refuses.
    if problem := disk_failure(error):
        return StopCode.DISK_FAILED, problem
    if isinstance(error, RunError):
        return error.code, str(error)
    return StopCode.INTERNAL, f"{type(error).__name__}: {error}"


def _interrupted(error: BaseException | None) -> bool:
    """Whether git was ended by a signal: Ctrl-C in a terminal reaches every process there, and may reach git first."""
    while error is not None:
        if isinstance(error, GitError) and -error.returncode in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            return True
        error = error.__cause__
    return False
