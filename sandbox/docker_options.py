"""What a container of the Docker tier is made of: every hardening the engine offers, and its limits."""

from collections.abc import Sequence
from typing import Any

from docker import APIClient
from docker.types import LogConfig, Mount, Ulimit

from andon.sandbox import toolchain as tools
from andon.sandbox.engine import LABEL, OWNER_LABEL, Image
from andon.sandbox.inside import LIMITS
from andon.sandbox.owner import Owner
from andon.sandbox.protocol import WORKSPACE

USER = "1000:1000"
"""Every command."""

KEEPER = "65534:65534"
"""The process that keeps the container, and what commands may read only: no command can signal or change it."""

MEMORY = 4 << 30
"""Bytes, for processes and files together; there is no swap beyond it."""

_SIZES = {WORKSPACE: "size=2g,nr_inodes=1000000", "/tmp": "size=1g,nr_inodes=300000"}  # noqa: S108
_PROCESSES = 1024
_CPUS = 4


def host_config(api: APIClient, kept: Sequence[str], mounts: Sequence[tools.Mount]) -> dict[str, Any]:
    """Return the engine's settings. `kept` are the paths inside that hold what commands may only read."""
    return api.create_host_config(
        network_mode="none",
        read_only=True,
        tmpfs=_tmpfs(kept),
        mounts=[Mount(mount.target, mount.source, type="bind", read_only=True) for mount in mounts],
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        pids_limit=_PROCESSES,
        mem_limit=MEMORY,
        memswap_limit=MEMORY,
        # Not nano_cpus: the engine refuses more of those than the machine has.
        cpu_period=100_000,
        cpu_quota=100_000 * _CPUS,
        shm_size="64m",
        ulimits=[Ulimit(name=name, soft=limit, hard=limit) for name, limit in LIMITS.items()],
        init=True,
        log_config=LogConfig(type="none"),
    )


def create(api: APIClient, image: Image, run_id: str, kept: Sequence[str], mounts: Sequence[tools.Mount]) -> str:
    """Create a container, not yet started, and return its id.

    Raises:
        DockerException: the engine refuses.
    """
    made = api.create_container(
        image.id,
        ["/bin/sleep", "infinity"],
        user=KEEPER,
        hostname="andon",
        labels={LABEL: "1", "andon.run": run_id, OWNER_LABEL: Owner.this_process().text()},
        working_dir="/",
        entrypoint=[],
        healthcheck={"test": ["NONE"]},
        host_config=host_config(api, kept, mounts),
    )
    return str(made["Id"])


def _tmpfs(kept: Sequence[str]) -> dict[str, str]:
    mounts = {path: f"{size},uid=1000,gid=1000,mode=755,exec" for path, size in _SIZES.items()}
    # A mount point can be neither moved nor removed, and what lies in it belongs to somebody else.
    return mounts | dict.fromkeys(kept, "size=256m,nr_inodes=50000,uid=65534,gid=65534,mode=755,exec")
