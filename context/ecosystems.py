"""What each ecosystem's files say about tests and static checks: one folder at a time, nothing is run."""

import re
import shlex
from collections.abc import Callable
from typing import NamedTuple

from andon.context.commands import CHECK_NODE_SYNTAX, CHECK_PYTHON_SYNTAX, RUFF_ERRORS
from andon.context.folder import Folder
from andon.records.project import Command, Runner


class Found(NamedTuple):
    """What one ecosystem shows in one folder."""

    manifest: str
    """The file that shows the ecosystem is here."""
    tests: tuple[Command, ...] = ()
    """Commands that show behaviour."""
    static: tuple[Command, ...] = ()
    """Linters and syntax checks."""
    notes: tuple[str, ...] = ()
    """What a person should know."""


PROJECT_DEPTH = 3
"""Projects of a monorepo lie at `api`, `packages/api` or `services/python/api`."""

_PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg", "pytest.ini")
_PYTHON_MANIFESTS = ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "Pipfile")
_HOOKS = ".pre-commit-config.yaml"
# Also tests inside the package (`networkx/algorithms/tests/test_core.py`), a very common layout.
_TEST_FILE = re.compile(r"((.+/)?tests?/(.+/)?)?(test_[^/]*|[^/]*_test)\.py")
_NODE_LOCKS: tuple[tuple[str, Runner], ...] = (
    ("pnpm-lock.yaml", "pnpm"), ("yarn.lock", "yarn"), ("package-lock.json", "npm"), ("npm-shrinkwrap.json", "npm"),
)  # fmt: skip


def python(folder: Folder) -> Found | None:
    """pytest where anything configures it or a test file lies in the usual place; its linter, else ruff's errors."""
    tested = _pytest_origin(folder)
    manifest = next((name for name in _PYTHON_MANIFESTS if name in folder.names), None) or tested
    if manifest is None and not _only_python(folder):
        return None
    tests = (_command(folder, "test", "pytest", ("python", "-m", "pytest"), tested),) if tested else ()
    if ruff := _ruff_origin(folder):
        static = _command(folder, "static", "ruff", ("ruff", "check", "."), ruff, CHECK_PYTHON_SYNTAX)
    elif flake8 := _flake8_origin(folder):
        static = _command(folder, "static", "other", ("python", "-m", "flake8"), flake8, RUFF_ERRORS)
    else:
        static = _command(folder, "static", "ruff", RUFF_ERRORS, manifest or "*.py", CHECK_PYTHON_SYNTAX)
    return Found(manifest or "*.py", tests, (static,))


def _pytest_origin(folder: Folder) -> str | None:
    if folder.tool("pytest"):
        return "pyproject.toml"
    sections = (("setup.cfg", r"^\[tool:pytest\]"), ("tox.ini", r"^\[pytest\]"))
    for name in ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini"):
        if name in folder.names:
            return name
    for name, section in sections:
        if re.search(section, folder.text(name), re.MULTILINE):
            return name
    for name in ("conftest.py", "tests/conftest.py", "test/conftest.py"):
        if name in folder.names:
            return name
    return next(
        (path for path in folder.paths if _TEST_FILE.fullmatch(path) and not _in_project_below(folder, path)), None
    )


def _ruff_origin(folder: Folder) -> str | None:
    for name in ("ruff.toml", ".ruff.toml"):
        if name in folder.names:
            return name
    if folder.tool("ruff"):
        return "pyproject.toml"
    return _HOOKS if re.search(r"repo:.*/ruff-pre-commit\b", folder.text(_HOOKS)) else None


def _flake8_origin(folder: Folder) -> str | None:
    if ".flake8" in folder.names:
        return ".flake8"
    return next(
        (name for name in ("setup.cfg", "tox.ini") if re.search(r"^\[flake8\]", folder.text(name), re.MULTILINE)), None
    )


def _only_python(folder: Folder) -> bool:
    others = ("package.json", "go.mod", "Cargo.toml")
    ours = any(path.endswith(".py") and not _in_project_below(folder, path) for path in folder.paths)
    return ours and not any(name in folder.names for name in others)


def _in_project_below(folder: Folder, path: str) -> bool:
    """Say whether a file lies in a folder that is a Python project of its own, with its own settings."""
    parts = path.split("/")[:-1]
    above = ("/".join(parts[:depth]) for depth in range(1, min(len(parts), PROJECT_DEPTH) + 1))
    return any(f"{place}/{name}" in folder.names for place in above for name in _PROJECT_FILES)


def node(folder: Folder) -> Found | None:
    """The `test` and `lint` scripts of package.json, by the package manager whose lock file is there."""
    if "package.json" not in folder.names:
        return None
    scripts = folder.scripts
    manager, notes = _package_manager(folder)
    tests = []
    script = scripts.get("test")
    # What `npm init` writes when nobody named a test.
    if isinstance(script, str) and script.strip() and "no test specified" not in script:
        direct = _node_test(script)
        if direct:
            tests.append(_command(folder, "test", "node-test", direct, "package.json"))
        else:
            runner = runner_of_script(folder) or manager
            tests.append(_command(folder, "test", runner, (manager, "test"), "package.json"))
    if isinstance(scripts.get("lint"), str):
        lint = (manager, "run", "lint")
        static = _command(folder, "static", "other", lint, "package.json", CHECK_NODE_SYNTAX)
    else:
        static = _command(folder, "static", "other", CHECK_NODE_SYNTAX, "package.json")
    return Found("package.json", tuple(tests), (static,), notes)


