"""What a path means, from its text alone."""

import pytest

from andon.guardrails.paths import is_factory, is_git, is_hidden, is_secret, name_fault, open_outside, workspace_path


@pytest.mark.parametrize(
    ("real", "relative"),
    [
        ("/work", "."),
        ("/work/", "."),
        ("/work/src/a.py", "src/a.py"),
        ("/work/../work/a", "a"),
        ("/workshop/a", None),
        ("/work/../etc/passwd", None),
        ("/etc/passwd", None),
        ("/", None),
    ],
)
def test_a_real_path_is_inside_or_not(real: str, relative: str | None) -> None:
    assert workspace_path(real) == relative


@pytest.mark.parametrize("path", ["a b.py", "[id].tsx", "-x", "naïve.py", "日本.txt", "a'b.py", "emoji-🙂.md"])
def test_ordinary_names_are_names(path: str) -> None:
    assert name_fault(path) is None


@pytest.mark.parametrize(
    "path", ["", "a\0b", "a\nb", "a\x1b[0m", "a\u202eb", "a\u200bb", ".git\u200c", "x" * 5000, "\ud800"]
)
def test_names_that_cannot_be_are_refused_with_a_reason(path: str) -> None:
    assert name_fault(path)


@pytest.mark.parametrize(
    "path", [".git", ".git/config", ".GIT/x", "sub/.Git/hooks", ".git.", ".git /x", "GIT~1/x", ".g\u200cit"]
)
def test_git_folders_are_known_in_every_spelling(path: str) -> None:
    assert is_git(path)


@pytest.mark.parametrize("path", [".gitignore", ".github/workflows/x.yml", "git/x", ".gitattributes", "a.git/x"])
def test_neighbours_of_git_folders_are_not_taken_for_them(path: str) -> None:
    assert not is_git(path)


@pytest.mark.parametrize(
    "path", ["factory", "factory/andon.toml", "Factory/x", "FACTORY", "./factory/x", "fac\u200btory/x"]
)
def test_the_factory_folder_is_known_in_every_spelling(path: str) -> None:
    assert is_factory(path)


@pytest.mark.parametrize("path", ["src/factory/x.py", "factory.py", "factory_boy/x", "src/factory"])
def test_other_factories_are_open(path: str) -> None:
    assert not is_factory(path)


@pytest.mark.parametrize(
    "path",
    [".env", "app/.env.local", ".ENV", "prod.env", "server.pem", "keys/id_rsa", "a/id_ed25519", "tls.key", ".netrc"],
)
def test_secret_files_are_known_by_name(path: str) -> None:
    assert is_secret(path)
    assert is_hidden(path)


@pytest.mark.parametrize(
    "path",
    [".env.example", "app/.env.sample", ".env.template", "environment.py", "id_rsa.pub", "keys.py", "envs/a.py", "env"],
)
def test_examples_and_neighbours_of_secret_files_are_open(path: str) -> None:
    assert not is_secret(path)


@pytest.mark.parametrize(
    ("real", "is_open"),
    [
        ("/tmp/x", True),
        ("/usr/bin/env", True),
        ("/dev/null", True),
        ("/dev/sda", False),
        ("/etc/passwd", False),
        ("/tmpx", False),
        ("/tmp/../etc/x", False),
        ("/proc/1/environ", False),
    ],
)
def test_what_commands_may_name_outside(real: str, is_open: bool) -> None:
    assert open_outside(real) is is_open
