"""Bundled sample projects, laid out as git repositories that have the same commit id on every machine."""

import os
import subprocess
import tomllib
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from andon.records.errors import UserError

_LEFT_BEHIND = frozenset({"__pycache__", ".pytest_cache", ".ruff_cache"})
"""What running the sample in place, or installing the wheel, may have put beside its files."""

_MAIL, _WHEN = "demo@example.invalid", "2026-01-05T09:00:00+00:00"

_SETTINGS = (
    "core.attributesFile=/dev/null",
    "core.autocrlf=false",
    "core.excludesFile=/dev/null",
    "core.hooksPath=/dev/null",
    "commit.gpgSign=false",
    "gc.auto=0",
)


def sample_names() -> list[str]:
    """Return the names of the bundled samples, sorted."""
    return sorted(entry.name for entry in _samples().iterdir() if entry.is_dir())


def copy_sample(name: str, target: Path) -> Path:
    """Copy the sample `name` to `target` and commit it there; return the absolute path of the repository.

    The repository has one commit on the branch `main`, whatever the user's umask and git configuration are. Nothing in
    it says what the sample is called: the history names the project as its own pyproject.toml does.

    Raises:
        UserError: there is no such sample, `target` is something else than a missing or empty folder, or git failed.
    """
    if name not in sample_names():
        raise UserError(f"there is no sample {name!r}; the samples are: {', '.join(sample_names())}")
    _make_folder(target)
    _copy(_samples() / name, target)
    project = _project_name(target)
    who = f"{project.capitalize()} demo"
    _git(target, who, "init", "--quiet", "--template=", "--object-format=sha1", "--initial-branch=main")
    _git(target, who, "add", "--all", "--force")
    _git(target, who, "commit", "--quiet", "--no-verify", f"--message=The {project} service")
    return target.resolve()


def _samples() -> Traversable:
    return files("andon.evals") / "sample"


def _make_folder(target: Path) -> None:
    try:
        target.mkdir(parents=True, exist_ok=True)
        taken = any(target.iterdir())
    except OSError as error:
        raise UserError(f"{target}: the sample cannot be put here ({error.strerror}); name another folder") from None
    if taken:
        raise UserError(f"{target}: the sample cannot be put here, the folder is not empty; name a new one")


def _copy(source: Traversable, target: Path) -> None:
    for entry in source.iterdir():
        if entry.name in _LEFT_BEHIND:
            continue
        if entry.is_dir():
            (target / entry.name).mkdir()
            _copy(entry, target / entry.name)
        else:
            (target / entry.name).write_bytes(entry.read_bytes())


def _project_name(root: Path) -> str:
    return str(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"])


def _git(repository: Path, who: str, *arguments: str) -> None:
    settings = [part for setting in _SETTINGS for part in ("-c", setting)]
    try:
        done = subprocess.run(
            ["git", *settings, *arguments], cwd=repository, env=_environment(who), capture_output=True, check=False
        )
    except FileNotFoundError:
        raise UserError("git is not installed (Debian, Ubuntu: apt-get install git)") from None
    if done.returncode != 0:
        said = " ".join(done.stderr.decode("utf-8", "replace").split())
        raise UserError(f"{repository}: git {arguments[0]} failed ({said}); mend that and name a new folder")


def _environment(who: str) -> dict[str, str]:
    """Return the environment without anything that steers git, and with what makes the commit the same everywhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    people = {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in zip(("NAME", "EMAIL"), (who, _MAIL), strict=True)
    }
    return {
        **kept,
        **people,
        "GIT_AUTHOR_DATE": _WHEN,
        "GIT_COMMITTER_DATE": _WHEN,
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "LC_ALL": "C",
    }
