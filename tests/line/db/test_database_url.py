from pathlib import Path

import pytest
from lane_kit import FILES, git, make_repository

from andon.line.db.database import database_url, engine_url, exists
from andon.records.errors import UserError


def test_without_a_variable_it_is_a_file_in_the_repository(tmp_path: Path) -> None:
    url = database_url({}, tmp_path)
    assert url == f"sqlite:///{tmp_path.resolve()}/factory/.state/andon.sqlite"
    assert engine_url(url) == f"sqlite:///{tmp_path.resolve()}/factory/.state/engine.sqlite"
    assert not exists(url)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("postgresql://u:p@h/db", "postgresql://u:p@h/db"),
        ("postgres://u@h:1/db?sslmode=require", "postgresql://u@h:1/db?sslmode=require"),
        (" postgresql:///db?host=/run/sockets \n", "postgresql:///db?host=/run/sockets"),
    ],
)
def test_postgresql_holds_both_ours_and_the_engines_tables(given: str, taken: str) -> None:
    url = database_url({"ANDON_DATABASE_URL": given}, None)
    assert (url, engine_url(url), exists(url)) == (taken, taken, True)


def test_a_file_can_be_named(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/here.sqlite"
    assert database_url({"ANDON_DATABASE_URL": url}, None) == url


@pytest.mark.parametrize("url", ["mysql://u:secret@h/db", "postgresql+psycopg://u:secret@h/db", "secret", "://secret"])
def test_refuses_another_kind_of_database_without_repeating_its_password(url: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="write postgresql://USER@HOST/NAME") as raised:
        database_url({"ANDON_DATABASE_URL": url}, tmp_path)
    assert "secret@" not in str(raised.value)


def test_refuses_a_relative_file() -> None:
    with pytest.raises(UserError, match="four slashes"):
        database_url({"ANDON_DATABASE_URL": "sqlite:///here.sqlite"}, None)


def test_refuses_when_there_is_neither_repository_nor_variable() -> None:
    with pytest.raises(UserError, match="change into a repository, or set ANDON_DATABASE_URL"):
        database_url({}, None)


def test_refuses_a_folder_whose_name_no_address_can_hold(tmp_path: Path) -> None:
    (tmp_path / "why?").mkdir()
    with pytest.raises(UserError, match="rename that folder"):
        engine_url(database_url({}, tmp_path / "why?"))


@pytest.mark.parametrize("name", ["factory/.state/andon.sqlite", "factory/.STATE/other", "Factory/.state/x"])
def test_refuses_a_repository_that_brings_its_own_database(tmp_path: Path, name: str) -> None:
    root = make_repository(tmp_path / "repo", FILES)
    path = root / name
    path.parent.mkdir(parents=True)
    path.write_text("hostile")
    git(root, "add", "-f", name)
    with pytest.raises(UserError, match="git rm -r"):
        database_url({}, root)


@pytest.mark.parametrize("name", ["factory", "factory/.state"])
def test_refuses_a_repository_that_leads_the_database_elsewhere(tmp_path: Path, name: str) -> None:
    root = make_repository(tmp_path / "repo", {"README.md": ""})
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).symlink_to(tmp_path)
    git(root, "add", "-f", name)
    with pytest.raises(UserError, match="git rm -r"):
        database_url({}, root)


def test_accepts_a_repository_with_settings_and_papers(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", {**FILES, "factory/andon.toml": "", "factory/.stately": ""})
    assert database_url({}, root).startswith("sqlite:////")
