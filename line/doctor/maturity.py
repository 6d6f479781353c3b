"""The ten checklist items of Software Factory 101, each judged from facts and never by a model."""

from collections.abc import Callable
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from andon.context.project import CONTEXT_PATH
from andon.intake.queue import QUEUE_PATH
from andon.line.doctor.check import in_thread
from andon.line.doctor.factory_facts import Factory, facts_of
from andon.line.doctor.forge import branch_is_protected
from andon.line.doctor.ground import Ground, NotHere
from andon.line.identity import identity_of
from andon.records.doctor import Maturity, MaturityItem
from andon.records.errors import UserError
from andon.sandbox.host_git import GitError, run_git
from andon.sandbox.repository import Repository

_RUN = "andon run"


class Judged(NamedTuple):
    """How far an item is done."""

    done: tuple[str, ...]
    """Facts that speak for it."""
    lacking: tuple[str, ...]
    """Facts that are missing."""
    next_step: str

    @property
    def answer(self) -> Literal["yes", "partly", "no"]:
        """Yes where nothing is lacking, partly where something is there."""
        return "yes" if not self.lacking else "partly" if self.done else "no"


Fact = tuple[bool, str, str]
"""Whether it holds, what is said if it does, and what if not."""


def _judge(facts: list[Fact], next_step: str) -> Judged:
    return Judged(
        tuple(yes for holds, yes, _ in facts if holds), tuple(no for holds, _, no in facts if not holds), next_step
    )


def _context(found: Factory) -> Judged:
    said = found.context
    parts = (
        ("goals", bool(said and (said.goal or said.project_name))),
        ("rules", bool(said and said.rules)),
        ("protected areas", bool(said and said.protected_areas) and not found.idle_areas),
        ("definition of done", bool(said and said.done_definition)),
    )
    facts = [(there, f"the context names its {name}", f"the context names no {name}") for name, there in parts]
    if found.idle_areas:
        facts[2] = (False, "", f"protected areas match no file: {', '.join(found.idle_areas)}")
    if found.prose:
        facts.append((True, "project-context.md is read as prose and enforces nothing", ""))
    return _judge(facts, f"write goal, rules, protected_areas and done_definition into {CONTEXT_PATH} and commit it")


def _intake(found: Factory) -> Judged:
    vague = [task.id for task in found.tasks if not task.acceptance_criteria]
    runs = sum(found.counts.values())
    facts = [(bool(found.tasks or runs), f"{len(found.tasks)} tasks in {QUEUE_PATH}, {runs} runs in the tables",
              f"no task in {QUEUE_PATH} and no run in the tables")]  # fmt: skip
    if found.tasks:
        facts.append((not vague, "every task says what must hold afterwards",
                      f"tasks without acceptance criteria: {', '.join(vague[:5])}"))  # fmt: skip
    return _judge(facts, f"write tasks with acceptance criteria into {QUEUE_PATH}, or: andon add")


def _planner(found: Factory) -> Judged:
    whole = sum(all(run.plan.get(key) for key in ("acceptance_criteria", "steps", "branch")) for run in found.kept)
    return _judge([
        (True, "andon's lane begins with a planner, and hands nothing on without criteria and steps", ""),
        (whole > 0, f"{whole} kept runs have a plan with criteria, steps and a branch", "no kept run has a plan"),
    ], _RUN)  # fmt: skip


def _sandbox(found: Factory) -> Judged:
    tiers = sorted({str(run.result["sandbox"]) for run in found.kept if run.result.get("sandbox")})
    boxed = sum(bool(run.result.get("sandbox")) for run in found.kept)
    return _judge([
        (True, "andon runs no work outside a sandbox", ""),
        (bool(tiers), f"{boxed} kept runs worked in {' and '.join(tiers)}", "no kept run worked in a sandbox here"),
    ], f"andon doctor sandbox, then: {_RUN}")  # fmt: skip


def _reviewer(found: Factory) -> Judged:
    held = sum(int(run.result.get("review_rounds") or 0) > 0 for run in found.kept)
    failed = sum(run.result["status"] == "failed-review" for run in found.kept)
    static = bool(found.setup.static) or found.setup.static_declined
    return _judge([
        (bool(found.setup.tests), "a test command is known", "no test command is known"),
        (static, "a static check is known", "no static check is known"),
        (held > 0, f"{held} kept runs were reviewed, {failed} of them failed", "no kept run was reviewed"),
    ], f"name tests and static checks under [checks] in factory/andon.toml; then: {_RUN}")  # fmt: skip


def _ci(found: Factory) -> Judged:
    good = [one.path for one in found.pipelines if one.on_requests and one.tests]
    unread = [one.path for one in found.pipelines if not one.understood]
    checked = found.with_paper("test-result.json")
    why = f"{', '.join(unread)} is not read by andon" if unread else "no CI file runs tests for pull or merge requests"
    return _judge([
        (bool(good), f"tests run for requests by {', '.join(good)}", why),
        (checked > 0, f"{checked} kept runs were checked in a fresh sandbox", "no kept run was checked"),
    ], "run the tests in a workflow `on: pull_request`, or in .gitlab-ci.yml")  # fmt: skip


