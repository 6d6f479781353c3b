"""A run that spends what it may: how it ends, what is kept, what it says of its use."""

import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from agents import Usage as SdkUsage
from agents.testing import ModelStep
from lane_kit import CHANGE, FILES, call, git, make_repository, plan, report, review, run_line
from openai.types.responses.response_usage import InputTokensDetails

from andon.line.steps import Answer, Gate
from andon.records.calls import Role
from andon.records.errors import UserError
from andon.records.result import Usage

NAMES: dict[Role, str] = {"planner": "m", "executor": "chat/m-2026-01-31", "reviewer": "openai/m"}
PRICE = '[prices."m"]\ninput = 2\ncached_input = 0.5\noutput = 10\n'
COUNTED = SdkUsage(requests=1, input_tokens=100, output_tokens=10, total_tokens=110)
GOOD = ([plan()], *CHANGE, [report()], [review()])
CHANGED = ["calc.py", "tests/test_calc.py"]


def repository(root: Path, settings: str) -> Path:
    return make_repository(root / "repo", FILES | {"factory/andon.toml": settings})


def counted(*answers: Any) -> list[ModelStep]:
    """Return the answers, each of which took 100 tokens and gave 10."""
    return [ModelStep(output=answer, usage=COUNTED) for answer in answers]


