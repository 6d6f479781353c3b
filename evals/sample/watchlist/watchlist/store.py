"""JSON files in the data folder."""

import json
from pathlib import Path
from typing import Any


def read(path: Path, default: Any) -> Any:
    """Return what `path` holds, or `default` if the file is missing or damaged."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return default


def write(path: Path, value: Any) -> None:
    """Put `value` at `path`; readers see the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(value, indent=2) + "\n", "utf-8")
    partial.replace(path)
