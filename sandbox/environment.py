"""The environment of every command inside, the same on both tiers so that a model cannot tell them apart."""

from collections.abc import Mapping

from andon.sandbox.toolchain import Toolchain

_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


def environment(toolchain: Toolchain, added: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of a command inside; nothing of the host's is in it.

    The toolchain's folders come first on PATH; `added` goes before what it sets.
    """
    return {
        "PATH": ":".join([*toolchain.bin_dirs, _SYSTEM_PATH]),
        "HOME": "/tmp/home",  # noqa: S108 - inside the sandbox
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "TERM": "dumb",
        "NO_COLOR": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "PYTHONHASHSEED": "0",
        # An edit of the same size within the same second would meet the .pyc of the old text.
        "PYTHONDONTWRITEBYTECODE": "1",
        **dict(toolchain.env),
        **added,
    }
