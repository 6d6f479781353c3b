"""Which tests and static checks a project has, read from the base commit. Nothing is run to find out."""

from collections.abc import Sequence
from typing import Literal

from andon.context.base import BaseFiles
from andon.context.commands import (
    CHECK_NODE_SYNTAX,
    CHECK_PYTHON_SYNTAX,
    RUFF_ERRORS,
    name_of,
    programs_of,
    runner_of,
)
from andon.context.ecosystems import DIRECT, INDIRECT, PROJECT_DEPTH, Found, runner_of_script
from andon.context.folder import Folder
from andon.context.registries import Registries
from andon.context.settings import SETTINGS_PATH, Settings
from andon.context.setup_plan import plan_setup
from andon.records.project import Command, ProjectSetup, Runner

LOCK_FILES = frozenset({
    "Cargo.lock", "Gemfile.lock", "Pipfile.lock", "bun.lock", "bun.lockb", "composer.lock", "go.sum",
    "npm-shrinkwrap.json", "package-lock.json", "pdm.lock", "pnpm-lock.yaml", "poetry.lock", "requirements.lock",
    "requirements.txt", "uv.lock", "yarn.lock",
})  # fmt: skip
"""File names that hold resolved dependencies; requirements.txt counts, since pip projects have nothing nearer."""

_MANIFESTS = frozenset({
    "pyproject.toml", "setup.py", "setup.cfg", "pytest.ini", "package.json", "go.mod", "Cargo.toml",
})  # fmt: skip
_NOT_OURS = frozenset({
    "examples", "factory", "fixtures", "node_modules", "templates", "test", "testdata", "tests", "third_party",
    "vendor",
})  # fmt: skip
"""Folders whose projects are somebody else's, or are there to be read by tests."""
_MOST = 20
"""More projects than this below the root are named and not checked: each costs two commands a tree."""
_SHOWN = 5
_ATTRIBUTES_BYTES = 100_000


def detect(files: BaseFiles, settings: Settings) -> ProjectSetup:
    """Return the setup of the project at the base commit.

    Looks at the root and three levels of folders below it; `[checks]` of andon.toml replaces what was detected.
    """
    below = _sub_projects(files)
    folders = [Folder(files, at) for at in (".", *below[:_MOST])]
    languages: set[str] = set()
    tests: list[Command] = []
    static: list[Command] = []
    notes = _left_alone(files)
    if len(below) > _MOST:
        notes.append(f"Only {_MOST} of {len(below)} projects below the root are checked. {_name_them(below[_MOST:])}")
    for language, look in DIRECT.items():
        found = [(folder, seen) for folder in folders if (seen := look(folder)) is not None]
        if found:
            languages.add(language)
        counted = _counted(language, found)
        notes += _left_to_others(found, counted)
        for _, seen in counted:
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
    found = {tuple(folders) for *folders, name in (path.split("/") for path in files.paths) if name in _MANIFESTS}
    ours = (
        parts
        for parts in found
        if 0 < len(parts) <= PROJECT_DEPTH and not any(part in _NOT_OURS or part.startswith(".") for part in parts)
    )
    return ["/".join(parts) for parts in sorted(ours)]


def _counted(language: str, found: Sequence[tuple[Folder, Found]]) -> list[tuple[Folder, Found]]:
    """Return the folders of one ecosystem that count: a project's own tests cover what lies below it.

    Except for Go, where `./...` ends at the next go.mod.
    """
    counted: list[tuple[Folder, Found]] = []
    for folder, seen in found:
        covered = any(other.tests and folder.lies_below(above) for above, other in counted)
        if language == "go" or not covered:
            counted.append((folder, seen))
    return counted


def _left_to_others(found: Sequence[tuple[Folder, Found]], counted: Sequence[tuple[Folder, Found]]) -> list[str]:
    below = [folder.full(seen.manifest) for folder, seen in counted if folder.at != "."]
    left = [folder.full(seen.manifest) for folder, seen in found if (folder, seen) not in counted and folder.at != "."]
    notes = [f"Projects below the root are checked too: {', '.join(below)}."] if below else []
    return notes + ([f"Left to the checks of the project above: {_name_them(left)}"] if left else [])


