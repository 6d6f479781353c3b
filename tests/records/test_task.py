"""Tasks load in both spellings of the guide and refuse ids that could be more than a name."""

import pytest
from pydantic import ValidationError

from andon.records.task import Task, branch_of, is_outsiders, slug_of


def test_both_spellings_of_the_guide_load_alike() -> None:
    one = {"task_id": "task-001", "intent": "Add a page", "acceptance_criteria": ["x"], "context_paths": ["src"]}
    other = {"id": "task-001", "title": "Add a page", "acceptanceCriteria": ["x"], "files": ["src"]}
    assert Task.model_validate(one) == Task.model_validate(other)


@pytest.mark.parametrize(
    "bad", ["", "../x", "--upload-pack=x", "a/b", "a b", ".hidden", "x..y", "x.lock", "x.", "é", "a" * 65, "a\n"]
)
def test_refuses_an_id_that_is_no_plain_name(bad: str) -> None:
    with pytest.raises(ValidationError, match="task id"):
        Task(id=bad, title="x")


@pytest.mark.parametrize("bad", ["", "  ", "\n"])
def test_refuses_an_empty_title(bad: str) -> None:
    with pytest.raises(ValidationError, match="must not be empty"):
        Task(id="a", title=bad)


@pytest.mark.parametrize("name", ["locked_paths", "lockedPaths", "locked"])
def test_locked_paths_load_in_every_spelling(name: str) -> None:
    task = Task.model_validate({"id": "a", "title": "b", name: [" tests/gate/ ", "*.lock", "src/**/auth", "/Makefile"]})
    assert task.locked_paths == ["tests/gate/", "*.lock", "src/**/auth", "/Makefile"]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("", "must be a path or pattern of 1 to 400 characters"),
        (" ", "must be a path or pattern"),
        ("/", "must be a path or pattern"),
        ("./", "must be a path or pattern"),
        ("x" * 401, "must be a path or pattern"),
        ("!tests/", "nothing is let out again"),
        ("# tests", "begins with '#'"),
        ("../other", "without '..' or backslashes"),
        ("tests\\gate", "without '..' or backslashes"),
        ("tests/\x00", "control or invisible character"),
        ("te\u200bsts/", "control or invisible character"),
        ("\u202estset", "control or invisible character"),
        ("a\nb", "control or invisible character"),
        ("\ud800", "control or invisible character"),
    ],
)
def test_refuses_a_lock_that_would_lock_nothing_or_not_what_it_shows(pattern: str, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Task(id="a", title="b", locked_paths=[pattern])
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("source", "outsiders"),
    [
        ("", False),
        (" Queue ", False),
        ("mcp-client", False),
        ("https://forge.example/o/r/issues/1", True),
        ("queue of a stranger", True),
    ],
)
def test_only_what_is_known_to_be_ours_is_no_outsiders(source: str, outsiders: bool) -> None:
    assert is_outsiders(source) == outsiders


def test_refuses_an_unknown_field() -> None:
    with pytest.raises(ValidationError, match="acceptance_criterias"):
        Task.model_validate({"id": "a", "title": "b", "acceptance_criterias": []})


def test_a_branch_is_named_after_id_and_title() -> None:
    assert branch_of(Task(id="task-001", title="Add a Watchlist page!")) == "factory/task-001-add-a-watchlist-page"


def test_a_title_without_latin_letters_gives_the_id_alone() -> None:
    assert branch_of(Task(id="task-7", title="ウォッチリストを追加")) == "factory/task-7"


def test_a_slug_is_short_and_ends_in_a_letter_or_digit() -> None:
    assert slug_of("x" * 39 + " yz") == "x" * 39
