"""What may stand of the changes of one call, is undone, or is held for a person."""

import time

import pytest

from andon.guardrails.effects import GONE, Change, Content, Effect, TestsSeen, judge_effects, may_write
from andon.guardrails.judge import Policy
from andon.guardrails.protected import resolve_protected
from andon.guardrails.scope import Scope
from andon.records.calls import ToolCall
from andon.sandbox.objects import blob_id

# Apart, so that scanners find no key in this file.
TOKEN = b"ghp_" + b"x7Kq2mVbN4tRw9ZsLc3JhFd8YpGa5TeQu1Xo"
TEST = b"def test_a():\n    assert f(1) == 1\n\n\ndef test_b():\n    assert f(2) == 2\n"
POLICY = Policy(protected=tuple(resolve_protected(["src/auth/"], ["src/auth/login.py"], {})), locked=("/locked",))


def text(content: bytes, mode: str = "100644") -> Content:
    return Content(mode, blob_id(content), lambda: content)


def edited(path: str, before: bytes = b"a\n", after: bytes = b"b\n") -> Change:
    """A file of the base that was edited."""
    return Change(path, text(before), text(after), text(before))


def new(path: str, content: bytes = b"x\n", mode: str = "100644", *, free: bool = False) -> Change:
    return Change(path, None, text(content, mode), None, free)


def gone(path: str, content: bytes = b"a\n") -> Change:
    return Change(path, text(content), None, text(content))


def verdicts(*changes: Change, policy: Policy = POLICY, **given: object) -> dict[str, str]:
    found = judge_effects(changes, policy, **given)  # type: ignore[arg-type]
    return {effect.path: f"{effect.verdict} {effect.rule}" for effect in found}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (edited("src/app.py"), None),
        (new("src/new.py"), None),
        (gone("src/old.py"), None),
        (new("src/naïve name [1].py"), None),
        (new("link", b"src/app.py", "120000"), None),
        (edited("src/auth/login.py"), "hold protected-area"),
        (gone("src/auth/login.py"), "hold protected-area"),
        (new("SRC/Auth/x.py"), "hold protected-area"),
        (edited("pyproject.toml"), "hold dependencies"),
        (new(".github/workflows/x.yml"), "hold review-control"),
        (new("app/migrations/0002.py"), "hold migrations"),
        (new("locked/x"), "undo locked"),
        (new("factory/policy.toml"), "undo factory-folder"),
        (new("a/.git/config"), "undo git-folder"),
        (new("a/refs/heads/main"), "undo git-folder"),
        (new(".env"), "undo secret-file"),
        (gone(".env"), "undo secret-file"),
        (new("a\u200bb.py"), "undo name"),
        (new("caf\udce9"), "undo name"),
        (new("a\nb"), "undo name"),
        (new("pipe", b"", "other"), "undo special-file"),
        (new("link", b"/etc/passwd", "120000"), "undo link"),
        (new("sub/link", b"../../x", "120000"), "undo link"),
        (new("link", b"a/../../x", "120000"), "undo link"),
        (Change("big", None, Content("100644", "0" * 40, oversized=True), None), "undo oversized"),
        (new("src/key.py", b"k = '" + TOKEN + b"'\n"), "undo credential"),
        (edited("src/app.py", b"a\n", b"a\nk = '" + TOKEN + b"'\n"), "undo credential"),
        (edited("src/app.py", b"k = '" + TOKEN + b"'\n", b"\nk = '" + TOKEN + b"'\n"), None),
        (new("link", TOKEN, "120000"), "undo credential"),
        (new("app.log", b"k = '" + TOKEN + b"'\n", free=True), None),
        (new(".venv/bin/python", b"/usr/bin/python3", "120000", free=True), None),
        (new("build/.env", free=True), None),
        (new("build/.git/config", free=True), "undo git-folder"),
        (new("factory/runs/x", free=True), "undo factory-folder"),
        (new("build/sub.git/HEAD", free=True), "undo git-folder"),
    ],
)
def test_each_change_is_judged_by_what_it_is_and_where(change: Change, expected: str | None) -> None:
    assert verdicts(change) == ({} if expected is None else {change.path: expected})


