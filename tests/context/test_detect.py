"""Which checks a project has."""

import dataclasses
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from andon.context.base import BaseFiles
from andon.context.commands import (
    CHECK_NODE_SYNTAX,
    CHECK_PYTHON_SYNTAX,
    NODE_SYNTAX,
    PYTHON_SYNTAX,
    RUFF_ERRORS,
    name_of,
    stand_in_of,
)
from andon.context.detect import detect
from andon.context.settings import Checks, Settings
from andon.records.project import Command, ProjectSetup, Runner

MakeFiles = Callable[[Mapping[str, str | bytes]], BaseFiles]
NO_TEST = "No test command was found. Name one in [checks] of factory/andon.toml."
NO_STATIC = "No static check was found. Name one in [checks] of factory/andon.toml."


def _not_installed(locks: str) -> str:
    return f"Dependencies are not installed in the sandbox: {locks}."


def _test(runner: Runner, argv: str, origin: str, cwd: str = ".") -> Command:
    return Command(kind="test", runner=runner, argv=tuple(argv.split()), origin=origin, cwd=cwd)


def _static(runner: Runner, argv: str, origin: str, cwd: str = ".", instead: tuple[str, ...] = ()) -> Command:
    return Command(kind="static", runner=runner, argv=tuple(argv.split()), origin=origin, cwd=cwd, instead=instead)


def _syntax(origin: str, cwd: str = ".") -> Command:
    return Command(kind="static", runner="other", argv=("python", "-c", PYTHON_SYNTAX), origin=origin, cwd=cwd)


def _errors(origin: str, cwd: str = ".") -> Command:
    return Command(kind="static", runner="ruff", argv=RUFF_ERRORS, origin=origin, cwd=cwd, instead=CHECK_PYTHON_SYNTAX)


def _node_syntax(origin: str = "package.json", cwd: str = ".") -> Command:
    return Command(kind="static", runner="other", argv=("node", "-e", NODE_SYNTAX), origin=origin, cwd=cwd)


def test_a_python_project_with_pytest_and_ruff(base: MakeFiles) -> None:
    files = base({"pyproject.toml": "[tool.pytest.ini_options]\n[tool.ruff]\n", "uv.lock": "", "src/a.py": ""})
    assert detect(files, Settings()) == ProjectSetup(
        languages=["python"],
        tests=[_test("pytest", "python -m pytest", "pyproject.toml")],
        static=[_static("ruff", "ruff check .", "pyproject.toml", instead=CHECK_PYTHON_SYNTAX)],
        lock_files=["uv.lock"],
        programs=["pytest", "python"],
        notes=[_not_installed("uv.lock")],
    )


@pytest.mark.parametrize(
    ("files", "origin"),
    [
        ({"pytest.ini": ""}, "pytest.ini"),
        ({"setup.cfg": "[tool:pytest]\n"}, "setup.cfg"),
        ({"tox.ini": "[pytest]\n"}, "tox.ini"),
        ({"conftest.py": ""}, "conftest.py"),
        ({"tests/conftest.py": ""}, "tests/conftest.py"),
        ({"tests/unit/test_a.py": "", "a.py": ""}, "tests/unit/test_a.py"),
        ({"test_a.py": "", "pyproject.toml": "[project]\n"}, "test_a.py"),
    ],
)
def test_pytest_is_seen_wherever_it_shows(base: MakeFiles, files: dict[str, str], origin: str) -> None:
    assert detect(base(files), Settings()).tests == [_test("pytest", "python -m pytest", origin)]


def test_python_without_a_linter_gets_the_errors_that_ruff_finds(base: MakeFiles) -> None:
    setup = detect(base({"app.py": "", "tests/test_app.py": ""}), Settings())
    assert (setup.static, setup.programs) == ([_errors("tests/test_app.py")], ["pytest", "python"])


@pytest.mark.parametrize("files", [{}, {"README.md": "", "docs/a.txt": ""}])
def test_a_project_that_shows_nothing_says_so(base: MakeFiles, files: dict[str, str]) -> None:
    assert detect(base(files), Settings()) == ProjectSetup(notes=[NO_TEST, NO_STATIC])


def test_the_project_of_the_guide_runs_the_test_runner_of_node(base: MakeFiles) -> None:
    package = """{
"name": "mini-software-factory",
"private": true,
"type": "module",
"scripts": {
"factory": "node factory/orchestrator.mjs",
"test": "node --test"
}
}
"""
    assert detect(base({"package.json": package}), Settings()) == ProjectSetup(
        languages=["javascript"],
        tests=[_test("node-test", "node --test", "package.json")],
        static=[_node_syntax()],
        programs=["node"],
    )


