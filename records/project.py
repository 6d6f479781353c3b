"""What a project says of itself, and what can be read off its files."""

from typing import Literal

from pydantic import AliasChoices, Field

from andon.records.base import Record


class ProjectContext(Record):
    """`factory/context/project-context.json`, in both spellings of the guide. Every field may be left out."""

    project_name: str = Field(default="", validation_alias=AliasChoices("project_name", "projectName"))
    """What people call the project."""
    goal: str = ""
    """What the project is for."""
    rules: list[str] = Field(default_factory=list, validation_alias=AliasChoices("rules", "codingRules"))
    """House rules shown to every role."""
    domain_terms: dict[str, str] = Field(default_factory=dict)
    """Words of the domain and what they mean."""
    protected_areas: list[str] = Field(
        default_factory=list, validation_alias=AliasChoices("protected_areas", "protectedFiles")
    )
    """Paths, globs, or areas in words, that agents may not change."""
    done_definition: list[str] = Field(
        default_factory=list, validation_alias=AliasChoices("done_definition", "definitionOfDone")
    )
    """When work counts as done."""


Runner = Literal[
    "pytest", "node-test", "jest", "vitest", "mocha", "npm", "pnpm", "yarn", "go", "cargo", "make", "tox", "nox",
    "ruff", "other",
]  # fmt: skip


class Command(Record):
    """One check command of the project: an argument vector, run without a shell."""

    kind: Literal["test", "static"]
    """What a pass of it shows."""
    runner: Runner
    """Which reader understands its output; `other` is judged by exit code alone."""
    argv: tuple[str, ...]
    """The program and its arguments."""
    cwd: str = "."
    """Where it runs, relative to the workspace."""
    origin: str = ""
    """The file that told us, for people: `pyproject.toml`, `factory/andon.toml`."""
    instead: tuple[str, ...] = ()
    """Of a static check: the check that is made where its program is missing; empty: none is known."""


class ProjectSetup(Record):
    """What `context/detect.py` read from the base commit. Nothing was run to find it."""

    languages: list[str] = Field(default_factory=list)
    """Sorted names: `python`, `javascript`, `go`, `rust`."""
    tests: list[Command] = Field(default_factory=list)
    """Commands that show behaviour."""
    static: list[Command] = Field(default_factory=list)
    """Linters and syntax checks."""
    static_declined: bool = False
    """True where the committed settings say `static = []`: none, on purpose."""
    lock_files: list[str] = Field(default_factory=list)
    """Lock files found, sorted."""
    programs: list[str] = Field(default_factory=list)
    """Programs the test commands need inside the sandbox, sorted; a missing linter is replaced, not required."""
    missing: list[str] = Field(default_factory=list)
    """Which of `programs` the sandbox does not have; filled in by the line."""
    notes: list[str] = Field(default_factory=list)
    """What a person should know: submodules left alone, two test runners found, …"""


class ProtectedRule(Record):
    """One protected entry of the project context, resolved against the base tree."""

    entry: str
    """As the person wrote it."""
    patterns: list[str]
    """What it protects, as gitignore patterns."""
    matches: list[str]
    """The files of the base tree it covers, sorted."""
