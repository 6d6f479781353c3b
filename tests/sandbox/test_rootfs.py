"""The root file system beside the image: whole, ours, or none."""

from pathlib import Path

import pytest

from andon.sandbox.rootfs import find_rootfs

NAME = "a" * 64


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "andon" / "rootfs"
    made.mkdir(parents=True)
    return made


def found(tmp_path: Path) -> Path | None:
    return find_rootfs({"XDG_DATA_HOME": str(tmp_path)})


def test_it_is_found_where_it_was_left(folder: Path, tmp_path: Path) -> None:
    assert found(tmp_path) is None
    (folder / NAME / "usr" / "bin").mkdir(parents=True)
    assert found(tmp_path) == folder / NAME
    assert find_rootfs({"HOME": str(tmp_path)}) is None


@pytest.mark.parametrize("name", [".new-abc", "debootstrap.log", "a" * 63])
def test_what_is_being_made_is_not_there_yet(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name / "usr" / "bin").mkdir(parents=True)
    assert found(tmp_path) is None


def test_what_others_can_write_or_lies_elsewhere_is_none(folder: Path, tmp_path: Path) -> None:
    (folder / NAME / "usr" / "bin").mkdir(parents=True)
    (folder / NAME).chmod(0o777)
    assert found(tmp_path) is None
    (folder / NAME).chmod(0o755)
    (folder / NAME).rename(tmp_path / "elsewhere")
    (folder / NAME).symlink_to(tmp_path / "elsewhere")
    assert found(tmp_path) is None
