"""Where a task is likely to be worked on: files of the base by relevance, with what they define."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from andon.context.kinds import is_code, is_test
from andon.context.neighbours import imported
from andon.context.plain import one_line, size
from andon.context.ranking import FileWords, Ranked, counted, named, query_of, ranked
from andon.context.reader import Reader
from andon.context.substance import is_empty, is_slight
from andon.context.symbols import Symbol, names_in, symbols
from andon.context.words import words_of
from andon.records.task import Task

MAP_BYTES = 1_500
"""What the places may take together, newlines included."""
READ_FILES = 300
"""In a larger repository the other files are ranked by their paths alone."""
_FILE_BYTES = 200_000
_BODY = 20_000
"""Characters of a file that are looked at."""
_PLACES, _TESTS = 12, 5
_BEHIND = 3
_OUTLINED = 8
"""So many of the places are shown with their definitions."""
_SYMBOLS, _TEST_SYMBOLS = 4, 2
_PATH = re.compile(r"[\w./-]+")


@dataclass(frozen=True)
class RepositoryMap:
    """The places of one task; what stands here is a hint made of words, not of what the code does."""

    places: tuple[str, ...] = ()
    """A line each, best first: `path: name 3-9, name 12-40`."""
    tests: tuple[str, ...] = ()
    """The same for tests."""
    strong: bool = True
    """False: the words of the task hardly occur, and it names no file."""
    by_path: int = 0
    """Files that were ranked by their paths alone."""
    paths: tuple[str, ...] = ()
    """The files of both."""


@dataclass
class _Sight:
    """What was seen of the base for one task."""

    query: dict[str, float]
    texts: dict[str, str] = field(default_factory=dict)
    symbols: dict[str, list[Symbol]] = field(default_factory=dict)


def map_of(reader: Reader, task: Task) -> RepositoryMap:
    """Return the places of `task` in at most MAP_BYTES. The same base and task give the same map."""
    sight = _Sight(query_of(task.title, task.acceptance_criteria))
    pool = [path for path in reader.paths if is_code(path)] or list(reader.paths)
    if not sight.query or not pool:
        return RepositoryMap()
    told = _told(task, pool)
    paths = {path: found for path in pool if (found := named(sight.query, path))}
    near = _nearest(pool, list(dict.fromkeys([*told, *ranked(sight.query, paths, len(pool)).paths])))
    sources = reader.sources(near, limit=_FILE_BYTES, blank=True)
    # Whatever it is called, nobody works at a file that holds nothing, unless the task names it.
    empty = {path for path, text in sources.items() if is_empty(path, text) and path not in told}
    sight.texts = {path: text for path, text in sources.items() if path not in empty}
    words = {path: found for path, found in paths.items() if path not in empty}
    words |= {path: _seen(sight, path) for path in sight.texts}
    order = ranked(sight.query, words, len(pool))
    tests = [path for path in order.paths if is_test(path)][:_TESTS]
    places, behind = _places(reader, sight, order, told)
    outlined = [path for path in (*places[:_OUTLINED], *behind, *tests) if path in sight.texts]
    sight.symbols = symbols({path: sight.texts[path] for path in outlined})
    shown = _within(
        [_line(sight, order, path, _SYMBOLS) for path in places],
        [_line(sight, order, path, _TEST_SYMBOLS) for path in tests],
    )
    return RepositoryMap(
        *shown, paths=(*places, *tests), strong=order.strong or bool(told), by_path=len(pool) - len(near)
    )


def _told(task: Task, pool: Sequence[str]) -> list[str]:
    """Return the files of `pool` whose paths stand in the task, those it names to be read first in front."""
    first = [path for entry in task.context_paths if (path := entry.strip().strip("`").removeprefix("./"))]
    text = "\n".join([task.title, *task.acceptance_criteria, *task.constraints])
    known = set(pool)
    written = [path for word in _PATH.findall(text) if (path := word.removeprefix("./").rstrip("."))]
    return [path for path in dict.fromkeys([*first, *written]) if path in known]


def _places(reader: Reader, sight: _Sight, order: Ranked, told: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the likely places and which of them stand there because others import them.

    What the task names comes first, then what that imports, then the others, best first. Files that define nothing
    come last.
    """
    order_of = {path: number for number, path in enumerate(order.paths)}
    slight = [path for path in order.paths if path not in told and is_slight(sight.texts.get(path, ""))]
    beside = sorted(_imported(reader, sight, told), key=lambda path: order_of.get(path, len(order_of)))
    beside = [path for path in beside if path not in slight][:_BEHIND]
    ranks = [path for path in dict.fromkeys([*told, *beside, *order.paths]) if path not in slight]
    places = [path for path in ranks if not is_test(path)][:_PLACES]
    # A symptom is told in the words of one module and has its cause in one that it imports.
    behind = [path for path in _imported(reader, sight, places[:_OUTLINED]) if path not in places]
    behind = sorted(behind, key=lambda path: is_slight(sight.texts[path]))[:_BEHIND]
    rest = [path for path in slight if path not in behind and not is_test(path)]
    return [*places, *behind, *rest[: _PLACES - len(places)]], [*beside, *behind]


