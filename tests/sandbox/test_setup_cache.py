"""Results of set-up phases: whole or not there, and nobody else's to write."""

import os
import subprocess
from pathlib import Path

import pytest

from andon.records.errors import UserError
from andon.records.setup import SetupFacts
from andon.sandbox.owner import Owner
from andon.sandbox.setup_cache import SetupCache

FACTS = SetupFacts(digest="d1", origins=["uv.lock"], cached=False, seconds=1.5)


@pytest.fixture
def cache(tmp_path: Path) -> SetupCache:
    return SetupCache.of({"XDG_CACHE_HOME": str(tmp_path)})


def names(cache: SetupCache) -> list[str]:
    return sorted(path.name for path in cache.path.iterdir())


def test_a_result_is_found_once_it_is_whole(cache: SetupCache) -> None:
    draft = cache.draft()
    folder = draft.folder(0)
    (folder / "file").write_text("x")
    assert (cache.find("d1"), oct(folder.stat().st_mode & 0o777)) == (None, "0o777")
    cache.keep(draft, FACTS)
    assert cache.find("d1") == FACTS.model_copy(update={"cached": True})
    assert (cache.folder("d1", 0) / "file").read_text() == "x"
    assert (names(cache), oct(cache.path.stat().st_mode & 0o777)) == (["d1"], "0o700")


def test_of_two_at_once_the_first_stays(cache: SetupCache) -> None:
    first, second = cache.draft(), cache.draft()
    for draft, text in ((first, "first"), (second, "second")):
        (draft.folder(0) / "file").write_text(text)
    cache.keep(first, FACTS)
    cache.keep(second, FACTS)
    assert ((cache.folder("d1", 0) / "file").read_text(), names(cache)) == ("first", ["d1"])


def test_what_killed_runs_began_is_removed_and_what_others_are_making_is_not(cache: SetupCache) -> None:
    draft, mine = cache.draft(), cache.draft()
    with subprocess.Popen(["true"]) as process:
        gone = Owner.this_process()
        dead = Owner(gone.boot, gone.namespace, process.pid, "1")
    (draft.path / "owner").write_text(dead.text())
    unknown = cache.path / ".new-unknown"
    unknown.mkdir()
    last = cache.draft()
    assert names(cache) == sorted([mine.path.name, last.path.name, ".new-unknown"])


def test_what_nobody_used_for_long_is_removed(cache: SetupCache) -> None:
    for digest in ("d1", "d2"):
        cache.keep(cache.draft(), FACTS.model_copy(update={"digest": digest}))
    for digest in ("d1", "d2"):
        os.utime(cache.path / digest, (0, 0))
    # Asking for it is using it.
    assert cache.find("d2") is not None
    cache.draft().discard()
    assert names(cache) == ["d2"]


def test_a_damaged_result_is_no_result(cache: SetupCache) -> None:
    cache.keep(cache.draft(), FACTS)
    (cache.path / "d1" / "facts.json").write_text("{")
    assert cache.find("d1") is None


@pytest.mark.parametrize("mode", [0o777, 0o720])
def test_a_cache_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "andon" / "setup"
    folder.mkdir(parents=True)
    folder.chmod(mode)
    with pytest.raises(UserError, match="can be written by others"):
        SetupCache.of({"XDG_CACHE_HOME": str(tmp_path)})


def test_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "andon").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "andon" / "setup").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="can be written by others"):
        SetupCache.of({"XDG_CACHE_HOME": str(tmp_path)})


def test_without_a_home_there_is_no_place_for_it(tmp_path: Path) -> None:
    assert SetupCache.of({"HOME": str(tmp_path)}).path == tmp_path / ".cache" / "andon" / "setup"
    with pytest.raises(UserError, match="set HOME or XDG_CACHE_HOME"):
        SetupCache.of({"HOME": "relative"})
