"""The closed list of reasons a run can end with, and what each means for the task and for the caller.

The exit codes are those of DESIGN §5; `andon run --help` prints the same table.
"""

from enum import StrEnum
from typing import Literal, NamedTuple

TaskStatus = Literal["pending", "running", "waiting-approval", "ready-for-pr", "delivered", "failed-review", "stopped"]


class StopCode(StrEnum):
    """Why a run ended. The value is what `result.json` carries."""

    DELIVERED = "delivered"
    USAGE = "usage"
    CHANGED_TESTS = "changed-tests"
    NO_EVIDENCE = "no-evidence"
    NOT_SHOWN = "not-shown"
    FLAKY = "flaky"
    NEEDS_PERSON = "needs-person"
    QUESTION = "question"
    SECURITY_FINDINGS = "security-findings"
    LANE_HALTED = "lane-halted"
    FAILED_REVIEW = "failed-review"
    ROUNDS_SPENT = "rounds-spent"
    CHECKS_FAILED = "checks-failed"
    NOTHING_CHANGED = "nothing-changed"
    POLICY_REFUSED = "policy-refused"
    BUDGET_SPENT = "budget-spent"
    STUCK = "stuck"
    NO_SANDBOX = "no-sandbox"
    NO_IMAGE = "no-image"
    ENGINE_GONE = "engine-gone"
    SANDBOX_LOST = "sandbox-lost"
    SANDBOX_MEMORY = "sandbox-memory"
    SANDBOX_FULL = "sandbox-full"
    WORKER_DEAD = "worker-dead"
    WORKER_SILENT = "worker-silent"
    WORKER_FORGED = "worker-forged"
    NO_TOOLCHAIN = "no-toolchain"
    SETUP_FAILED = "setup-failed"
    MODEL_MISBEHAVED = "model-misbehaved"
    PROVIDER_FAILED = "provider-failed"
    CASSETTE_MISS = "cassette-miss"
    DISK_FAILED = "disk-failed"
    DATABASE_GONE = "database-gone"
    INTERNAL = "internal"
    INTERRUPTED = "interrupted"


class Meaning(NamedTuple):
    """What a stop code does to the task, to the exit code, and what a person can do next."""

    status: TaskStatus
    exit_code: int
    remedy: str


