"""A program of ours on this machine that only reads files we wrote: without input, without output, within its time."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path


async def run_quietly(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], seconds: float) -> int | None:
    """Return its exit code, or None where it was stopped after `seconds`. It is gone when this returns or raises."""
    child = await asyncio.create_subprocess_exec(
        *argv,
        cwd=cwd,
        env=dict(env),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        return await asyncio.wait_for(child.wait(), seconds)
    except TimeoutError:
        return None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