@pytest.mark.parametrize(
    ("lock", "manager"),
    [("package-lock.json", "npm"), ("pnpm-lock.yaml", "pnpm"), ("yarn.lock", "yarn"), ("README.md", "npm")],
)
def test_the_lock_file_names_the_package_manager(base: MakeFiles, lock: str, manager: Runner) -> None:
    package = '{"scripts": {"test": "ava", "lint": "eslint ."}}'
    setup = detect(base({"package.json": package, lock: ""}), Settings())
    assert (setup.tests, setup.static, setup.programs) == (
        [_test(manager, f"{manager} test", "package.json")],
        [_static("other", f"{manager} run lint", "package.json", instead=CHECK_NODE_SYNTAX)],
        sorted([manager, "node"]),
    )


def test_two_package_managers_are_noted(base: MakeFiles) -> None:
    package = '{"scripts": {"test": "jest"}}'
    setup = detect(base({"package.json": package, "yarn.lock": "", "package-lock.json": ""}), Settings())
    assert setup.notes == [
        "Lock files of several package managers (yarn.lock, package-lock.json): yarn is used.",
        _not_installed("package-lock.json, yarn.lock"),
    ]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("node --test tests/", _test("node-test", "node --test tests/", "package.json")),
        ("node --test tests/*.mjs", _test("node-test", "npm test", "package.json")),
        ("npm run build && node --import=./x.mjs --test", _test("node-test", "npm test", "package.json")),
        ("tsx --test 'tests/**/*.ts'", _test("node-test", "npm test", "package.json")),
        ("NODE_ENV=test node --test", _test("node-test", "npm test", "package.json")),
        ("mocha --test-dir x", _test("mocha", "npm test", "package.json")),
        ("jest", _test("jest", "npm test", "package.json")),
        ("NODE_OPTIONS=--experimental-vm-modules npx jest --ci", _test("jest", "npm test", "package.json")),
        ("vitest run", _test("vitest", "npm test", "package.json")),
        ("jest && eslint .", _test("npm", "npm test", "package.json")),
        ("mocha --reporter dot", _test("npm", "npm test", "package.json")),
        ("ava", _test("npm", "npm test", "package.json")),
    ],
)
def test_a_node_script_that_needs_a_shell_goes_through_npm(base: MakeFiles, script: str, expected: Command) -> None:
    package = f'{{"scripts": {{"test": "{script}"}}}}'
    assert detect(base({"package.json": package}), Settings()).tests == [expected]


def test_the_placeholder_of_npm_init_is_no_test(base: MakeFiles) -> None:
    package = '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'
    assert detect(base({"package.json": package}), Settings()).notes == [NO_TEST]


def test_go_and_rust(base: MakeFiles) -> None:
    assert detect(base({"go.mod": "", "go.sum": "", "Cargo.toml": "", "Cargo.lock": ""}), Settings()) == ProjectSetup(
        languages=["go", "rust"],
        tests=[_test("go", "go test ./...", "go.mod"), _test("cargo", "cargo test --offline", "Cargo.toml")],
        static=[
            _static("other", "go vet ./...", "go.mod"),
            _static("other", "cargo check --all-targets --offline", "Cargo.toml"),
        ],
        lock_files=["Cargo.lock", "go.sum"],
        programs=["cargo", "go"],
        notes=[_not_installed("Cargo.lock, go.sum")],
    )


def test_make_is_used_where_nothing_more_direct_is_found(base: MakeFiles) -> None:
    setup = detect(base({"Makefile": "all: a\ntest: all\n\t./t\nlint:\n\t./l\n", "main.c": ""}), Settings())
    assert setup == ProjectSetup(
        tests=[_test("make", "make test", "Makefile")],
        static=[_static("other", "make lint", "Makefile")],
        programs=["make"],
    )


@pytest.mark.parametrize("makefile", ["tests: a\n", "test := a\n", "\ttest: a\n", "# test: a\n"])
def test_a_makefile_without_a_test_target_is_none(base: MakeFiles, makefile: str) -> None:
    assert detect(base({"Makefile": makefile}), Settings()).tests == []


