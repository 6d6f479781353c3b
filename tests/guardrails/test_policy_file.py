"""Policy as data: floors stay, defaults may be set, and a file that is not sound is refused with rule and line."""

import posixpath
import time

import pytest

from andon.guardrails.judge import Policy, judge
from andon.guardrails.policy_file import read_policy, shipped_rules
from andon.records.calls import Decision, ToolCall
from andon.records.errors import UserError

RULE = """
[[rule]]
id = "vendored"
verdict = "deny"
justification = "{path} is copied from upstream"
paths = ["vendor/"]
match = ["vendor/a.c", "Vendor/b/c.h"]
not_match = ["src/vendor.py"]
"""


async def _plain(path: str) -> str:
    return posixpath.normpath(posixpath.join("/work", path))


async def _judged(text: str, command: str, *, strict: bool = False) -> Decision:
    own = read_policy(f"version = 1\n{text}".encode())
    call = ToolCall(tool="run_command", arguments={"command": command}, role="executor")
    return await judge(call, Policy(rules=own.strict if strict else own.rules), _plain)


def test_every_shipped_rule_has_examples_of_both_kinds_and_they_hold() -> None:
    assert all(rule.match and rule.not_match for rule in shipped_rules())
    assert len({rule.id for rule in shipped_rules()}) == len(shipped_rules())


def test_without_a_file_the_shipped_policy_holds() -> None:
    own = read_policy(None)
    assert (own.rules.rules, own.changes, own.digest) == (shipped_rules(), (), "")
    assert own.version != read_policy(b"version = 1\n").version


async def test_a_rule_of_the_repository_holds_on_every_route() -> None:
    decision = await _judged(RULE, "echo x > VENDOR/new.c")
    assert decision == Decision(
        verdict="refuse",
        rule="vendored",
        reason="'VENDOR/new.c' is copied from upstream; leave it, and report what it kept you from under not_done",
    )
    assert (await _judged(RULE, "cat vendor/a.c")).verdict == "allow"


async def test_a_default_may_be_loosened_and_that_is_recorded() -> None:
    text = '[set]\nbuild-recipe = "allow"\n'
    assert (await _judged(text, "touch Makefile")).verdict == "allow"
    assert read_policy(f"version = 1\n{text}".encode()).changes == (
        "factory/policy.toml sets the rule 'build-recipe' from ask to allow",
    )


async def test_what_the_repository_loosened_does_not_count_for_an_outsiders_work() -> None:
    text = '[set]\nbuild-recipe = "allow"\nlicence = "deny"\n'
    assert (await _judged(text, "touch Makefile", strict=True)).verdict == "ask"
    assert (await _judged(text, "touch LICENSE", strict=True)).verdict == "refuse"


async def test_a_command_no_rule_knows_is_asked_until_the_repository_allows_it() -> None:
    allowed = '[[rule]]\nid = "frob"\nverdict = "allow"\njustification = "ours"\ncommands = ["frob check"]\n'
    assert (await _judged("", "frob check x")).rule == "unknown-program"
    assert (await _judged(allowed, "frob check x")).verdict == "allow"
    assert (await _judged(allowed, "frob delete x")).verdict == "ask"


async def test_an_allowing_rule_never_outranks_a_stricter_one() -> None:
    allowed = '[[rule]]\nid = "net"\nverdict = "allow"\njustification = "x"\ncommands = ["curl", "pip install"]\n'
    assert (await _judged(allowed, "curl x")).verdict == "refuse"
    assert (await _judged(allowed, "pip install x")).verdict == "ask"