def _package_manager(folder: Folder) -> tuple[Runner, tuple[str, ...]]:
    root = Folder(folder.files, ".")
    found = [(name, runner) for name, runner in _NODE_LOCKS if name in folder.names]
    found = found or [(name, runner) for name, runner in _NODE_LOCKS if name in root.names]
    runners = sorted({runner for _, runner in found})
    if len(runners) > 1:
        names = ", ".join(name for name, _ in found)
        return found[0][1], (f"Lock files of several package managers ({names}): {found[0][1]} is used.",)
    if found:
        return found[0][1], ()
    named = str(folder.package.get("packageManager", "")).split("@")[0]
    return ("pnpm" if named == "pnpm" else "yarn" if named == "yarn" else "npm"), ()


def _node_test(script: str) -> tuple[str, ...] | None:
    """Return the words of a plain `node --test …` script, or None for one that needs a package manager's shell."""
    if re.search(r"[&|;<>$`*?~(){}\[\]\\]", script):
        return None
    try:
        words = shlex.split(script)
    except ValueError:
        return None
    return tuple(words) if words[0] == "node" and "--test" in words else None


def runner_of_script(folder: Folder) -> Runner | None:
    """Return the test runner whose results can be read that the script `test` starts; None for any other."""
    script = folder.scripts.get("test")
    if _starts_node_test(folder):
        return "node-test"
    if not isinstance(script, str) or re.search(r"[&|;<>$`]", script):
        return None
    words = [word for word in script.split() if not re.match(r"\w+=", word) and word not in ("npx", "cross-env")]
    found: Runner | None = {"jest": "jest", "vitest": "vitest", "mocha": "mocha"}.get(words[0] if words else "")  # type: ignore[assignment]
    # Reporters of the project's own would stand in the way of ours.
    return None if re.search(r"--(json|reporter|outputFile)\b", script) else found


def _starts_node_test(folder: Folder, name: str = "test", depth: int = 3) -> bool:
    """Say whether a script of package.json, or one it calls by name, starts the test runner of Node."""
    script = folder.scripts.get(name)
    if not isinstance(script, str):
        return False
    called = re.findall(r"\b(?:npm|pnpm|yarn)\s+(?:run(?:-script)?\s+)?([\w:.-]+)", script) if depth else []
    direct = re.search(r"(^|\s)--test(\s|$)", script) is not None
    return direct or any(_starts_node_test(folder, other, depth - 1) for other in called)


def go(folder: Folder) -> Found | None:
    """`go test` and `go vet` over every package of the module."""
    if "go.mod" not in folder.names:
        return None
    test = _command(folder, "test", "go", ("go", "test", "./..."), "go.mod")
    return Found("go.mod", (test,), (_command(folder, "static", "other", ("go", "vet", "./..."), "go.mod"),))


def rust(folder: Folder) -> Found | None:
    """`cargo test`, and `cargo check` as the static check; over every member where it is a workspace."""
    if "Cargo.toml" not in folder.names:
        return None
    # --offline: there is no network, and without it cargo tries and says less clearly what is missing.
    words = ("--offline", "--workspace") if "workspace" in folder.cargo else ("--offline",)
    test = _command(folder, "test", "cargo", ("cargo", "test", *words), "Cargo.toml")
    static = _command(folder, "static", "other", ("cargo", "check", "--all-targets", *words), "Cargo.toml")
    return Found("Cargo.toml", (test,), (static,))


def make(folder: Folder) -> Found | None:
    """The targets `test` and `lint` of a Makefile."""
    name = next((name for name in ("GNUmakefile", "makefile", "Makefile") if name in folder.names), None)
    if name is None:
        return None
    targets = set(re.findall(r"^(test|lint)\s*:(?!=)", folder.text(name), re.MULTILINE))
    tests = (_command(folder, "test", "make", ("make", "test"), name),) if "test" in targets else ()
    static = (_command(folder, "static", "other", ("make", "lint"), name),) if "lint" in targets else ()
    return Found(name, tests, static) if targets else None


def tox(folder: Folder) -> Found | None:
    """`tox` where it is configured; it makes environments of its own, so it comes last."""
    sections = re.search(r"^\[(tox|testenv)", folder.text("tox.ini"), re.MULTILINE)
    origin = "tox.ini" if sections else "pyproject.toml" if folder.tool("tox") else None
    return Found(origin, (_command(folder, "test", "tox", ("tox",), origin),)) if origin else None


def nox(folder: Folder) -> Found | None:
    """`nox` where there is a noxfile."""
    if "noxfile.py" not in folder.names:
        return None
    return Found("noxfile.py", (_command(folder, "test", "nox", ("nox",), "noxfile.py"),))


DIRECT: dict[str, Callable[[Folder], Found | None]] = {"python": python, "javascript": node, "go": go, "rust": rust}
"""Ecosystems whose own test runner we read, by language."""
INDIRECT: tuple[Callable[[Folder], Found | None], ...] = (make, tox, nox)
"""What is asked, in this order, only where nothing more direct is found."""


def _command(
    folder: Folder,
    kind: str,
    runner: Runner,
    argv: tuple[str, ...],
    origin: str | None,
    instead: tuple[str, ...] = (),
) -> Command:
    return Command(
        kind="test" if kind == "test" else "static",
        runner=runner,
        argv=argv,
        cwd=folder.at,
        origin=folder.full(origin or ""),
        instead=instead,
    )
