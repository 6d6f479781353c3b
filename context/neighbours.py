"""What stands beside the files of a plan: what it names, what they import, and the tests that are theirs."""

import posixpath
import re
from collections.abc import Iterator, Sequence

from andon.context.diffs import split_diff
from andon.context.kinds import is_code, is_test
from andon.context.plain import size
from andon.context.reader import Reader
from andon.context.symbols import Symbol, signature, suffix_of, symbols

NEIGHBOUR_BYTES = 1_600
"""What the outlines may take together, newlines included."""
_FILE_BYTES = 100_000
_FILES, _SIGNATURES = 20, 8
_SIBLINGS, _TEST_SIBLINGS = 8, 1
_NAMED = 8
_NAME = re.compile(r"[\w./-]+\.\w+")
_PYTHON = re.compile(
    r"^[ \t]*(?:from[ \t]+(\.*[\w.]*)[ \t]+import[ \t]+([^#\n]+)|import[ \t]+([\w., \t]+))", re.MULTILINE
)
_SCRIPT = re.compile(r"""(?:from|import|require\()[ \t]*["'](\.{1,2}/[^"'\n]{1,200})["']""")
_SCRIPTS = ("ts", "tsx", "js", "jsx", "mjs", "cjs", "mts", "vue", "svelte")
_ROOTS = ("", "src/", "lib/")


def neighbours(
    reader: Reader, planned: Sequence[str], shown: Sequence[str], *, told: str = "", diff: str = ""
) -> list[str]:
    """Return outlines of what stands beside the `planned` paths: a path, then the line each definition begins with.

    First comes what `told`, the plan's words, names; then what the files of `diff`, the change so far, import. The
    files in `shown` stand in the packet whole and are left out. At most NEIGHBOUR_BYTES.
    """
    named = _named(reader, told)
    beside = dict.fromkeys([*named, *_brought(reader, diff), *_beside(reader, planned, named)])
    wanted = [path for path in beside if path not in {*shown, *planned}]
    lines: list[str] = []
    left = NEIGHBOUR_BYTES
    texts = reader.texts(wanted[:_FILES], limit=_FILE_BYTES)
    for path, found in symbols(texts).items():
        outline = [path, *(f"  {each}" for each in _outline(texts[path], found))]
        cost = sum(size(line) + 1 for line in outline)
        if len(outline) > 1 and cost <= left:
            lines += outline
            left -= cost
    return lines


def _named(reader: Reader, told: str) -> list[str]:
    """Return the files that a text names by their path, or by an end of it that no other file has."""
    words = dict.fromkeys(word.removeprefix("./") for word in _NAME.findall(told))
    ends = {posixpath.basename(word) for word in words}
    there = [path for path in reader.paths if is_code(path) and posixpath.basename(path) in ends]
    found: list[str] = []
    for word in words:
        fitting = [path for path in there if path == word or path.endswith(f"/{word}")]
        found += fitting if len(fitting) == 1 else [word] if word in fitting else []
    return list(dict.fromkeys(found))[:_NAMED]


def _brought(reader: Reader, diff: str) -> Iterator[str]:
    """Yield what the lines that a change added, or left beside them, import."""
    for file in split_diff(diff):
        lines = file.text.partition("\n@@")[2].split("\n")
        yield from imported(reader, file.path, "\n".join(line[1:] for line in lines if line[:1] in ("+", " ")))


def _beside(reader: Reader, planned: Sequence[str], named: Sequence[str]) -> Iterator[str]:
    there = [path for path in planned if path in reader.names]
    texts = reader.sources(there, limit=_FILE_BYTES)
    for path, text in texts.items():
        yield from imported(reader, path, text)
    yield from _tests_of(reader, [path for path in planned if not is_test(path)])
    yield from _fixtures(reader, planned)
    # A new file is written in the manner of those around it, its tests in that of theirs.
    fresh = [path for path in planned if path not in reader.names and " " not in path]
    siblings = [path for new in fresh if not is_test(new) for path in _siblings(reader, new, named)[:_SIBLINGS]]
    models = _tests_of(reader, siblings)[:_TEST_SIBLINGS] if any(map(is_test, fresh)) else []
    yield from models
    yield from siblings
    for new in fresh:
        yield from _siblings(reader, new, named)[:_TEST_SIBLINGS] if is_test(new) and not models else []


