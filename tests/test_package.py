"""The wheel, built from the sdist, holds exactly what git tracks."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = sorted(path.name for path in (ROOT / "src" / "andon").iterdir() if path.is_symlink())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def tracked(*folders: str) -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *folders]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    return sorted(name for name in listing.decode().split("\0") if name and (ROOT / name).is_file())


def test_the_wheel_holds_what_git_tracks(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = [name for name in wheel.namelist() if ".dist-info/" not in name]
    own = ["andon/__init__.py", "andon/__main__.py", "andon/py.typed"]
    assert sorted(names) == sorted([*own, *(f"andon/{name}" for name in tracked(*ROOMS))])


def test_the_sdist_holds_rooms_and_tests(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert set(tracked(*ROOMS, "tests", "scripts")) - names == set()