def test_what_is_as_at_the_base_again_may_stand() -> None:
    back = Change(".github/workflows/x.yml", text(b"evil\n"), text(b"on: push\n"), text(b"on: push\n"))
    assert verdicts(back, scope=Scope([], [], [])) == {}
    assert verdicts(Change(".vscode/x", text(b"x"), None, None)) == {}


def test_the_mode_alone_is_a_change() -> None:
    changed = Change("src/auth/login.py", text(b"a"), text(b"a", "100755"), text(b"a"))
    assert verdicts(changed) == {"src/auth/login.py": "hold protected-area"}


def test_effects_come_in_the_order_of_the_changes_with_words_to_act_on() -> None:
    changes = [edited("z.py"), new(".env"), edited("pyproject.toml")]
    found = judge_effects(changes, POLICY, scope=Scope(["pyproject.toml"], [], ["z.py", "pyproject.toml"]))
    assert found == [
        Effect("z.py", "undo", "outside-plan", "it is not in the plan; call amend_plan first"),
        Effect(
            ".env", "undo", "secret-file", "'.env' may hold a secret and is closed; use an example file: .env.example"
        ),
        Effect(
            "pyproject.toml",
            "hold",
            "dependencies",
            "'pyproject.toml' declares what is installed",
        ),
    ]


def test_a_rule_that_was_allowed_holds_nothing_but_what_nobody_may_allow() -> None:
    changes = [edited("pyproject.toml"), new(".env"), edited("src/auth/login.py")]
    assert verdicts(*changes, approved={"dependencies", "secret-file"}) == {
        ".env": "undo secret-file",
        "src/auth/login.py": "hold protected-area",
    }


def test_what_a_person_allowed_is_not_held_against_the_plan_again() -> None:
    scope = Scope(["src/app.py"], [], ["pyproject.toml"])
    assert verdicts(edited("pyproject.toml"), scope=scope, approved={"dependencies"}) == {}
    accepted = {("z.py", edited("z.py").entry), ("old.py", GONE), (".env", new(".env").entry)}

    def is_accepted(path: str, entry: str) -> bool:
        return (path, entry) in accepted

    changes = [edited("z.py"), gone("old.py"), new(".env"), edited("z.py", b"a\n", b"other\n")]
    assert verdicts(*changes[:3], scope=scope, accepted=is_accepted) == {".env": "undo secret-file"}
    assert verdicts(changes[3], scope=scope, accepted=is_accepted) == {"z.py": "undo outside-plan"}


@pytest.mark.parametrize("role", ["planner", "reviewer"])
def test_roles_that_only_read_leave_nothing_but_droppings(role: str) -> None:
    changes = [edited("src/app.py"), new(".pytest_cache/x", free=True), new("tests/test_new.py")]
    reverted = Change("src/other.py", text(b"work\n"), text(b"a\n"), text(b"a\n"))
    assert verdicts(*changes, reverted, role=role, approved={"role"}) == {
        "src/app.py": "undo role",
        "src/other.py": "undo role",
        "tests/test_new.py": "undo role",
    }


def test_an_outsiders_work_gets_no_more_than_a_person_may_allow() -> None:
    policy = Policy(origin="outsider")
    assert verdicts(edited("pyproject.toml"), policy=policy) == {"pyproject.toml": "hold dependencies"}


def weaker(after: bytes | None, before: bytes | None = TEST) -> TestsSeen:
    def side(content: bytes | None) -> dict[str, bytes]:
        return {} if content is None else {"tests/test_x.py": content}

    return TestsSeen(side(TEST), side(before), side(after))


