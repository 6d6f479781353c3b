import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def doctor(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | environment
    command = [sys.executable, "-m", "andon", "doctor", "-C", str(folder), *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_a_tier_is_shown_by_starting_it(tmp_path: Path) -> None:
    done = doctor(tmp_path, "--json", DOCKER_HOST="unix:///nowhere", OPENAI_API_KEY="sk-not-to-be-shown")
    told = json.loads(done.stdout)
    docker, bubblewrap = told["tiers"]
    assert (done.returncode, told["schema_version"], told["sandbox"]) == (0, 1, "auto")
    assert (docker["works"], bubblewrap["works"]) == (False, True)
    assert docker["problem"].startswith("no Docker engine answers") and docker["remedy"]
    assert {"python3", "git"} <= set(bubblewrap["programs"])
    assert "toolchain" in bubblewrap["notes"][0]
    assert {fact["name"]: fact["ok"] for fact in told["facts"]} == {
        "git": True, "repository": False, "disk": True, "model key": True,
    }  # fmt: skip
    assert "sk-not-to-be-shown" not in done.stdout + done.stderr


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


def test_a_tier_nobody_knows_is_a_usage_error(tmp_path: Path) -> None:
    done = doctor(tmp_path, ANDON_SANDBOX="chroot", DOCKER_HOST="unix:///nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no sandbox tier 'chroot'" in done.stderr
