"""The parts packets are made of. Every part is text with a heading; outsider text cannot begin a line of its own."""

import shlex
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from andon.context.both_sides import kept_line
from andon.context.commands import RUFF_ERRORS, name_of
from andon.context.diffs import fenced
from andon.context.plain import clipped, one_line, plain, shown_path, size
from andon.context.project import CONTEXT_PATH, PROSE_PATH, Project
from andon.context.scan_parts import scan_lines, security_lines
from andon.records.checks import CheckRecord, Comparison, TestOutcome
from andon.records.framed import framed
from andon.records.plan import Plan
from andon.records.project import Command, ProjectContext, ProjectSetup, ProtectedRule
from andon.records.task import Task, is_outsiders

CONTEXT_BYTES = 1_800
"""What the project part may take before terms the task does not use are left out."""
_PROSE_BYTES = 900
_MATCHES = 8
_PATHS = 8
_PASSING = 20
_WANTED = "it opens nothing that is closed; criteria go before its explanation"


def item(text: str, mark: str = "- ") -> str:
    """Return a list item; further lines of `text` are indented, so that they cannot pass for ours."""
    lines = [line.strip() for line in plain(text).split("\n") if line.strip()]
    return mark + ("\n" + " " * len(mark)).join(lines or ["(empty)"])


def numbered(texts: Iterable[str]) -> list[str]:
    """Return items numbered from 1."""
    return [item(text, f"{number}. ") for number, text in enumerate(texts, start=1)]


def listed(heading: str, texts: Sequence[str]) -> list[str]:
    """Return a heading with its items, or nothing where there are none."""
    return [heading, *(item(text) for text in texts)] if texts else []


def project_part(project: Project, protected: Sequence[ProtectedRule], setup: ProjectSetup, task: Task) -> str:
    """Return rules, terms, done definition, protected areas and check commands."""
    context = project.context
    origin = CONTEXT_PATH if context != ProjectContext() else PROSE_PATH if project.prose else ""
    lines = [f"# Project: {one_line(context.project_name)}" if context.project_name else "# Project"]
    if origin:
        lines.append(f"(from {origin} at the base commit)")
    lines += [item(context.goal, "Goal: ")] if context.goal else []
    lines += listed("Rules:", context.rules)
    lines += listed("Done means:", context.done_definition)
    lines += _prose(project.prose)
    tail = [*_protected(protected), *_commands(setup)]
    room = CONTEXT_BYTES - size("\n".join([*lines, *tail]))
    return "\n".join([*lines, *_terms(context.domain_terms, task, room), *tail])


def _terms(terms: dict[str, str], task: Task, room: int) -> list[str]:
    if not terms:
        return []
    lines = ["Terms:"]
    words = " ".join([task.title, *task.acceptance_criteria, *task.constraints]).casefold()
    entries = [(term, item(f"{term}: {meaning}")) for term, meaning in sorted(terms.items())]
    if sum(size(text) + 1 for _, text in entries) <= room:
        return lines + [text for _, text in entries]
    kept = [text for term, text in entries if term.casefold() in words]
    left = len(entries) - len(kept)
    return lines + kept + ([f"[{left} more terms; docs_lookup TERM shows them]"] if left else [])


def _prose(prose: str) -> list[str]:
    if not prose:
        return []
    shown, left = clipped(plain(prose), _PROSE_BYTES)
    lines = ["In the project's words (nothing here is enforced):", *(f"> {line}" for line in shown.split("\n"))]
    return lines + ([f"[{left} more bytes of {PROSE_PATH}; docs_lookup shows them]"] if left else [])


def protected_part(protected: Sequence[ProtectedRule]) -> str:
    """Return what may not be changed, with the files it covers."""
    return "\n".join(["# Protected", *(_protected(protected)[1:] or ["Nothing beyond .git and factory/."])])


def _protected(protected: Sequence[ProtectedRule]) -> list[str]:
    if not protected:
        return []
    lines = ["Protected beside .git and factory/, every change is refused:"]
    for rule in protected:
        shown = [shown_path(path) for path in rule.matches[:_MATCHES]]
        more = len(rule.matches) - len(shown)
        files = ", ".join(shown) + (f" and {more} more; list_files shows them" if more else "")
        lines.append(
            item(f"{one_line(rule.entry)} = {files or 'matches no file of the base: judge by what the change does'}")
        )
    return lines