def _summary(found: Factory) -> Judged:
    count = found.with_paper("pr-body.md")
    return _judge([(count > 0, f"{count} kept runs have a pr-body.md", "no kept run has a pr-body.md")], _RUN)


def _protection(found: Factory, protected: bool | None) -> Judged:
    owners = found.unowned
    areas = bool(found.context and found.context.protected_areas) and not found.idle_areas
    lacking = "there is no CODEOWNERS" if owners is None else f"CODEOWNERS gives no owner to {', '.join(owners)}"
    branches = {
        True: "the forge protects the default branch", False: "the forge does not protect the default branch",
        None: "whether the forge protects the default branch is not to be seen here (GITHUB_TOKEN and --call ask it)",
    }[protected]  # fmt: skip
    return _judge([
        (True, "andon delivers to branches of its own and closes factory/ to agents", ""),
        (areas, "protected areas are defined, and match files", "no protected area protects a file"),
        (owners == (), "factory/ and the CI files have code owners", lacking),
        (protected is True, branches, branches),
    ], "give /factory/ and the CI files owners in CODEOWNERS, and protect the default branch at the forge")  # fmt: skip


def _memory(found: Factory) -> Judged:
    logged = found.with_paper("audit.jsonl")
    return _judge([
        (logged > 0, f"{logged} runs are kept with result and events", "no run is kept with result and events"),
        (found.with_paper("memory.md") > 0, "their notes for later runs are kept (memory.md)", "no memory.md is kept"),
        (bool(found.knowledge), f"{len(found.knowledge)} lessons, decisions and specs are committed",
         "no lesson was promoted: factory/context/lessons/, decisions/ and specs/ are empty"),
    ], "read memory.md of the last runs, and commit what holds to factory/context/lessons/")  # fmt: skip


def _privacy(found: Factory) -> Judged:
    host = (urlsplit(found.server).hostname or "") if found.server else ""
    local = host == "localhost" or host.startswith("127.") or host == "::1"
    where = f"code is sent to {host or 'api.openai.com'}"
    if local:
        return _judge([(True, f"models are asked on this machine ({host})", "")], "")
    return _judge([
        (bool(host), f"{where}, which a person named", f"{where}, since nobody named another server"),
        (bool(found.privacy), f"data use is spoken of in {', '.join(found.privacy[:3])}",
         "no file of factory/context/ says what was found of the provider's privacy and training settings"),
    ], "read the provider's settings and write what holds to factory/context/decisions/privacy.md")  # fmt: skip


_ITEMS: tuple[tuple[str, Callable[[Factory], Judged] | None], ...] = (
    ("Create one context file with goals, rules, protected areas, and definition of done.", _context),
    ("Represent work as tasks in a queue rather than free-form chat only.", _intake),
    ("Add a planner that emits acceptance criteria, steps, and a branch name.", _planner),
    ("Run work in a sandboxed executor.", _sandbox),
    ("Add a reviewer that can fail the task when checks fail.", _reviewer),
    ("Run tests in CI on PRs and on factory runs.", _ci),
    ("Generate a PR summary or release bundle automatically.", _summary),
    ("Protect important branches and config files.", None),
    ("Store outcomes, failures, conventions, and follow-up notes.", _memory),
    ("Review tool privacy and training settings before using sensitive data.", _privacy),
)
"""The guide's words, and who judges them; None also asks the forge."""


async def judge_maturity(ground: Ground) -> Maturity:
    """Judge all ten items.

    Raises:
        UserError: there is no repository, or what it says of itself cannot be read.
    """
    return await in_thread(lambda: _judged(ground))


def _judged(ground: Ground) -> Maturity:
    repository = Repository.open(ground.directory)
    try:
        found = facts_of(ground)
    except NotHere as why:
        raise UserError(f"{why}: run `andon doctor repository`") from why
    items = []
    for number, (words, judge) in enumerate(_ITEMS, start=1):
        judged = _protection(found, _branch(ground)) if judge is None else judge(found)
        items.append(
            MaturityItem(
                number=number, item=words, answer=judged.answer, evidence=[*judged.done, *judged.lacking],
                next_step=judged.next_step if judged.lacking else "",
            )
        )  # fmt: skip
    return Maturity(repository=str(repository.root), commit=ground.commit, items=items)


def _branch(ground: Ground) -> bool | None:
    host, _, slug = identity_of(ground.repository).partition("/")
    return branch_is_protected(ground, slug, _default_branch(ground)) if host == "github.com" else None


def _default_branch(ground: Ground) -> str:
    try:
        named = run_git(["symbolic-ref", "--short", "refs/remotes/origin/HEAD"], git_dir=ground.repository.git_dir)
    except GitError:
        return "main"
    return named.decode("utf-8", "replace").strip().removeprefix("origin/")