MEANINGS: dict[StopCode, Meaning] = {
    StopCode.DELIVERED: Meaning("ready-for-pr", 0, "Review the branch and open a pull request with pr-body.md."),
    StopCode.USAGE: Meaning("pending", 2, "Correct what the message names and run the command again."),
    StopCode.CHANGED_TESTS: Meaning(
        "waiting-approval", 10, "A base test was changed or removed: read the diff of the tests and decide yourself."
    ),
    StopCode.NO_EVIDENCE: Meaning(
        "waiting-approval",
        10,
        "No test or no static check could run: read the diff and decide yourself, or name the checks under [checks] in "
        "factory/andon.toml and commit it.",
    ),
    StopCode.NOT_SHOWN: Meaning(
        "waiting-approval",
        10,
        "No record shows that the change does what was asked: read the diff and decide yourself, or ask for a test "
        "that fails without the change.",
    ),
    StopCode.FLAKY: Meaning(
        "waiting-approval", 10, "A test differs from run to run on the same tree: make it steady, or decide yourself."
    ),
    StopCode.NEEDS_PERSON: Meaning(
        "waiting-approval",
        10,
        "Only a person may allow what the message names: run the task at a terminal to be asked, or set the rule in "
        "factory/policy.toml and commit it. A change that was undone for it lies in held.patch of the run folder.",
    ),
    StopCode.QUESTION: Meaning(
        "waiting-approval",
        10,
        "The planner cannot plan without an answer: give it with `andon approve RUN --answer TEXT`, or say in the task "
        "what it asks for and run it again.",
    ),
    StopCode.SECURITY_FINDINGS: Meaning(
        "waiting-approval",
        10,
        "The change adds what a security scan finds: read test-result.json and the diff, and decide yourself.",
    ),
    StopCode.LANE_HALTED: Meaning(
        "waiting-approval",
        10,
        "Runs of this lane stopped in a row for the same reason: read the lesson that `andon queue` shows, mend the "
        "cause, and open the lane with `andon queue resume LANE`.",
    ),
    StopCode.FAILED_REVIEW: Meaning("failed-review", 20, "Read review.md; narrow the task or answer its findings."),
    StopCode.ROUNDS_SPENT: Meaning(
        "failed-review",
        20,
        "The review rounds are spent: read review.md, narrow the task or raise limits.review_rounds in "
        "factory/andon.toml and commit it.",
    ),
    StopCode.CHECKS_FAILED: Meaning(
        "failed-review", 21, "A test that passed at the base fails at the head: read test-result.json."
    ),
    StopCode.NOTHING_CHANGED: Meaning(
        "failed-review", 20, "The run left the tree as it was: say in the task what must be different afterwards."
    ),
    StopCode.POLICY_REFUSED: Meaning("stopped", 30, "The change touches what policy closes: read audit.jsonl."),
    StopCode.BUDGET_SPENT: Meaning(
        "stopped", 40, "Raise the limit that the message names in factory/andon.toml and commit it, or narrow the task."
    ),
    StopCode.STUCK: Meaning(
        "stopped", 40, "The model went in circles: read audit.jsonl, narrow the task or give it the fact it looked for."
    ),
    StopCode.NO_SANDBOX: Meaning(
        "stopped", 50, "Install bubblewrap (apt-get install bubblewrap), or start Docker (see scripts/docker_engine)."
    ),
    StopCode.NO_IMAGE: Meaning(
        "stopped", 50, "Build the image (`andon image build`), or name another one in ANDON_IMAGE."
    ),
    StopCode.ENGINE_GONE: Meaning(
        "stopped", 50, "The Docker engine went away; the last tree is kept. Start it and run the task again."
    ),
    StopCode.SANDBOX_LOST: Meaning("stopped", 50, "The sandbox died; the last tree is kept. Run the task again."),
    StopCode.SANDBOX_MEMORY: Meaning(
        "stopped", 50, "The sandbox ran out of memory; the last tree is kept. Narrow the tests that run at once."
    ),
    StopCode.SANDBOX_FULL: Meaning(
        "stopped", 50, "The workspace does not fit into the sandbox's memory: leave large files out of the repository."
    ),
    StopCode.WORKER_DEAD: Meaning(
        "stopped", 50, "The worker in the sandbox ended; the last tree is kept. Run the task again."
    ),
    StopCode.WORKER_SILENT: Meaning(
        "stopped", 50, "The sandbox did not answer in time; the last tree is kept. Run the task on a less busy machine."
    ),
    StopCode.WORKER_FORGED: Meaning(
        "stopped", 50, "The sandbox's stream was disturbed, perhaps on purpose: read audit.jsonl before another run."
    ),
    StopCode.NO_TOOLCHAIN: Meaning(
        "stopped",
        50,
        "The sandbox lacks a program the checks need: install it, or name other [checks] in "
        "factory/andon.toml and commit it.",
    ),
    StopCode.SETUP_FAILED: Meaning(
        "stopped",
        50,
        "Mend the lock file, or name `hosts` or `setup` under [sandbox] in factory/andon.toml and run `andon trust`; "
        "`setup = []` installs nothing.",
    ),
    StopCode.MODEL_MISBEHAVED: Meaning("stopped", 60, "The model did not keep to its steps; try another model."),
    StopCode.PROVIDER_FAILED: Meaning("stopped", 60, "The model provider failed; try again later."),
    StopCode.CASSETTE_MISS: Meaning("stopped", 60, "The run asked what was not recorded: record the cassette again."),
    StopCode.DISK_FAILED: Meaning(
        "stopped", 70, "Free space, or make writable what the message names, and run the task again."
    ),
    StopCode.DATABASE_GONE: Meaning(
        "stopped",
        70,
        "The database did not answer for too long: see that it runs and that ANDON_DATABASE_URL names it, and go on "
        "with `andon resume RUN`.",
    ),
    StopCode.INTERNAL: Meaning("stopped", 70, "This is a fault in andon: report it with the run folder."),
    StopCode.INTERRUPTED: Meaning("stopped", 130, "The run was interrupted; its tree and report are kept."),
}
