"""Reads assertions in program text of any language: what they say, and how strictly."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from andon.guardrails.weakened_text_plain import Plain, closing, statement_end

_CHECK = re.compile(
    r"(?<![\w@])(?:(?:expect|assert|verify|refute|should|XCTAssert|XCTFail|Assert)\w*!?(?:\s*(?:\.|::|->)\s*\w+)*\s*[(\[]"
    r"|(?:assert|refute|expect)(?:_\w+)?[ \t]+(?=[\w\"\[{!@:(-])|assert(?:_\w+)?!\s*[({\[]"
    r"|require\.[A-Z]\w*\s*\(|(?:t|b|tb)\.(?:Error|Errorf|Fatal|Fatalf|Fail|FailNow)\s*\("
    r"|t\.(?:is|not|deepEqual|equal|ok|true|false|truthy|falsy|throws|same|strictEqual|like|regex)\s*\("
    r"|fail\s*\(|flunk\b|panic!|unreachable!)|#\[should_panic|\.should(?:_not)?\b|\.must_\w+|\.wont_\w+|\bshouldBe\b"
)
_RANKS = {
    5: (
        "tobe toequal tostrictequal tomatchobject tomatchsnapshot tomatchinlinesnapshot tohavelength "
        "tohavebeencalledwith tohavebeencalledtimes tohavebeennthcalledwith tohavebeenlastcalledwith "
        "tohavebeencalledoncewith tobenull tobeundefined tobenan equal equals eql deepequal strictequal "
        "deepstrictequal "
        "same equalvalues exactly elementsmatch jsoneq yamleq noerror nil empty zero len errorid erroris errorcontains "
        "equalerror panicswithvalue eq isequalto issameas isnull isempty hassize containsexactly is equalto assert_eq "
        "assert_equal assert_nil assert_same assertequals assertequal assertsame assertnull assertarrayequals "
        "assertiterableequals assertlinesmatch xctassertequal xctassertnil assertsamesize assertcount assert_empty "
        "be_nil be_empty contain_exactly match_array have_attributes areequal istype shouldbe tohavetext tohavevalue "
        "tohaveattribute tohavecount tohaveurl called_with errorf error fatal fatalf fail failnow panic "
        "should_panic be "
        "be_eq is_equal_to calledwith have_received notthrow"
    ),
    4: (
        "tobecloseto indelta inepsilon tothrow tothrowerror throws rejects raise_error assert_raises assertthrows "
        "panics tohaveproperty assert_in_delta be_within iscloseto errorsas xctassertthrowserror assertthrowsexactly"
    ),
    3: (
        "tocontain tocontainequal tomatch tobegreaterthan tobegreaterthanorequal tobelessthan tobelessthanorequal "
        "tobeinstanceof tobetypeof contains subset greater less greaterorequal lessorequal regexp match include "
        "includes isinstanceof isgreaterthan islessthan isgreaterthanorequalto islessthanorequalto instanceof "
        "assertinstanceof assert_includes assert_match assert_kind_of assert_instance_of be_a be_an be_kind_of "
        "start_with end_with tobefalsy false isfalse assertfalse be_falsey xctassertfalse notcontains startswith "
        "hasitem containsstring error iserror assertcontains tohavebeencalledonce"
    ),
    2: (
        "tobetruthy ok true truthy istrue asserttrue be_truthy xctasserttrue notequal notdeepequal notstrictequal "
        "assert_ne assertnotequals assertnotsame isnotequalto tohavebeencalled called tohavereturned assert_not_equal "
        "refute_equal tohavebeencalledtwice notempty isnotempty tobevisible assert be_present"
    ),
    1: (
        "tobedefined notnil isnotnull assertnotnull refute_nil assert_not_nil exists exist xctassertnotnil isdefined "
        "assertdoesnotthrow isok doesnotthrow assert_nothing_raised"
    ),
}
_RANK = {word: rank for rank, words in sorted(_RANKS.items()) for word in words.split()}
_ARGUED = {"tothrow", "tothrowerror", "raise_error", "throws", "rejects", "assertthrows"}
"""Matchers that say less without an argument."""
_PLAIN_TRUTH = {"assert", "asserttrue", "ok", "true", "istrue", "xctasserttrue", "truthy", "isok"}
_VALUE = re.compile(r'(?:true|True|\d[\d.]*|"\d+")')
_LAMBDA = re.compile(r"[=-]>")
_PAIRS = 1_000_000
"""More pairs than this are not weighed: what changed then counts as gone."""
_NEGATED = re.compile(r"\.(?:not|never)\b|\bnot_to\b|\bto_not\b|\.should_not\b|\.wont_")


@dataclass(frozen=True)
class TextCheck:
    """One assertion: its text without white space, what it is about, and how much it says (0 is nothing)."""

    text: str
    about: str
    rank: float
    slack: float = 0.0


def text_checks(plain: Plain, part: str) -> list[TextCheck]:
    """Return the assertions of a part of the text that can be reached."""
    dead = _dead_spans(part)
    found: list[TextCheck] = []
    at, nested = 0, 0
    while hit := _CHECK.search(part, at):
        end = max(statement_end(part, hit.start()), hit.end())
        if not any(start <= hit.start() < stop for start, stop in dead):
            found.append(_check(plain, part[hit.start() : end], hit[0]))
        looks_inside = nested < 200 and "{" in part[hit.end() : end]
        nested += looks_inside
        at = hit.end() if looks_inside or (_LAMBDA.search(part, hit.end(), end) and nested < 200) else end
    return found


def _check(plain: Plain, text: str, start: str) -> TextCheck:
    opened = text.find(start[-1], len(start) - 1) if start[-1] in "([{" else -1
    inside = text[opened + 1 : closing(text, opened) - 1] if opened >= 0 else text[len(start) :]
    args = _split(inside)
    if len(args) > 1 and args[0] in ("t", "b", "tb"):
        args = args[1:]
    rank = 0.0 if _says_nothing(start, args, text) else _rank(text, start, inside)
    return TextCheck(plain.spelled(text), plain.spelled(args[0]) if args else "", rank, _slack(text, start, args))


def _rank(text: str, start: str, inside: str) -> float:
    words = [one.lower() for one in re.findall(r"\w+", start)]
    rest = text[len(start) + len(inside) :] if start[-1] in "([{" else text
    chained = [one.lower() for one in re.findall(r"\w+", rest) if one.lower() in _RANK]
    first = words[0] if words else ""
    if chained and (first.startswith(("expect", "assertthat", "verify", "should")) or not words):
        name = chained[-1] if first.startswith(("expect", "verify")) else chained[0]
        name = next((one for one in chained if one.startswith("to")), name)
        rank = float(_RANK[name])
        if name in _ARGUED and not re.search(rf"(?i){name}\s*\(?\s*[\w\"/]", text):
            rank -= 1
        if _NEGATED.search(text):
            return 1.0 if name in ("tobenull", "tobeundefined", "be_nil", "nil") else 2.0
        return rank
    name = next((one for one in reversed(words) if one in _RANK), "")
    if name in _PLAIN_TRUTH or (not name and first.startswith("assert")):
        return _of_condition(inside)
    return float(_RANK.get(name, 3))


def _of_condition(inside: str) -> float:
    if re.search(r"[=]==?|(?i:equals?)\b", inside):
        return 5.0
    if re.search(r"[^=-]>|<|matches!|contains|includes|match\(|^\s*!|^\s*not\b", inside) and "!=" not in inside:
        return 3.0
    return 2.0


def _says_nothing(start: str, args: Sequence[str], text: str) -> bool:
    word = re.sub(r"\W", "", start).lower()
    if not args or not word.startswith(("expect", "assert", "xctassert", "require", "t")) or "fail" in word:
        return False
    if word.startswith("expect"):
        other = re.search(r"\.\s*to\w+\s*\(([^()]*)\)\s*$", text)
        return (bool(_VALUE.fullmatch(args[0])) and "false" not in text) or bool(other and other[1].strip() == args[0])
    if word.endswith(("equal", "equals", "eq", "same", "is", "assert_eq")) and len(args) > 1:
        return args[0] == args[1] or all(_VALUE.fullmatch(one) for one in args[:2])
    return bool(_VALUE.fullmatch(args[0])) and (len(args) == 1 or word in ("asserttrue", "assert", "assertok"))


def _slack(text: str, start: str, args: Sequence[str]) -> float:
    """Return how far off a value may be, where the assertion names it."""
    digits = re.search(r"toBeCloseTo\s*\([^()]*?(?:,\s*(\d+)\s*)?\)", text)
    if digits:
        return float(10.0 ** -min(300, int(digits[1] or 2)))
    name = start.lower()
    if any(one in name for one in ("indelta", "inepsilon", "assertequals", "in_delta", "accuracy")) and len(args) > 2:
        value = re.search(r"(\d[\d.]*(?:e-?\d+)?)[fFdD]?\s*$", args[2])
        return float(value[1].rstrip(".")) if value and value[1].count(".") < 2 else 0.0
    return 0.0


def _split(inside: str) -> list[str]:
    """Split arguments at the commas outside brackets."""
    found, depth, last = [], 0, 0
    for one in re.finditer(r"[,()\[\]{}]", inside):
        if one[0] == ",":
            if depth == 0:
                found.append(inside[last : one.start()].strip())
                last = one.end()
        else:
            depth += 1 if one[0] in "([{" else -1
    rest = inside[last:].strip()
    return [*found, rest] if rest else found


def _dead_spans(part: str) -> list[tuple[int, int]]:
    """Return where nothing runs: under `if (false)`, and after a `return` in the test's own block."""
    spans = [
        (one.start(), closing(part, one.end() - 1)) for one in re.finditer(r"\bif\s*\(?\s*(?:false|0)\s*\)?\s*\{", part)
    ]
    first = re.search(r"\)\s*(?:=>\s*)?\{|\{", part)
    depth = 0
    for one in re.finditer(r"[{}]|\breturn\b", part[first.end() - 1 :] if first else ""):
        depth += {"{": 1, "}": -1}.get(one[0], 0)
        if one[0] == "return" and depth == 1:
            begin = (first.end() - 1 if first else 0) + one.end()
            spans.append((statement_end(part, begin), len(part)))
            break
    return spans