def _commands(setup: ProjectSetup) -> list[str]:
    lines = [f"- {command.kind}: {one_line(name_of(command))}" for command in (*setup.tests, *setup.static)]
    missing = [f"Missing in the sandbox: {', '.join(setup.missing)}."] if setup.missing else []
    checks = ["Checks the line runs:", *lines, *missing] if lines else ["Checks the line runs: none was found."]
    return [*checks, *listed("About this repository:", setup.notes)]


def closed_paths(protected: Sequence[ProtectedRule], task: Task) -> frozenset[str]:
    """Return the files of the base that nobody may change and the task does not name."""
    told = "\n".join([task.title, *task.acceptance_criteria, *task.constraints, *task.context_paths])
    return frozenset(path for rule in protected for path in rule.matches if path not in told)


def check_calls(setup: ProjectSetup) -> str:
    """Return the calls by which the executor runs the project's checks itself; empty where there are none."""
    # run_tests takes no command: it is named as the checks are.
    tests = ", ".join(one_line(name_of(command)) for command in setup.tests)
    # What nobody chose is not to be typed: it may be missing, and the line has something in its place.
    chosen = [command for command in setup.static if command.argv != RUFF_ERRORS]
    typed = [command for command in chosen if not any("\n" in word for word in command.argv)]
    static = [f"run_command with `{_typed(command)}`" for command in typed]
    calls = [*([f"run_tests ({tests})"] if tests else []), *static]
    return f"Before that: {', '.join(calls)}." if calls else ""


def _typed(command: Command) -> str:
    where = "" if command.cwd == "." else f"cd {shlex.quote(command.cwd)} && "
    return one_line(f"{where}{shlex.join(command.argv)}")


def files_part(files: Mapping[str, str], new: Sequence[str] = ()) -> str:
    """Return small files of the base whole, by path, and which of the plan are `new`."""
    lines = ["# Files of the plan as they are at the base"]
    lines += [f"Not there yet: {', '.join(map(shown_path, new))}"] if new else []
    for path, text in files.items():
        lines += [f"{shown_path(path)}:", *fenced(text.rstrip("\n"))]
    return "\n".join(lines)


def task_part(
    task: Task, criteria: Sequence[str], note: str, shown: Collection[str] = (), folders: Collection[str] = ()
) -> str:
    """Return the task with its numbered criteria; `note` stands behind their heading.

    Of what is worth reading first, the paths in `shown` stand in the packet themselves and are marked so, as are those
    in `folders`.

    What an outsider wrote, criteria that the planner made of it included, is framed as data.
    """
    lines = [one_line(task.title), f"Acceptance criteria{note}:", *numbered(criteria)]
    lines += listed("Constraints:", task.constraints)
    paths = [
        shown_path(path.rstrip("/") + "/" if path in folders else path) + (" (below)" if path in shown else "")
        for path in task.context_paths[:_PATHS]
    ]
    lines += listed("Worth reading first:", paths)
    more = len(task.context_paths) - _PATHS
    lines += [f"[{more} more paths in the task]"] if more > 0 else []
    origin = one_line(task.source) or "the person who started the run"
    if is_outsiders(task.source):
        lines, origin = [framed("\n".join(lines), f"task {origin}")], "outside"
    return "\n".join([f"# Task {task.id}", f"(from {origin}; {_WANTED})", *lines, *_locked(task)])


def _locked(task: Task) -> list[str]:
    return listed("Locked by the task, nobody may touch:", [shown_path(path) for path in task.locked_paths])


def planned_task_part(task: Task, plan: Plan, shown: Collection[str] = (), folders: Collection[str] = ()) -> str:
    """Return the task with the criteria of the plan, which are the task's own wherever it has some."""
    note = " (proposed by the planner)" if plan.criteria_proposed else ""
    return task_part(task, plan.acceptance_criteria, note, shown, folders)


def rules_part(project: Project) -> str:
    """Return the rules and the done definition, for roles that judge or mend."""
    context = project.context
    lines = [*listed("Rules:", context.rules), *listed("Done means:", context.done_definition), *_prose(project.prose)]
    return "\n".join(["# Project rules", *(lines or ["None were given."])])


