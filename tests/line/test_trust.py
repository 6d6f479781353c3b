"""What a person accepted of repositories that are not on this machine, by their names."""

from pathlib import Path

import pytest

from andon.context.settings import Settings
from andon.guardrails.trust import Claim
from andon.line.trust import Elsewhere, TrustFile, claims_of, name_of

[CLAIM] = claims_of(Settings.model_validate({"sandbox": {"hosts": ["host.example"]}}))
ACCEPTED = frozenset({(CLAIM.key, CLAIM.digest)})


@pytest.fixture
def kept(tmp_path: Path) -> TrustFile:
    return TrustFile(tmp_path / "config" / "trust.json")


def _accepted(kept: TrustFile, name: str, claim: Claim = CLAIM) -> frozenset[tuple[str, str]]:
    kept.accept(Elsewhere(name, "one"), claim)
    return kept.accepted(Elsewhere(name, "another"))


def test_an_acceptance_holds_for_every_run_of_the_repository_and_no_other(kept: TrustFile) -> None:
    assert _accepted(kept, "git.example.org/a") == ACCEPTED
    others = ["git.example.org/A", "git.example.org/a b", "runs of git.example.org/a", ""]
    assert [kept.accepted(Elsewhere(other, "one")) for other in others] == [frozenset()] * len(others)
    assert kept.accepted(Path("runs of git.example.org/a")) == frozenset()


@pytest.mark.parametrize("character", ["\n", "\r", "\x1b", "\x85", "\u2028", "\u202e", "\t", "\udc80"])
def test_a_name_from_another_machine_is_one_line_and_stays_another(kept: TrustFile, character: str) -> None:
    forged = f"h/a{character}  sha256 00"
    name = name_of(Elsewhere(forged, "one"))
    assert (name.splitlines(), name.isprintable()) == ([name], True)
    assert _accepted(kept, forged) == ACCEPTED
    assert [one.repository for one in kept.entries()] == [name]
    assert kept.accepted(Elsewhere("h/a  sha256 00", "one")) == kept.accepted(Elsewhere("h/a sha256 00", "one"))
    assert kept.accepted(Elsewhere("h/a  sha256 00", "one")) == frozenset()


def test_only_what_is_named_is_revoked(kept: TrustFile, tmp_path: Path) -> None:
    one, two, here = Elsewhere("h/a", "one"), Elsewhere("h/b", "two"), tmp_path / "repo"
    for where in (one, two, here):
        kept.accept(where, CLAIM)
    assert [entry.repository for entry in kept.revoke(name_of(one), name_of(here))] == ["runs of h/a", str(here)]
    assert [entry.repository for entry in kept.entries()] == ["runs of h/b"]
    assert kept.revoke(name_of(one), "h/b") == ()
