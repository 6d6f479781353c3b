"""What people wrote about working here: conventions by folder, specs, decisions, and what a task names."""

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from andon.context.kinds import is_code, is_document
from andon.context.plain import cut_in_middle, one_line, size
from andon.context.ranking import FileWords, counted, query_of, ranked
from andon.context.reader import Reader
from andon.records.task import Task

CONVENTION_BYTES = 2_400
"""What conventions may take together."""
DOCUMENT_BYTES = 6_000
"""What the files that the task names may take together."""
PAPER_BYTES = 1_800
"""What specs and decisions may take together."""

_NAMES = ("AGENTS.md", "CLAUDE.md")
_ONE_CONVENTION, _ONE_DOCUMENT, _ONE_PAPER = 1_200, 3_000, 900
_LARGEST = 100_000
_IN_FOLDER, _OTHERS = 3, 8


class Papers(NamedTuple):
    """Specs and decisions of the project."""

    texts: Mapping[str, str]
    """Those that speak of the task, by path."""
    others: Sequence[str]
    """Titles of further ones."""


def conventions(reader: Reader, paths: Iterable[str]) -> dict[str, str]:
    """Return AGENTS.md and CLAUDE.md of the root and of the folders `paths` lie in, outermost first.

    A file that repeats another, or only points to one, is left out; what is long is cut in the middle.
    """
    texts = reader.texts(_wanted(paths), limit=_LARGEST)
    kept: dict[str, str] = {}
    for path, text in texts.items():
        if not _only_points(text) and text.strip() not in (each.strip() for each in kept.values()):
            kept[path] = text
    return _budgeted(kept, _ONE_CONVENTION, CONVENTION_BYTES, "read_file")


def named_files(reader: Reader, task: Task, *, code: bool) -> dict[str, str]:
    """Return the text of files that the task names: documents, and with `code` source that fits whole.

    Of a folder it names, the first documents are taken.
    """
    paths = [path for path in _named(reader, task) if is_document(path) or (code and is_code(path))]
    texts = {
        path: text
        for path, text in reader.texts(paths, limit=_LARGEST).items()
        if is_document(path) or size(text) <= _ONE_DOCUMENT
    }
    return _budgeted(texts, _ONE_DOCUMENT, DOCUMENT_BYTES, "read_file")


def papers(reader: Reader, task: Task) -> Papers:
    """Return the specs and decisions that speak of the task, and the titles of others; docs_lookup reads those."""
    texts = {**reader.papers("specs", limit=_LARGEST), **reader.papers("decisions", limit=_LARGEST)}
    query = query_of(task.title, task.acceptance_criteria)
    words = {path: counted(query, path.rpartition("/")[2], _title(path, text), text) for path, text in texts.items()}
    speaking = [path for path in ranked(query, words, len(words)).paths if _speaks(query, words[path])]
    shown = _budgeted({path: texts[path] for path in speaking}, _ONE_PAPER, PAPER_BYTES, "docs_lookup")
    others = [path for path in (*speaking, *texts) if path not in shown]
    return Papers(shown, [f"{path}: {_title(path, texts[path])}" for path in dict.fromkeys(others)][:_OTHERS])


def _wanted(paths: Iterable[str]) -> Iterator[str]:
    folders = {""}
    for path in paths:
        folder = posixpath.normpath(path.strip().strip("`") or ".")
        while folder not in ("", ".", "/", ".."):
            folders.add(folder)
            folder = posixpath.dirname(folder)
    for folder in sorted(folders, key=lambda each: (each.count("/") + bool(each), each)):
        yield from (posixpath.join(folder, name) for name in _NAMES)


def _only_points(text: str) -> bool:
    """Say whether a file holds nothing but the `@path` lines by which one file takes in another."""
    return all(line.startswith("@") for line in text.splitlines() if line.strip())


def _named(reader: Reader, task: Task) -> Iterator[str]:
    for entry in task.context_paths:
        path = posixpath.normpath(entry.strip().strip("`") or ".")
        if path in reader.names:
            yield path
        else:
            below = (each for each in reader.paths if each.startswith(f"{path}/") and is_document(each))
            yield from (each for each, _ in zip(below, range(_IN_FOLDER), strict=False))


def _title(path: str, text: str) -> str:
    first = next((line.lstrip("#").strip() for line in text.splitlines() if line.startswith("#")), "")
    return one_line(first)[:100] or path.rpartition("/")[2].removesuffix(".md").replace("-", " ")


def _speaks(query: Mapping[str, float], words: FileWords) -> bool:
    return any(count == 1.0 and words.weight(word) for word, count in query.items())


def _budgeted(texts: Mapping[str, str], one: int, together: int, call: str) -> dict[str, str]:
    """Cut each text in the middle, and leave out those for which no room is left."""
    kept: dict[str, str] = {}
    for path, text in texts.items():
        rest = f"read_file {path}" if call == "read_file" else call
        cut = cut_in_middle(text.strip("\n"), one, rest)
        if size(cut) <= together:
            kept[path] = cut
            together -= size(cut)
    return kept
