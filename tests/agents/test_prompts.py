"""The role texts: short, and readable without loading the SDK."""

import subprocess
import sys
from typing import get_args

import pytest

from andon.agents.prompts import role_text
from andon.records.calls import Role
from andon.records.review import Specialist


@pytest.mark.parametrize("role", ["planner", "executor", "reviewer"])
def test_a_role_text_is_short_and_says_who_is_spoken_to(role: Role) -> None:
    text = role_text(role)
    assert text.startswith(f"You are the {role} of a software line")
    assert len(text.encode()) <= 900


@pytest.mark.parametrize(
    ("role", "endings"),
    [
        ("planner", ["transfer_to_executor"]),
        ("executor", ["transfer_to_reviewer"]),
        ("reviewer", ["hand_back", "finish_review"]),
    ],
)
def test_a_role_text_names_how_the_work_ends(role: Role, endings: list[str]) -> None:
    assert [name for name in endings if f"`{name}`" in role_text(role)] == endings


@pytest.mark.parametrize("who", get_args(Specialist))
def test_the_text_of_a_specialised_reviewer_is_shorter_and_names_its_one_ending(who: Specialist) -> None:
    text = role_text(who)
    assert text.startswith(f"You are the {who} reviewer of a software line")
    assert len(text.encode()) <= 760
    assert [name for name in ("pass_on", "hand_back", "finish_review") if f"`{name}`" in text] == ["pass_on"]


def test_reading_a_role_text_does_not_load_the_sdk() -> None:
    code = (
        "import sys; from andon.agents.prompts import role_text; role_text('planner'); print('agents' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
