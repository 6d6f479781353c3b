"""Checks in real sandboxes. What wavers from run to run is brought in by the tree a sandbox is opened on."""

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from lane_kit import FILES, SUB, git, make_repository

from andon.context.commands import CHECK_PYTHON_SYNTAX
from andon.context.detect import detect
from andon.context.settings import Settings
from andon.line.base_files import CommitFiles
from andon.line.evidence.checks import OpenSandbox, check_change, check_tree
from andon.line.evidence.dependency_audit import NOT_ASKED_FOR
from andon.records.checks import CheckRecord, Comparison
from andon.records.errors import RunError
from andon.records.project import Command
from andon.records.stops import StopCode
from andon.sandbox.protocol import Sandbox
from andon.sandbox.repository import Repository
from andon.sandbox.start import start_sandbox
from andon.sandbox.store import Change, TreeStore
from andon.sandbox.toolchain import find_toolchain

WEATHER = "import pathlib\n\n\ndef test_weather():\n    assert not pathlib.Path('rain').exists()\n"


class Ground:
    """A repository whose `test_weather` fails where a file `rain` lies, and sandboxes that hold one when told."""

    def __init__(self, root: Path, files: dict[str, str]) -> None:
        make_repository(root, files)
        repository = Repository.open(root)
        self.commit = git(root, "rev-parse", "HEAD")
        self.store = TreeStore.create(root.parent / "store.git", repository)
        self.base = self.store.tree_of(self.commit)
        self.setup = detect(CommitFiles(repository, self.commit), Settings())
        self.opened: list[str] = []

    def sky(self, weather: str) -> OpenSandbox:
        """Open sandboxes under the next letter of `weather`, `r` for rain; every further one is dry."""
        letters = iter(weather)

        async def open_sandbox(tree: str) -> Sandbox:
            self.opened.append(tree)
            if next(letters, "d") == "r":
                tree = self.store.build(tree, [Change(b"rain", "100644")])
            return await start_sandbox(self.store, tree=tree, commit=self.commit, toolchain=find_toolchain(None))

        return open_sandbox

    def tests(self, weather: str, *, limit: float = 60, twice: bool = False) -> CheckRecord:
        names = ["pytest"] if twice else []
        work = check_tree(self.base, self.setup.tests, self.sky(weather), time_limit=limit, twice=names)
        [record] = asyncio.run(work)
        return record

    def checks(self, weather: str) -> list[CheckRecord]:
        commands = [*self.setup.tests, *self.setup.static]
        return asyncio.run(check_tree(self.base, commands, self.sky(weather), time_limit=60))

    def change(self, base: list[CheckRecord], weather: str) -> Comparison:
        head = self.store.build(self.base, [Change(b"calc.py", "100644", SUB.encode())])
        work = check_change(self.store, self.setup, self.base, head, base, self.sky(weather), time_limit=60)
        return asyncio.run(work)[1]


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path / "repo", FILES | {"tests/test_weather.py": WEATHER})


FLAKY = ["tests/test_weather.py::test_weather"]


@pytest.mark.parametrize(
    ("weather", "twice", "outcome", "flaky", "sandboxes"),
    [
        ("d", False, "passed", [], 1),
        ("rd", False, "failed", FLAKY, 2),
        ("rr", False, "failed", [], 2),
        ("dd", True, "passed", [], 2),
        ("dr", True, "passed", FLAKY, 2),
    ],
)
def test_red_tests_and_doubted_ones_run_again_in_a_sandbox_of_their_own(
    ground: Ground, weather: str, twice: bool, outcome: str, flaky: list[str], sandboxes: int
) -> None:
    record = ground.tests(weather, twice=twice)
    assert (record.outcome, record.flaky, len(ground.opened)) == (outcome, flaky, sandboxes)


def test_what_a_run_leaves_behind_does_not_reach_the_second(tmp_path: Path) -> None:
    once = """\
from pathlib import Path


def test_once():
    here = Path("here").exists()
    Path("here").touch()
    assert here
"""
    ground = Ground(tmp_path / "repo", FILES | {"tests/test_once.py": once})
    record = ground.tests("dd")
    assert (record.outcome, record.flaky) == ("failed", [])


