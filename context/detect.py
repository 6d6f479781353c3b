"""Which tests and static checks a project has, read from the base commit. Nothing is run to find out."""

from collections.abc import Sequence
from typing import Literal

from andon.context.base import BaseFiles
from andon.context.commands import name_of, programs_of, runner_of
from andon.context.ecosystems import DIRECT, INDIRECT, Found
from andon.context.folder import Folder
from andon.context.settings import SETTINGS_PATH, Settings
from andon.records.project import Command, ProjectSetup

LOCK_FILES = frozenset({
    "Cargo.lock", "Gemfile.lock", "Pipfile.lock", "bun.lock", "bun.lockb", "composer.lock", "go.sum",
    "npm-shrinkwrap.json", "package-lock.json", "pdm.lock", "pnpm-lock.yaml", "poetry.lock", "requirements.lock",
    "uv.lock", "yarn.lock",
})  # fmt: skip
"""File names that hold resolved dependencies."""

_NOT_OURS = frozenset({"factory", "node_modules", "testdata", "third_party", "vendor"})


def detect(files: BaseFiles, settings: Settings) -> ProjectSetup:
    """Return the setup of the project at the base commit.

    Looks at the root and at the folders directly below it; `[checks]` of andon.toml replaces what was detected.
    """
    folders = [Folder(files, at) for at in (".", *_sub_projects(files))]
    languages: set[str] = set()
    tests: list[Command] = []
    static: list[Command] = []
    notes = _submodules(files)
    for language, look in DIRECT.items():
        found = [(folder, seen) for folder in folders if (seen := look(folder)) is not None]
        if found:
            languages.add(language)
        notes += _left_to_the_root(found)
        for _, seen in _counted(found):
            tests += seen.tests
            static += seen.static
            notes += seen.notes
    indirect_tests, indirect_static, indirect_notes = _indirect(folders[0], tests, static)
    tests += indirect_tests
    static += indirect_static
    notes += indirect_notes
    for folder in folders:
        notes += folder.unreadable()
    return _setup(files, settings, sorted(languages), tests, static, notes)


def _sub_projects(files: BaseFiles) -> list[str]:
    manifests = {"pyproject.toml", "setup.py", "setup.cfg", "pytest.ini", "package.json", "go.mod", "Cargo.toml"}
    parts = (path.split("/") for path in files.paths)
    names = {part[0] for part in parts if len(part) == 2 and part[1] in manifests}
    return sorted(name for name in names if name not in _NOT_OURS and not name.startswith("."))


def _counted(found: Sequence[tuple[Folder, Found]]) -> list[tuple[Folder, Found]]:
    """Return the folders of one ecosystem that count: the root's own tests cover what lies below it."""
    roots = [(folder, seen) for folder, seen in found if folder.at == "." and seen.tests]
    return roots or list(found)


def _left_to_the_root(found: Sequence[tuple[Folder, Found]]) -> list[str]:
    counted = _counted(found)
    below = [folder.full(seen.manifest) for folder, seen in counted if folder.at != "."]
    if below:
        return [f"Sub-projects one level below the root are checked too: {', '.join(below)}."]
    left = [folder.full(seen.manifest) for folder, seen in found if (folder, seen) not in counted]
    return (
        [f"Left to the checks of the root: {', '.join(left)}. Name others in [checks] of {SETTINGS_PATH}."]
        if left
        else []
    )


def _indirect(
    root: Folder, tests: Sequence[Command], static: Sequence[Command]
) -> tuple[list[Command], list[Command], list[str]]:
    found = [seen for look in INDIRECT if (seen := look(root)) is not None]
    taken = next((seen for seen in found if seen.tests), None) if not tests else None
    lint = next((seen.static for seen in found if seen.static), ()) if not static else ()
    unused = [name_of(command) for seen in found if seen is not taken for command in seen.tests]
    better = ", ".join(name_of(command) for command in (*tests, *(taken.tests if taken else ())))
    notes = [f"Not used, since {better} is more direct: {', '.join(unused)}."] if unused else []
    return list(taken.tests) if taken else [], list(lint), notes


def _submodules(files: BaseFiles) -> list[str]:
    return ["Submodules are left alone: their files are not in the workspace."] if ".gitmodules" in files.paths else []


def _setup(
    files: BaseFiles,
    settings: Settings,
    languages: list[str],
    tests: list[Command],
    static: list[Command],
    notes: list[str],
) -> ProjectSetup:
    if settings.checks.test is not None:
        tests = [_named(argv, "test") for argv in settings.checks.test]
    if settings.checks.static is not None:
        static = [_named(argv, "static") for argv in settings.checks.static]
    if not tests:
        notes = [*notes, f"No test command was found. Name one in [checks] of {SETTINGS_PATH}."]
    if not static:
        notes = [*notes, f"No static check was found. Name one in [checks] of {SETTINGS_PATH}."]
    return ProjectSetup(
        languages=languages,
        tests=tests,
        static=static,
        lock_files=[path for path in files.paths if _is_lock_file(path)],
        programs=sorted(set().union(*(programs_of(command) for command in (*tests, *static)))),
        notes=notes,
    )


def _is_lock_file(path: str) -> bool:
    parts = path.split("/")
    return parts[-1] in LOCK_FILES and "node_modules" not in parts


def _named(argv: tuple[str, ...], kind: Literal["test", "static"]) -> Command:
    return Command(kind=kind, runner=runner_of(argv), argv=argv, origin=SETTINGS_PATH)
