"""Checks of the repository: what git can tell of it, and what it says of itself at the commit HEAD names."""

from pathlib import Path
from typing import TYPE_CHECKING

from andon.context.detect import detect
from andon.context.project import CONTEXT_PATH, PROSE_PATH, load_project
from andon.context.settings import SETTINGS_PATH, load_settings
from andon.context.setup_plan import plan_setup
from andon.guardrails.judge import Policy
from andon.guardrails.policy_file import POLICY_PATH, read_policy
from andon.guardrails.protected import resolve_protected
from andon.intake.queue import QUEUE_PATH, load_queue
from andon.line.doctor.boundary import found_programs
from andon.line.doctor.check import Check, Finding
from andon.line.doctor.ground import Ground, NotHere
from andon.line.doctor.tiers import START_LIMIT
from andon.line.registries import registries_of
from andon.line.trust import claims_of
from andon.line.views.policy_view import PolicyView
from andon.records.errors import UserError
from andon.sandbox.host_git import run_git
from andon.sandbox.repository import Repository

if TYPE_CHECKING:
    from andon.sandbox.start import Tier

_ATTRIBUTES_BYTES = 100_000


def _head(ground: Ground) -> Finding:
    try:
        repository = Repository.open(ground.directory)
    except UserError:
        if any((folder / ".git").exists() for folder in (ground.directory.absolute(), *_above(ground.directory))):
            raise
        told = f"{str(ground.directory)!r} is in no git repository: andon run needs one, andon demo does not"
        return Finding("warning", told, "change into a repository, or make one with `git init` and a commit")
    found = f"{repository.root} at {repository.head()[:12]}"
    dirty = repository.dirty()
    if dirty:
        return Finding("note", f"{found}; a run starts from there, without the {len(dirty)} paths that differ now")
    return Finding("ok", found)


def _above(folder: Path) -> tuple[Path, ...]:
    return tuple(folder.absolute().parents)


def _complete(ground: Ground) -> Finding:
    repository = ground.repository
    shallow = run_git(["rev-parse", "--is-shallow-repository"], git_dir=repository.git_dir).strip() == b"true"
    listed = run_git(
        ["rev-list", "--objects", "--no-walk", "--missing=print", ground.commit], git_dir=repository.git_dir
    )
    missing = sum(line.startswith(b"?") for line in listed.splitlines())
    if missing:
        told = f"{missing:,} objects of the commit HEAD names are not here, as in a partial clone"
        return Finding("error", told, "git fetch --refetch --filter=blob:limit=1g")
    if shallow:
        told = "all of the commit is here; the clone is shallow, so agents see little of its history"
        return Finding("note", told, "git fetch --unshallow")
    return Finding("ok", "every file of the commit is here, and its history")


def _left_alone(ground: Ground) -> Finding:
    files = ground.files
    attributes = [path for path in files.paths if path.rpartition("/")[2] == ".gitattributes"]
    read = files.read_many(attributes, limit=_ATTRIBUTES_BYTES)
    pointers = sorted(path for path, content in read.items() if b"filter=lfs" in content)
    told = []
    if files.submodules:
        told.append(f"submodules are empty folders to agents: {_some(files.submodules)}")
    if pointers:
        told.append(f"files of Git LFS are pointers to agents (by {_some(pointers)})")
    if files.unreadable:
        told.append(f"names that are not UTF-8 cannot be named to agents: {_some(files.unreadable)}")
    if told:
        return Finding("note", "; ".join(told), "keep tasks away from them")
    return Finding("ok", "no submodules, no Git LFS, no names that are not UTF-8")


def _settings(ground: Ground) -> Finding:
    load_settings(ground.files)
    there = SETTINGS_PATH in ground.files.paths
    return Finding("ok", f"{SETTINGS_PATH} is understood" if there else f"no {SETTINGS_PATH}: the defaults hold")


def _context(ground: Ground) -> Finding:
    project = load_project(ground.files)
    rules = resolve_protected(project.context.protected_areas, ground.files.paths, ground.settings.protected_paths)
    idle = [rule.entry for rule in rules if not rule.matches]
    if idle:
        told = f"protected areas that match no file, so protect nothing: {_some(idle)}"
        return Finding("warning", told, f"map them under [protected_paths] in {SETTINGS_PATH} and commit it")
    if project.notes:
        return Finding("note", " ".join(project.notes), f"see {CONTEXT_PATH} in the guide")
    covered = len({path for rule in rules for path in rule.matches})
    name = CONTEXT_PATH if CONTEXT_PATH in ground.files.paths else PROSE_PATH
    return Finding("ok", f"{name}: {len(rules)} protected areas over {covered} files")


def _policy(ground: Ground) -> Finding:
    content = ground.files.read(POLICY_PATH)
    own = read_policy(content)
    view = PolicyView(ground.repository.root, own, Policy(rules=own.rules), present=content is not None)
    problems = view.problems()
    if problems:
        return Finding("warning", f"{POLICY_PATH}: {'; '.join(problems)}", "andon policy check")
    told = f"{len(view.own.rules.rules)} rules, every example of every rule holds"
    if view.own.changes:
        return Finding("note", f"{told}; loosened: {'; '.join(view.own.changes)}", "andon policy check")
    return Finding("ok", told if view.present else f"no {POLICY_PATH}, the shipped policy holds: {told}")


