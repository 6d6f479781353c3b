"""The package registries a set-up asks, by ecosystem."""

from dataclasses import dataclass, field

PYPI = "https://pypi.org/simple"
NPM = "https://registry.npmjs.org/"
GO = "https://proxy.golang.org"


@dataclass(frozen=True)
class Registry:
    """One registry: where it is asked, and the hosts its files come from."""

    url: str
    """Without user, password, query and fragment."""
    hosts: tuple[str, ...]
    """`HOST` or `HOST:PORT`."""
    own: bool = False
    """True if this machine's settings name it, which may lie in a private network."""


@dataclass(frozen=True)
class Registries:
    """What is asked on this machine."""

    python: Registry = field(default=Registry(PYPI, ("pypi.org", "files.pythonhosted.org")))
    """For pip."""
    node: Registry = field(default=Registry(NPM, ("registry.npmjs.org", "registry.yarnpkg.com")))
    """For npm, pnpm and yarn."""
    go: Registry = field(default=Registry(GO, ("proxy.golang.org", "sum.golang.org")))
    """For the go command."""
    cargo: Registry = field(default=Registry("", ("index.crates.io", "static.crates.io")))
    """For cargo, which has no address to set here."""
