"""The bundled samples are sound: what they ask for can be done, and nothing in them says how or why they are there."""

import subprocess
import sys
from pathlib import Path

import pytest

from andon.evals.sample_project import copy_sample, sample_names
from andon.evals.sample_run import CASSETTES, ENDINGS
from andon.intake.queue import QUEUE_PATH, load_queue

SOLUTIONS = Path(__file__).parent / "solutions"
BASE = {
    "bugfix": "1 failed, 23 passed",
    "feature": "14 passed",
    "misleading": "17 passed",
    "refactor": "12 passed",
    "unclear": "10 passed",
    "watchlist": "20 passed",
}
KNOWN_RED = {"bugfix": "tests/test_report.py::test_season_tickets_have_a_line_of_their_own"}
SOLVED = sorted(path.stem for path in SOLUTIONS.glob("*.patch"))


def run(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *words], cwd=root, capture_output=True, text=True, check=False)


def pytest_in(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run(root, "pytest", "-q", "-p", "no:asyncio", "-p", "no:cacheprovider", "-W", "error", *words)


def summary(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout.splitlines()[-1].split(" in ")[0]


def solve(root: Path, name: str, *only: str) -> None:
    """Apply the solution, or `only` what of it lies at these paths."""
    patch = SOLUTIONS / f"{name}.patch"
    subprocess.run(["git", "apply", *(f"--include={path}" for path in only), str(patch)], cwd=root, check=True)


def known_red(name: str) -> list[str]:
    return [f"--deselect={KNOWN_RED[name]}"] if name in KNOWN_RED else []


def lint(root: Path) -> list[str]:
    done = [run(root, "ruff", *check, "--no-cache", ".") for check in (["check"], ["format", "--check"])]
    return [one.stdout + one.stderr for one in done if one.returncode]


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return copy_sample(request.param, tmp_path / "repository")


def test_every_sample_has_its_place_here() -> None:
    assert sample_names() == sorted(BASE)
    assert set(SOLVED) | set(ENDINGS) | {"watchlist"} == set(BASE)
    assert set(SOLVED) & set(ENDINGS) == set()


def test_every_cassette_is_of_a_sample_and_says_what_it_gave() -> None:
    names = {path.name for path in CASSETTES.iterdir()}
    recorded = {name.removesuffix(".yaml") for name in names if name.endswith(".yaml")}
    assert recorded <= set(BASE)
    assert names == {f"{name}{end}" for name in recorded for end in (".yaml", ".expected.json")}


@pytest.mark.parametrize(("project", "result"), BASE.items(), indirect=["project"])
def test_the_suite_is_as_it_is_said_to_be(project: Path, result: str) -> None:
    done = pytest_in(project)
    assert summary(done) == result, done.stdout
    red = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    assert red == [KNOWN_RED[name] for name in KNOWN_RED if BASE[name] == result]
    assert lint(project) == []


@pytest.mark.parametrize("project", BASE, indirect=True)
def test_one_task_waits_and_what_it_points_at_is_there(project: Path) -> None:
    (task,) = load_queue(project / QUEUE_PATH).tasks
    assert (task.status, bool(task.acceptance_criteria)) == ("pending", True)
    assert [path for path in task.context_paths if not (project / path).exists()] == []


@pytest.mark.parametrize(
    ("project", "name"), [(name, name) for name in BASE if name != "watchlist"], indirect=["project"]
)
def test_a_project_does_not_say_what_its_run_is_meant_to_show(project: Path, name: str) -> None:
    log = subprocess.run(["git", "log", "--format=%an %cn %B"], cwd=project, capture_output=True, text=True, check=True)
    listing = subprocess.run(["git", "ls-files"], cwd=project, capture_output=True, text=True, check=True).stdout
    texts = [log.stdout, listing, *((project / path).read_text("utf-8") for path in listing.splitlines())]
    assert [text for text in texts if name in text.lower()] == []


@pytest.mark.parametrize(("project", "name"), [(name, name) for name in SOLVED], indirect=["project"])
def test_the_task_can_be_done(project: Path, name: str) -> None:
    """Changed and new tests and the hidden ones show it: red before, green after; what was green stays green."""
    hidden = (SOLUTIONS / f"{name}.check.txt").read_text("utf-8")
    place = project / "tests" / "test_hidden.py"
    place.write_text(hidden, "utf-8")
    before = pytest_in(project, str(place))
    assert before.returncode in (1, 2), before.stdout
    place.unlink()
    solve(project, name)
    assert lint(project) == []
    own = pytest_in(project, *known_red(name))
    assert own.returncode == 0, own.stdout
    place.write_text(hidden, "utf-8")
    after = pytest_in(project, str(place))
    assert after.returncode == 0, after.stdout


@pytest.mark.parametrize(("project", "name"), [(name, name) for name in SOLVED], indirect=["project"])
def test_the_solutions_own_tests_are_red_without_it(project: Path, name: str) -> None:
    solve(project, name, "tests/*")
    assert pytest_in(project, *known_red(name)).returncode in (1, 2)
