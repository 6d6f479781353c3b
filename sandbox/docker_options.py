"""What a container of the Docker tier is made of: every hardening the engine offers, and its limits."""

from collections.abc import Sequence
from typing import Any

from docker import APIClient
from docker.types import LogConfig, Mount, Ulimit

from andon.sandbox import toolchain as tools
from andon.sandbox.bwrap_options import MEMORY_SIZES
from andon.sandbox.engine import LABEL, OWNER_LABEL, Image
from andon.sandbox.inside import LIMITS
from andon.sandbox.owner import Owner
from andon.sandbox.protocol_names import WORKSPACE
from andon.sandbox.seccomp import docker_profile

USER = "1000:1000"
"""Every command, and the worker."""

KEEPER = "65534:65534"
"""The process that keeps the container, and what commands may read only: no command can signal or change it."""

MEMORY = 4 << 30
"""Bytes, for processes and files together; there is no swap beyond it."""

INODES = {WORKSPACE: 1_000_000, "/tmp": 300_000}  # noqa: S108
"""Files each of these may hold."""

_PROCESSES = 1024
_CPUS = 4


def host_config(api: APIClient, kept: Sequence[str], mounts: Sequence[tools.Mount], *, init: bool) -> dict[str, Any]:
    """Return the engine's settings. `kept` are the paths inside that hold what commands may only read.

    `init`: the engine's own first process; a worker is that itself.
    """
    return api.create_host_config(
        network_mode="none",
        read_only=True,
        tmpfs=_tmpfs(kept),
        mounts=[Mount(mount.target, mount.source, type="bind", read_only=not mount.writable) for mount in mounts],
        cap_drop=["ALL"],
        security_opt=["no-new-privileges", f"seccomp={docker_profile()}"],
        pids_limit=_PROCESSES,
        mem_limit=MEMORY,
        memswap_limit=MEMORY,
        # Not nano_cpus: the engine refuses more of those than the machine has.
        cpu_period=100_000,
        cpu_quota=100_000 * _CPUS,
        shm_size="64m",
        ulimits=[Ulimit(name=name, soft=limit, hard=limit) for name, limit in LIMITS.items()],
        init=init,
        log_config=LogConfig(type="none"),
    )


def create(api: APIClient, image: Image, run_id: str, kept: Sequence[str], mounts: Sequence[tools.Mount]) -> str:
    """Create a container for plain commands, not yet started, and return its id.

    Raises:
        DockerException: the engine refuses.
    """
    made = api.create_container(
        image.id,
        ["/bin/sleep", "infinity"],
        user=KEEPER,
        host_config=host_config(api, kept, mounts, init=True),
        **_common(run_id),
    )
    return str(made["Id"])


def create_for_worker(
    api: APIClient, image: Image, run_id: str, command: Sequence[str], mounts: Sequence[tools.Mount]
) -> str:
    """Create a container whose first process is a worker, not yet started, and return its id.

    Raises:
        DockerException: the engine refuses.
    """
    made = api.create_container(
        image.id,
        list(command),
        user=USER,
        environment={"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        # With its input the worker ends, also where andon was killed.
        stdin_open=True,
        host_config=host_config(api, (), mounts, init=False),
        **_common(run_id),
    )
    return str(made["Id"])


def _common(run_id: str) -> dict[str, Any]:
    return {
        "hostname": "andon",
        "labels": {LABEL: "1", "andon.run": run_id, OWNER_LABEL: Owner.this_process().text()},
        "working_dir": "/",
        "entrypoint": [],
        "healthcheck": {"test": ["NONE"]},
    }


def _tmpfs(kept: Sequence[str]) -> dict[str, str]:
    mounts = {
        path: f"size={MEMORY_SIZES[path]},nr_inodes={inodes},uid=1000,gid=1000,mode=755,exec"
        for path, inodes in INODES.items()
    }
    # A mount point can be neither moved nor removed, and what lies in it belongs to somebody else.
    return mounts | dict.fromkeys(kept, "size=256m,nr_inodes=50000,uid=65534,gid=65534,mode=755,exec")
