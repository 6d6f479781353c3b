"""The shipped attacks as data, what they are run on, and whose policy that is."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from lane_kit import FILES, make_repository
from pydantic import ValidationError

from andon.evals import attack as attack_module
from andon.evals.attack import RISKS, Attack, attack_ids, load_attack, load_attacks
from andon.evals.attack_ground import Bait, Own, lay_out, toml_text
from andon.records.errors import UserError
from andon.sandbox.host_git import run_git

MINE = {
    "id": "mine", "risk": "ASI02", "title": "t", "story": "s", "expects": ["x"],
    "call": [{"role": "executor", "tool": "list_files", "aim": True}],
    "never": [{"kind": "delivered"}],
}  # fmt: skip


def mine(**changes: Any) -> Attack:
    return Attack.model_validate(MINE | changes)


def andon(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "andon", "eval", *words]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=cwd, check=False)


@pytest.fixture
def bait(tmp_path: Path) -> Bait:
    return Bait.make(4711, tmp_path / "host")


def test_every_risk_has_an_attack_and_there_are_enough() -> None:
    attacks = load_attacks()
    assert {attack.risk for attack in attacks} == set(RISKS)
    assert len(attacks) >= 40
    assert [attack.id for attack in attacks if not attack.story.strip()] == []


def test_the_attacks_that_users_are_promised_are_there() -> None:
    promised = {
        "issue-edits-ci", "docs-instruct-agents", "test-output-orders-push", "hostile-conftest", "lying-report",
        "test-removed", "test-loosened", "approved-call-is-swapped", "approval-outlives-its-tree", "curl-exfiltration",
        "dns-exfiltration", "sixth-identical-call", "two-call-cycle", "budget-drain", "lesson-weakens-control",
        "settings-redirect-the-model", "settings-name-an-image", "settings-run-a-setup", "policy-loosens-a-floor",
    }  # fmt: skip
    assert promised - set(attack_ids()) == set()


def test_no_attack_holds_a_credential_or_a_host_that_exists() -> None:
    for attack_id in attack_ids():
        text = (attack_module.ATTACKS / f"{attack_id}.toml").read_text("utf-8")
        assert "ghp_" not in text
        assert [
            word for word in text.split() if "http" in word and "127.0.0.1" not in word and "example" not in word
        ] == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"risk": "ASI11"}, "ASI01"),
        ({"never": []}, "at least 1"),
        ({"call": []}, "no call is marked as the aim"),
        ({"route": "session"}, "calls of the client belong to sessions"),
        ({"never": [{"kind": "nonsense"}]}, "delivered"),
        ({"surprise": 1}, "Extra inputs"),
        ({"id": "../x"}, "pattern"),
    ],
)
def test_refuses_an_attack_that_is_none(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        mine(**changes)


@pytest.mark.parametrize("name", ["nosuch", "_sample", "../attack", ""])
def test_an_unknown_attack_is_refused_with_where_to_look(name: str) -> None:
    with pytest.raises(UserError, match="andon eval security --list"):
        load_attack(name)


def test_bait_is_new_every_time_and_filled_in_everywhere(bait: Bait) -> None:
    other = Bait.make(4711, bait.host)
    assert other.secret != bait.secret
    given = {"@PORT@": ["@SECRET@", "x@HOST@y"], "lines": "@N@", "text": "line @N@"}
    assert bait.filled(given, 7) == {
        "4711": [bait.secret, f"x{bait.host}y"], "lines": 7, "text": "line @N@",
    }  # fmt: skip


@pytest.mark.parametrize("before", ["", "a", "ab", "API_TOKEN="])
def test_a_secret_is_known_in_base64_wherever_it_begins_in_hex_and_backwards(bait: Bait, before: str) -> None:
    import base64

    raw = f"{before}{bait.secret}\n".encode()
    for text in (base64.b64encode(raw).decode(), raw.hex(), bait.secret[::-1]):
        assert any(spelling in text for spelling in bait.spellings)
    assert not any(spelling in base64.b64encode(b"x" * 60).decode() for spelling in bait.spellings)


def test_the_sample_is_laid_out_with_what_is_planted(bait: Bait, tmp_path: Path) -> None:
    attack = mine(files={"README.md": "token @SECRET@"}, links={"docs/n.txt": "../.env"})
    root = tmp_path / "sample"
    root.mkdir()
    lay_out(attack, Own(), bait, root)
    assert (root / "README.md").read_text() == f"token {bait.secret}"
    assert (root / "docs/n.txt").read_text() == f"API_TOKEN={bait.secret}\n"
    assert run_git(["status", "--porcelain"], cwd=root) == b""


def test_a_users_policy_limits_areas_and_approvals_are_taken_and_nothing_else(bait: Bait, tmp_path: Path) -> None:
    own = tmp_path / "own" / "factory"
    (own / "context").mkdir(parents=True)
    (own / "policy.toml").write_text('version = 1\n[set]\ndependencies = "deny"\n')
    (own / "andon.toml").write_text(
        "[limits]\nminutes = 2.50\nreview_rounds = 3\n[limits.executor]\ntool_calls = 9\n"
        '[approvals]\nplan = "always"\nunattended = "refuse"\n'
        '[models]\ndefault = "big"\n[provider]\nbase_url = "https://models.example.org"\n'
        '[sandbox]\nhosts = ["a.example"]\n'
        '[checks]\ntest = ["npm test"]\nstatic = []\n[protected_paths]\nmoney = ["bill\\"ing/", "z\\u00e4hler"]\n'
    )
    (own / "context/project-context.json").write_text('{"protected_areas": ["money"]}')
    root = tmp_path / "sample"
    root.mkdir()
    lay_out(mine(), Own.of(tmp_path / "own"), bait, root)
    assert (root / "factory/policy.toml").read_text() == (own / "policy.toml").read_text()
    assert tomllib.loads((root / "factory/andon.toml").read_text()) == {
        "limits": {"minutes": 2.5, "review_rounds": 3, "executor": {"tool_calls": 9}},
        "approvals": {"plan": "never", "unattended": "refuse"},
        "checks": {"static": []},
        "protected_paths": {"money": ['bill"ing/', "zähler"]},
    }
    context = json.loads((root / "factory/context/project-context.json").read_text())
    assert context["protected_areas"] == ["authentication", "money"]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("policy.toml", 'version = 1\n[set]\nnetwork = "allow"\n', "is a floor and cannot be loosened"),
        ("policy.toml", "version = ", "malformed TOML"),
        ("andon.toml", "[limits]\nsurprise = 1\n", "surprise"),
        ("context/project-context.json", "{", "project-context.json"),
    ],
)
def test_a_users_file_that_cannot_be_read_is_a_sentence(tmp_path: Path, name: str, content: str, problem: str) -> None:
    path = tmp_path / "factory" / name
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(UserError, match=problem):
        Own.of(tmp_path)


@pytest.mark.parametrize("place", ["factory", "factory/policy.toml"])
def test_a_users_file_behind_a_link_is_refused(tmp_path: Path, place: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "policy.toml").write_text("version = 1\n")
    root = tmp_path / "own"
    (root / place).parent.mkdir(parents=True)
    (root / place).symlink_to(outside if place == "factory" else outside / "policy.toml")
    with pytest.raises(UserError, match="symbolic link"):
        Own.of(root)


def test_tables_are_written_as_toml_reads_them() -> None:
    tables = {"a": {"text": 'say "x"\n\u007f\u0001 \\ ü', "list": ["a", "b"], "yes": True, "in": {"side": {"deep": 1}}}}
    assert tomllib.loads(toml_text(tables)) == tables


def test_the_list_needs_no_repository_and_names_every_attack(tmp_path: Path) -> None:
    listed = andon("security", "--list", cwd=tmp_path)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert [attack_id for attack_id in attack_ids() if attack_id not in listed.stdout] == []
    document = json.loads(andon("security", "--list", "--json", cwd=tmp_path).stdout)
    assert document["schema_version"] == 1
    assert [one["id"] for one in document["attacks"]] == [attack.id for attack in load_attacks()]


def test_mistakes_of_a_person_are_sentences(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", FILES)
    unknown = andon("security", "--only", "nosuch", cwd=root)
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "there is no attack 'nosuch'" in unknown.stderr
    mixed = andon("--list", cwd=root)
    assert (mixed.returncode, "go with the attacks" in mixed.stderr) == (2, True)
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    environment = {"GIT_CEILING_DIRECTORIES": str(tmp_path), **os.environ}
    command = [sys.executable, "-m", "andon", "eval", "security"]
    none = subprocess.run(command, capture_output=True, text=True, cwd=nowhere, env=environment, check=False)
    assert (none.returncode, none.stdout) == (2, "")
