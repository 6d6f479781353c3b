"""`andon demo` on this machine, as a newcomer runs it: a whole lane, only the model's answers replayed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from lane_kit import git
from sandbox_kit import need_docker

ROOT = Path(__file__).parents[2]
TOOLCHAINS = [ROOT / ".toolchain", ROOT / ".toolchain-pytest8"]


def demo(into: Path, toolchain: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "ANDON_"))}
    command = [sys.executable, "-m", "andon", "demo", "--into", str(into), *words]
    return subprocess.run(
        command,
        env=env | {"ANDON_TOOLCHAIN": str(toolchain)},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


@pytest.mark.parametrize(
    ("tier", "toolchain"),
    [
        pytest.param(tier, toolchain, id=f"{tier}-{name}")
        for tier in ("bubblewrap", "docker")
        for toolchain, name in zip(TOOLCHAINS, ("pytest9", "pytest8"), strict=True)
    ],
)
def test_the_demo_delivers_a_branch_after_a_rejected_review(tmp_path: Path, tier: str, toolchain: Path) -> None:
    if tier == "docker":
        need_docker()
    into = tmp_path / "watchlist"
    done = demo(into, toolchain, "--json", "--sandbox", tier)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["stop_code"], result["review_rounds"], result["checks"]["outcome"]) == ("delivered", 2, "green")
    assert result["sandbox"] == tier
    assert git(into, "rev-parse", result["branch"]) == result["head_commit"]
    assert "reviewer → executor" in done.stderr


def test_the_ending_shows_branch_diff_stat_checks_and_run_folder(tmp_path: Path) -> None:
    into = tmp_path / "watchlist"
    done = demo(into, TOOLCHAINS[0])
    assert done.returncode == 0, done.stderr
    for part in ("factory/task-001-add-a-watchlist-page", "files changed", "pytest", "ruff", "factory/runs/task-001"):
        assert part in done.stdout
    assert "by hand" in done.stdout


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    done = demo(tmp_path, TOOLCHAINS[0])
    assert (done.returncode, "is not empty" in done.stderr) == (2, True)
