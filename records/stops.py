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
    FLAKY = "flaky"
    FAILED_REVIEW = "failed-review"
    ROUNDS_SPENT = "rounds-spent"
    CHECKS_FAILED = "checks-failed"
    NOTHING_CHANGED = "nothing-changed"
    POLICY_REFUSED = "policy-refused"
    BUDGET_SPENT = "budget-spent"
    NO_SANDBOX = "no-sandbox"
    SANDBOX_LOST = "sandbox-lost"
    NO_TOOLCHAIN = "no-toolchain"
    MODEL_MISBEHAVED = "model-misbehaved"
    PROVIDER_FAILED = "provider-failed"
    CASSETTE_MISS = "cassette-miss"
    DISK_FAILED = "disk-failed"
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
        "waiting-approval", 10, "No test or no static check could run: read the diff, or name the checks in andon.toml."
    ),
    StopCode.FLAKY: Meaning(
        "waiting-approval", 10, "A test differs from run to run on the same tree: make it steady, or decide yourself."
    ),
    StopCode.FAILED_REVIEW: Meaning("failed-review", 20, "Read review.md; narrow the task or answer its findings."),
    StopCode.ROUNDS_SPENT: Meaning(
        "failed-review",
        20,
        "The review rounds are spent: read review.md, narrow the task or raise limits.review_rounds.",
    ),
    StopCode.CHECKS_FAILED: Meaning(
        "failed-review", 21, "A test that passed at the base fails at the head: read test-result.json."
    ),
    StopCode.NOTHING_CHANGED: Meaning(
        "failed-review", 20, "The run left the tree as it was: say in the task what must be different afterwards."
    ),
    StopCode.POLICY_REFUSED: Meaning("stopped", 30, "The change touches what policy closes: read audit.jsonl."),
    StopCode.BUDGET_SPENT: Meaning("stopped", 40, "Raise the limit that the message names, or narrow the task."),
    StopCode.NO_SANDBOX: Meaning(
        "stopped", 50, "Install bubblewrap (apt-get install bubblewrap), or start Docker (see scripts/docker_engine)."
    ),
    StopCode.SANDBOX_LOST: Meaning("stopped", 50, "The sandbox died; the last tree is kept. Run the task again."),
    StopCode.NO_TOOLCHAIN: Meaning(
        "stopped",
        50,
        "The sandbox lacks a program the checks need: install it, or name other [checks] in factory/andon.toml.",
    ),
    StopCode.MODEL_MISBEHAVED: Meaning("stopped", 60, "The model did not keep to its steps; try another model."),
    StopCode.PROVIDER_FAILED: Meaning("stopped", 60, "The model provider failed; try again later."),
    StopCode.CASSETTE_MISS: Meaning("stopped", 60, "The run asked what was not recorded: record the cassette again."),
    StopCode.DISK_FAILED: Meaning(
        "stopped", 70, "Free space, or make writable what the message names, and run the task again."
    ),
    StopCode.INTERNAL: Meaning("stopped", 70, "This is a fault in andon: report it with the run folder."),
    StopCode.INTERRUPTED: Meaning("stopped", 130, "The run was interrupted; its tree and report are kept."),
}
