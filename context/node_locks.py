"""How the dependencies of a Node project are installed from its lock file."""

import re

from andon.context.folder import Folder
from andon.context.registries import Registry
from andon.context.settings import SETTINGS_PATH

LOCKS = {
    "pnpm-lock.yaml": ("pnpm", "install", "--frozen-lockfile"),
    "yarn.lock": ("yarn", "install", "--frozen-lockfile", "--non-interactive"),
    "package-lock.json": ("npm", "ci", "--no-progress"),
    "npm-shrinkwrap.json": ("npm", "ci", "--no-progress"),
}
"""The command of each, in the order they are looked for."""

_BERRY = re.compile(r"^__metadata:", re.MULTILINE)
"""Yarn 2 and newer write it into every lock file; those of Yarn 1 are no YAML and have no such entry."""
_LINKER = re.compile(r"^nodeLinker:[ \t]*([\"']?)node-modules\1[ \t]*(#.*)?$", re.MULTILINE)

# Yarn 1 takes --immutable for nothing and writes a lock file of its own.
_NOT_YARN_1 = (
    'case "$(YARN_IGNORE_PATH=1 yarn --version)" in [01].*) '
    "echo 'yarn.lock is of Yarn 2 or newer, and the yarn of the sandbox is older' >&2; exit 1;; esac"
)


class NotInstalled(Exception):
    """What the lock file asks for has no place in a sandbox; the text says why and what to do."""


def install_lines(root: Folder, name: str, registry: Registry) -> tuple[str, ...]:
    """Return the shell lines that make `node_modules` from the lock file `name` of `root`.

    Raises:
        NotInstalled: it would make something else.
    """
    if name != "yarn.lock" or not _BERRY.search(root.text(name)):
        return (" ".join(LOCKS[name]),)
    if not _LINKER.search(root.text(".yarnrc.yml").replace("\r\n", "\n")):
        raise NotInstalled(
            "it is of Yarn 2 or newer, which makes no node_modules unless told to. Commit `nodeLinker: node-modules` "
            f"in .yarnrc.yml, or name `setup` under [sandbox] in {SETTINGS_PATH}"
        )
    return (_NOT_YARN_1, f"{_berry_words(registry)} yarn install --immutable")


def _berry_words(registry: Registry) -> str:
    """Return what Yarn 2 and newer read from variables of their own names only."""
    # A yarn the repository brings along (yarnPath) is not there: a set-up sees no programs of it.
    words = ['YARN_HTTP_PROXY="$HTTP_PROXY"', 'YARN_HTTPS_PROXY="$HTTPS_PROXY"', "YARN_IGNORE_PATH=1"]
    words.append("YARN_ENABLE_TELEMETRY=0")
    # A registry without TLS is refused unless it is named.
    if registry.url.startswith("http://"):
        words.append(f"YARN_UNSAFE_HTTP_WHITELIST='{registry.url.split('/')[2].split(':')[0]}'")
    return " ".join(words)
