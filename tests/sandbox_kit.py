"""What the suites of both tiers lean on: a shell inside, and processes found on the host."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from docker import APIClient

from andon.records.errors import RunError
from andon.sandbox.engine import connect
from andon.sandbox.owner import Owner
from andon.sandbox.protocol import Sandbox


async def sh(sandbox: Sandbox, script: str, **options: object) -> tuple[int, str]:
    done = await sandbox.run(["sh", "-c", script], **options)  # type: ignore[arg-type]
    return done.exit_code, done.output.decode()


def alive(marker: str) -> list[int]:
    """Host processes with `marker` in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and marker in (entry / "cmdline").read_text(errors="replace"):
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


async def appears(marker: str) -> int:
    """Wait until a process with `marker` runs."""
    async with asyncio.timeout(20):
        while not (found := alive(marker)):  # noqa: ASYNC110 - nothing announces a process
            await asyncio.sleep(0)
    return found[0]


def need_docker() -> None:
    """Skip where nobody could have installed an engine: not root, and none answers."""
    try:
        connect()
    except RunError as error:
        if os.geteuid() == 0:
            raise
        pytest.skip(f"the Docker tier is not tested: {error}. As root, scripts/docker_engine sets it up.")


async def ask(sandbox: Sandbox, script: str, *words: str) -> Any:
    """Run a Python script inside, and return what it printed as JSON."""
    done = await sandbox.run(["python3", "-c", script, *words], time_limit=60)
    assert done.exit_code == 0, done.output.decode()
    return json.loads(done.output)


def container_of(api: APIClient, *, all: bool = False) -> str:
    """The one container of this process."""
    mine = [
        found for found in api.containers(all=all, filters={"label": ["andon=1"]})
        if found["Labels"]["andon.owner"] == Owner.this_process().text()
    ]  # fmt: skip
    assert [found["Labels"]["andon.run"] for found in mine] == ["test"]
    return str(mine[0]["Id"])


def groups_of_this_process() -> list[str]:
    """Control groups that this process made and has not removed."""
    return [name for _, names, _ in os.walk("/sys/fs/cgroup") for name in names if f"]_{os.getpid()}_" in name]