@dataclass
class Clock:
    """Stands still until a test moves it."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now

    def after(self, seconds: float, answer: Any) -> ModelStep:
        """Return an answer that takes its time."""

        def respond(_: Any) -> Any:
            self.now += seconds
            return {"output": answer, "usage": COUNTED}

        return ModelStep.respond(respond)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("[limits]\nmodel_calls = 3\n", "limits.model_calls: 3 of 3 model calls of the run are spent."),
        ("[limits]\ntokens = 330\n", "limits.tokens: 330 of 330 tokens of the run are spent."),
        (
            PRICE + "[limits]\ncost = 0.0009\n",
            "limits.cost: 0.000900 of 0.0009 US dollars of the run are spent.",
        ),
        (
            "[limits.executor]\nmodel_calls = 2\n",
            "limits.executor.model_calls: 2 of 2 model calls of the executor are spent.",
        ),
        (
            PRICE + "[limits.executor]\ncost = 0.00031\n",
            "limits.executor.cost: 0.000600 of 0.00031 US dollars of the executor are spent.",
        ),
        ("[limits.executor]\ntokens = 111\n", "limits.executor.tokens: 220 of 111 tokens of the executor are spent."),
    ],
)
def test_a_spent_limit_ends_the_run_with_40_and_everything_is_kept(tmp_path: Path, settings: str, says: str) -> None:
    root = repository(tmp_path, settings)
    ran = run_line(root, *counted(*GOOD), names=NAMES)

    assert (ran.result.stop_code, ran.result.exit_code, ran.result.message) == ("budget-spent", 40, says)
    assert ran.result.remedy.startswith("Raise the limit that the message names in factory/andon.toml")
    assert [file.path for file in ran.result.files] == CHANGED
    assert (ran.result.branch, ran.result.usage.requests, len(ran.model.calls)) == (None, 3, 3)
    papers = {path.name for path in ran.folder.iterdir()}
    assert {"audit.jsonl", "diff.patch", "plan.json", "proposal.md", "result.json", "test-result.json"} <= papers
    git(root, "apply", "--check", str(ran.folder / "diff.patch"))


def test_spent_tool_calls_end_the_run_with_40_and_everything_is_kept(tmp_path: Path) -> None:
    root = repository(tmp_path, "[limits]\ntool_calls = 2\n")
    ran = run_line(root, [plan()], *CHANGE, [call("read_file", path="calc.py")], [report()])

    says = "limits.tool_calls: 2 of 2 tool calls of the run are spent."
    assert (ran.result.stop_code, ran.result.exit_code, ran.result.message) == ("budget-spent", 40, says)
    assert [file.path for file in ran.result.files] == CHANGED


def test_spent_time_ends_the_run_with_40_and_everything_is_kept(tmp_path: Path) -> None:
    clock = Clock()
    plan_, test, change = [plan()], CHANGE[0], CHANGE[1]
    root = repository(tmp_path, "[limits]\nminutes = 2\n")
    ran = run_line(root, *counted(plan_, test), clock.after(110, change), clock.after(10, [report()]), clock=clock)

    # The last answer is acted on: its handoff takes the tree and checks it; nobody is asked after it.
    says = "limits.minutes: 2 of 2 minutes of the run are spent."
    assert (ran.result.stop_code, ran.result.exit_code, ran.result.message) == ("budget-spent", 40, says)
    assert [file.path for file in ran.result.files] == CHANGED
    assert ran.result.checks is not None


def test_the_time_of_a_role_is_that_of_its_own_steps(tmp_path: Path) -> None:
    clock = Clock()
    root = repository(tmp_path, "[limits.executor]\nminutes = 1\n")
    ran = run_line(root, clock.after(600, [plan()]), clock.after(60, CHANGE[0]), clock=clock)

    # The call of the answer that spent the time is not made.
    says = "limits.executor.minutes: 1 of 1 minutes of the executor are spent."
    assert (ran.result.stop_code, ran.result.message, ran.result.files) == ("budget-spent", says, [])


def test_the_time_a_person_takes_to_answer_is_not_the_run_s(tmp_path: Path) -> None:
    clock = Clock()

    async def slowly(gate: Gate) -> Answer:
        clock.now += 86_400
        return Answer("yes")

    root = repository(tmp_path, "[limits]\nminutes = 1\n")
    ran = run_line(root, *counted(*GOOD), ask=slowly, clock=clock)

    assert (ran.result.stop_code, clock.now) == ("delivered", 86_400)


def test_a_role_reads_what_is_left_before_the_end_and_the_run_says_so(tmp_path: Path) -> None:
    root = repository(tmp_path, "[limits]\nmodel_calls = 5\n")
    ran = run_line(root, *GOOD)

    note = "andon: 2 model calls left of 5 (limits.model_calls): finish what stands and hand over"
    outputs = [item["output"] for item in ran.model.calls[3].input if item.get("type") == "function_call_output"]
    assert [note in str(output) for output in outputs] == [False, True]
    assert ran.kinds("budget.note") == [
        ("budget.note", {"role": "executor", "limit": "limits.model_calls", "left": "2"})
    ]
    assert ran.result.stop_code == "delivered"


def test_a_model_in_circles_is_told_and_then_stopped_and_everything_is_kept(repo: Path) -> None:
    read = [[call("read_file", path="calc.py")] for _ in range(9)]
    ran = run_line(repo, [plan()], *CHANGE, *read, [report()])

    assert (ran.result.stop_code, ran.result.exit_code) == ("stuck", 40)
    assert ran.result.message.startswith("The executor repeated calls that were refused as repeats, last read_file")
    assert [file.path for file in ran.result.files] == CHANGED
    refused = [data for _, data in ran.kinds("tool.refused")]
    assert [(data["tool"], data["rule"]) for data in refused] == [("read_file", "repeat")] * 3


def test_a_model_that_heeds_the_refusal_delivers(repo: Path) -> None:
    read = [[call("read_file", path="calc.py")] for _ in range(6)]
    ran = run_line(repo, [plan()], *read, *CHANGE, [report()], [review()])

    assert (ran.result.stop_code, len(ran.kinds("tool.refused"))) == ("delivered", 1)


def test_the_result_tells_tokens_and_money_of_the_run_and_of_each_role(tmp_path: Path) -> None:
    ran = run_line(repository(tmp_path, PRICE), *counted(*GOOD), names=NAMES)

    tokens = {"input_tokens": 100, "output_tokens": 10, "cached_tokens": 0, "cache_write_tokens": 0}
    one = {"requests": 1, **tokens, "estimated": 0}
    written = json.loads((ran.folder / "result.json").read_text())
    assert written["usage"] == {
        "requests": 5, "input_tokens": 500, "output_tokens": 50, "cached_tokens": 0, "cache_write_tokens": 0,
        "estimated": 0, "cost": "0.001500",
    }  # fmt: skip
    assert written["usage_by_role"] == {
        "planner": one | {"cost": "0.000300"},
        "executor": {name: 3 * value for name, value in one.items()} | {"cost": "0.000900"},
        "reviewer": one | {"cost": "0.000300"},
    }


def test_what_is_written_to_the_provider_s_cache_is_told_apart_and_costs_what_the_settings_say(tmp_path: Path) -> None:
    details = InputTokensDetails(cached_tokens=10, cache_write_tokens=80)
    kept = SdkUsage(requests=1, input_tokens=100, output_tokens=10, total_tokens=110, input_tokens_details=details)
    answers = [ModelStep(output=answer, usage=kept) for answer in GOOD]
    ran = run_line(repository(tmp_path, PRICE + "cache_write = 4\n"), *answers, names=NAMES)

    # 10 tokens at 2 dollars a million, 10 at 0.50, 80 at 4 and 10 at 10.
    one = Usage(
        requests=1, input_tokens=100, output_tokens=10, cached_tokens=10, cache_write_tokens=80,
        cost=Decimal("0.000445"),
    )  # fmt: skip
    assert ran.result.usage_by_role["planner"] == one
    answered = [data for _, data in ran.kinds("model.answered")]
    assert [Usage.model_validate(data["usage"]) for data in answered] == [one] * 5
    assert answered[-1]["so_far"] == {"model_calls": 5, "tokens": 550, "cost": "0.002225"}


def test_models_without_a_price_run_and_their_cost_is_not_known(tmp_path: Path) -> None:
    names: dict[Role, str] = {"planner": "m", "executor": "chat/local", "reviewer": "m"}
    ran = run_line(repository(tmp_path, PRICE), *counted(*GOOD), names=names)

    costs = {role: usage.cost for role, usage in ran.result.usage_by_role.items()}
    assert costs == {"planner": Decimal("0.0003"), "executor": None, "reviewer": Decimal("0.0003")}
    assert (ran.result.stop_code, ran.result.usage.cost) == ("delivered", None)


def test_what_a_provider_does_not_count_spends_the_budget_too(tmp_path: Path) -> None:
    root = repository(tmp_path, "[limits]\ntokens = 1000\n")
    uncounted = [ModelStep(output=answer, usage=SdkUsage(requests=1)) for answer in GOOD]
    ran = run_line(root, *uncounted)

    assert (ran.result.stop_code, ran.result.message.partition(":")[0]) == ("budget-spent", "limits.tokens")
    assert ran.result.usage.estimated == ran.result.usage.requests >= 1
    assert ran.result.usage != Usage(requests=ran.result.usage.requests)


@pytest.mark.parametrize("limit", ["[limits]\ncost = 5\n", "[limits.executor]\ncost = 5\n"])
def test_a_cost_limit_on_a_model_without_a_price_begins_no_run(tmp_path: Path, limit: str) -> None:
    root = repository(tmp_path, PRICE + limit)
    names: dict[Role, str] = {"planner": "m", "executor": "chat/local", "reviewer": "m"}

    with pytest.raises(UserError, match=r'no price is known for \'chat/local\'.* add \[prices."chat/local"\]'):
        run_line(root, names=names)

    assert not (root / "factory/runs").exists()
    assert json.loads((root / "factory/tasks/queue.json").read_text())[0]["status"] == "pending"


def test_a_cost_limit_of_a_role_needs_no_price_for_the_others(tmp_path: Path) -> None:
    root = repository(tmp_path, PRICE + "[limits.planner]\ncost = 5\n")
    names: dict[Role, str] = {"planner": "m", "executor": "chat/local", "reviewer": "chat/local"}

    assert run_line(root, *counted(*GOOD), names=names).result.stop_code == "delivered"
