"""What a run and a client's session are held to alike: protected areas, and what checks mean for an outcome."""

from andon.guardrails.globs import Glob
from andon.guardrails.judge import Policy
from andon.guardrails.origin import origin_of
from andon.guardrails.paths import fold
from andon.guardrails.protected import resolve_protected
from andon.line.job import Job
from andon.records.checks import Comparison
from andon.records.stops import StopCode

_ENDS = {
    "red-new": StopCode.CHECKS_FAILED,
    "changed-tests": StopCode.CHANGED_TESTS,
    "none": StopCode.NO_EVIDENCE,
    "flaky": StopCode.FLAKY,
}


def stop_for(comparison: Comparison) -> StopCode | None:
    """Return what stands between a change and its branch once its checks ran; None where nothing does.

    Red as before needs a record that shows the change: else what was to be mended may be what is still red. What the
    change adds that a scan finds is asked about whatever else is; only a red check ends the matter before.
    """
    if comparison.insecure and comparison.outcome != "red-new":
        return StopCode.SECURITY_FINDINGS
    if comparison.outcome == "red-as-before" and not comparison.shows_the_change:
        return StopCode.NOT_SHOWN
    return _ENDS.get(comparison.outcome)


def policy_of(job: Job) -> tuple[Policy, list[str]]:
    """Return what every call and every tree is held to, and a warning for each area or lock that matches nothing."""
    origin = origin_of(job.task.source)
    rules = resolve_protected(job.project.context.protected_areas, job.files.paths, job.settings.protected_paths)
    unmatched = [
        f"the protected area {rule.entry!r} matches no file; map it under [protected_paths] in factory/andon.toml"
        for rule in rules
        if not rule.matches
    ]
    unmatched += _idle_locks(job)
    policy = Policy(
        protected=tuple(rules),
        rules=job.policy.rules if origin == "person" else job.policy.strict,
        locked=tuple(job.task.locked_paths),
        tracked=frozenset(job.files.paths),
        origin=origin,
    )
    return policy, unmatched


def _idle_locks(job: Job) -> list[str]:
    if not job.task.locked_paths:
        return []
    files = [tuple(fold(path).split("/")) for path in job.files.paths]
    return [
        f"the task locks {pattern!r}, which matches no file of the base: only new files there are locked"
        for pattern in job.task.locked_paths
        if not any(Glob.of(pattern).holds(file) for file in files)
    ]
