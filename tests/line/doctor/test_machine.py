import os
from pathlib import Path

import pytest
from doctor_kit import Find
from lane_kit import FILES, make_repository

from andon.line.doctor.machine import file_system_of

_MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:35 / /mnt/c rw,noatime - 9p C:\\134 rw
41 22 0:36 / /mnt/my\\040share rw - nfs4 server:/export rw
42 41 0:37 / /mnt/my\\040share/inner rw - tmpfs tmpfs rw
43 22 0:38 / /mnt/c rw - drvfs C: rw
"""


@pytest.mark.parametrize(
    ("folder", "kind", "point"),
    [
        ("/home/me", "ext4", "/"),
        ("/mnt/c/me", "drvfs", "/mnt/c"),
        ("/mnt/cd", "ext4", "/"),
        ("/mnt/my share/x", "nfs4", "/mnt/my share"),
        ("/mnt/my share/inner/x", "tmpfs", "/mnt/my share/inner"),
    ],
)
def test_finds_the_file_system_a_folder_lies_on(folder: str, kind: str, point: str) -> None:
    assert file_system_of(Path(folder), _MOUNTS) == (kind, point)


async def test_a_healthy_machine_passes(tmp_path: Path, find: Find) -> None:
    root = make_repository(tmp_path / "repo", FILES)
    before = sorted(root.rglob("*"))
    found = await find(root, "python", "git", "clock", "disk")
    assert {one.id: one.severity for one in found.values()} == dict.fromkeys(found, "ok")
    assert sorted(root.rglob("*")) == before


async def test_a_folder_that_a_cloud_copies_is_a_warning(tmp_path: Path, find: Find) -> None:
    root = make_repository(tmp_path / "OneDrive - Work" / "repo", FILES)
    found = (await find(root, "disk.filesystem"))["disk.filesystem"]
    assert (found.severity, "cloud service" in found.found) == ("warning", True)


async def test_a_file_in_place_of_the_state_folder_is_an_error(tmp_path: Path, find: Find) -> None:
    root = make_repository(tmp_path / "repo", FILES)
    (root / "factory" / ".state").write_text("in the way")
    found = (await find(root, "disk.state"))["disk.state"]
    assert (found.severity, found.found) == ("error", f"{root}/factory/.state is no folder")


async def test_without_git_it_says_what_to_install(tmp_path: Path, find: Find, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = (await find(tmp_path, "git"))["git.works"]
    assert (found.severity, "apt-get install git" in found.found) == ("error", True)


@pytest.mark.parametrize(("says", "severity"), [("git version 2.20.1", "error"), ("git version 2.30.9", "error")])
async def test_an_old_git_is_an_error(
    tmp_path: Path, find: Find, monkeypatch: pytest.MonkeyPatch, says: str, severity: str
) -> None:
    old = tmp_path / "git"
    old.write_text(f"#!/bin/sh\necho '{says}'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = (await find(tmp_path, "git"))["git.works"]
    assert (found.severity, found.found) == (severity, f"{says} is too old")


async def test_a_clock_before_the_last_commit_is_a_warning(
    tmp_path: Path, find: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2038-01-01T00:00:00Z")
    root = make_repository(tmp_path / "repo", FILES)
    found = (await find(root, "clock"))["clock.sane"]
    assert (found.severity, "before the time of the commit" in found.found) == ("warning", True)
