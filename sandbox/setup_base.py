"""What a set-up stands on: a tier, and which programs that has on this machine."""

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox.start import Tier
from andon.sandbox.toolchain import Toolchain


@dataclass(frozen=True)
class SetupBase:
    """One of them."""

    tier: Tier
    """`docker` or `bubblewrap`."""
    identity: str
    """Changes when what is installed on it could no longer run."""


def find_base(tier: Tier, toolchain: Toolchain) -> SetupBase:
    """Return the base of sandboxes of `tier`; for `auto`, Docker's if an engine answers and has the image.

    Raises:
        RunError: as `find_image`, where Docker was asked for.
    """
    tools = [f"{mount.target} {_stamp(Path(mount.source, 'pyvenv.cfg'))}" for mount in toolchain.mounts]
    if tier != "bubblewrap":
        try:
            return SetupBase(
                "docker", "\n".join(["docker", _image_id(toolchain.image), *([] if toolchain.by_default else tools)])
            )
        except RunError as error:
            if tier == "docker" or error.code not in (StopCode.NO_SANDBOX, StopCode.NO_IMAGE):
                raise
    if toolchain.root:
        return SetupBase(
            "bubblewrap", "\n".join(["bubblewrap", os.uname().machine, os.path.basename(toolchain.root), *tools])
        )
    system = [
        _stamp(Path("/etc/os-release")),
        _stamp(Path("/etc/debian_version")),
        os.path.realpath("/usr/bin/python3"),
    ]
    node = [str(Path(name).stat().st_mtime_ns) for name in ("/usr/bin/python3", "/usr/bin/node") if Path(name).exists()]
    return SetupBase("bubblewrap", "\n".join(["bubblewrap", os.uname().machine, *system, *node, *tools]))


def _image_id(named: str) -> str:
    # The SDK takes half a second to load, which a machine without Docker need not wait for.
    from andon.sandbox.engine import connect, find_image

    api = connect()
    try:
        return find_image(api, named).id
    finally:
        api.close()


def _stamp(path: Path) -> str:
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "-"
