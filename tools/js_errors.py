"""What an error of JavaScript says, read from its message and stack."""

import posixpath
import re

from andon.tools.report import plain_lines, shortened, steady

_FRAME = re.compile(r"^\s+at ")
_PLACE = re.compile(r"^(?:\s+at .*?\(?)?(/[^\s()]+?):(\d+)(?::\d+)?\)?$")
_ERROR = re.compile(r"^\s*(Uncaught )?\w*(Error|Exception)\b")


def explained(text: str, folder: str) -> str:
    """Return the first place inside the project, and the error in front of its stack."""
    lines = [line.rstrip().replace("file:///", "/") for line in plain_lines(text)]
    places = [
        f"{posixpath.relpath(found[1], folder)}:{found[2]}"
        for line in lines
        if (found := _PLACE.match(line)) and found[1].startswith(f"{folder}/") and "/node_modules/" not in found[1]
    ]
    start = next((at for at, line in enumerate(lines) if _ERROR.match(line)), 0)
    end = next((at for at, line in enumerate(lines) if at > start and _FRAME.match(line)), len(lines))
    said = [line.replace(f"{folder}/", "") for line in lines[start:end] if line.strip()]
    return steady("\n".join([*places[:1], *shortened(said or ["no explanation"])]))