def test_make_tox_and_nox_step_back_before_pytest_and_it_is_noted(base: MakeFiles) -> None:
    files = base({"Makefile": "test:\n", "tox.ini": "[tox]\n", "noxfile.py": "", "pytest.ini": ""})
    setup = detect(files, Settings())
    assert (setup.tests, setup.notes) == (
        [_test("pytest", "python -m pytest", "pytest.ini")],
        ["Not used, since pytest is more direct: make test, tox, nox."],
    )


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"tox.ini": "[testenv]\n"}, _test("tox", "tox", "tox.ini")),
        ({"noxfile.py": ""}, _test("nox", "nox", "noxfile.py")),
    ],
)
def test_tox_and_nox_are_the_last_resort(base: MakeFiles, files: dict[str, str], expected: Command) -> None:
    assert detect(base(files), Settings()).tests == [expected]


def test_projects_below_the_root_run_in_their_folder(base: MakeFiles) -> None:
    files = base({
        "api/pyproject.toml": "[tool.pytest]\n",
        "api/uv.lock": "",
        "web/package.json": '{"scripts": {"test": "jest"}}',
        "web/yarn.lock": "",
        "web/deep/package.json": '{"scripts": {"test": "deep"}}',
        "vendor/package.json": '{"scripts": {"test": "vendored"}}',
        "factory/package.json": '{"scripts": {"test": "factory"}}',
    })  # fmt: skip
    assert detect(files, Settings()) == ProjectSetup(
        languages=["javascript", "python"],
        tests=[
            _test("pytest", "python -m pytest", "api/pyproject.toml", "api"),
            _test("jest", "yarn test", "web/package.json", "web"),
        ],
        static=[_errors("api/pyproject.toml", "api"), _node_syntax("web/package.json", "web")],
        lock_files=["api/uv.lock", "web/yarn.lock"],
        programs=["node", "pytest", "python", "yarn"],
        notes=[
            "Projects below the root are checked too: api/pyproject.toml.",
            "Projects below the root are checked too: web/package.json.",
            "Left to the checks of the project above: web/deep/package.json. "
            "Name others in [checks] of factory/andon.toml.",
            _not_installed("api/uv.lock, web/yarn.lock"),
        ],
    )


def test_tests_of_a_project_below_do_not_make_the_root_a_project(base: MakeFiles) -> None:
    files = {"api/pyproject.toml": "", "api/tests/test_a.py": "", "web/package.json": "{}", "tests/test_all.py": ""}
    assert [command.cwd for command in detect(base(files), Settings()).tests] == ["."]
    del files["tests/test_all.py"]
    setup = detect(base(files), Settings())
    assert [command.cwd for command in setup.tests] == ["api"]
    assert setup.static == [_errors("api/pyproject.toml", "api"), _node_syntax("web/package.json", "web")]


def test_what_the_root_tests_cover_is_not_run_twice(base: MakeFiles) -> None:
    setup = detect(base({"pytest.ini": "", "plugin/pyproject.toml": "[tool.pytest]\n"}), Settings())
    assert (setup.tests, setup.notes) == (
        [_test("pytest", "python -m pytest", "pytest.ini")],
        [
            "Left to the checks of the project above: plugin/pyproject.toml. "
            "Name others in [checks] of factory/andon.toml."
        ],
    )


def test_settings_replace_what_was_detected(base: MakeFiles) -> None:
    checks = Checks(test=[("pytest", "-q"), ("python", "-m", "pytest"), ("node", "--test"), ("./t",)], static=[])
    setup = detect(base({"go.mod": ""}), Settings(checks=checks))
    origin = "factory/andon.toml"
    assert setup == ProjectSetup(
        languages=["go"],
        tests=[
            _test("pytest", "pytest -q", origin),
            _test("pytest", "python -m pytest", origin),
            _test("node-test", "node --test", origin),
            _test("other", "./t", origin),
        ],
        static_declined=True,
        programs=["./t", "node", "pytest", "python"],
        notes=["No static check is made, by `static = []` in factory/andon.toml."],
    )


def test_a_missing_key_declines_nothing(base: MakeFiles) -> None:
    setup = detect(base({"README.md": ""}), Settings(checks=Checks(test=[("./t",)])))
    assert (setup.static_declined, setup.notes) == (False, [NO_STATIC])


def test_a_script_that_calls_another_is_read_too(base: MakeFiles) -> None:
    scripts = '{"test": "npm run lint && npm run unit:all", "unit:all": "yarn unit", "unit": "node --test a b"}'
    assert [one.runner for one in detect(base({"package.json": f'{{"scripts": {scripts}}}'}), Settings()).tests] == [
        "node-test"
    ]


def test_scripts_that_call_each_other_end(base: MakeFiles) -> None:
    package = '{"scripts": {"test": "npm run a", "a": "npm run test"}}'
    assert detect(base({"package.json": package}), Settings()).tests == [_test("npm", "npm test", "package.json")]


