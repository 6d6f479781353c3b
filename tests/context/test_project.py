"""factory/context/project-context.json and .md."""

from collections.abc import Callable, Mapping

import pytest

from andon.context.base import BaseFiles
from andon.context.project import Project, load_project
from andon.records.errors import UserError
from andon.records.project import ProjectContext

MakeFiles = Callable[[Mapping[str, str | bytes]], BaseFiles]
JSON, PROSE = "factory/context/project-context.json", "factory/context/project-context.md"
SNAKE = """{
"project_name": "Watchlist demo",
"rules": [
"Prefer small reversible changes",
"Use feature flags for risky UI work"
],
"domain_terms": {
"watchlist": "A saved list of favourite stocks",
"ticker": "Market symbol such as AAPL"
},
"protected_areas": [
"authentication",
"billing",
"production secrets"
],
"done_definition": [
"Tests pass",
"PR summary exists"
]
}
"""
CAMEL = """{
"projectName": "Watchlist demo",
"goal": "A small web app that lets users save and view favourite stocks.",
"protectedFiles": [
"src/auth/",
"infra/production/"
],
"codingRules": [
"Prefer small, reversible changes.",
"Do not edit protected files without human approval.",
"Record every proposed change in factory/runs/<task-id>/proposal.md."
],
"definitionOfDone": [
"Task has a clear plan.",
"Automated checks run.",
"A PR summary is ready for review."
]
}
"""


def test_the_first_spelling_of_the_guide_loads_unchanged(base: MakeFiles) -> None:
    context = ProjectContext(
        project_name="Watchlist demo",
        rules=["Prefer small reversible changes", "Use feature flags for risky UI work"],
        domain_terms={"watchlist": "A saved list of favourite stocks", "ticker": "Market symbol such as AAPL"},
        protected_areas=["authentication", "billing", "production secrets"],
        done_definition=["Tests pass", "PR summary exists"],
    )
    assert load_project(base({JSON: SNAKE})) == Project(context, "", ())


def test_the_second_spelling_of_the_guide_loads_unchanged(base: MakeFiles) -> None:
    context = ProjectContext(
        project_name="Watchlist demo",
        goal="A small web app that lets users save and view favourite stocks.",
        protected_areas=["src/auth/", "infra/production/"],
        rules=[
            "Prefer small, reversible changes.",
            "Do not edit protected files without human approval.",
            "Record every proposed change in factory/runs/<task-id>/proposal.md.",
        ],
        done_definition=["Task has a clear plan.", "Automated checks run.", "A PR summary is ready for review."],
    )
    assert load_project(base({JSON: CAMEL})) == Project(context, "", ())


def test_a_byte_order_mark_and_windows_newlines_do_not_matter(base: MakeFiles) -> None:
    windows = ("\ufeff" + SNAKE).replace("\n", "\r\n")
    assert load_project(base({JSON: windows})) == load_project(base({JSON: SNAKE}))


def test_prose_is_read_and_says_that_it_enforces_nothing(base: MakeFiles) -> None:
    note = (
        "factory/context/project-context.md is read as prose and enforces nothing: "
        "protected areas count only in factory/context/project-context.json."
    )
    assert load_project(base({PROSE: "# Demo\r\nBe kind.\r\n"})) == Project(
        ProjectContext(), "# Demo\nBe kind.", (note,)
    )


def test_json_wins_over_prose_and_says_so(base: MakeFiles) -> None:
    project = load_project(base({JSON: '{"goal": "g"}', PROSE: "other"}))
    assert project == Project(
        ProjectContext(goal="g"),
        "",
        (
            "factory/context/project-context.md was not read: "
            "factory/context/project-context.json stands beside it and wins.",
        ),
    )


def test_no_context_at_all_is_said(base: MakeFiles) -> None:
    note = "No project context: nothing is protected beyond the floors. Add factory/context/project-context.json."
    assert load_project(base({})) == Project(ProjectContext(), "", (note,))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{\n"goal": "x",\n}', ":3:1: malformed JSON: "),
        ("", ":1: the file is empty. Write JSON into it or remove it."),
        (" \n", ":1: the file is empty. Write JSON into it or remove it."),
        (b'{"goal":\n"\xe9"}', ":2: not UTF-8 text. Save the file as UTF-8."),
        ("[]", ": must be one JSON object, not a list."),
        ('{"goals": ""}', ": goals: unknown field, or a second spelling of one already given. "),
        (
            '{"rules": [], "codingRules": []}',
            ": codingRules: unknown field, or a second spelling of one already given. ",
        ),
        ('{"protectedFiles": "src/auth/"}', ": protectedFiles: Input should be a valid list. "),
        ('{"rules": ["a", 1]}', ": rules.1: Input should be a valid string. "),
        ('{"goal": "a", "goal": "b"}', ": the key 'goal' stands twice in one object. Keep one of them."),
        ('{"domain_terms": {"a": NaN}}', ": NaN is no JSON value. Write a number or null."),
        ('{"goal": "\\ud800"}', ": a string holds half of a surrogate pair"),
        ("[" * 100_000, ": nested too deeply. Make it flatter."),
    ],
)
def test_a_bad_context_is_refused_with_place_and_reason(base: MakeFiles, content: str | bytes, said: str) -> None:
    with pytest.raises(UserError) as caught:
        load_project(base({JSON: content}))
    assert str(caught.value).startswith(JSON + said)
