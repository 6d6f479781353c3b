"""One folder of the base commit, looked at as a project of its own."""

import json
import tomllib
from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from andon.context.base import BaseFiles


@dataclass(frozen=True)
class Folder:
    """A folder that may hold a project."""

    files: BaseFiles
    """The whole base commit."""
    at: str
    """`.` for the root, else the path of a folder."""

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """The paths below this folder, relative to it, sorted."""
        if self.at == ".":
            return self.files.paths
        start = f"{self.at}/"
        paths = self.files.paths
        # Sorted, so that what is below lies together: "0" is what follows "/".
        first, end = bisect_left(paths, start), bisect_left(paths, f"{self.at}0")
        return tuple(path.removeprefix(start) for path in paths[first:end])

    @cached_property
    def names(self) -> frozenset[str]:
        """`paths` for membership."""
        return frozenset(self.paths)

    def lies_below(self, other: "Folder") -> bool:
        """Say whether this folder is inside `other`."""
        return self.at != other.at and (other.at == "." or self.at.startswith(f"{other.at}/"))

    def full(self, path: str) -> str:
        """Return a path of this folder relative to the repository."""
        return path if self.at == "." else f"{self.at}/{path}"

    def text(self, path: str) -> str:
        """Return the text of a file, or an empty string where there is none; what is not UTF-8 is replaced."""
        content = self.files.read(self.full(path)) if path in self.names else None
        return (content or b"").decode("utf-8-sig", errors="replace")

    @cached_property
    def pyproject(self) -> dict[str, Any]:
        """The tables of pyproject.toml; empty where it is missing or cannot be read."""
        try:
            return tomllib.loads(self.text("pyproject.toml"))
        except tomllib.TOMLDecodeError:
            return {}

    @cached_property
    def cargo(self) -> dict[str, Any]:
        """The tables of Cargo.toml; empty where it is missing or cannot be read."""
        try:
            return tomllib.loads(self.text("Cargo.toml"))
        except tomllib.TOMLDecodeError:
            return {}

    @cached_property
    def package(self) -> dict[str, Any]:
        """The object in package.json; empty where it is missing or cannot be read."""
        try:
            value = json.loads(self.text("package.json") or "{}")
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def scripts(self) -> dict[str, Any]:
        """The scripts of package.json by name, whatever their values are; empty where there are none."""
        scripts = self.package.get("scripts")
        return scripts if isinstance(scripts, dict) else {}

    def tool(self, name: str) -> bool:
        """Whether pyproject.toml configures `[tool.NAME]`."""
        tools = self.pyproject.get("tool", {})
        return isinstance(tools, dict) and name in tools

    def unreadable(self) -> list[str]:
        """Return a note for each manifest that is there and cannot be read."""
        notes = []
        for name, value in (
            ("pyproject.toml", self.pyproject),
            ("package.json", self.package),
            ("Cargo.toml", self.cargo),
        ):
            if self.text(name).strip() and not value:
                notes.append(f"{self.full(name)} cannot be read and was passed over.")
        return notes
