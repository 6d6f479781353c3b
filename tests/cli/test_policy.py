"""`andon policy`: check, explain and replay on a real repository, as a process would use them."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from andon.cli.main import main

IDENTITY = ["-c", "user.name=t", "-c", "user.email=t@example.org"]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    (root / "factory/context").mkdir(parents=True)
    (root / "src").mkdir()
    (root / "src/app.py").write_text("x = 1\n")
    (root / "factory/context/project-context.json").write_text('{"protected_areas": ["src/auth/"]}')
    for args in (["init", "--quiet"], ["add", "--all"], [*IDENTITY, "commit", "--quiet", "-m", "base"]):
        subprocess.run(["git", *args], cwd=root, check=True)
    return root


def _policy(repository: Path, text: str) -> None:
    (repository / "factory/policy.toml").write_text(f"version = 1\n{text}")


def _said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(["policy", *words])
    return code, capsys.readouterr().out


def _document(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code, out = _said(capsys, *words, "--json")
    return code, json.loads(out)


@pytest.mark.parametrize(
    ("call", "code", "said"),
    [
        ("pytest -q", 0, "allow  (default)\n"),
        ("pip install x", 10, "ask  (install)\n  pip install needs a package index"),
        ("curl x", 30, "deny  (network)\n  curl needs a network"),
        ('write_file:{"path": "src/auth/a.py", "content": ""}', 10, "ask  (protected-area)\n"),
        ('read_file:{"path": ".env"}', 30, "deny  (secret-file)\n"),
        ('read_file:{"file": "a"}', 30, "deny  (arguments)\n"),
        ('git:{"args": ["push", "--force"]}', 30, "deny  (git-force)\n"),
    ],
)
def test_explain_says_verdict_rule_and_why(
    repository: Path, capsys: pytest.CaptureFixture[str], call: str, code: int, said: str
) -> None:
    found = _said(capsys, "explain", call, "-C", str(repository))
    assert found[0] == code
    assert found[1].startswith(said)


def test_explain_judges_by_role_and_follows_links_of_the_working_tree(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "config").symlink_to(".git/config")
    (repository / "out").symlink_to("/etc")
    call = 'git:{"args": ["add", "a"]}'
    assert _document(capsys, "explain", "--role", "reviewer", call, "-C", str(repository))[1]["rule"] == "role"
    assert _document(capsys, "explain", "cat config", "-C", str(repository))[1]["rule"] == "git-folder"
    assert _document(capsys, "explain", "cat out/x", "-C", str(repository))[1]["rule"] == "outside-workspace"


def test_explain_answers_with_one_stable_document(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, document = _document(capsys, "explain", "ls", "-C", str(repository))
    assert code == 0
    assert document.pop("policy")
    assert document == {
        "schema_version": 1,
        "command": "explain",
        "tool": "run_command",
        "role": "executor",
        "verdict": "allow",
        "rule": "default",
        "reason": "",
    }


def test_explain_refuses_json_that_is_none(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "explain", "read_file:{nonsense", "-C", str(repository)]) == 2
    assert "what follows read_file: is no JSON" in capsys.readouterr().err


def test_check_tells_what_was_loosened_and_which_rules_never_decide(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _said(capsys, "check", "-C", str(repository))[0] == 0
    rule = '[[rule]]\nid = "{}"\nverdict = "{}"\njustification = "x"\n{}\n'
    _policy(
        repository,
        '[set]\nbuild-recipe = "allow"\n'
        + rule.format("net", "allow", 'commands = ["curl x"]')
        + rule.format("again", "ask", 'paths = ["LICENSE"]')
        + rule.format("sound", "deny", 'paths = ["vendor"]'),
    )
    code, document = _document(capsys, "check", "-C", str(repository))
    assert code == 2
    assert document["loosened"] == [
        "factory/policy.toml sets the rule 'build-recipe' from ask to allow",
        "factory/policy.toml allows curl x (net)",
    ]
    assert document["problems"] == [
        "rule 'net' (allow) contradicts 'network' (deny), which is stricter, so it never decides",
        "rule 'again' (ask) repeats 'licence' (ask), so it never decides",
    ]


def test_check_names_file_line_and_rule_of_what_is_wrong(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _policy(repository, '[[rule]]\nid = "a"\nverdict = "deny"\njustification = "x"\npaths = ["x"]\nmatch = ["y"]\n')
    assert main(["policy", "check", "-C", str(repository)]) == 2
    assert "factory/policy.toml:2: rule 'a': the example 'y' must match" in capsys.readouterr().err


def _log(repository: Path, *events: dict[str, Any]) -> None:
    folder = repository / "factory/runs/task-001"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [{"seq": 1, "at": "", "kind": "run.started", "data": {"run": "run-1"}}]
    lines += [{"seq": number, "at": "", **event} for number, event in enumerate(events, 2)]
    (folder / "audit.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + "torn {\n")


def _event(kind: str, command: str, **more: Any) -> dict[str, Any]:
    data = {"role": "executor", "tool": "run_command", "summary": command, "arguments": {"command": command}}
    return {"kind": kind, "data": data | more}


def test_replay_prints_every_verdict_that_flips(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _log(
        repository,
        _event("tool.called", "make test"),
        _event("tool.called", "ls"),
        _event("tool.refused", "touch Makefile", verdict="ask", rule="build-recipe"),
        _event("tool.refused", "curl x", verdict="refuse", rule="network"),
        {"kind": "tool.called", "data": {"role": "executor", "tool": "write_file", "summary": "a"}},
    )
    assert _said(capsys, "replay", "-C", str(repository)) == (
        0, "4 calls of 1 runs: 0 verdicts flip, 1 not judged: their arguments were not kept\n",
    )  # fmt: skip
    _policy(
        repository,
        '[set]\nbuild-recipe = "deny"\n[[rule]]\nid = "no-make"\nverdict = '
        '"deny"\njustification = "x"\ncommands = ["make"]\n',
    )
    assert _said(capsys, "replay", "-C", str(repository)) == (
        10,
        "run-1 #2  allow -> deny (no-make)  run_command make test\n"
        "run-1 #4  ask -> deny (build-recipe)  run_command touch Makefile\n"
        "4 calls of 1 runs: 2 verdicts flip, 1 not judged: their arguments were not kept\n",
    )
    _, document = _document(capsys, "replay", "-C", str(repository))
    assert (document["calls"], document["skipped"], document["runs"]) == (4, 1, 1)
    assert [(flip["seq"], flip["before"], flip["after"]) for flip in document["flips"]] == [
        (2, "allow", "deny"),
        (4, "ask", "deny"),
    ]


def test_replay_with_nothing_to_judge_is_no_success(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "replay", "-C", str(repository)]) == 2
    assert "no run has recorded a call" in capsys.readouterr().err


def test_help_teaches_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["policy", "--help"])
    out = capsys.readouterr().out
    assert all(word in out for word in ("[[rule]]", "match =", "[set]", "check", "explain", "replay"))
