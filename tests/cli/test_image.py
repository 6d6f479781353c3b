"""`andon image build`: what it runs is looked at through programs that stand in for the ones it calls."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "sandbox" / "image"


def build(path: str, *words: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "ANDON_IMAGE"} | {"PATH": path}
    command = [sys.executable, "-m", "andon", "image", "build", *words]
    return subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (1, 50)])
def test_it_is_built_by_docker_from_what_andon_ships(tmp_path: Path, code: int, expected: int) -> None:
    (tmp_path / "docker").write_text(f'#!/bin/sh\necho "$@"\nexit {code}\n')
    (tmp_path / "docker").chmod(0o755)
    done = build(f"{tmp_path}:/usr/bin:/bin")
    words = done.stdout.split()
    assert (done.returncode, words[:3]) == (expected, ["build", "--tag", "andon-sandbox:local"])
    assert Path(words[3]).resolve() == FOLDER
    assert ("--from-packages" in done.stderr) is (code != 0)


def test_without_docker_the_other_way_is_named(tmp_path: Path) -> None:
    done = build(str(tmp_path))
    assert (done.returncode, "andon image build --from-packages" in done.stderr) == (2, True)


def test_both_ways_install_the_same_packages_and_toolchain() -> None:
    packages = (FOLDER / "packages.txt").read_text().split()
    assert {"git", "make", "python3", "python3-venv", "ripgrep"} <= set(packages)
    for name in ("Dockerfile", "from_packages"):
        text = (FOLDER / name).read_text()
        assert "packages.txt" in text and "toolchain.lock" in text and "node.lock" in text
        assert text.count("--require-hashes") == 2


def test_it_loads_no_agent_sdk(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom andon.cli.main import main\n"
        "try: main(['image', 'build'])\nexcept SystemExit: pass\n"
        "print('loaded:', sorted({'agents', 'openai', 'mcp'} & set(sys.modules)))\n"
    )
    env = dict(os.environ) | {"PATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded: []"


def test_the_wheel_carries_what_the_image_is_made_from() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert "sandbox" in wheel["only-include"]
    assert {path.name for path in FOLDER.iterdir()} == {
        "Dockerfile", "from_packages", "packages.txt", "toolchain.in", "toolchain.lock", "node.in", "node.lock",
    }  # fmt: skip


def test_who_looks_inside_has_the_same_walls() -> None:
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["sandbox"]
    assert {name: service[name] for name in ("network_mode", "read_only", "cap_drop", "security_opt", "user")} == {
        "network_mode": "none",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "user": "1000:1000",
    }