async def test_options_roles_and_tools_narrow_a_rule() -> None:
    text = """
[[rule]]
id = "no-wide"
verdict = "deny"
justification = "{program} with this option is slow here"
commands = ["pytest"]
options = ["--wide"]
match = ["pytest -q --wide=3"]
not_match = ["pytest -q"]

[[rule]]
id = "clients-do-not-run"
verdict = "deny"
justification = "clients read and edit here"
tools = ["run_command"]
roles = ["client"]
"""
    assert (await _judged(text, "pytest --wide")).rule == "no-wide"
    assert (await _judged(text, "ls")).verdict == "allow"
    own = read_policy(f"version = 1\n{text}".encode())
    call = ToolCall(tool="run_command", arguments={"command": "ls"}, role="client")
    assert (await judge(call, Policy(rules=own.rules), _plain)).rule == "clients-do-not-run"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version = 1\nversion = 1\n", "malformed TOML"),
        ("[set\n", "malformed TOML"),
        ("", "version: Field required"),
        ("version = 2\n", "factory/policy.toml:1: version"),
        ("version = 1\nrules = []\n", "factory/policy.toml:2: rules: Extra inputs"),
        (f"version = 1\n{RULE}colour = 'red'\n", "factory/policy.toml:3: rule 'vendored': colour: Extra inputs"),
        (
            f"version = 1\n{RULE.replace('deny', 'maybe')}",
            "factory/policy.toml:3: rule 'vendored': verdict: Input should be",
        ),
        (
            f"version = 1\n{RULE.replace('vendor/a.c', 'src/a.c')}",
            "factory/policy.toml:3: rule 'vendored': the example 'src/a.c' must match",
        ),
        (
            f"version = 1\n{RULE.replace('src/vendor.py', 'vendor/x')}",
            "the example 'vendor/x' must not match, and it does",
        ),
        (
            f"version = 1\n{RULE}{RULE}",
            "factory/policy.toml:11: the rule at factory/policy.toml:3 is called 'vendored' already",
        ),
        (
            f"version = 1\n{RULE}{RULE.replace('vendored', 'other').replace('deny', 'ask')}",
            "rule 'other' says ask where 'vendored' says deny of exactly the same",
        ),
        (f"version = 1\n{RULE.replace('vendored', 'network')}", "a shipped rule is called 'network' already"),
        (f"version = 1\n{RULE.replace('deny', 'allow')}", "a repository may allow commands only"),
        (f"version = 1\n{RULE}floor = true\n", "only the shipped policy has floors"),
        (f"version = 1\n{RULE}commands = ['ls']\n", "make it two rules"),
        (f"version = 1\n{RULE.replace('vendor/', '*' * 40)}", "holds more than 12 `*`"),
        ('version = 1\n[set]\nnetwork = "ask"\n', "factory/policy.toml:3: 'network' is a floor and cannot be loosened"),
        ('version = 1\n[set]\nnothing = "ask"\n', "factory/policy.toml:3: [set] names 'nothing'"),
        ("version = 1\nx = " + "[" * 3000, "malformed TOML"),
    ],
)
def test_a_policy_that_is_not_sound_is_refused_with_rule_and_line(text: str, said: str) -> None:
    with pytest.raises(UserError) as refused:
        read_policy(text.encode())
    assert said in str(refused.value)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(UserError, match="not UTF-8 at byte 12"):
        read_policy(b"version = 1\n\xff")


def test_ten_thousand_rules_load_and_decide_quickly() -> None:
    rules = "".join(
        f'[[rule]]\nid = "r{number}"\nverdict = "ask"\njustification = "kept"\npaths = ["area{number}/*.py"]\n'
        f'match = ["area{number}/x.py"]\n'
        for number in range(10_000)
    )
    started = time.process_time()
    own = read_policy(f"version = 1\n{rules}".encode())
    # The goal is a second on an idle machine; this only tells linear from worse.
    assert time.process_time() - started < 4
    started = time.process_time()
    found = [rule.id for rule in own.rules.for_path("area77/a.py", writes=True, role="executor", tool="write_file")]
    assert found == ["r77"]
    assert time.process_time() - started < 0.5


def test_no_pattern_can_explode() -> None:
    text = RULE.replace('vendor/"', '*a*a*a*a*a*a*a*a*a*a*b"').replace('match = ["vendor/a.c", "Vendor/b/c.h"]', "")
    own = read_policy(f"version = 1\n{text}".encode())
    started = time.process_time()
    assert not list(own.rules.for_path("a" * 3000, writes=True, role="executor", tool="write_file"))
    assert time.process_time() - started < 2
