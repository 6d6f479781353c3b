import json
import shutil
from pathlib import Path

import pytest
from doctor_kit import Find
from lane_kit import FILES, git, make_repository

from andon.context.settings import load_settings
from andon.line.base_files import CommitFiles
from andon.line.trust import TrustFile, claims_of
from andon.sandbox.repository import Repository


def commit(root: Path, **files: str) -> None:
    """Write the files, named with `__` for `/`, and commit them."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "more")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repo", FILES)


async def test_an_ordinary_repository_passes(repo: Path, find: Find, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(repo.parent / "home"))
    found = await find(repo, "repository", ANDON_SANDBOX="bubblewrap")
    assert {id.partition(".")[2]: one.severity for id, one in found.items()} == {
        "head": "ok", "complete": "ok", "left-alone": "ok", "settings": "ok", "context": "ok", "policy": "ok",
        "queue": "ok", "trust": "ok", "setup": "ok", "ready": "ok", "checks": "ok",
    }  # fmt: skip
    assert found["repository.context"].found == "factory/context/project-context.json: 1 protected areas over 1 files"
    assert git(repo, "status", "--porcelain") == ""


async def test_outside_a_repository_one_warning_says_so_and_the_rest_is_skipped(tmp_path: Path, find: Find) -> None:
    found = await find(tmp_path, "repository")
    assert found["repository.head"].severity == "warning"
    assert {one.severity for id, one in found.items() if id != "repository.head"} == {"skipped"}


async def test_a_repository_that_git_cannot_open_is_an_error(repo: Path, find: Find) -> None:
    (repo / ".git" / "HEAD").write_text("ref: refs/heads/nothing\n")
    assert (await find(repo, "repository.head"))["repository.head"].severity == "error"


async def test_a_shallow_clone_is_told_and_a_hole_in_the_commit_is_an_error(repo: Path, find: Find) -> None:
    commit(repo, extra="new\n")
    shallow = repo.parent / "shallow"
    git(repo.parent, "clone", "-q", "--depth", "1", f"file://{repo}", str(shallow))
    found = (await find(shallow, "repository.complete"))["repository.complete"]
    assert (found.severity, found.remedy) == ("note", "git fetch --unshallow")

    blob = git(repo, "rev-parse", "HEAD:extra")
    (repo / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    found = (await find(repo, "repository.complete"))["repository.complete"]
    assert (found.severity, found.found.startswith("1 objects")) == ("error", True)


async def test_what_agents_see_only_a_pointer_of_is_told(repo: Path, find: Find) -> None:
    inner = make_repository(repo.parent / "inner", {"a": "a\n"})
    git(repo, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "vendored")
    commit(repo, **{".gitattributes": "*.bin filter=lfs diff=lfs\n"})
    found = (await find(repo, "repository.left-alone"))["repository.left-alone"]
    assert found.severity == "note"
    assert found.found == (
        "submodules are empty folders to agents: vendored; files of Git LFS are pointers to agents (by .gitattributes)"
    )


@pytest.mark.parametrize(
    ("path", "text", "check"),
    [
        ("factory/andon.toml", "[limits]\nrounds = 3\n", "repository.settings"),
        ("factory/andon.toml", "no toml", "repository.settings"),
        ("factory/context/project-context.json", "{", "repository.context"),
        ("factory/policy.toml", "[[rule]]\nid = 3\n", "repository.policy"),
        ("factory/tasks/queue.json", '{"not": "a list"}', "repository.queue"),
    ],
)
async def test_a_file_that_is_not_understood_is_an_error_that_names_it(
    repo: Path, find: Find, path: str, text: str, check: str
) -> None:
    commit(repo, **{path.replace("/", "__"): text})
    found = await find(repo, check)
    assert (found[check].severity, path in found[check].found) == ("error", True)


async def test_a_broken_settings_file_is_one_error_and_not_one_in_every_check(repo: Path, find: Find) -> None:
    commit(repo, **{"factory__andon.toml": "no toml"})
    found = await find(repo, "repository.settings", "repository.context", "repository.trust", "repository.setup")
    assert {id: one.severity for id, one in found.items()} == {
        "repository.settings": "error", "repository.context": "skipped", "repository.trust": "skipped",
        "repository.setup": "skipped",
    }  # fmt: skip


async def test_an_area_that_protects_nothing_is_a_warning(repo: Path, find: Find) -> None:
    commit(repo, **{"factory__context__project-context.json": json.dumps({"protected_areas": ["quantum billing"]})})
    found = (await find(repo, "repository.context"))["repository.context"]
    assert (found.severity, "quantum billing" in found.found) == ("warning", True)


async def test_a_claim_that_no_person_accepted_is_an_error_until_one_did(
    repo: Path, find: Find, tmp_path: Path
) -> None:
    commit(repo, **{"factory__andon.toml": '[sandbox]\nhosts = ["mirror.example.org"]\n'})
    found = (await find(repo, "repository.trust"))["repository.trust"]
    assert (found.severity, found.remedy) == ("error", "andon trust")

    repository = Repository.open(repo)
    [claim] = claims_of(load_settings(CommitFiles(repository, repository.head())))
    TrustFile.of({"HOME": str(tmp_path / "home")}).accept(repository.root, claim)
    assert (await find(repo, "repository.trust"))["repository.trust"].severity == "ok"


@pytest.mark.parametrize(
    ("environment", "severity"), [({}, "error"), ({"OPENAI_BASE_URL": "https://models.example.org/v1"}, "ok")]
)
async def test_a_server_that_the_repository_names_matters_only_where_the_person_names_none(
    repo: Path, find: Find, environment: dict[str, str], severity: str
) -> None:
    commit(repo, **{"factory__andon.toml": '[provider]\nbase_url = "https://elsewhere.example.org/v1"\n'})
    assert (await find(repo, "repository.trust", **environment))["repository.trust"].severity == severity


async def test_without_tests_it_warns_that_a_run_will_wait_for_a_person(repo: Path, find: Find) -> None:
    shutil.rmtree(repo / "tests")
    (repo / "pyproject.toml").unlink()
    (repo / "calc.py").rename(repo / "calc.txt")
    commit(repo, auth__login="x")
    found = (await find(repo, "repository.checks"))["repository.checks"]
    assert (found.severity, "no test command" in found.found) == ("warning", True)


async def test_a_link_in_place_of_the_settings_lets_no_run_begin(
    repo: Path, find: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(repo.parent / "home"))
    (repo / "factory" / "andon.toml").symlink_to("/etc/passwd")
    commit(repo)
    found = (await find(repo, "repository.ready"))["repository.ready"]
    assert (found.severity, "symbolic link" in found.found) == ("error", True)


async def test_a_policy_counts_as_it_is_committed(repo: Path, find: Find) -> None:
    (repo / "factory" / "policy.toml").write_text("not even TOML")
    assert (await find(repo, "repository.policy"))["repository.policy"].severity == "ok"
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "policy")
    assert (await find(repo, "repository.policy"))["repository.policy"].severity == "error"
