"""What the scans of a change showed, in lines for packets and papers alike."""

from andon.context.plain import one_line, shown_path
from andon.records.checks import Comparison
from andon.records.scans import DependencyAudit, SecurityFinding

_SHOWN = 30


def security_lines(comparison: Comparison) -> list[str]:
    """Return a line for each new finding, the worst first, and each vulnerable dependency that is brought in."""
    brought = comparison.dependencies.brought_in if comparison.dependencies else []
    lines = [_finding(one) for one in comparison.security]
    lines += [
        f"{one.name} {one.version}: {one.advisory}"
        + (f", mended in {', '.join(one.fixed_in)}" if one.fixed_in else ", no version mends it")
        for one in brought
    ]
    return _bounded(lines)


def scan_lines(comparison: Comparison) -> list[str]:
    """Return how the scans went, a line each, and what they left out; empty where a record holds none."""
    lines = []
    if comparison.security_scan:
        count = len(comparison.security)
        told = f"{count} new" if comparison.security_scan == "findings" else comparison.security_scan
        lines.append(f"Security scan (bandit, new findings of medium or more): {told}")
    lines += [f"Not scanned: {one_line(one)}" for one in _bounded(comparison.not_scanned)]
    return [*lines, *(_audit(comparison.dependencies) if comparison.dependencies else [])]


def _audit(audit: DependencyAudit) -> list[str]:
    counts = {
        "clean": f"clean: {audit.audited} audited, none known to be vulnerable",
        "vulnerable": f"{len(audit.vulnerable)} known vulnerabilities in {audit.audited} audited",
        "partly-audited": f"in part: {audit.audited} audited, none of them known to be vulnerable",
        "not-audited": f"not audited: {one_line(audit.reason)}",
    }
    old = [f"vulnerable as before: {one.name} {one.version}: {one.advisory}" for one in audit.vulnerable if not one.new]
    left = [f"not audited: {one_line(one)}" for one in audit.not_audited]
    return [f"Dependencies: {counts[audit.outcome]}", *_bounded(old), *_bounded(left)]


def _finding(one: SecurityFinding) -> str:
    return f"{one.test_id} ({one.severity}) {shown_path(one.path)}:{one.line}: {one_line(one.text)}"


def _bounded(lines: list[str]) -> list[str]:
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], *([f"and {more} more; test-result.json lists them"] if more > 0 else [])]
