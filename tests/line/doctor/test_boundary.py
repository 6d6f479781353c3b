"""The checks of a boundary, made in real sandboxes, and in one that is none: what runs in it runs on this machine."""

import asyncio
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from doctor_kit import Find
from sandbox_kit import need_docker

from andon.line.doctor import boundary, memory
from andon.line.doctor.ground import Ground
from andon.sandbox.protocol import Entry, Finished


class Open:
    """A sandbox without a boundary: real processes of this machine, none ended, no limit held."""

    tier = "open"
    notes: tuple[str, ...] = ()

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def run(
        self,
        argv: Sequence[str],
        *,
        cwd: str = ".",
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        time_limit: float = 120.0,
        output_cap: int = 200_000,
    ) -> Finished:
        begun = time.monotonic()
        done = await asyncio.to_thread(
            subprocess.run, argv, cwd=self.folder, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            check=False,
        )  # fmt: skip
        return Finished(done.returncode, done.stdout, 0, time.monotonic() - begun)

    async def write(self, path: str, content: bytes, *, expected: str = "") -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_bytes(content + b"and more")

    async def entries(self) -> list[Entry]:
        return []

    async def resolve(self, path: str) -> str:
        return path

    async def read(self, path: str, *, limit: int) -> bytes:
        return (self.folder / path).read_bytes()[:limit]

    async def restore(self, entries: Sequence[Entry | bytes]) -> None: ...

    async def close(self) -> None: ...


async def test_a_network_that_can_be_reached_is_an_error(tmp_path: Path) -> None:
    found = await boundary.network_is_refused(Open(tmp_path))
    assert (found.severity, "127.0.0.1" in found.found) == ("error", True)


async def test_processes_that_stay_are_an_error(tmp_path: Path) -> None:
    found = await boundary.tree_is_ended(Open(tmp_path))
    try:
        assert (found.severity, found.found) == ("error", "of the processes of a command that ended 2 live")
    finally:
        _end_sleepers()


async def test_a_file_that_is_not_what_was_written_is_an_error(tmp_path: Path) -> None:
    found = await boundary.write_stays(Open(tmp_path))
    assert found.severity == "error"
    assert found.found.startswith("what was written is not what lies there")


async def test_a_command_beyond_its_time_is_an_error(tmp_path: Path) -> None:
    class Slow(Open):
        async def run(self, argv: Sequence[str], **options: object) -> Finished:
            return await super().run(["sleep", "0"])

    found = await boundary.time_limit_holds(Slow(tmp_path))
    assert found.severity == "error"


@pytest.mark.parametrize("tier", ["bubblewrap", "docker"])
async def test_a_sandbox_that_works_passes_every_check_and_leaves_nothing(
    tmp_path: Path, find: Find, tier: str
) -> None:
    if tier == "docker":
        need_docker()
    found = await find(tmp_path, f"sandbox.{tier}")
    told = {id.rpartition(".")[2]: one.severity for id, one in found.items()}
    inside = ("start", "write", "network", "kill", "time-limit", "memory", "programs")
    assert {name: told[name] for name in inside} == dict.fromkeys(inside, "ok")
    assert told["files"] == ("ok" if tier == "docker" else "note")
    if tier == "docker":
        assert _containers() == []


async def test_one_check_inside_starts_its_sandbox_itself(tmp_path: Path, find: Find) -> None:
    found = await find(tmp_path, "sandbox.bubblewrap.kill")
    assert {id: one.severity for id, one in found.items()} == {"sandbox.bubblewrap.kill": "ok"}


async def test_what_needs_a_sandbox_is_skipped_where_none_stands(
    tmp_path: Path, find: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    found = await find(tmp_path, "sandbox.docker")
    assert (found["sandbox.docker.engine"].severity, found["sandbox.docker.start"].outcome) == ("error", "no-sandbox")
    rest = {one.severity for id, one in found.items() if not id.endswith((".engine", ".start"))}
    assert rest == {"skipped"}


async def test_a_sandbox_that_several_ask_for_is_started_once(tmp_path: Path) -> None:
    async with Ground(tmp_path, {}) as ground:
        first, second = await asyncio.gather(ground.standing("bubblewrap"), ground.standing("bubblewrap"))
        assert first is second


def _containers() -> list[str]:
    from andon.sandbox.engine import connect
    from andon.sandbox.owner import Owner

    mine = Owner.this_process().text()
    found = connect().containers(all=True, filters={"label": ["andon=1"]})
    return [one["Id"] for one in found if one["Labels"].get("andon.owner") == mine]


def _end_sleepers() -> None:
    """End what the open sandbox left: sleepers whose seconds carry the id of this process."""
    for process in Path("/proc").iterdir():
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if process.name.isdigit() and words[:1] == [b"sleep"] and words[1].startswith(b"9%07d" % os.getpid()):
                os.kill(int(process.name), 9)
        except OSError:
            continue


@pytest.mark.parametrize(
    ("says", "severity"),
    [("4294967296", "ok"), ("max", "error"), ("9223372036854771712", "error"), ("", "warning")],
)
async def test_a_container_without_a_limit_on_memory_is_an_error(tmp_path: Path, says: str, severity: str) -> None:
    class Says(Open):
        async def run(self, argv: Sequence[str], **options: object) -> Finished:
            return await super().run(["echo", says])

    assert (await memory.container_is_limited(Says(tmp_path))).severity == severity


async def test_programs_that_are_not_there_are_named(tmp_path: Path) -> None:
    found = await boundary.found_programs(Open(tmp_path), ("sh", "no-such-program", "git"))
    assert found == ["sh", "git"]