def _queue(ground: Ground) -> Finding:
    path = ground.repository.root / QUEUE_PATH
    if not path.exists():
        return Finding("note", f"no {QUEUE_PATH}", 'write one, or give the intent in words: andon run "…"')
    tasks = load_queue(path).tasks
    pending = sum(task.status == "pending" for task in tasks)
    vague = [task.id for task in tasks if task.status == "pending" and not task.acceptance_criteria]
    if vague:
        told = f"{pending} of {len(tasks)} tasks are pending; without acceptance criteria: {_some(vague)}"
        return Finding("note", told, "say in each what must hold afterwards, or the planner proposes it")
    return Finding("ok", f"{pending} of {len(tasks)} tasks are pending, each with acceptance criteria")


def _trust(ground: Ground) -> Finding:
    claims = claims_of(ground.settings)
    refused = []
    for claim in claims:
        overruled = claim.key == "provider.base_url" and ground.environment.get("OPENAI_BASE_URL")
        try:
            ground.accepted_value(claim)
        except UserError:
            if not overruled:
                refused.append(claim.key)
    if [key for key in refused if key != "checks.audit"]:
        return Finding("error", f"{SETTINGS_PATH} sets what no person accepted: {', '.join(refused)}", "andon trust")
    if refused:
        return Finding("warning", "dependencies are not audited: no person accepted checks.audit", "andon trust")
    return Finding("ok", f"{len(claims)} claims, all accepted" if claims else "nothing needs a person to accept it")


def _setup(ground: Ground) -> Finding:
    plan, notes = plan_setup(ground.files, ground.settings, registries_of(ground.environment))
    told = "nothing is installed" if plan is None else f"installed as {', '.join(plan.origins)} say"
    if notes:
        return Finding("note" if plan is None else "warning", f"{told}: {' '.join(notes)}", "commit a lock file")
    return Finding("ok", told)


async def _checks(ground: Ground) -> Finding:
    """Hold the programs of the detected checks against a sandbox of the tier a run would use."""
    setup = detect(ground.files, ground.settings)
    lacking = [] if setup.tests else ["no test command"]
    lacking += [] if setup.static or setup.static_declined else ["no static check"]
    if lacking:
        told = f"{' and '.join(lacking)} found: a run has no evidence and waits for a person"
        return Finding("warning", told, f"name them under [checks] in {SETTINGS_PATH} and commit it")
    commands = ", ".join(" ".join(command.argv) for command in (*setup.tests, *setup.static)[:4])
    tier, there = await _has(ground, tuple(setup.programs))
    missing = [name for name in setup.programs if name not in there]
    if missing:
        told = f"{commands}; {tier} lacks {', '.join(missing)}, unless the set-up installs it"
        return Finding("warning", told, "add it to the image or the toolchain (ANDON_IMAGE, ANDON_TOOLCHAIN)")
    return Finding("ok", f"{commands}; {tier} has what they need")


async def _has(ground: Ground, programs: tuple[str, ...]) -> tuple[str, list[str]]:
    tiers: tuple[Tier, ...] = ("docker", "bubblewrap") if ground.wanted == "auto" else (ground.wanted,)
    for tier in tiers:
        try:
            return tier, await found_programs(await ground.sandbox(tier), programs)
        except NotHere:
            continue
    raise NotHere("no sandbox stands to look for programs in")


def _ready(ground: Ground) -> Finding:
    from andon.line.job import prepare
    from andon.records.task import Task

    task = Task(id="andon-doctor", title="look whether a run could begin")
    job = prepare(ground.repository, task, run_id="doctor", started=0, queued=False, toolchain=None)
    return Finding("ok", f"a run of {job.base_commit[:12]} could begin, on the branch factory/ID-TITLE")


def _some(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


CHECKS = (
    Check("repository.head", "open the repository as a run does", _head),
    Check("repository.complete", "list every object of the commit HEAD names", _complete),
    Check("repository.left-alone", "look for submodules, Git LFS and odd names", _left_alone),
    Check("repository.settings", f"read {SETTINGS_PATH} of the commit", _settings),
    Check("repository.context", f"read {CONTEXT_PATH} of the commit and resolve its protected areas", _context),
    Check("repository.policy", f"read {POLICY_PATH} of the commit and run its examples", _policy),
    Check("repository.queue", f"read {QUEUE_PATH}", _queue),
    Check("repository.trust", "look which claims of the settings a person accepted", _trust),
    Check("repository.setup", "plan what would be installed", _setup),
    Check("repository.ready", "get a run ready as andon run does, without beginning it", _ready),
    Check("repository.checks", "find the tests and static checks, and their programs in a sandbox", _checks,
          START_LIMIT, "repository.checks"),
)  # fmt: skip
