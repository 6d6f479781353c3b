"""The rooms stand at the root, are imported as `andon.…`, and never shadow the SDK's import name `agents`."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = sorted(path.name for path in (ROOT / "src" / "andon").iterdir() if path.is_symlink())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_room_is_linked_to_its_real_folder() -> None:
    for room in ROOMS:
        link = ROOT / "src" / "andon" / room
        assert (str(link.readlink()), link.resolve()) == (f"../../{room}", ROOT / room)


def test_no_room_holds_an_init_file() -> None:
    assert [room for room in [*ROOMS, "tests"] if (ROOT / room / "__init__.py").exists()] == []


def test_every_folder_of_code_is_a_room_with_a_readme() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/*.py")} - {"tests", "scripts"}
    assert sorted(folders) == ROOMS
    assert [room for room in ROOMS if not (ROOT / room / "README.md").exists()] == []


def test_every_list_in_pyproject_names_every_room() -> None:
    tool = PROJECT["tool"]
    hatch = tool["hatch"]["build"]["targets"]
    lint = tool["importlinter"]
    layers = {name.strip() for layer in lint["contracts"][0]["layers"] for name in layer.split("|")}
    packages = [f"andon.{room}" for room in ROOMS]
    assert {
        "wheel": [name for name in hatch["wheel"]["only-include"] if not name.startswith("src/")],
        "sources": sorted(name for name in hatch["wheel"]["sources"] if name != "src/andon"),
        "sdist": sorted(set(hatch["sdist"]["only-include"]) & set(ROOMS)),
        "banned": sorted(tool["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]),
        "importlinter": sorted(lint["root_packages"]),
        "layers": sorted(layers),
    } == {
        "wheel": ROOMS,
        "sources": ROOMS,
        "sdist": ROOMS,
        "banned": sorted(set(ROOMS) - {"agents"}),
        "importlinter": packages,
        "layers": packages,
    }


@pytest.mark.parametrize(
    "words",
    [
        ["-c", "import agents; print(agents.__file__)"],
        ["-m", "pytest", "--version"],
        ["SCRIPT"],
        ["FOLDER_SCRIPT"],
    ],
)
def test_import_agents_is_the_sdk_from_the_root(words: list[str], tmp_path: Path) -> None:
    text = "import agents; agents.Runner; print(agents.__file__)\n"
    scripts = {"SCRIPT": tmp_path / "probe.py", "FOLDER_SCRIPT": tmp_path / "probe2.py"}
    for script in scripts.values():
        script.write_text(text)
    argv = [str(scripts[word]) if word in scripts else word for word in words]
    done = subprocess.run([sys.executable, *argv], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if words[1:2] != ["pytest"]:
        assert "site-packages" in done.stdout


@pytest.mark.parametrize("command", [["-m", "andon", "--version"], ["-m", "andon.cli.main", "--version"]])
def test_the_command_starts_from_the_root(command: list[str]) -> None:
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "andon 0.1.0\n", "")


def test_help_loads_no_agent_sdk() -> None:
    code = (
        "import sys\n"
        "from andon.cli.main import main\n"
        "try: main(['run', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'agents', 'openai', 'anthropic', 'mcp', 'docker', 'vcr', 'pydantic'} & set(sys.modules)\n"
        "print('loaded:', sorted(heavy))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded: []"


def test_the_lock_file_has_hashes_and_names_no_index() -> None:
    for name in (
        "requirements.lock",
        "sandbox/image/toolchain.lock",
        "sandbox/image/node.lock",
        "scripts/toolchain-pytest8.lock",
        "scripts/uv.lock",
    ):
        lines = (ROOT / name).read_text().splitlines()
        pins = [line for line in lines if "==" in line and not line.startswith(" ")]
        assert pins and all(line.endswith("\\") for line in pins), name
        assert [line for line in lines if "://" in line or line.startswith("--")] == [], name
