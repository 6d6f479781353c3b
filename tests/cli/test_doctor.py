import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from andon.cli.progress import print_ending
from andon.records.result import RunResult
from andon.records.stops import MEANINGS, StopCode


def doctor(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | environment
    command = [sys.executable, "-m", "andon", "doctor", "-C", str(folder), *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)


def test_a_tier_is_shown_by_starting_it(tmp_path: Path) -> None:
    key = "sk-not-to-be-shown"
    done = doctor(tmp_path, "--json", DOCKER_HOST="unix:///nowhere", OPENAI_API_KEY=key, GITHUB_TOKEN=f"{key}-2")
    told = json.loads(done.stdout)
    checks = {check["id"]: check for check in told["checks"]}
    assert (done.returncode, told["exit_code"], told["schema_version"]) == (0, 0, 2)
    assert (told["sandbox"], told["uses"]) == ("auto", "bubblewrap")
    assert checks["sandbox.bubblewrap.start"]["severity"] == "ok"
    assert "toolchain" in checks["sandbox.bubblewrap.start"]["found"]
    assert "it has python3" in checks["sandbox.bubblewrap.programs"]["found"]
    # What is wrong with a tier that no run uses stops none.
    docker = checks["sandbox.docker.start"]
    assert (docker["severity"], docker["outcome"], bool(docker["remedy"])) == ("note", "no-sandbox", True)
    assert docker["found"].startswith("no Docker engine answers")
    assert [check["severity"] for check in told["checks"] if check["severity"] == "error"] == []
    assert (checks["repository.head"]["severity"], checks["model.key"]["severity"]) == ("warning", "ok")
    assert key not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("setting", [{}, {"ANDON_SANDBOX": "docker"}])
def test_where_no_sandbox_works_it_ends_with_50_and_says_what_to_do(tmp_path: Path, setting: dict[str, str]) -> None:
    bare = tmp_path / "bin"
    bare.mkdir()
    (bare / "git").symlink_to("/usr/bin/git")
    done = doctor(tmp_path, PATH=str(bare), DOCKER_HOST="unix:///nowhere", **setting)
    assert done.returncode == 50
    assert "apt-get install bubblewrap" in done.stdout
    assert done.stdout.splitlines()[-1] == "no run can begin: " + (
        "ANDON_SANDBOX names docker" if setting else "no sandbox works here"
    )


def test_what_else_stops_runs_ends_with_2_and_is_named(tmp_path: Path) -> None:
    done = doctor(tmp_path, "database", "sandbox.bubblewrap", ANDON_DATABASE_URL="mysql://there/x")
    assert done.returncode == 2
    assert "FAIL  database.reach" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("no run can begin: database.reach")


def test_only_the_checks_named_are_made(tmp_path: Path) -> None:
    done = doctor(tmp_path, "python", "sandbox.bubblewrap.start", "--json")
    assert [check["id"] for check in json.loads(done.stdout)["checks"]] == [
        "python.version", "sandbox.bubblewrap.start",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        ((), {"ANDON_SANDBOX": "chroot"}, "there is no sandbox tier 'chroot'"),
        ((), {"ANDON_TOOLCHAIN": "/nowhere/at/all"}, "is no virtual environment"),
        (("sandboxes",), {}, "there is no check 'sandboxes'"),
        (("--maturity",), {}, "is not in a git repository"),
    ],
)
def test_a_word_that_names_nothing_is_a_usage_error(
    tmp_path: Path, words: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    done = doctor(tmp_path, *words, DOCKER_HOST="unix:///nowhere", **environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_maturity_lists_the_ten_items_with_evidence(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    words = ["-c", "user.name=t", "-c", "user.email=t@example.invalid", "commit", "-q", "--allow-empty", "-m", "x"]
    subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    told = json.loads(doctor(tmp_path, "--maturity", "--json").stdout)
    assert (told["schema_version"], [item["number"] for item in told["items"]]) == (1, list(range(1, 11)))
    done = doctor(tmp_path, "--maturity")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "0 yes, 3 partly, 7 no")
    assert " 4. Run work in a sandboxed executor." in done.stdout


def test_nothing_heavy_is_loaded_to_look_at_the_machine(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from andon.cli.main import main\n"
        f"main(['doctor', 'python', 'disk', '-C', {str(tmp_path)!r}])\n"
        "print('loaded:', sorted({'agents', 'openai', 'mcp', 'dbos', 'psycopg', 'docker'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded: []"


@pytest.mark.parametrize(
    ("code", "line"),
    [
        (StopCode.NO_SANDBOX, "`andon doctor sandbox` says more"),
        (StopCode.FAILED_REVIEW, MEANINGS[StopCode.FAILED_REVIEW].remedy),
    ],
)
def test_the_ending_of_a_run_names_the_check_that_explains_it(tmp_path: Path, code: StopCode, line: str) -> None:
    meaning = MEANINGS[code]
    result = RunResult(
        run_id="r", task_id="t", title="x", status=meaning.status, stop_code=code, exit_code=meaning.exit_code,
        message="It ended.", remedy=meaning.remedy, base_commit="c" * 40,
    )  # fmt: skip
    out = io.StringIO()
    print_ending(result, tmp_path, out)
    assert out.getvalue().splitlines()[-1].strip().removeprefix("next").strip() == line


def test_ctrl_c_ends_it_and_leaves_nothing(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | {"TMPDIR": str(temporary)}
    command = [sys.executable, "-m", "andon", "doctor", "sandbox.bubblewrap", "-C", str(tmp_path)]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        until = time.monotonic() + 60
        while not list(temporary.iterdir()) and time.monotonic() < until:
            pass
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=60) == 130
    assert list(temporary.iterdir()) == []
