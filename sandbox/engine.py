"""The Docker engine of this machine: reach it, find our image, remove what dead runs left in it."""

import os
import stat
from typing import Any, NamedTuple

import requests
from docker import APIClient
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox.owner import Owner

ENGINE_ERRORS = (DockerException, requests.RequestException, OSError)
"""What a call to the engine can raise when it fails or the engine is gone."""

LABEL = "andon"
OWNER_LABEL = "andon.owner"
PYTHON_LABEL = "andon.python"
"""On an image: where its Python is, after every link."""

DEFAULT_IMAGE = "andon-sandbox:local"

_TIMEOUT = 60
"""Seconds without a word from the engine until it counts as gone."""


class Image(NamedTuple):
    """The image sandboxes are made from."""

    name: str
    id: str
    python: str
    """Where its Python is; empty where the image does not say."""


def connect() -> APIClient:
    """Return a client of the engine.

    Raises:
        RunError: with `no-sandbox` if none answers on a socket of this machine.
    """
    host = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    path = host.removeprefix("unix://")
    if path == host:
        raise RunError(StopCode.NO_SANDBOX, f"DOCKER_HOST is {host!r}: andon uses only a Unix socket of this machine")
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise RunError(StopCode.NO_SANDBOX, f"no Docker engine answers: {path} is no socket")
        return APIClient(base_url=host, version="auto", timeout=_TIMEOUT)
    except ENGINE_ERRORS as error:
        raise RunError(StopCode.NO_SANDBOX, f"no Docker engine answers at {path}: {error}") from error


def find_image(api: APIClient, named: str = "") -> Image:
    """Return the image $ANDON_IMAGE names, else `named`, else DEFAULT_IMAGE.

    Raises:
        RunError: with `no-image` if the engine does not have it; nothing is ever pulled.
    """
    name = os.environ.get("ANDON_IMAGE") or named or DEFAULT_IMAGE
    try:
        facts: dict[str, Any] = api.inspect_image(name)  # type: ignore[no-untyped-call]
    except ImageNotFound as error:
        raise RunError(
            StopCode.NO_IMAGE,
            f"the Docker engine has no image {name!r}: build it with scripts/docker_engine of andon's sources, or name "
            "another one in ANDON_IMAGE",
        ) from error
    except ENGINE_ERRORS as error:
        raise RunError(StopCode.NO_SANDBOX, f"the Docker engine cannot show the image {name!r}: {error}") from error
    labels = (facts.get("Config") or {}).get("Labels") or {}
    return Image(name, facts["Id"], labels.get(PYTHON_LABEL, ""))


def remove_left_containers(api: APIClient) -> None:
    """Remove the containers of andon whose process is dead; of earlier boots only what does not run.

    Raises:
        APIError: the engine refuses.
    """
    for container in api.containers(all=True, filters={"label": [f"{LABEL}=1"]}):
        owner = Owner.from_text(container["Labels"].get(OWNER_LABEL, ""))
        if owner is None or not owner.is_dead():
            continue
        # A socket can be forwarded from another machine, whose processes cannot be seen from here.
        if owner.of_this_boot() or container["State"] != "running":
            remove_container(api, container["Id"])


def remove_container(api: APIClient, container: str) -> None:
    """Remove a container and everything in it; it may be gone already.

    Raises:
        APIError: the engine refuses.
    """
    try:
        api.remove_container(container, v=True, force=True)
    except NotFound:
        return
    except APIError as error:
        # 409: somebody else is removing it.
        if error.status_code != 409:
            raise
