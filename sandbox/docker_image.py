"""Which toolchain a container of an image has."""

from andon.sandbox.engine import Image
from andon.sandbox.toolchain import INSIDE, SCRIPTS, Toolchain


def toolchain_for(image: Image, wanted: Toolchain) -> tuple[Toolchain, str]:
    """Return the toolchain to use, not mounted where it is the image's own, and the note that says which it is."""
    own = f"toolchain: the image's own ({image.name})"
    built_in = Toolchain(bin_dirs=(SCRIPTS, f"{INSIDE}/bin"))
    built_in = wanted.added_to(built_in)
    if wanted.by_default or not wanted.mounted:
        return built_in, own
    python = wanted.python_in_usr()
    if python and python != image.python:
        return built_in, f"{own}: the one that was named needs {python}, which the image does not have"
    return wanted, "toolchain: the one that was named"
