"""Check commands: their names for people and the reader their output needs."""

from collections.abc import Sequence

from andon.records.project import Command, Runner

PYTHON_SYNTAX = """\
import ast, pathlib, sys
bad = 0
for path in sorted(p for p in pathlib.Path(".").rglob("*.py") if p.is_file()):
    try:
        ast.parse(path.read_bytes(), str(path))
    except (SyntaxError, ValueError) as problem:
        bad = 1
        print(f"{path}: {problem}")
sys.exit(bad)
"""
"""Parses every Python file below the folder it runs in; unlike `compileall` it writes nothing."""

NODE_SYNTAX = """\
const { readdirSync } = require("node:fs"), { spawnSync } = require("node:child_process");
const files = (dir) => readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
  const path = dir + "/" + entry.name;
  if (entry.isDirectory()) return entry.name === "node_modules" || entry.name === ".git" ? [] : files(path);
  return entry.isFile() && /\\.[cm]?js$/.test(entry.name) ? [path] : [];
});
const checked = files(".").sort().map((path) => spawnSync(process.execPath, ["--check", path], { stdio: "inherit" }));
process.exit(checked.every((run) => run.status === 0) ? 0 : 1);
"""
"""Parses every JavaScript file below the folder it runs in with `node --check`, which takes one file a call."""

CHECK_PYTHON_SYNTAX = ("python", "-c", PYTHON_SYNTAX)
"""The static check of a Python project that has no linter, or whose linter is not installed."""

CHECK_NODE_SYNTAX = ("node", "-e", NODE_SYNTAX)
"""The same for JavaScript."""

# Not F722: in annotations such as `Float[Array, "b c"]` it is wrong, and a project that chose no linter cannot say so.
RUFF_ERRORS: tuple[str, ...] = (
    "ruff", "check", "--isolated", "--no-cache", "--output-format", "concise", "--select", "E9,F63,F7,F82",
    "--ignore", "F722", "--extend-exclude", "*.ipynb", ".",
)  # fmt: skip
"""The static check of a Python project that chose no linter: errors alone, whatever the project's settings say."""

_NEXT: dict[tuple[str, ...], tuple[str, ...]] = {RUFF_ERRORS: CHECK_PYTHON_SYNTAX}

_SCRIPTS = {PYTHON_SYNTAX: "python syntax", NODE_SYNTAX: "node syntax"}
_BY_PROGRAM: dict[str, Runner] = {
    "pytest": "pytest", "py.test": "pytest", "npm": "npm", "pnpm": "pnpm", "yarn": "yarn", "make": "make",
    "tox": "tox", "nox": "nox", "ruff": "ruff",
}  # fmt: skip


def name_of(command: Command) -> str:
    """Return the command as people read it: `pytest`, `ruff check .`, `npm test (in web)`."""
    argv = command.argv
    if len(argv) == 3 and argv[2] in _SCRIPTS:
        name = _SCRIPTS[argv[2]]
    elif argv == RUFF_ERRORS:
        name = "ruff (errors only)"
    elif len(argv) > 2 and _is_python(argv[0]) and argv[1] == "-m":
        name = " ".join(argv[2:])
    else:
        name = " ".join(argv)
    return name if command.cwd == "." else f"{name} (in {command.cwd})"


def stand_in_of(command: Command) -> Command | None:
    """Return the check that is made where the program of a static one is missing; None where there is none."""
    if not command.instead:
        return None
    further = _NEXT.get(command.instead, ())
    return command.model_copy(
        update={"argv": command.instead, "runner": runner_of(command.instead), "instead": further}
    )


def runner_of(argv: Sequence[str]) -> Runner:
    """Return which reader understands the output of a command somebody wrote; `other` where none does."""
    words = list(argv[2:]) if len(argv) > 2 and _is_python(argv[0]) and argv[1] == "-m" else list(argv)
    program = words[0].rsplit("/", 1)[-1]
    if words[1:2] == ["test"] and program in ("go", "cargo"):
        return "go" if program == "go" else "cargo"
    if program == "node" and "--test" in words:
        return "node-test"
    return _BY_PROGRAM.get(program, "other")


def programs_of(command: Command) -> set[str]:
    """Return the programs a command needs on the PATH of the sandbox."""
    program = command.argv[0]
    extra = "pytest" if command.runner == "pytest" else "node" if program in ("npm", "pnpm", "yarn") else program
    return {program, extra}


def _is_python(program: str) -> bool:
    return program in ("python", "python3")
