"""Lock files of Python projects as pip reads them: pinned requirements with hashes. Nothing is run or asked."""

import json
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

_TEST_EXTRAS = frozenset({"dev", "test", "testing", "tests"})
"""Extras that hold what tests need, by the names projects give them."""
_ALWAYS = ""
_PATHS = 64
"""Different conditions kept for one package; locks with more are unknown to us."""


class Unreadable(Exception):
    """A lock file that cannot be turned into requirements; the text says why."""


def requirements_of(name: str, text: str) -> str:
    """Return the requirements of a lock file called `name`, a line each, sorted.

    Raises:
        Unreadable: malformed, of a version that does not say enough, or not all from registries.
    """
    read = {"uv.lock": _uv, "poetry.lock": _poetry, "Pipfile.lock": _pipfile}[name]
    try:
        lines = read(text)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        raise Unreadable(f"it is malformed ({error})") from error
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise Unreadable("it does not look like a lock file of a version that is known") from error
    return "".join(sorted(f"{line}\n" for line in lines))


def _line(name: str, version: str, marker: str, hashes: Iterable[str]) -> str:
    pins = " ".join(f"--hash={pin}" for pin in sorted(set(hashes)))
    if not pins:
        raise Unreadable(f"it holds no hash for {name}")
    condition = f" ; {marker}" if marker else ""
    line = f"{name}=={version}{condition} {pins}"
    if "\n" in line or "\r" in line:
        raise Unreadable(f"it holds a line break in {name!r}")
    return line


def _uv(text: str) -> list[str]:
    packages: list[dict[str, Any]] = tomllib.loads(text).get("package", [])
    conditions = _uv_conditions(packages)
    lines = []
    for package in packages:
        key = (package["name"], package.get("version", ""))
        found = conditions.get(key)
        if found is None or _is_own(package):
            continue
        if "registry" not in package["source"]:
            raise Unreadable(f"{package['name']} does not come from a registry")
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        marker = _ALWAYS if _ALWAYS in found else " or ".join(f"({one})" for one in sorted(found))
        lines.append(_line(*key, marker, (file["hash"] for file in files)))
    return lines


def _is_own(package: dict[str, Any]) -> bool:
    return bool({"editable", "virtual", "directory"} & set(package["source"]))


def _uv_conditions(packages: list[dict[str, Any]]) -> dict[tuple[str, str], set[str]]:
    """Return for each package that is needed when it is: the markers along each way to it."""
    by_name = defaultdict(list)
    for package in packages:
        by_name[package["name"]].append(package)
    found: dict[tuple[str, str], set[str]] = {}
    waiting = [(edge, _ALWAYS) for package in packages if _is_own(package) for edge in _own_edges(package)]
    seen: set[tuple[str, str, tuple[str, ...], str]] = set()
    while waiting:
        edge, above = waiting.pop()
        marker = edge.get("marker", "")
        condition = f"{above} and ({marker})" if above and marker else above or (f"({marker})" if marker else _ALWAYS)
        for package in by_name[edge["name"]]:
            key = (package["name"], package.get("version", ""))
            extras = tuple(edge.get("extra", ()))
            ways = found.setdefault(key, set())
            if edge.get("version", key[1]) != key[1] or (*key, extras, condition) in seen:
                continue
            # What is needed anyway adds nothing below it under a condition, except for its extras.
            if _ALWAYS in ways and condition and not extras:
                continue
            if len(ways) >= _PATHS:
                raise Unreadable(f"{key[0]} is needed under too many conditions")
            seen.add((*key, extras, condition))
            ways.add(condition)
            below = [*package.get("dependencies", []), *_extra_edges(package, extras)]
            waiting += [(one, condition) for one in below]
    return {key: ways for key, ways in found.items() if ways}


def _own_edges(package: dict[str, Any]) -> list[dict[str, Any]]:
    groups = package.get("dev-dependencies", {})
    return [
        *package.get("dependencies", []),
        *_extra_edges(package, _TEST_EXTRAS),
        *(edge for group in groups.values() for edge in group),
    ]


def _extra_edges(package: dict[str, Any], extras: Iterable[str]) -> list[dict[str, Any]]:
    optional = package.get("optional-dependencies", {})
    return [edge for extra in sorted(extras) for edge in optional.get(extra, [])]


def _poetry(text: str) -> list[str]:
    data = tomllib.loads(text)
    version = str(data["metadata"]["lock-version"])
    if tuple(map(int, version.split("."))) < (2, 1):
        raise Unreadable(f"its version {version} does not say when a package is needed: lock it with Poetry 2")
    lines = []
    for package in data.get("package", []):
        if "source" in package and package["source"].get("type") != "legacy":
            raise Unreadable(f"{package['name']} does not come from a registry")
        markers = package.get("markers", _ALWAYS)
        if isinstance(markers, dict):
            markers = " or ".join(f"({one})" for one in sorted(set(markers.values())))
        if package.get("optional") and not _TEST_EXTRAS & set(package.get("groups", ())):
            continue
        # Which extra wants it is in no environment.
        condition = _ALWAYS if "extra" in markers else markers
        lines.append(_line(package["name"], package["version"], condition, (file["hash"] for file in package["files"])))
    return lines


def _pipfile(text: str) -> list[str]:
    data = json.loads(text)
    lines = {}
    for section in ("develop", "default"):
        for name, package in data.get(section, {}).items():
            if not str(package.get("version", "")).startswith("=="):
                raise Unreadable(f"{name} does not come from a registry")
            version = package["version"].removeprefix("==")
            lines[name] = _line(name, version, package.get("markers", ""), package["hashes"])
    return list(lines.values())
