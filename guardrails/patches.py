"""Which files a unified diff changes, read from its headers."""

import re

from andon.guardrails.refusal import Found, Use

_HEADER = re.compile(
    r"^(?:---|\+\+\+|rename (?:from|to)|copy (?:from|to)) (.+)$|^diff --git (.+)$|^Index: (.+)$", re.MULTILINE
)
_MODE = re.compile(r"^(?:new|old|deleted) (?:file )?mode (120000|160000)$", re.MULTILINE)


def patch_uses(text: str, found: Found, base: str = ".") -> None:
    """Note every path that `text` changes, deletes or makes; a patch that names none needs a person."""
    named = 0
    for groups in _HEADER.findall(text):
        for path in _paths(*groups):
            named += 1
            joined = path if base == "." or path.startswith("/") else f"{base}/{path}"
            found.uses.append(Use(joined, writes=True, outside=True, removes=True))
    if not named:
        found.ask("patch", "the patch names no file; use edit_file, or give a unified diff")
    if _MODE.search(text):
        found.ask("patch", "the patch makes links or submodules; make ordinary files")


def _paths(plain: str, both: str, index: str) -> list[str]:
    if both:
        halves = re.fullmatch(r'"?a/(.+?)"? "?b/(.+?)"?', both)
        return [halves[1], halves[2]] if halves else both.split()
    path = (plain or index).split("\t")[0].strip().strip('"')
    if path in ("/dev/null", ""):
        return []
    return [path, re.sub(r"^[ab]/", "", path)]
