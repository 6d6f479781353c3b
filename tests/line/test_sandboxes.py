"""The sandboxes of a run: which tier is used where a program of the checks is missing, and what is said of it."""

from pathlib import Path

import pytest
from lane_kit import CHANGE, FILES, Ran, make_repository, plan, report, review, run_line
from sandbox_kit import need_docker

from andon.sandbox.rootfs import find_rootfs

GOOD = ([plan()], *CHANGE, [report()], [review()])


def run_needing(program: str, root: Path, tier: str, monkeypatch: pytest.MonkeyPatch) -> Ran:
    """Run the task in a repository one of whose checks is `program`, on `tier`."""
    monkeypatch.setenv("ANDON_SANDBOX", tier)
    settings = f'[checks]\ntest = ["python -m pytest", "{program} --version"]\nstatic = ["ruff check ."]\n'
    return run_line(make_repository(root, FILES | {"factory/andon.toml": settings}), *GOOD)


@pytest.fixture
def docker() -> None:
    need_docker()


@pytest.mark.usefixtures("docker")
def test_auto_leaves_an_image_that_lacks_a_program_for_bubblewrap_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run_needing("bwrap", tmp_path / "repo", "auto", monkeypatch).result
    assert (result.stop_code, result.sandbox) == ("delivered", "bubblewrap")
    assert "sandbox: not Docker: its image has no bwrap" in result.warnings


@pytest.mark.usefixtures("docker")
@pytest.mark.parametrize(("tier", "program"), [("docker", "bwrap"), ("auto", "no-such-runner")])
def test_a_program_the_image_lacks_names_the_other_tier_and_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tier: str, program: str
) -> None:
    result = run_needing(program, tmp_path / "repo", tier, monkeypatch).result
    assert (result.stop_code, result.exit_code) == ("no-toolchain", 50)
    assert f"the sandbox's Docker image has no {program}, which" in result.message
    assert all(word in result.message for word in ("--sandbox bubblewrap", "ANDON_IMAGE", "factory/andon.toml"))


def test_every_missing_program_is_named_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = '[checks]\ntest = ["no-such-runner", "nor-such-a-one"]\n'
    monkeypatch.setenv("ANDON_SANDBOX", "bubblewrap")
    result = run_line(make_repository(tmp_path / "repo", FILES | {"factory/andon.toml": settings})).result
    assert "the sandbox has no no-such-runner, nor-such-a-one, which this project's checks need" in result.message


@pytest.mark.skipif(find_rootfs() is None, reason="needs the root file system of `andon image build --from-packages`")
def test_a_program_the_images_root_lacks_is_taken_from_this_machine_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run_needing("bwrap", tmp_path / "repo", "bubblewrap", monkeypatch).result
    assert (result.stop_code, result.sandbox) == ("delivered", "bubblewrap")
    assert "sandbox: not the image's own programs: it has no bwrap" in result.warnings
    assert "sandbox: foreign toolchain: /usr is the host's" in result.warnings