@pytest.mark.parametrize("after", [TEST.split(b"\n\n")[0], TEST.replace(b"== 2", b"or True"), None])
def test_a_test_that_became_weaker_is_held(after: bytes | None) -> None:
    changed = gone("tests/test_x.py", TEST) if after is None else edited("tests/test_x.py", TEST, after)
    assert verdicts(changed, tests=weaker(after)) == {"tests/test_x.py": "hold tests"}
    assert verdicts(changed, tests=weaker(after), approved={"tests"}) == {}
    [effect] = judge_effects([changed], POLICY, tests=weaker(after))
    assert effect.reason.endswith(("put it back.", "keep it as strict as it was."))


def test_a_test_that_only_grew_or_was_weaker_before_is_free() -> None:
    grown = TEST + b"\n\ndef test_c():\n    assert 3 == 3\n"
    assert verdicts(edited("tests/test_x.py", TEST, grown), tests=weaker(grown)) == {}
    loose = TEST.split(b"\n\n\n")[0] + b"\n"
    looser = loose + b"\n\ndef test_c():\n    assert 3 == 3\n"
    changed = Change("tests/test_x.py", text(loose), text(looser), text(TEST))
    assert verdicts(changed, tests=weaker(looser, loose)) == {}


def test_a_call_that_takes_the_second_half_of_a_move_away_is_held() -> None:
    moved = TestsSeen({"tests/test_x.py": TEST}, {"tests/test_y.py": TEST}, {})
    assert verdicts(Change("tests/test_y.py", text(TEST), None, None), tests=moved) == {}
    edited_away = TestsSeen({"tests/test_x.py": TEST}, {"tests/test_y.py": TEST}, {"tests/test_y.py": b"x = 1\n"})
    changed = Change("tests/test_y.py", text(TEST), text(b"x = 1\n"), None)
    assert verdicts(changed, tests=edited_away) == {"tests/test_y.py": "hold tests"}


def test_twelve_lost_files_of_the_base_need_a_person_and_moved_ones_do_not() -> None:
    many = [gone(f"src/m{number}.py", b"x = %d\n" % number) for number in range(12)]
    moved = [new(f"lib/m{number}.py", b"x = %d\n" % number) for number in range(12)]
    assert verdicts(*many) == {change.path: "hold delete" for change in many}
    assert (verdicts(*many[:11]), verdicts(*many, *moved)) == ({}, {})
    assert verdicts(*many, approved={"delete"}) == {}


def test_a_folder_laid_out_as_a_repository_is_undone() -> None:
    changes = [new("bare/head"), new("bare/x.py"), new("other/x.py")]
    assert verdicts(*changes, repositories={"bare"}) == {"bare/head": "undo git-folder", "bare/x.py": "undo git-folder"}


def test_content_is_read_only_where_it_says_something() -> None:
    def unread() -> bytes:
        raise AssertionError("nothing needed this")

    before = Content("100644", "1" * 40, unread)
    assert verdicts(Change("src/app.py", before, text(b"x\n"), before), Change("old.py", before, None, before)) == {}


def test_a_file_too_large_to_be_looked_through_is_undone() -> None:
    large = b"x" * 10_000_001
    assert verdicts(new("large", large), new("build/large", large, free=True)) == {"large": "undo oversized"}


def test_thousands_of_changes_are_judged_in_seconds() -> None:
    changes = [new(f"many/{number}/x{number}.py", b"x = %d\n" % number) for number in range(2000)]
    begun = time.process_time()
    assert len(verdicts(*changes, scope=Scope(["src"], [], []))) == 2000
    assert time.process_time() - begun < 8


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        ("write_file", True), ("edit_file", True), ("run_command", True), ("run_tests", True), ("git", True),
        ("read_file", False), ("list_files", False), ("search", False), ("docs_lookup", False), ("hand_back", False),
    ],
)  # fmt: skip
def test_reading_costs_no_look_at_the_workspace(tool: str, expected: bool) -> None:
    assert may_write(ToolCall(tool=tool, arguments={}, role="executor")) is expected