def test_a_command_that_hangs_runs_once(tmp_path: Path) -> None:
    hang = "import threading\n\n\ndef test_hang():\n    threading.Event().wait()\n"
    ground = Ground(tmp_path / "repo", FILES | {"tests/test_hang.py": hang})
    record = ground.tests("d", limit=3)
    assert (record.outcome, record.exit_code, record.granularity, len(ground.opened)) == (
        "timed-out",
        124,
        "exit-code",
        1,
    )


def test_a_test_that_was_flaky_at_the_base_is_run_twice_at_the_head_and_named(ground: Ground) -> None:
    base = ground.checks("rd")
    comparison = ground.change(base, "dd")
    assert (comparison.outcome, comparison.flaky) == ("green", FLAKY)
    assert f"flaky at the base, passed at the head and not counted: {FLAKY[0]}" in comparison.reason


@pytest.mark.parametrize("weather", ["rd", "rr"])
def test_a_test_that_wavers_again_at_the_head_is_never_green(ground: Ground, weather: str) -> None:
    base = ground.checks("rd")
    assert ground.change(base, weather).outcome == "flaky"


def test_a_test_that_wavers_only_at_the_head_is_flaky_and_one_that_fails_twice_is_red_new(ground: Ground) -> None:
    base = ground.checks("d")
    assert [ground.change(base, weather).outcome for weather in ("rd", "rr")] == ["flaky", "red-new"]


def checked(ground: Ground, *commands: Command) -> list[CheckRecord]:
    return asyncio.run(check_tree(ground.base, commands, ground.sky("d"), time_limit=60))


def static(*argv: str, instead: tuple[str, ...] = CHECK_PYTHON_SYNTAX) -> Command:
    return Command(kind="static", runner="other", argv=argv, instead=instead)


@pytest.mark.parametrize(
    ("files", "argv", "missing"),
    [
        ({}, ("no-such-linter", "."), "no-such-linter"),
        ({}, ("python", "-m", "no_such_linter"), "no_such_linter"),
        ({}, ("sh", "-c", "no-such-linter ."), "no-such-linter"),
        ({"Makefile": "lint:\n\tno-such-linter .\n"}, ("make", "lint"), "no-such-linter"),
    ],
    ids=["program", "module", "script", "make"],
)
def test_a_linter_that_is_not_installed_is_said_and_the_syntax_is_checked_instead(
    tmp_path: Path, files: dict[str, str], argv: tuple[str, ...], missing: str
) -> None:
    ground = Ground(tmp_path / "repo", FILES | files)
    linter, instead = checked(ground, static(*argv))
    assert (linter.outcome, linter.exit_code, linter.reason) == (
        "not-run",
        None,
        f"{missing} is not installed in the sandbox; python syntax was checked instead",
    )
    assert (instead.name, instead.kind, instead.outcome, instead.reason) == ("python syntax", "static", "passed", "")


def test_the_check_made_instead_finds_what_cannot_be_parsed(tmp_path: Path) -> None:
    ground = Ground(tmp_path / "repo", FILES | {"bad.py": "def f(:\n"})
    linter, instead = checked(ground, static("no-such-linter"))
    assert (linter.outcome, instead.outcome) == ("not-run", "failed")
    assert "bad.py" in instead.excerpt


def test_two_missing_linters_are_followed_by_one_check_of_the_syntax(ground: Ground) -> None:
    records = checked(ground, static("no-such-a"), static("no-such-b"), static("no-such-c", instead=()))
    assert [(record.name, record.outcome) for record in records] == [
        ("no-such-a", "not-run"),
        ("no-such-b", "not-run"),
        ("no-such-c", "not-run"),
        ("python syntax", "passed"),
    ]
    assert records[2].reason == "no-such-c is not installed in the sandbox"


@pytest.mark.parametrize("script", ["exit 1", "echo 'x: not found'; exit 2", "echo No module named x; exit 1"])
def test_a_linter_that_ran_and_failed_is_red_whatever_it_printed(ground: Ground, script: str) -> None:
    [record] = checked(ground, static("sh", "-c", script))
    assert (record.outcome, record.reason) == ("failed", "")


def test_a_pytest_that_cannot_begin_is_not_run_and_says_what_would_let_it(tmp_path: Path) -> None:
    config = FILES["pyproject.toml"].replace("[tool.ruff]", 'addopts = "--cov=calc -n auto"\n\n[tool.ruff]')
    ground = Ground(tmp_path / "repo", FILES | {"pyproject.toml": config})
    [record] = checked(ground, *ground.setup.tests)
    assert (record.outcome, record.exit_code, record.tests, record.flaky) == ("not-run", None, {}, [])
    assert "it does not know --cov=calc" in record.reason
    assert 'test = ["python -m pytest -o addopts="]' in record.reason
    assert len(ground.opened) == 1


