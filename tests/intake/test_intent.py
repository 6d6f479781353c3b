"""A task from words."""

import pytest

from andon.intake.intent import task_from_intent
from andon.records.errors import UserError
from andon.records.task import Task, branch_of


def test_an_intent_becomes_a_task() -> None:
    task = task_from_intent(
        " Add a\nwatchlist page ", accept=["Saved "], context=["src/"], constraints=["Keep auth"], id_seed="run-1"
    )
    assert task == Task(
        id="intent-4e65d3",
        title="Add a watchlist page",
        acceptance_criteria=["Saved"],
        context_paths=["src/"],
        constraints=["Keep auth"],
    )


def test_the_same_seed_gives_the_same_id_and_another_seed_another() -> None:
    ids = [task_from_intent("x", accept=[], context=[], constraints=[], id_seed=seed).id for seed in ("a", "a", "b")]
    assert ids[0] == ids[1] != ids[2]


def test_a_title_without_latin_letters_still_has_a_branch() -> None:
    task = task_from_intent("添加自选股页面", accept=[], context=[], constraints=[], id_seed="a")
    assert branch_of(task) == "factory/intent-ca9781"


def test_what_is_locked_goes_along_and_a_bad_pattern_is_refused() -> None:
    def locked(*patterns: str) -> list[str]:
        task = task_from_intent("x", accept=[], context=[], constraints=[], locked=patterns, id_seed="a")
        return task.locked_paths

    assert locked("tests/gate/", "*.lock") == ["tests/gate/", "*.lock"]
    for pattern, said in ((" ", "--lock is empty"), ("!a", "nothing is let out again"), ("\udcff", "not Unicode text")):
        with pytest.raises(UserError, match=said):
            locked(pattern)


@pytest.mark.parametrize(
    ("intent", "accept", "said"),
    [
        ("", [], "the intent is empty. Say in a sentence what is wanted."),
        (" \n", [], "the intent is empty. Say in a sentence what is wanted."),
        ("x", ["ok", " "], "--accept is empty. Say in a sentence what is wanted."),
        ("x\udcff", [], "the intent is not Unicode text. Check the encoding of the terminal or script."),
        ("x", ["\udcff"], "--accept is not Unicode text. Check the encoding of the terminal or script."),
    ],
)
def test_a_bad_intent_is_refused(intent: str, accept: list[str], said: str) -> None:
    with pytest.raises(UserError) as caught:
        task_from_intent(intent, accept=accept, context=[], constraints=[], id_seed="a")
    assert str(caught.value) == said