def _imported(reader: Reader, sight: _Sight, paths: Sequence[str]) -> list[str]:
    """Return what the files at `paths` import beside each other, tests and what holds no code apart."""
    found = dict.fromkeys(each for path in paths for each in imported(reader, path, sight.texts.get(path, "")))
    return [path for path in found if path in sight.texts and path not in paths and not is_test(path)]


def _nearest(pool: Sequence[str], named_first: Sequence[str]) -> list[str]:
    """Return the files worth reading: all of a small repository, else those whose paths speak of the task first."""
    if len(pool) <= READ_FILES:
        return list(pool)
    first = named_first[: READ_FILES // 2]
    folders = {path.rpartition("/")[0] for path in first}
    taken = set(first)
    # Beside what is named, then what lies near the root: deep files are seldom where a task begins.
    rest = sorted(
        (path for path in pool if path not in taken),
        key=lambda path: (path.rpartition("/")[0] not in folders, path.count("/"), path),
    )
    return [*first, *rest[: READ_FILES - len(first)]]


def _seen(sight: _Sight, path: str) -> FileWords:
    body = sight.texts[path][:_BODY]
    return counted(sight.query, path, names_in(body), body)


def _line(sight: _Sight, order: Ranked, path: str, most: int) -> str:
    lines = sight.texts.get(path, "").split("\n")
    best = _best(sight.symbols.get(path, []), lines, order.rarity, most)
    named = ", ".join(f"{one_line(each.name)} {_lines(each)}" for each in best)
    return f"{path}: {named}" if named else path


def _lines(symbol: Symbol) -> str:
    return f"{symbol.first}-{symbol.last}" if symbol.last > symbol.first else str(symbol.first)


def _best(found: Sequence[Symbol], lines: Sequence[str], rarity: Mapping[str, float], most: int) -> list[Symbol]:
    """Return the definitions that speak most of the task, in the order of the file."""
    scores = {each: _speaks(each, lines, rarity) for each in found}
    best = sorted((each for each in found if scores[each] > 0), key=lambda each: (-scores[each], each.first))
    return sorted(best[:most], key=lambda each: (each.first, each.name))


def _speaks(symbol: Symbol, lines: Sequence[str], rarity: Mapping[str, float]) -> float:
    named = set(words_of(symbol.name))
    body = set(words_of("\n".join(lines[symbol.first - 1 : symbol.last])[:_BODY]))
    long = 1 + (symbol.last - symbol.first) / 100
    return sum(weight * (3 * (word in named) + (word in body)) / long for word, weight in rarity.items())


def _within(places: list[str], tests: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Drop definitions from the end, then the last places, until both fit."""
    for number in range(len(places), 0, -1):
        if _size(places) + _size(tests) <= MAP_BYTES:
            break
        places[number - 1] = places[number - 1].partition(":")[0]
    while places and _size(places) + _size(tests) > MAP_BYTES:
        places.pop()
    return tuple(places), tuple(tests)


def _size(lines: Sequence[str]) -> int:
    return sum(size(line) + 3 for line in lines)