def test_a_named_npm_test_is_read_like_a_detected_one(base: MakeFiles) -> None:
    files = base({"package.json": '{"scripts": {"test": "node --test a*.js"}}'})
    named = detect(files, Settings(checks=Checks(test=[("npm", "test"), ("npm", "run", "other")])))
    assert [command.runner for command in named.tests] == ["node-test", "npm"]
    assert named.programs == ["node", "npm"]


@pytest.mark.parametrize(
    ("files", "instead"),
    [
        ({"a.py": ""}, RUFF_ERRORS),
        ({"package.json": "{}"}, CHECK_NODE_SYNTAX),
        ({"go.mod": ""}, ()),
    ],
)
def test_a_named_linter_has_the_check_of_the_language_behind_it(
    base: MakeFiles, files: dict[str, str], instead: tuple[str, ...]
) -> None:
    [linter] = detect(base(files), Settings(checks=Checks(static=[("mylint", ".")]))).static
    assert linter.instead == instead


def test_behind_ruffs_errors_stands_the_syntax_check_and_behind_that_nothing() -> None:
    linter = _static("other", "python -m flake8", ".flake8", "api", instead=RUFF_ERRORS)
    errors = stand_in_of(linter)
    assert errors == _errors(".flake8", "api")
    assert stand_in_of(errors) == _syntax(".flake8", "api")
    assert stand_in_of(_syntax("")) is None


@pytest.mark.parametrize(
    ("files", "static"),
    [
        ({".flake8": "[flake8]\n"}, _static("other", "python -m flake8", ".flake8", instead=RUFF_ERRORS)),
        ({"setup.cfg": "[flake8]\n"}, _static("other", "python -m flake8", "setup.cfg", instead=RUFF_ERRORS)),
        ({"tox.ini": "[tox]\n[flake8]\n"}, _static("other", "python -m flake8", "tox.ini", instead=RUFF_ERRORS)),
        ({".flake8": "", "ruff.toml": ""}, _static("ruff", "ruff check .", "ruff.toml", instead=CHECK_PYTHON_SYNTAX)),
        (
            {".pre-commit-config.yaml": "repos:\n- repo: https://github.com/astral-sh/ruff-pre-commit\n"},
            _static("ruff", "ruff check .", ".pre-commit-config.yaml", instead=CHECK_PYTHON_SYNTAX),
        ),
        ({".pre-commit-config.yaml": "repos: []  # no ruff-pre-commit yet\n"}, _errors("*.py")),
    ],
)
def test_the_linter_that_a_python_project_configures_goes_first(
    base: MakeFiles, files: dict[str, str], static: Command
) -> None:
    assert detect(base(files | {"a.py": ""}), Settings()).static == [static]


def test_what_is_left_alone_is_noted(base: MakeFiles) -> None:
    contents = {
        "pytest.ini": b"",
        ".gitattributes": b"# filter=lfs\n*.bin filter=lfs diff=lfs merge=lfs -text\n*.txt text\n\n*.crlf eol=crlf\n",
        "art/.gitattributes": b"*.psd filter=lfs\n\xff\n",
    }
    files = dataclasses.replace(base(contents), submodules=("libs/one", "libs/two"), unreadable=("caf\\xe9.txt",))  # type: ignore[type-var]
    assert detect(files, Settings()).notes == [
        "Submodules are left alone, their files are not in the workspace: libs/one, libs/two.",
        "Git LFS files are left as pointers, their contents are not in the workspace: *.bin, art/*.psd.",
        "Paths that are not UTF-8 are kept as they are, tools cannot name them: caf\\xe9.txt.",
    ]


def test_a_submodule_file_alone_is_no_submodule(base: MakeFiles) -> None:
    assert detect(base({".gitmodules": "", "pytest.ini": ""}), Settings()).notes == []


def test_projects_of_a_monorepo_are_found_three_levels_down_but_not_fixtures_or_other_peoples(base: MakeFiles) -> None:
    ours = ["packages/a", "services/python/b", "packages/a.b"]
    others = ["tests/c", "packages/a/fixtures/d", "examples/e", ".github/f", "one/two/three/four", "vendor/g"]
    files = base({f"{at}/pytest.ini": "" for at in [*ours, *others]} | {"packages-old/x.txt": ""})
    assert [command.cwd for command in detect(files, Settings()).tests] == sorted(ours)


