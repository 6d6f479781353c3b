"""Checks in real sandboxes. What wavers from run to run is brought in by the tree a sandbox is opened on."""

import asyncio
from pathlib import Path

import pytest
from lane_kit import FILES, SUB, git, make_repository

from andon.context.detect import detect
from andon.context.settings import Settings
from andon.line.base_files import CommitFiles
from andon.line.checks import OpenSandbox, check_change, check_tree
from andon.records.checks import CheckRecord, Comparison
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
    assert comparison.reason.endswith(f"flaky at the base, passed at the head and not counted: {FLAKY[0]}")


@pytest.mark.parametrize("weather", ["rd", "rr"])
def test_a_test_that_wavers_again_at_the_head_is_never_green(ground: Ground, weather: str) -> None:
    base = ground.checks("rd")
    assert ground.change(base, weather).outcome == "flaky"


def test_a_test_that_wavers_only_at_the_head_is_flaky_and_one_that_fails_twice_is_red_new(ground: Ground) -> None:
    base = ground.checks("d")
    assert [ground.change(base, weather).outcome for weather in ("rd", "rr")] == ["flaky", "red-new"]
