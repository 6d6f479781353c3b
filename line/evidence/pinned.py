"""Which packages the lock and requirements files of a Python project pin, read as data."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from andon.context.detect import LOCK_FILES
from andon.context.plain import one_line, shown_path

_REQUIREMENTS = re.compile(r"(^|/)(requirements/[^/]+|[^/]*requirements[^/]*|constraints[^/]*)\.(txt|lock)\Z")
_PYLOCK = re.compile(r"(^|/)pylock(\.[^/.]+)?\.toml\Z")
_PIN = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\])?\s*===?\s*([^\s;,*]+)\s*(?:;.*)?")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
# PEP 440, normal spelling.
_VERSION = re.compile(r"(?:\d+!)?\d+(?:\.\d+)*(?:(?:a|b|rc)\d+)?(?:\.post\d+)?(?:\.dev\d+)?(?:\+[A-Za-z0-9.]+)?")
_SHOWN = 80


@dataclass
class Pins:
    """What is pinned, and what of the files is no pin that can be asked about."""

    packages: set[tuple[str, str]] = field(default_factory=set)
    """Name, as packaging compares names, and version."""
    others: dict[str, str] = field(default_factory=dict)
    """Package, line or file to why it is not among `packages`."""


def is_dependency_file(path: str) -> bool:
    """Say whether a file pins dependencies, by its name, in whatever language."""
    name = path.rpartition("/")[2]
    return name in LOCK_FILES or bool(_REQUIREMENTS.search(path) or _PYLOCK.search(path))


def pins_of(files: Mapping[str, bytes]) -> Pins:
    """Return what `files`, by their paths, pin. Never raises; what is not understood is among `others`."""
    pins = Pins()
    for path, content in sorted(files.items()):
        try:
            for name, version in _read(path, content.decode("utf-8-sig")):
                _add(pins, name, version)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            pins.others[shown_path(path)] = "it cannot be read"
    return pins


def _read(path: str, text: str) -> Iterator[tuple[str, str]]:
    """Yield name and version; a version that is empty, or begins with a space, is the reason why there is none."""
    name = path.rpartition("/")[2]
    if name in ("uv.lock", "poetry.lock", "pdm.lock"):
        return _tables(tomllib.loads(text).get("package", []))
    if _PYLOCK.search(path):
        return _tables(tomllib.loads(text)["packages"])
    if name == "Pipfile.lock":
        return _pipfile(json.loads(text))
    if _REQUIREMENTS.search(path):
        return _requirements(text)
    return iter([(shown_path(path), " no audit is known for its kind")])


def _tables(packages: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for package in packages:
        source = package.get("source", {})
        if isinstance(source, dict) and {"editable", "virtual", "directory"} & set(source):
            continue
        elsewhere = _is_elsewhere(package, source)
        yield package["name"], " it does not come from a registry" if elsewhere else str(package.get("version", ""))


def _is_elsewhere(package: dict[str, Any], source: Any) -> bool:
    """Say whether a package comes from a repository, a file or an address: no advisory is about that."""
    if {"git", "path", "url", "vcs", "directory", "archive"} & set(package):
        return True
    if not isinstance(source, dict):
        return True
    # Poetry names a kind, of which `legacy` is an index; uv has a key for each.
    return source["type"] != "legacy" if "type" in source else bool({"git", "path", "url"} & set(source))


def _pipfile(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for section in ("default", "develop"):
        for name, package in data.get(section, {}).items():
            version = str(package.get("version", ""))
            yield name, version.removeprefix("==") if version.startswith("==") else " it is not pinned"


def _requirements(text: str) -> Iterator[tuple[str, str]]:
    joined = re.sub(r"\\\r?\n", " ", text)
    for line in joined.splitlines():
        words = re.sub(r"(^|\s)#.*", "", line).strip()
        words = re.sub(r"\s--(hash|config-settings?|global-option)[ =]\S+", "", words).strip()
        if not words or words.startswith(("--hash", "-i ", "--index-url", "--extra-index-url", "--find-links", "-f ")):
            continue
        if words.startswith(("--no-index", "--no-binary", "--only-binary", "--prefer-binary", "--require-hashes")):
            continue
        if pin := _PIN.fullmatch(words):
            yield pin[1], pin[2]
        elif words.startswith(("-r", "-c", "--requirement", "--constraint")):
            yield words, " a file it names is audited only by its own name"
        else:
            yield words, " it is not pinned to one version of a registry"


def _add(pins: Pins, name: str, version: str) -> None:
    shown = one_line(name)[:_SHOWN]
    if version.startswith(" "):
        pins.others[shown] = version.strip()
    elif not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
        pins.others[shown] = "its version is not understood" if version else "it is not pinned"
    else:
        release, plus, local = version.partition("+")
        # As packaging spells it: 2022.07.01 is 2022.7.1.
        normal = re.sub(r"(?<!\d)0+(?=\d)", "", release)
        pins.packages.add((re.sub(r"[-_.]+", "-", name).lower(), normal + plus + local))
