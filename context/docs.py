"""A question answered from the project's own documents, offline."""

import re
import sqlite3

from andon.context.base import BaseFiles
from andon.context.plain import clipped, one_line, plain, shown_path
from andon.context.project import CONTEXT_PATH
from andon.context.sections import Section, sections

MAX_QUERY = 400
"""Longest question, in characters."""
MAX_FILE = 400_000
"""Larger files are not indexed, in bytes."""
MAX_FILES = 2_000
"""More documents than this are not indexed."""

_BEST = 5
_FULL_BYTES = 2_000
_NOT_READ = ("factory/context/lessons/",)
"""Proposed lessons are read by no run until a person promotes them."""
_STOP_WORDS = """
    a about all an and any are as at be been but by can could did do does for from get had has have how i if in into
    is it its may me must my no not of on one or our should so some than that the their them then there these they this
    to use was we were what when where which who why will with would you your
"""
_STOP = frozenset(_STOP_WORDS.split())


class DocsIndex:
    """A full-text index of *.md, *.rst and *.txt of the base commit. What it answers is outsider text."""

    def __init__(self, files: int, left_out: int, found: list[Section]) -> None:
        self._files = files
        self._left_out = left_out
        # Built in a worker thread while the sandbox starts; the calls of a run come one after another.
        self._table = sqlite3.connect(":memory:", check_same_thread=False)
        self._table.execute(
            "CREATE VIRTUAL TABLE docs USING fts5(path, trail, body, line UNINDEXED, tokenize='porter unicode61')"
        )
        rows = ((each.path, each.trail, each.body, each.line) for each in found)
        self._table.executemany("INSERT INTO docs VALUES (?, ?, ?, ?)", rows)

    @classmethod
    def build(cls, files: BaseFiles) -> "DocsIndex":
        """Return the index of the base commit's documents."""
        wanted = [path for path in files.paths if _is_document(path)]
        found: list[Section] = []
        read = 0
        for path, content in sorted(files.read_many(wanted[:MAX_FILES], limit=MAX_FILE).items()):
            if b"\0" not in content:
                found += sections(path, plain(content.decode("utf-8-sig", errors="replace")))
                read += 1
        return cls(read, len(wanted) - read, found)

    def lookup(self, query: str) -> str:
        """Return the sections nearest to `query`: the best one in full up to 2 kB, then four more places.

        A question that is empty, too long or an address gets a sentence that says so.
        """
        refusal = _refusal(query)
        if refusal:
            return refusal
        words = _words(query)
        rows = self._table.execute(
            "SELECT path, line, trail, body FROM docs WHERE docs MATCH ? ORDER BY bm25(docs, 2, 4, 1), rowid LIMIT ?",
            (" OR ".join(f'"{word}"' for word in words), _BEST),
        ).fetchall()
        hits = [Section(*row) for row in rows]
        return _answer(hits) if hits else f"nothing found for: {' '.join(words)}. Searched: {self._searched()}."

    def _searched(self) -> str:
        left = f"; {self._left_out} too large or unreadable were left out" if self._left_out else ""
        documents = "document" if self._files == 1 else "documents"
        return f"{self._files} {documents} (*.md, *.rst, *.txt) of the repository and factory/context/{left}"


def _is_document(path: str) -> bool:
    if path == CONTEXT_PATH:
        return True
    if path.startswith("factory/") and not path.startswith("factory/context/"):
        return False
    return path.lower().endswith((".md", ".rst", ".txt")) and not path.startswith(_NOT_READ)


def _refusal(query: str) -> str:
    if not _words(query):
        return "refused: the question holds no word. Ask with a few words from the documents."
    if len(query) > MAX_QUERY:
        return f"refused: the question has {len(query)} characters; at most {MAX_QUERY}. Ask with a few words."
    if re.search(r"\w+://|\bwww\.", query):
        return "refused: the question holds an address, and this searches only files. Ask with a few words instead."
    return ""


def _words(query: str) -> list[str]:
    """Return the words to search for, once each; stop words go unless there is nothing else."""
    words = list(dict.fromkeys(re.findall(r"\w+", plain(query).lower().replace("_", " "))))
    return [word for word in words if word not in _STOP] or words


def _answer(hits: list[Section]) -> str:
    full, left = clipped(hits[0].body, _FULL_BYTES)
    lines = [f"{_place(hits[0])}, in full:", *full.splitlines()]
    if left:
        lines.append(f"[{left} more bytes; read_file {shown_path(hits[0].path)} shows them]")
    others = [line for hit in hits[1:] for line in (_place(hit), *_first_lines(hit.body))]
    return "\n".join([*lines, *(["", "Also:", *others] if others else [])])


def _place(section: Section) -> str:
    return f"{shown_path(section.path)}:{section.line}  {one_line(section.trail)}".rstrip()


def _first_lines(body: str) -> list[str]:
    lines = [one_line(line) for line in body.splitlines() if line.strip()]
    return [f"    {clipped(line, 160)[0]}" for line in lines[:2]]
