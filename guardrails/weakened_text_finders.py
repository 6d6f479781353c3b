"""Finds where tests and functions start in program text, by the words of each family's test runners."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from andon.guardrails.weakened_text_plain import Family, Plain

_JS = re.compile(
    r"(?<![\w.$])(?P<word>[xf]?(?:it|test|describe|context|suite|specify)|Deno\.test|QUnit\.test)"
    r"(?P<mods>(?:\s*\.\s*(?:skip|only|todo|each|concurrent|sequential|failing|fails|serial|parallel|skipIf|runIf|fixme|fail))*)"
    r"\s*(?=[(\"])"
)
_JS_NAME = re.compile(r"\(\s*(\"\d+\"|[A-Za-z_][\w.]*)\s*[,)]")
_GO = re.compile(
    r"^func\s+(?:\([^)\n]*\)\s*)?(?P<name>\w+)\s*(?:\[[^\]\n]*\])?(?=\()|\.Run\s*(?=\(\s*(?P<sub>\"\d+\"))",
    re.MULTILINE,
)
_RUST = re.compile(r"\bfn\s+(?P<name>\w+)")
_RUST_TEST = re.compile(r"#\[(?:[\w:]*::)?(?:test|rstest|proptest|quickcheck|test_case)\b")
_JAVA = re.compile(
    r"(?<![@\w.\[])(?P<name>\w+|\"\d+\")\s*\([^;{}()]*(?:\([^;{}()]*\)[^;{}()]*)*\)\s*"
    r"(?:throws\s+[\w., \n]{1,200}|(?::|->)\s*[\w<>?]+\s*|async\s*|const\s*)?(?=\{)"
)
_CLASS = re.compile(r"\b(?:class|interface|object)\s+(?P<name>\w+)[^{};]{0,500}(?=\{)")
_NO_NAMES = {
    "if", "for", "while", "switch", "catch", "synchronized", "when", "else", "return", "foreach", "using",
    "lock", "match",
}  # fmt: skip
_JAVA_TEST = re.compile(
    r"@(?:\w+\.)*(?:Test|ParameterizedTest|RepeatedTest|TestFactory|TestTemplate|Property|Theory)\b"
    r"|\[(?:Fact|Theory|Test|TestMethod|TestCase|DataTestMethod)\b"
)
_RUBY = re.compile(
    r"^[ \t]*(?:(?P<word>[xf@]?(?:it|specify|example|scenario|context|describe|feature|test|should)|RSpec\.describe)\b"
    r"[ \t]*\(?[ \t]*(?P<named>\"\d+\"|[A-Z][\w:]*)|def[ \t]+(?P<name>\w+[?!]?))",
    re.MULTILINE,
)
_PYTHON = re.compile(r"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+(?P<name>\w+)", re.MULTILINE)


@dataclass(frozen=True)
class Start:
    """A test, group or function: whether runners collect it, where it lies, whether its first words skip it."""

    name: str
    collected: bool
    start: int
    end: int
    skipped: bool = False


def starts(plain: Plain) -> list[Start]:
    """Return the tests, groups and functions of a text, outer ones first."""
    find = _FINDERS.get(plain.family)
    return sorted(find(plain), key=lambda one: (one.start, -one.end)) if find else []


def _js(plain: Plain) -> Iterator[Start]:
    text = plain.text
    for hit in _JS.finditer(text):
        at = hit.end()
        if re.search(r"each|If\b", hit["mods"]):
            at = plain.end_of(at) if text[at] == "(" else text.find('"', at + 1) + 1
            at += len(text[at : at + 200]) - len(text[at : at + 200].lstrip())
        first = _JS_NAME.match(text, at)
        if not first:
            continue
        end = plain.end_of(at)
        named = first[1].startswith('"')
        if named or (not re.search("skip|fixme", hit["mods"]) and "{" in text[at : min(end, at + 300)]):
            skipped = hit["word"].startswith("x") or bool(re.search("skip|todo|fixme", hit["mods"]))
            yield Start(plain.name(first[1]), True, hit.start(), end, skipped)


def _go(plain: Plain) -> Iterator[Start]:
    for hit in _GO.finditer(plain.text):
        closed = plain.end_of(hit.end())
        if hit["sub"]:
            yield Start(plain.name(hit["sub"]), True, hit.start(), closed)
            continue
        opened = plain.text.find("{", closed)
        collected = bool(re.match(r"(?:Test|Fuzz|Example|Benchmark)(?![a-z])", hit["name"]))
        yield Start(hit["name"], collected, hit.start(), plain.end_of(opened))


def _head(text: str, at: int) -> int:
    """Return where the words in front of a name begin: its attributes, annotations and modifiers."""
    return max(text.rfind(mark, max(0, at - 4000), at) for mark in ";{}") + 1


def _rust(plain: Plain) -> Iterator[Start]:
    for hit in _RUST.finditer(plain.text):
        start = _head(plain.text, hit.start())
        collected = bool(_RUST_TEST.search(plain.text, start, hit.start()))
        yield Start(hit["name"], collected, start, plain.end_of(plain.text.find("{", hit.end())))


def _java(plain: Plain) -> Iterator[Start]:
    text = plain.text
    for pattern in (_JAVA, _CLASS):
        for hit in pattern.finditer(text):
            start = _head(text, hit.start())
            head = text[start : hit.start()]
            if hit["name"] in _NO_NAMES or (pattern is _JAVA and re.search(r"\bnew\s*$|[=.(,?&|]\s*$", head)):
                continue
            name = plain.name(hit["name"])
            collected = pattern is _CLASS or bool(_JAVA_TEST.search(head) or name.startswith("test"))
            yield Start(name, collected, start, plain.end_of(hit.end()))


def _until_next(plain: Plain, pattern: re.Pattern[str]) -> Iterator[tuple[re.Match[str], int]]:
    hits = list(pattern.finditer(plain.text))
    ends = [one.start() for one in hits[1:]]
    return zip(hits, [*ends, len(plain.text)], strict=False)


def _ruby(plain: Plain) -> Iterator[Start]:
    for hit, end in _until_next(plain, _RUBY):
        name = hit["name"] or plain.name(hit["named"])
        collected = bool(hit["word"]) or name.startswith("test")
        yield Start(name, collected, hit.start(), end, (hit["word"] or "").startswith("x"))


def _python(plain: Plain) -> Iterator[Start]:
    for hit, end in _until_next(plain, _PYTHON):
        yield Start(hit["name"], hit["name"].lower().startswith("test"), hit.start(), end)


_FINDERS: dict[Family, Callable[[Plain], Iterator[Start]]] = {
    "js": _js, "go": _go, "rust": _rust, "java": _java, "ruby": _ruby, "python": _python,
}  # fmt: skip
