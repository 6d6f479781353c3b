"""What people allowed in one run: exactly that, for exactly as long, and nothing beside it."""

from dataclasses import replace

import pytest

from andon.guardrails.approvals import Binding, Grants, digest_of, effect_digest

CALL = Binding("run-1", "executor", "run_command", digest_of({"command": "make"}), "state-1", "policy-1")
OTHERS = [
    replace(CALL, run="run-2"),
    replace(CALL, role="client"),
    replace(CALL, tool="git"),
    replace(CALL, digest=digest_of({"command": "make install"})),
    replace(CALL, state="state-2"),
    replace(CALL, policy="policy-2"),
]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_nothing_is_allowed_that_nobody_allowed() -> None:
    grants = Grants()
    assert not grants.take(CALL, "packages")
    assert grants.kinds("executor") == frozenset()
    assert not grants.accepted("Makefile", "100644 abc")


def test_once_is_once() -> None:
    grants = Grants()
    grants.once(CALL)
    assert [grants.take(CALL, "packages") for _ in range(3)] == [True, False, False]


def test_two_answers_to_two_equal_calls_are_two() -> None:
    grants = Grants()
    grants.once(CALL)
    grants.once(CALL)
    assert [grants.take(CALL, "packages") for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize("other", OTHERS)
def test_an_answer_is_none_to_anything_else(other: Binding) -> None:
    grants = Grants()
    grants.once(CALL)
    assert not grants.take(other, "packages")
    assert grants.take(CALL, "packages")


def test_once_expires_with_the_clock() -> None:
    clock = Clock()
    grants = Grants(clock, once_seconds=60)
    grants.once(CALL)
    grants.once(CALL)
    clock.now += 59.9
    assert grants.take(CALL, "packages")
    clock.now += 0.1
    assert not grants.take(CALL, "packages")


def test_a_kind_is_for_one_rule_and_one_role_and_uses_no_single_answer_up() -> None:
    grants = Grants()
    grants.once(CALL)
    grants.kind("packages", "executor")
    for _ in range(3):
        assert grants.take(CALL, "packages")
    assert not grants.take(replace(CALL, role="client"), "packages")
    assert grants.take(CALL, "git-publish")
    assert not grants.take(CALL, "git-publish")
    assert grants.kinds("executor") == {"packages"}
    assert grants.kinds("client") == frozenset()


def test_kinds_allow_a_call_only_where_each_of_its_rules_is_allowed() -> None:
    grants = Grants()
    grants.kind("packages", "executor")
    assert not grants.take(CALL, "packages", "git-publish")
    grants.kind("git-publish", "executor")
    assert grants.take(CALL, "packages", "git-publish")


def test_a_kind_expires_with_the_clock() -> None:
    clock = Clock()
    grants = Grants(clock, kind_seconds=600)
    grants.kind("packages", "executor")
    clock.now += 600
    assert not grants.take(CALL, "packages")
    assert grants.kinds("executor") == frozenset()


def test_an_accepted_effect_is_one_content_at_one_path() -> None:
    grants = Grants()
    grants.accept("Makefile", "100644 abc")
    assert grants.accepted("Makefile", "100644 abc")
    assert not grants.accepted("Makefile", "100755 abc")
    assert not grants.accepted("makefile", "100644 abc")


def test_a_digest_tells_arguments_apart_and_not_the_order_of_their_names() -> None:
    given: list[dict[str, object]] = [{}, {"a": 1}, {"a": "1"}, {"a": True}, {"a": 1.0}, {"a": [1]}, {"a": None}]
    assert len({digest_of(one) for one in given}) == len(given)
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    assert len(digest_of({"a": "\ud800"})) == 64
    assert effect_digest("a", "b c") != effect_digest("a b", "c")


@pytest.mark.parametrize("value", [{1}, b"x", object()])
def test_what_is_no_json_has_no_digest(value: object) -> None:
    with pytest.raises(ValueError, match="the arguments are no JSON"):
        digest_of({"a": value})


def test_what_is_nested_too_deep_has_no_digest() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="the arguments are no JSON"):
        digest_of({"a": deep})
