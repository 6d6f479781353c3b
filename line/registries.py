"""The package registries this machine's settings name: addresses alone, never a credential."""

import configparser
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from andon.context.registries import Registries, Registry

_PIP = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
_NPM = ("npm_config_registry", "NPM_CONFIG_REGISTRY")


def registries_of(environment: Mapping[str, str]) -> Registries:
    """Return the registries of the person whose environment this is; the public ones where nothing else is said."""
    usual = Registries()
    home = Path(environment.get("HOME") or "/nonexistent")
    config = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    pip_files = [Path(environment.get("PIP_CONFIG_FILE") or "/nonexistent"), config / "pip" / "pip.conf",
                 home / ".pip" / "pip.conf", Path("/etc/pip.conf")]  # fmt: skip
    return Registries(
        python=_first([*_said(environment, _PIP), *map(_pip_index, pip_files)], usual.python),
        node=_first([*_said(environment, _NPM), _value_of("registry", home / ".npmrc")], usual.node),
        go=_first(re.split(r"[,|]", _go_proxy(environment, config)), usual.go),
        cargo=usual.cargo,
    )


def _said(environment: Mapping[str, str], names: tuple[str, ...]) -> list[str]:
    return [environment.get(name, "") for name in names]


def _first(addresses: list[str], usual: Registry) -> Registry:
    for address in addresses:
        try:
            parts = urlsplit(address.strip())
            host, port = parts.hostname, parts.port
        except ValueError:
            continue
        if parts.scheme not in ("http", "https") or not host:
            continue
        if host in usual.hosts:
            return usual
        shown = f"[{host}]" if ":" in host else host
        authority = shown if port is None else f"{shown}:{port}"
        return Registry(f"{parts.scheme}://{authority}{parts.path}", (authority,), own=True)
    return usual


def _pip_index(path: Path) -> str:
    parser = configparser.RawConfigParser()
    try:
        parser.read(path)
    except (configparser.Error, OSError, UnicodeDecodeError):
        return ""
    found = (parser.get(part, "index-url", fallback="") for part in ("install", "global"))
    return next((value for value in found if value), "")


def _go_proxy(environment: Mapping[str, str], config: Path) -> str:
    # What `go env -w` writes.
    return environment.get("GOPROXY") or _value_of("GOPROXY", Path(environment.get("GOENV") or config / "go" / "env"))


def _value_of(name: str, path: Path) -> str:
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    for line in lines:
        key, _, value = line.partition("=")
        if key.strip() == name:
            return value.strip()
    return ""
