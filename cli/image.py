"""`andon image build`: the image of the Docker tier, from a registry or from Debian's packages."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from andon.records.errors import UserError
from andon.sandbox import environment

FOLDER = Path(environment.__file__).with_name("image")
"""What the image is made from."""


def image(args: argparse.Namespace) -> int:
    """Build it and return the exit code of what built it; 50 if that failed.

    Raises:
        UserError: there is no docker command to build with.
    """
    from andon.sandbox.engine import DEFAULT_IMAGE

    name = os.environ.get("ANDON_IMAGE") or DEFAULT_IMAGE
    if args.from_packages:
        command = [str(FOLDER / "from_packages"), name]
    else:
        command = ["docker", "build", "--tag", name, str(FOLDER)]
    print(f"andon: building {name}", file=sys.stderr)
    try:
        done = subprocess.run(command, check=False)
    except FileNotFoundError as error:
        raise UserError(
            f"cannot run {command[0]}: install Docker, or build without a registry: andon image build --from-packages"
        ) from error
    if done.returncode == 0:
        return 0
    if not args.from_packages:
        print("andon: without an image registry: andon image build --from-packages", file=sys.stderr)
    return 50