def _name_them(left: Sequence[str]) -> str:
    return f"{_some(left)}. Name others in [checks] of {SETTINGS_PATH}."


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


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


def _left_alone(files: BaseFiles) -> list[str]:
    """Say what of the commit is delivered as it stands and cannot be worked on."""
    notes = []
    if files.submodules:
        notes.append(f"Submodules are left alone, their files are not in the workspace: {_some(files.submodules)}.")
    patterns = _lfs_patterns(files)
    if patterns:
        notes.append(f"Git LFS files are left as pointers, their contents are not in the workspace: {_some(patterns)}.")
    if files.unreadable:
        notes.append(
            f"Paths that are not UTF-8 are kept as they are, tools cannot name them: {_some(files.unreadable)}."
        )
    return notes


def _lfs_patterns(files: BaseFiles) -> list[str]:
    """Return the patterns of .gitattributes that Git LFS tracks, seen from the root."""
    places = [path for path in files.paths if path.rsplit("/", 1)[-1] == ".gitattributes"]
    found = []
    for path, content in sorted(files.read_many(places, limit=_ATTRIBUTES_BYTES).items()):
        folder = path.removesuffix(".gitattributes")
        for line in content.decode("utf-8", errors="replace").splitlines():
            pattern, *attributes = line.split() or [""]
            if "filter=lfs" in attributes and not pattern.startswith("#"):
                found.append(folder + pattern)
    return found


def _setup(
    files: BaseFiles,
    settings: Settings,
    languages: list[str],
    tests: list[Command],
    static: list[Command],
    notes: list[str],
) -> ProjectSetup:
    if settings.checks.test is not None:
        tests = [_named(files, argv, "test") for argv in settings.checks.test]
    if settings.checks.static is not None:
        static = [_named(files, argv, "static", languages) for argv in settings.checks.static]
    declined = settings.checks.static == []
    if not tests:
        notes = [*notes, f"No test command was found. Name one in [checks] of {SETTINGS_PATH}."]
    if declined:
        notes = [*notes, f"No static check is made, by `static = []` in {SETTINGS_PATH}."]
    elif not static:
        notes = [*notes, f"No static check was found. Name one in [checks] of {SETTINGS_PATH}."]
    locks = [path for path in files.paths if _is_lock_file(path)]
    plan, said = plan_setup(files, settings, Registries())
    notes = [*notes, *said]
    if plan is not None:
        notes = [*notes, f"Dependencies are installed before a run begins, from {_some(plan.origins)}."]
    elif locks and settings.sandbox.setup != []:
        notes = [*notes, f"Dependencies are not installed in the sandbox: {_some(locks)}."]
    return ProjectSetup(
        languages=languages,
        tests=tests,
        static=static,
        static_declined=declined,
        lock_files=locks,
        programs=sorted(set().union(*(programs_of(command) for command in tests))),
        notes=notes,
    )


def _is_lock_file(path: str) -> bool:
    parts = path.split("/")
    return parts[-1] in LOCK_FILES and not {"node_modules", "vendor", "testdata"}.intersection(parts)


def _named(
    files: BaseFiles, argv: tuple[str, ...], kind: Literal["test", "static"], languages: Sequence[str] = ()
) -> Command:
    runner = runner_of(argv)
    instead = _instead(runner, languages)
    if runner in ("npm", "pnpm", "yarn") and argv[1:] in (("test",), ("run", "test")):
        runner = runner_of_script(Folder(files, ".")) or runner
    return Command(
        kind=kind,
        runner=runner,
        argv=argv,
        origin=SETTINGS_PATH,
        instead=instead if kind == "static" and argv not in (CHECK_PYTHON_SYNTAX, CHECK_NODE_SYNTAX) else (),
    )


def _instead(runner: Runner, languages: Sequence[str]) -> tuple[str, ...]:
    if "python" in languages:
        return CHECK_PYTHON_SYNTAX if runner == "ruff" else RUFF_ERRORS
    return CHECK_NODE_SYNTAX if "javascript" in languages else ()