def test_suites_of_two_languages_are_told_apart_by_folder(tmp_path: Path) -> None:
    node = {
        "web/package.json": '{"scripts": {"test": "node --test"}}',
        "web/add.test.mjs": "import test from 'node:test';\ntest('add', () => {});\n",
    }
    api = {"api/pyproject.toml": "[tool.pytest.ini_options]\n", "api/tests/test_add.py": "def test_add():\n    pass\n"}
    ground = Ground(tmp_path / "repo", node | api)
    records = checked(ground, *(command for command in ground.setup.tests if has(command.argv[0])))
    assert {record.name: record.tests for record in records} == {
        "pytest (in api)": {"api/tests/test_add.py::test_add": "passed"},
    } | ({"node --test (in web)": {"web/add.test.mjs::add": "passed"}} if has("node") else {})


SKIPPED = FILES["tests/test_calc.py"].replace("def test_add", "@pytest.mark.skip(reason='later')\ndef test_add")
LOOSER = FILES["tests/test_calc.py"].replace("assert add(1, 2) == 3", "assert add(1, 2)")


def compared(ground: Ground, *changes: Change, accepted: Sequence[str] = ()) -> Comparison:
    head = ground.store.build(ground.base, changes)
    work = check_change(
        ground.store,
        ground.setup,
        ground.base,
        head,
        ground.checks("d"),
        ground.sky("d"),
        time_limit=60,
        accepted=accepted,
    )
    return asyncio.run(work)[1]


def test_a_test_that_was_loosened_needs_a_person_though_it_passes_before_and_after(ground: Ground) -> None:
    looser = Change(b"tests/test_calc.py", "100644", LOOSER.encode())
    comparison = compared(ground, looser)
    assert (comparison.outcome, comparison.edited, comparison.gone) == ("changed-tests", [], [])
    [told] = comparison.weakened
    assert told.startswith("tests/test_calc.py::test_add: loosened: ")
    assert told in comparison.reason
    allowed = compared(ground, looser, accepted=["tests/test_calc.py"])
    assert (allowed.outcome, allowed.weakened) == ("green", [told])


def test_a_test_that_was_skipped_is_weaker_and_gone_until_a_person_accepted_it(ground: Ground) -> None:
    skipped = Change(b"tests/test_calc.py", "100644", f"import pytest\n\n{SKIPPED}".encode())
    comparison = compared(ground, skipped)
    assert (comparison.outcome, comparison.gone) == ("changed-tests", ["tests/test_calc.py::test_add"])
    assert [one.split(": ")[:2] for one in comparison.weakened] == [["tests/test_calc.py::test_add", "skipped"]]
    assert compared(ground, skipped, accepted=["tests/test_calc.py"]).outcome == "green"


def test_a_lock_file_that_changes_without_a_word_of_a_person_is_said_not_to_be_audited(ground: Ground) -> None:
    change = Change(b"requirements.txt", "100644", b"requests==2.19.0\n")
    head = ground.store.build(ground.base, [change])
    work = check_change(
        ground.store, ground.setup, ground.base, head, [], ground.sky("d"), time_limit=60, audit=NOT_ASKED_FOR
    )
    audit = asyncio.run(work)[1].dependencies
    assert audit is not None
    assert (audit.outcome, audit.not_audited) == ("not-audited", ["requirements.txt"])


def test_a_check_that_fails_outright_leaves_no_scan_behind(ground: Ground) -> None:
    async def nothing_opens(tree: str) -> Sandbox:
        raise RunError(StopCode.NO_SANDBOX, "no sandbox")

    async def fails() -> set[str]:
        head = ground.store.build(ground.base, [Change(b"calc.py", "100644", SUB.encode())])
        with pytest.raises(RunError, match="no sandbox"):
            await check_change(ground.store, ground.setup, ground.base, head, [], nothing_opens, time_limit=60)
        return {task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()}

    assert asyncio.run(fails()) == set()


def has(program: str) -> bool:
    return program == "python" or shutil.which(program, path="/usr/local/bin:/usr/bin:/bin") is not None
