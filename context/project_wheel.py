"""A wheel that makes the project importable from the workspace, from what pyproject.toml says: nothing is built."""

import io
import re
import zipfile
from typing import Any

from andon.context.folder import Folder
from andon.sandbox.protocol import WORKSPACE

_WHEEL = "Wheel-Version: 1.0\nGenerator: andon\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def project_wheel(root: Folder) -> tuple[str, bytes]:
    """Return the name and content of the wheel: a path to the sources, the project's name, version, commands.

    The same project gives the same bytes. What a build would compile or generate is not in it.
    """
    table = root.pyproject.get("project")
    poetry = _table(_table(root.pyproject, "tool"), "poetry")
    project: dict[str, Any] = table if isinstance(table, dict) else poetry
    name = _word(project.get("name"), r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", "project")
    version = _word(project.get("version"), r"[0-9]+(\.[0-9]+)*((a|b|rc|\.post|\.dev)[0-9]+)*", "0")
    stem = re.sub(r"[-_.]+", "_", name).lower()
    info = f"{stem}-{version}.dist-info"
    files = {
        f"_{stem}.pth": f"{sources(root)}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": _WHEEL,
        f"{info}/entry_points.txt": _entry_points(project),
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as wheel:
        for path, text in files.items():
            wheel.writestr(zipfile.ZipInfo(path), text)
    return f"{stem}-{version}-py3-none-any.whl", archive.getvalue()


def sources(root: Folder) -> str:
    """Return the folder, as it lies in a sandbox, that holds the project's packages."""
    return f"{WORKSPACE}/src" if any(re.match(r"src/.+\.py\Z", path) for path in root.paths) else WORKSPACE


def _table(above: dict[str, Any], name: str) -> dict[str, Any]:
    value = above.get(name)
    return value if isinstance(value, dict) else {}


def _word(value: Any, pattern: str, otherwise: str) -> str:
    return value if isinstance(value, str) and re.fullmatch(pattern, value) else otherwise


def _entry_points(project: dict[str, Any]) -> str:
    groups = {"console_scripts": _table(project, "scripts"), "gui_scripts": _table(project, "gui-scripts")}
    groups |= {name: _table(_table(project, "entry-points"), name) for name in _table(project, "entry-points")}
    lines = []
    for group, entries in sorted(groups.items()):
        found = [f"{name} = {target}" for name, target in sorted(entries.items()) if isinstance(target, str)]
        plain = [line for line in found if "\n" not in line and "\r" not in line]
        if plain and re.fullmatch(r"[A-Za-z0-9_.]+", group):
            lines += [f"[{group}]", *plain]
    return "".join(f"{line}\n" for line in lines)
