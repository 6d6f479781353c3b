"""`andon eval`: the shipped cassettes replayed, and what makes it fail."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from andon.evals import replays
from andon.records.errors import UserError


def andon_eval(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "andon", "eval", *words]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)


def test_every_shipped_cassette_gives_what_was_recorded() -> None:
    done = andon_eval("--json")
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)["outcomes"]
    names = replays.cassette_names()
    assert [(one["name"], one["passed"], one["differences"]) for one in outcomes] == [
        (name, True, []) for name in names
    ]
    assert [one["name"] for one in outcomes if "answered by " not in one["answered_by"]] == []


def test_an_unknown_cassette_is_a_sentence() -> None:
    done = andon_eval("nosuch")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        2,
        f"andon: there is no cassette 'nosuch'; there is: {', '.join(replays.cassette_names())}",
    )


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped cassettes that a test may damage."""
    source = Path(replays.__file__).parent / "cassettes"
    target = tmp_path / "cassettes"
    target.mkdir()
    for path in source.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(replays, "CASSETTES", target)
    return target


async def test_a_changed_tree_is_a_failure_that_names_both(shipped: Path) -> None:
    expected = shipped / "watchlist.expected.json"
    expected.write_text(json.dumps(json.loads(expected.read_text()) | {"tree": "0" * 40}))
    outcome = await replays.evaluate("watchlist")
    assert (outcome.passed, len(outcome.differences)) == (False, 1)
    assert outcome.differences[0].startswith(f"tree: recorded '{'0' * 40}', now '")


async def test_a_request_that_was_not_recorded_is_a_failure_with_the_part_that_drifted(
    shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("andon.agents.roles.role_text", lambda role: f"You are the {role} of another factory.")
    outcome = await replays.evaluate("watchlist")
    assert not outcome.passed
    assert "instructions" in outcome.differences[0]


async def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UserError, match="there is no cassette 'x'"):
        await replays.evaluate("x")
