"""Checks of the limit on memory that all processes of a sandbox share."""

import subprocess
import sys

from andon.line.doctor.check import Finding
from andon.sandbox.cgroup import NoGroup, make_group
from andon.sandbox.limits import Limits
from andon.sandbox.protocol import Sandbox

_SMALL = Limits(memory=64 << 20, processes=64)
_TOUCH = f"x = bytearray({192 << 20}); x[::4096] = b'x' * len(x[::4096]); print('had it')"
_READ = "cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes"


def group_is_limited() -> Finding:
    """Make a small control group as a sandbox gets a large one, and have a process in it ask for three times that."""
    group = make_group(_SMALL)
    if isinstance(group, NoGroup):
        return Finding("warning", "; ".join(group.notes), "run andon where it may make control groups, or use Docker")
    try:
        done = subprocess.run(
            [*group.join_command(), sys.executable, "-I", "-S", "-c", _TOUCH],
            capture_output=True, check=False, timeout=8, env={},
        )  # fmt: skip
        kills = group.memory_kills()
    finally:
        group.remove()
    if done.returncode == -9 and kills:
        notes = "".join(f"; {note}" for note in group.notes)
        return Finding("ok", f"a process that asked for three times its group's memory was killed{notes}")
    return Finding(
        "error", f"a process had three times its group's memory (exit code {done.returncode})",
        "do not run andon on this tier here: ANDON_SANDBOX=docker",
    )  # fmt: skip


async def container_is_limited(sandbox: Sandbox) -> Finding:
    """Read inside a container what its control group allows."""
    from andon.sandbox.docker_options import MEMORY

    done = await sandbox.run(["sh", "-c", _READ])
    text = done.output.decode("utf-8", "replace").strip()
    if text.isdigit() and int(text) <= MEMORY:
        return Finding("ok", f"all processes together have {int(text) >> 20:,} MiB")
    if text.isdigit() or text == "max":
        return Finding(
            "error", f"the container's memory is not limited: it says {text}",
            "start a kernel with memory control groups (cgroup_enable=memory)",
        )  # fmt: skip
    return Finding("warning", f"the limit cannot be read inside: {text or 'no answer'}")