def test_a_module_of_go_is_never_covered_by_the_one_above(base: MakeFiles) -> None:
    files = base({"go.mod": "", "tools/go.mod": "", "tools/gen/go.mod": ""})
    assert [command.cwd for command in detect(files, Settings()).tests] == [".", "tools", "tools/gen"]


def test_a_rust_workspace_is_checked_whole(base: MakeFiles) -> None:
    files = base({"Cargo.toml": "[workspace]\n", "crates/a/Cargo.toml": "[package]\n"})
    assert detect(files, Settings()).tests == [_test("cargo", "cargo test --offline --workspace", "Cargo.toml")]


def test_more_projects_than_are_checked_are_named(base: MakeFiles) -> None:
    setup = detect(base({f"packages/p{number:02}/pytest.ini": "" for number in range(22)}), Settings())
    assert [command.cwd for command in setup.tests] == [f"packages/p{number:02}" for number in range(20)]
    assert setup.notes[0] == (
        "Only 20 of 22 projects below the root are checked. packages/p20, packages/p21. "
        "Name others in [checks] of factory/andon.toml."
    )


@pytest.mark.parametrize(
    ("files", "locks"),
    [
        ({"pyproject.toml": "[tool.pytest]\n", "uv.lock": ""}, ["uv.lock"]),
        ({"test_a.py": "", "requirements.txt": "# none\n"}, ["requirements.txt"]),
        ({"pyproject.toml": "[tool.poetry]\n[tool.pytest]\n", "poetry.lock": ""}, ["poetry.lock"]),
        (
            {"package.json": "{}", "package-lock.json": "{}", "node_modules/x/package-lock.json": ""},
            ["package-lock.json"],
        ),
    ],
)
def test_lock_files_are_listed_and_it_is_said_that_nothing_of_them_is_installed(
    base: MakeFiles, files: dict[str, str], locks: list[str]
) -> None:
    setup = detect(base(files), Settings())
    assert (setup.lock_files, setup.notes[-1]) == (locks, _not_installed(", ".join(locks)))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("package.json", '{"scripts": '),
        ("package.json", "[1]"),
        ("package.json", "[" * 100_000),
        ("package.json", b"\xff\xfe"),
        ("pyproject.toml", "[tool"),
        ("Cargo.toml", "[package"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_noted(base: MakeFiles, name: str, content: str | bytes) -> None:
    assert f"{name} cannot be read and was passed over." in detect(base({name: content}), Settings()).notes


@pytest.mark.parametrize("package", ['{"scripts": []}', '{"scripts": {"test": 1, "lint": {}}}', '{"scripts": null}'])
def test_odd_scripts_are_no_tests(base: MakeFiles, package: str) -> None:
    setup = detect(base({"package.json": package}), Settings())
    assert (setup.tests, setup.static) == ([], [_node_syntax()])


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (_test("pytest", "python -m pytest -q", ""), "pytest -q"),
        (_static("ruff", "ruff check .", ""), "ruff check ."),
        (_test("npm", "npm test", "", "web"), "npm test (in web)"),
        (_syntax(""), "python syntax"),
        (_errors("", "api"), "ruff (errors only) (in api)"),
        (_node_syntax(), "node syntax"),
    ],
)
def test_commands_have_names_for_people(command: Command, name: str) -> None:
    assert name_of(command) == name


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        ("def f(): pass\n", 0, ""),
        ("def f(:\n", 1, "pkg/a.py: invalid syntax (a.py, line 1)\n"),
        ("\0", 1, "pkg/a.py: "),
    ],
)
def test_the_python_syntax_check_really_checks(tmp_path: Path, content: str, code: int, said: str) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "a.py").write_text(content)
    (tmp_path / "dangling.py").symlink_to("nowhere")
    done = subprocess.run(
        [sys.executable, "-c", PYTHON_SYNTAX], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code and done.stdout.replace(str(tmp_path), "").startswith(said)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.py", "dangling.py", "pkg"]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize(("content", "code"), [("export const a = 1;\n", 0), ("export const = 1;\n", 1)])
def test_the_node_syntax_check_really_checks(tmp_path: Path, content: str, code: int) -> None:
    for name in ("src/a.mjs", "node_modules/bad.js"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(content if name == "src/a.mjs" else "(")
    done = subprocess.run(["node", "-e", NODE_SYNTAX], cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert (done.returncode, b"a.mjs" in done.stderr) == (code, code == 1)


def test_what_is_installed_before_a_run_is_said(base: MakeFiles) -> None:
    setup = detect(base({"test_a.py": "", "requirements.txt": "six\n"}), Settings())
    assert setup.notes[-1] == "Dependencies are installed before a run begins, from requirements.txt."
