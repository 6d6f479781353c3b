import socket
from pathlib import Path

import pytest
from lane_kit import git

from andon.line.identity import host_name, identity_of
from andon.sandbox.repository import Repository


def _identity(repo: Path, remote: str) -> str:
    git(repo, "remote", "add", "origin", remote)
    return identity_of(Repository.open(repo))


@pytest.mark.parametrize(
    "remote",
    [
        "https://Example.org/owner/name",
        "https://example.org/owner/name.git",
        "https://example.org:443/owner/name/",
        "https://user:secret@example.org/owner/name.git/",
        "https://token@example.org/owner/name",
        "http://example.org/owner/name",
        "git@example.org:owner/name.git",
        "example.org:owner/name",
        "git@EXAMPLE.ORG:/owner/name.git",
        "ssh://git@example.org/owner/name.git",
        "ssh://git@example.org:2222/owner/name",
        "git://example.org/owner/name",
        "https://example.org//owner/na%6De.git",
        "https://example.org/owner/name.git?token=secret#part",
    ],
)
def test_every_way_to_one_repository_gives_one_identity(repo: Path, remote: str) -> None:
    assert _identity(repo, remote) == "example.org/owner/name"


@pytest.mark.parametrize(
    ("remote", "identity"),
    [
        ("https://example.org/owner/Name", "example.org/owner/Name"),
        ("https://example.org:8443/owner/name", "example.org:8443/owner/name"),
        ("https://[::1]:8443/owner/name", "::1:8443/owner/name"),
        ("git@[::1]:owner/name", "::1/owner/name"),
        ("https://example.org/group/sub/name.git", "example.org/group/sub/name"),
    ],
)
def test_other_repositories_have_other_identities(repo: Path, remote: str, identity: str) -> None:
    assert _identity(repo, remote) == identity


@pytest.mark.parametrize("remote", ["/srv/git/name.git", "file:///srv/git/name.git/"])
def test_a_remote_on_this_machine_counts_for_this_machine_alone(repo: Path, remote: str) -> None:
    assert _identity(repo, remote) == f"{host_name()}:/srv/git/name"


@pytest.mark.parametrize(
    "remote",
    [
        "../sibling", "https:///name", "https://[broken/name", "ext::sh -c evil", "git@example.org:a\nb",
        "git@example.org:a\x1b[2Kb", "git@example.org:a\u2028b", "https://example.org/a%0Ab",
        "https://example.org/a%E2%80%AEb", "ssh://git@example.org/a%0Db", "/srv/git/a\nb", "file:///srv/git/a\rb",
    ],
)  # fmt: skip
def test_a_remote_that_says_nothing_counts_as_none(repo: Path, remote: str) -> None:
    assert _identity(repo, remote) == f"{host_name()}:{repo.resolve()}"


def test_a_repository_without_remote_is_known_by_machine_and_path(repo: Path) -> None:
    assert identity_of(Repository.open(repo / ".")) == f"{socket.gethostname().lower()}:{repo.resolve()}"


def test_a_linked_work_tree_of_a_clone_is_the_same_repository(repo: Path, tmp_path: Path) -> None:
    git(repo, "remote", "add", "origin", "git@example.org:owner/name")
    git(repo, "worktree", "add", "-q", str(tmp_path / "linked"))
    assert identity_of(Repository.open(tmp_path / "linked")) == "example.org/owner/name"
