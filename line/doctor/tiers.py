"""Checks of what each tier is started from: an engine and an image, or bwrap and user namespaces."""

import re
import subprocess
import time
from datetime import datetime
from typing import Any

from andon.line.doctor.check import Check, Finding
from andon.line.doctor.ground import Ground, NotHere
from andon.records.errors import RunError
from andon.records.stops import MEANINGS

_OLD = 90
"""Days after which an image is worth building anew."""
_BWRAP = (0, 8)
_NAMESPACES = ("--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--ro-bind", "/", "/")
START_LIMIT = 60.0
"""Seconds a start may take: a first container on a slow disk needs most of them."""


def _engine(ground: Ground) -> Finding:
    from andon.sandbox.engine import ENGINE_ERRORS, connect

    api = connect()
    try:
        told: dict[str, Any] = api.version()
    except ENGINE_ERRORS as error:
        return Finding("error", f"the Docker engine does not say its version: {error}", "restart Docker")
    finally:
        api.close()
    return Finding("ok", f"engine {told['Version']}, API {told['ApiVersion']}, Linux {told.get('KernelVersion', '?')}")


def _image(ground: Ground) -> Finding:
    from andon.sandbox.engine import connect, find_image

    try:
        api = connect()
    except RunError as error:
        raise NotHere("no engine answers (sandbox.docker.engine says more)") from error
    try:
        image = find_image(api, ground.toolchain.image)
        created = str(api.inspect_image(image.id)["Created"])  # type: ignore[no-untyped-call]
    finally:
        api.close()
    days = _age_in_days(created)
    found = f"{image.name}, built {'today' if days < 1 else f'{days} days ago'}"
    if days > _OLD:
        return Finding("note", f"{found}: its programs have had fixes since", "andon image build")
    return Finding("ok", found)


def _age_in_days(created: str) -> int:
    # Nanoseconds, which Python 3.11 does not read.
    made = datetime.fromisoformat(re.sub(r"\.\d+", "", created).replace("Z", "+00:00"))
    return int((time.time() - made.timestamp()) // 86_400)


def _bwrap(ground: Ground) -> Finding:
    from andon.sandbox.bubblewrap import find_bwrap

    done = subprocess.run([find_bwrap(), "--version"], capture_output=True, text=True, check=False, timeout=5)
    numbers = re.search(r"(\d+)\.(\d+)", done.stdout)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < _BWRAP:
        return Finding("error", f"{done.stdout.strip() or 'bwrap'} is too old", "install bubblewrap 0.8 or newer")
    return Finding("ok", done.stdout.strip())


def _namespaces(ground: Ground) -> Finding:
    from andon.sandbox.bubblewrap import BWRAP_REMEDY, find_bwrap

    try:
        command = [find_bwrap(), *_NAMESPACES, "true"]
    except RunError as error:
        raise NotHere("bubblewrap is not installed") from error
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=5)
    if done.returncode == 0:
        return Finding("ok", "a process ran in name spaces of its own, and could make no further ones")
    return Finding("error", f"no process runs in name spaces of its own: {done.stderr.strip()}", BWRAP_REMEDY)


async def _start(ground: Ground, tier: str) -> Finding:
    try:
        standing = await ground.standing("docker" if tier == "docker" else "bubblewrap")
    except RunError as error:
        return Finding("error", str(error), MEANINGS[error.code].remedy, error.code.value)
    notes = "; ".join(standing.sandbox.notes)
    return Finding("ok", f"a sandbox answered after {standing.seconds:.2f} s; {notes}")


async def _start_docker(ground: Ground) -> Finding:
    return await _start(ground, "docker")


async def _start_bubblewrap(ground: Ground) -> Finding:
    return await _start(ground, "bubblewrap")


DOCKER = (
    Check("sandbox.docker.engine", "ask the Docker engine for its version", _engine, beside="sandbox.docker"),
    Check("sandbox.docker.image", "ask the engine for the image sandboxes are made from", _image,
          beside="sandbox.docker"),
    Check("sandbox.docker.start", "start a container on an empty repository and wait for its worker", _start_docker,
          limit=START_LIMIT, beside="sandbox.docker"),
)  # fmt: skip
BUBBLEWRAP = (
    Check("sandbox.bubblewrap.program", "ask bwrap for its version", _bwrap, beside="sandbox.bubblewrap"),
    Check("sandbox.bubblewrap.namespaces", "run a process in user and other name spaces of its own", _namespaces,
          beside="sandbox.bubblewrap"),
    Check("sandbox.bubblewrap.start", "start a sandbox on an empty repository and wait for its worker",
          _start_bubblewrap, limit=START_LIMIT, beside="sandbox.bubblewrap"),
)  # fmt: skip