def lost_text_checks(before: Sequence[TextCheck], after: Sequence[TextCheck]) -> list[str]:
    """Return a sentence for every assertion that is gone or says less."""
    common = Counter(one.text for one in before) & Counter(one.text for one in after)
    wanted, rest = _without(before, common), _without(after, common)
    found: list[str] = []
    pending = sorted((one for one in wanted if one.rank), key=lambda one: -one.rank)
    for strict in (True, False):
        if len(pending) * len(rest) > _PAIRS:
            break
        for check in list(pending):
            fits = [one for one in rest if not strict or (one.about == check.about and one.rank)]
            if not fits:
                continue
            best = min(fits, key=lambda one: (_is_weaker(check, one), abs(one.rank - check.rank)))
            pending.remove(check)
            rest.remove(best)
            if _is_weaker(check, best):
                found.append(f"`{check.text[:80]}` became the looser `{best.text[:80]}`; keep it as strict as it was")
    return found + [f"`{one.text[:80]}` is no longer checked; put it back" for one in pending]


def _without(checks: Sequence[TextCheck], common: Counter[str]) -> list[TextCheck]:
    left = common.copy()
    found: list[TextCheck] = []
    for check in checks:
        if left[check.text] > 0:
            left[check.text] -= 1
        else:
            found.append(check)
    return found


def _is_weaker(before: TextCheck, after: TextCheck) -> bool:
    return after.rank < before.rank or (after.rank == before.rank and after.slack > before.slack)
