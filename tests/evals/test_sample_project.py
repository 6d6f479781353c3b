"""The bundled sample: the same commit everywhere, a green suite, and the guide's files."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from andon.evals.sample_project import copy_sample, sample_names
from andon.records.errors import UserError
from andon.records.project import ProjectContext
from andon.records.task import Task


def git(repository: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=repository, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_sample("watchlist", tmp_path_factory.mktemp("sample") / "watchlist")


def test_the_samples_are_listed() -> None:
    assert sample_names() == ["bugfix", "feature", "misleading", "refactor", "unclear", "watchlist"]


def test_the_history_names_the_project_and_not_the_sample(tmp_path: Path) -> None:
    other = copy_sample("bugfix", tmp_path / "other")
    assert git(other, "log", "--format=%an|%cn|%s") == "Carpark demo|Carpark demo|The carpark service\n"


def test_the_sample_is_one_clean_commit_on_main(sample: Path) -> None:
    log = git(sample, "log", "--all", "--format=%D|%an <%ae>|%cn <%ce>|%aI|%cI|%G?|%s")
    person = "Watchlist demo <demo@example.invalid>"
    when = "2026-01-05T09:00:00+00:00"
    assert log == f"HEAD -> main|{person}|{person}|{when}|{when}|N|The watchlist service\n"
    assert git(sample, "status", "--porcelain", "--ignored") == ""
    assert {line.split()[0] for line in git(sample, "ls-tree", "-r", "HEAD").splitlines()} == {"100644"}


def test_two_copies_have_equal_ids_whatever_umask_and_git_configuration(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    hook = home / "hooks" / "pre-commit"
    hook.parent.mkdir(parents=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    (home / ".gitconfig").write_text(
        "[user]\nname=Somebody\nemail=s@example.invalid\n[commit]\ngpgSign=true\n[init]\ndefaultBranch=trunk\n"
        f"[core]\nhooksPath={hook.parent}\nautocrlf=true\n[i18n]\ncommitEncoding=latin1\n"
    )
    (home / ".config/git").mkdir(parents=True)
    (home / ".config/git/ignore").write_text("*.json\n")
    (home / ".config/git/attributes").write_text("* text eol=crlf ident\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    steering = {
        "GIT_DIR": "/nowhere", "GIT_INDEX_FILE": "/nowhere", "GIT_AUTHOR_NAME": "Else", "GIT_DEFAULT_HASH": "sha256",
        "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.bare", "GIT_CONFIG_VALUE_0": "true", "TZ": "Asia/Tokyo",
    }  # fmt: skip
    with monkeypatch.context() as steered:
        for name, value in steering.items():
            steered.setenv(name, value)
        before = os.umask(0o077)
        try:
            other = copy_sample("watchlist", tmp_path / "other")
        finally:
            os.umask(before)
    assert git(other, "rev-parse", "HEAD", "main") == git(sample, "rev-parse", "HEAD", "main")


def test_a_copy_inside_another_repository_is_its_own(sample: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    inner = copy_sample("watchlist", tmp_path / "inner")
    assert git(inner, "rev-parse", "--show-toplevel", "HEAD") == f"{inner}\n{git(sample, 'rev-parse', 'HEAD')}"


def test_an_empty_folder_is_taken_and_a_relative_path_becomes_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    assert copy_sample("watchlist", Path("empty")) == tmp_path / "empty"


def test_the_suite_of_the_sample_is_green(sample: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(sample, copy)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:asyncio", "-W", "error"],
        cwd=copy,
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, ran.stdout.splitlines()[-1].split(" in ")[0]) == (0, "20 passed"), ran.stdout
    assert git(copy, "status", "--porcelain") == ""


def test_the_sample_is_clean_by_its_own_lint_rules(sample: Path) -> None:
    for check in (["check"], ["format", "--check"]):
        ran = subprocess.run(
            [sys.executable, "-m", "ruff", *check, "--no-cache", "."], cwd=sample, capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_queue_is_the_task_of_the_guide(sample: Path) -> None:
    entries = json.loads((sample / "factory/tasks/queue.json").read_text("utf-8"))
    assert [Task.model_validate(entry) for entry in entries] == [
        Task(
            id="task-001",
            title="Add a watchlist page",
            acceptance_criteria=[
                "Users can save favourite stocks locally",
                "Saved stocks remain after page refresh",
                "A PR summary is generated",
            ],
            constraints=["Do not change authentication", "Keep the change reversible"],
            context_paths=["docs/product/watchlist.md", "watchlist", "tests"],
        )
    ]
    assert all((sample / path).exists() for path in entries[0]["context_paths"])


def test_the_context_is_the_one_of_the_guide(sample: Path) -> None:
    text = (sample / "factory/context/project-context.json").read_text("utf-8")
    assert ProjectContext.model_validate_json(text) == ProjectContext(
        project_name="Watchlist demo",
        rules=["Prefer small reversible changes", "Use feature flags for risky UI work"],
        domain_terms={"watchlist": "A saved list of favourite stocks", "ticker": "Market symbol such as AAPL"},
        protected_areas=["authentication", "billing", "production secrets"],
        done_definition=["Tests pass", "PR summary exists"],
    )


@pytest.mark.parametrize("name", ["none", "", ".", "..", "../sample/watchlist", "watchlist/tests"])
def test_an_unknown_sample_is_refused_with_the_known_ones(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no sample .*; the samples are: bugfix, .*, watchlist"):
        copy_sample(name, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="the folder is not empty; name a new one"):
        copy_sample("watchlist", tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.txt"]


def test_a_file_is_not_a_place_for_the_sample(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="name another folder"):
        copy_sample("watchlist", tmp_path / "file")


def test_a_machine_without_git_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="apt-get install git"):
        copy_sample("watchlist", tmp_path / "new")