def _siblings(reader: Reader, new: str, named: Sequence[str]) -> list[str]:
    """Return the files beside a new one, those that are `named` first."""
    return sorted((path for path in reader.paths if _stands_by(path, new)), key=lambda path: path not in named)


def _tests_of(reader: Reader, paths: Sequence[str]) -> list[str]:
    """Return the tests that are called after `paths`, in their order."""
    tests: dict[str, list[str]] = {}
    for path in reader.paths:
        if is_test(path) and is_code(path):
            tests.setdefault(_stem(path), []).append(path)
    stems = [stem for path in paths if (stem := _stem(path)) not in ("", "__init__", "index")]
    return [test for stem in stems for test in tests.get(stem, [])]


def _stands_by(path: str, new: str) -> bool:
    if posixpath.dirname(path) != posixpath.dirname(new) or is_test(path) != is_test(new):
        return False
    return is_code(path) and not posixpath.basename(path).startswith(("__", "conftest"))


def _stem(path: str) -> str:
    """Return `store` for store.py, test_store.py, store_test.go and store.spec.ts alike."""
    name = posixpath.basename(path).partition(".")[0]
    return name.removeprefix("test_").removesuffix("_test").removesuffix("_spec").removesuffix("Test").lower()


def _fixtures(reader: Reader, planned: Sequence[str]) -> Iterator[str]:
    """Yield the conftest.py files that planned tests share."""
    for path in planned:
        folder = posixpath.dirname(path)
        while suffix_of(path) == "py" and is_test(path):
            if (fixtures := posixpath.join(folder, "conftest.py")) in reader.names:
                yield fixtures
            if not folder:
                break
            folder = posixpath.dirname(folder)


def imported(reader: Reader, path: str, text: str) -> Iterator[str]:
    """Yield the files of the base that the file at `path`, which holds `text`, imports."""
    if suffix_of(path) == "py":
        for module in _modules(path, text):
            yield from _file_of(reader, module)
    elif suffix_of(path) in _SCRIPTS:
        for found in _SCRIPT.finditer(text):
            base = posixpath.normpath(posixpath.join(posixpath.dirname(path), found[1]))
            bare = base.removesuffix(".js")
            tries = [base, *(f"{bare}.{end}" for end in _SCRIPTS), *(f"{base}/index.{end}" for end in _SCRIPTS)]
            yield from [each for each in tries if each in reader.names][:1]


def _modules(path: str, text: str) -> Iterator[str]:
    """Yield what a Python file imports as paths without an ending; of `from a import b` both may be modules."""
    for source, names, plain in _PYTHON.findall(text):
        for name in plain.split(","):
            if bare := name.split(" as ")[0].strip():
                yield bare.replace(".", "/")
        if not source:
            continue
        dots = len(source) - len(source.lstrip("."))
        folder = posixpath.dirname(path) if dots else ""
        for _ in range(dots - 1):
            folder = posixpath.dirname(folder)
        base = posixpath.join(folder, source.lstrip(".").replace(".", "/"))
        yield from (posixpath.join(base, name.split(" as ")[0].strip(" ()\\")) for name in names.split(","))
        yield base


def _file_of(reader: Reader, module: str) -> Iterator[str]:
    for root in _ROOTS:
        if (path := f"{root}{module}.py") in reader.names:
            yield path
            return


def _outline(text: str, found: Sequence[Symbol]) -> list[str]:
    top = [each for each in found if "." not in each.name and not each.name.startswith("_")]
    return [f"{each.first} {signature(text, each)}" for each in top[:_SIGNATURES]]