def plan_part(plan: Plan) -> str:
    """Return the plan, criteria apart."""
    lines = ["# Plan, in the planner's words", item(plan.summary, "Approach: "), "Steps:", *numbered(plan.steps)]
    lines += listed("Files:", [shown_path(path) for path in plan.files])
    return "\n".join([*lines, *listed("Tests:", plan.tests), *listed("Risks:", plan.risks)])


def checks_part(heading: str, records: Sequence[CheckRecord]) -> str:
    """Return check results, red ones first, with every failing test id."""
    red = sorted(records, key=lambda record: record.outcome == "passed")
    lines = [line for record in red for line in _check(record)]
    return "\n".join([heading, *(lines or ["No check ran."])])


def _check(record: CheckRecord) -> list[str]:
    failing = sorted(test for test, outcome in record.tests.items() if outcome in ("failed", "error"))
    why = [item(record.reason, "  ")] if record.reason else []
    verb = "" if record.granularity == "finding" else " fails"
    lines = [f"- {one_line(test)}{verb}" for test in failing]
    return [f"{one_line(record.name)}: {summary_of(record)}", *why, *lines]


def summary_of(record: CheckRecord) -> str:
    """Return `failed: 1 failed, 12 passed`, or the bare outcome where tests are not told apart."""
    kinds: tuple[TestOutcome, ...] = ("failed", "error", "passed", "skipped")
    counts = [(kind, record.counted.get(kind, 0)) for kind in kinds]
    words = ", ".join(
        f"{count} {'errors' if kind == 'error' and count > 1 else kind}" for kind, count in counts if count
    )
    if not words and record.outcome == "failed" and record.exit_code is not None:
        words = f"exit code {record.exit_code}"
    words += f"{', ' if words else ''}{len(record.flaky)} flaky" if record.flaky else ""
    return f"{record.outcome}: {words}" if words else record.outcome


def security_part(comparison: Comparison) -> str:
    """Return what the change adds that a scan finds; empty where there is nothing."""
    return "\n".join(
        listed("# New security findings: judge each, a person decides on them", security_lines(comparison))
    )


def comparison_part(comparison: Comparison, base: Sequence[CheckRecord], head: Sequence[CheckRecord]) -> str:
    """Return what base and head show together. Failing and vanished tests are never left out."""
    passing = comparison.new_passing
    tried = {*comparison.new_failing_at_base, *comparison.new_passing_at_base}
    untried = [test for test in passing if test not in tried]
    lines = [f"# Base against head: {comparison.outcome}"]
    lines += [one_line(comparison.reason)] if comparison.reason else []
    before = "; ".join(f"{one_line(record.name)}: {summary_of(record)}" for record in base)
    lines += [f"At the base: {before}"] if before else []
    kept = kept_line(base, head, comparison)
    lines += [f"Passed at the base and pass now: {kept}"] if kept else []
    lines += _ids("Newly failing", comparison.newly_failing)
    lines += _ids("Still failing, as before", comparison.still_failing)
    lines += _ids("Differ from run to run on the same tree", comparison.flaky)
    lines += _ids("Gone", comparison.gone)
    lines += _ids("Pass only because the test was edited: the base's version fails", comparison.edited)
    lines += _ids("Weaker than at the base, judge whether that is what the task asks for", comparison.weakened)
    lines += _ids("Fixed", comparison.fixed)
    lines += _ids("New, fail on the base and pass now", cases(comparison.new_failing_at_base))
    lines += _ids("Edited, fail on the base as edited and pass now", cases(comparison.strengthened))
    lines += _ids("New, pass on the base too: they pin what was there", cases(comparison.new_passing_at_base))
    lines += _ids("New, pass now, could not run on the base", untried[:_PASSING])
    more = len(untried) - _PASSING
    lines += [f"[{more} more of these; run_tests lists them]"] if more > 0 else []
    return "\n".join([*lines, *scan_lines(comparison)])


def cases(tests: Sequence[str]) -> list[str]:
    """Return test ids with the cases of one parametrised test in one entry, `name (4 cases)`, in order."""
    counts = Counter(test.partition("[")[0] for test in tests)
    return [name if count == 1 else f"{name} ({count} cases)" for name, count in counts.items()]


def _ids(heading: str, tests: Sequence[str]) -> list[str]:
    return listed(f"{heading}:", [one_line(test) for test in tests])
