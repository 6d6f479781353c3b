"""Takes comments and string contents out of program text of any language, so that words in it can be counted."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Family = Literal["js", "go", "rust", "java", "ruby", "python", "other"]

_FAMILIES: dict[Family, tuple[str, ...]] = {
    "js": ("js", "jsx", "ts", "tsx", "mjs", "cjs", "mts", "cts", "vue", "svelte", "coffee"),
    "go": ("go",),
    "rust": ("rs",),
    "java": (
        "java",
        "kt",
        "kts",
        "groovy",
        "scala",
        "cs",
        "swift",
        "php",
        "dart",
        "c",
        "cc",
        "cpp",
        "h",
        "hpp",
        "m",
        "mm",
    ),
    "ruby": ("rb", "ex", "exs", "bats", "sh", "pl", "t", "jl", "r", "cr"),
    "python": ("py", "pyi", "pyx"),
}
_NO_PROGRAM = {
    "json", "jsonl", "md", "rst", "txt", "yaml", "yml", "toml", "csv", "tsv", "snap", "html", "xml", "svg", "css",
    "scss",
    "png", "jpg", "gif", "lock", "ini", "cfg", "sql", "golden", "out", "log", "pdf", "gz", "zip", "bin", "env",
    "po", "ipynb",
}  # fmt: skip
_QUOTED = r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
_TRIPLE = r"\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''"
_SLASHES = r"//[^\n]*|/\*[\s\S]*?(?:\*/|\Z)"
_TOKENS = {
    "js": rf"(?P<gone>{_SLASHES})|{_QUOTED}|`(?:\\.|[^`\\])*`",
    "go": rf"(?P<gone>{_SLASHES})|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])'|`[^`]*`",
    "rust": rf"(?P<gone>{_SLASHES})|r(#*)\"[\s\S]*?\"\2|\"(?:\\.|[^\"\\])*\"|'(?:\\[^']+|[^'\\\n])'",
    "java": rf"(?P<gone>{_SLASHES}|^#if 0\b[\s\S]*?^#endif)|{_TRIPLE}|{_QUOTED}|`[^`\n]*`",
    "ruby": rf"(?P<gone>(?<![\w$&])#(?!\{{)[^\n]*|^=begin\b[\s\S]*?^=end\b)|{_TRIPLE}|{_QUOTED}",
    "python": rf"(?P<gone>#[^\n]*)|{_TRIPLE}|{_QUOTED}",
    "other": rf"(?P<gone>{_SLASHES}|^\s*(?:#|--|;)[^\n]*)|{_TRIPLE}|{_QUOTED}",
}
_PATTERNS = {family: re.compile(pattern, re.MULTILINE) for family, pattern in _TOKENS.items()}
_IMPORTS = re.compile(
    r"^[ \t]*(?:import|export \{|from|use|using|require|#include)(?=[\s(\"'{])[^\n]*|^[^\n=]*=\s*require\(\"\d+\"\);?$",
    re.MULTILINE,
)
_OPEN = "([{"


@dataclass(frozen=True)
class Plain:
    """Program text without comments, in which `"3"` stands for the string `strings[3]`."""

    family: Family
    text: str
    strings: tuple[str, ...]

    @cached_property
    def _closings(self) -> dict[int, int]:
        found: dict[int, int] = {}
        waiting: list[int] = []
        for hit in _BRACKETS.finditer(self.text):
            if hit[0] in _OPEN:
                waiting.append(hit.start())
            elif waiting:
                found[waiting.pop()] = hit.end()
        return found

    def end_of(self, opened: int) -> int:
        """Return the place after the bracket that closes the one at `opened`: the text's end if none does."""
        return self._closings.get(opened, len(self.text))

    def name(self, found: str) -> str:
        """Return a name as it was written, be it a word or a string."""
        return self.strings[int(found[1:-1])] if found.startswith('"') else found

    def spelled(self, part: str) -> str:
        """Return a part of the text without white space, with its strings in place."""
        bare = re.sub(r"\s+", "", part)
        return re.sub(r'"(\d+)"', lambda found: f'"{self.strings[int(found[1])]}"', bare)


def family_of(path: str) -> Family | None:
    """Return which family a file's language belongs to, or None if it holds no program."""
    ending = path.rpartition("/")[2].rpartition(".")[2].lower()
    if ending in _NO_PROGRAM or "." not in path.rpartition("/")[2]:
        return None
    return next((family for family, endings in _FAMILIES.items() if ending in endings), "other")


def plain(text: str, family: Family) -> Plain:
    """Return the text with comments gone and strings numbered."""
    strings: list[str] = []

    def numbered(found: re.Match[str]) -> str:
        if found["gone"] is not None:
            return " "
        strings.append(found[0].strip("\"'`"))
        return f'"{len(strings) - 1}"'

    kept = _PATTERNS[family].sub(numbered, text)
    return Plain(family, _IMPORTS.sub("", kept), tuple(strings))


def closing(text: str, at: int, limit: int = 4_000) -> int:
    """Return the place after the bracket that closes the one at `at`, or where `limit` characters were read."""
    depth = 0
    for found in _BRACKETS.finditer(text, at, at + limit):
        depth += 1 if found[0] in _OPEN else -1
        if depth <= 0:
            return found.end()
    return min(len(text), at + limit)


def statement_end(text: str, at: int) -> int:
    """Return where the statement ends that `at` lies in: at `;` or a line's end outside brackets."""
    while at < len(text):
        found = _STOPS.search(text, at)
        if not found:
            return len(text)
        if found[0] in _OPEN:
            at = closing(text, found.start())
        elif found[0] == "\n" and _GOES_ON.match(text, found.end()):
            at = found.end()
        else:
            return found.start()
    return len(text)


_BRACKETS = re.compile(r"[()\[\]{}]")
_STOPS = re.compile(r"[;\n()\[\]{}]")
_GOES_ON = re.compile(r"\s*\.\w")
