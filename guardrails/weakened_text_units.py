"""Lists the tests of a file in a language without a parser here, and what keeps them from running."""

import re
from dataclasses import dataclass, field

from andon.guardrails.weakened_text_finders import starts
from andon.guardrails.weakened_text_plain import Plain

_SKIP = re.compile(
    r"\b(?:t|b|tb|f|this|ctx|context)\.(?:Skip|Skipf|SkipNow|skip|todo)\b"
    r"|\b(?:test|it)\.(?:skip|fixme|fail)\s*\((?!\s*\"\d+\"\s*,\s*(?:async|function|\())"
    r"|#\[ignore|#\[cfg\(any\(\)\)|@(?:Disabled|Ignore)\w*|\[Ignore\b|\bSkip\s*=|XCTSkip\w*|markTest(?:Skipped|Incomplete)"
    r"|\bskip:\s*(?!false)[\w\"]|\btodo:\s*(?!false)[\w\"]|@tag\s+:skip|,\s*:(?:skip|pending)\b|\bAssumptions?\."
    r"|\bassumeT\w+\s*\(|\bassumingThat\s*\(|Assert\.(?:Ignore|Inconclusive)|\benabled\s*=\s*false|\bGTEST_SKIP\b|\bDISABLED_"
)
_BARE_SKIP = re.compile(
    r"^[ \t]*(?:skip|pending)\b|\bskipTest\b|\bSkipTest\b|pytest\.(?:mark\.)?(?:skip|xfail)|unittest\.skip",
    re.MULTILINE,
)
_SKIP_WORDS = (
    "skip", "todo", "fixme", ".fail", "ignor", "cfg(any", "disabled", "incompl", "inconcl", "assum", "enabled",
    "pending", "xfail",
)  # fmt: skip
"""One of these is in every match of the patterns above."""
ONLY = re.compile(
    r"(?<![\w.$])(?:it|test|describe|context|suite)(?:\.\w+)*?\.only\b"
    r"|(?<![\w.$])f(?:it|describe|context)\s*\(?\s*\"|\bonly:\s*true"
)
_ROW = re.compile(
    r"^[ \t]*(?:[\[{(].*[\]})]|\"\d+\"(?:[ \t]*[:,].*)?|#\[case.*\]|\[(?:InlineData|TestCase).*\])[ \t]*,?[ \t]*$",
    re.MULTILINE,
)
_TABLE = re.compile(r"\.each\b|\brange\b|\bfor\b|forEach|Source\b|InlineData|TestCase\b|#\[case|@Case|\bcases?\b")
_LARGE = 1_000_000
"""A text of more characters is one unit: its tests are not told apart."""


@dataclass
class TextUnit:
    """One test, group, or function; `own` is its text without what nested ones hold, `inside` the groups it is in."""

    name: str
    collected: bool
    start: int
    end: int
    skips: int = 0
    own: str = ""
    inside: list[str] = field(default_factory=list)

    def rows(self) -> list[str]:
        """Return the rows of its table of cases."""
        return _ROW.findall(self.own) if _TABLE.search(self.own) else []


def text_units(plain: Plain) -> list[TextUnit]:
    """Return the file as a whole (with an empty name) and its tests and functions, in order."""
    whole = TextUnit("", True, 0, len(plain.text))
    found = [] if len(plain.text) > _LARGE else starts(plain)
    units = [TextUnit(one.name, one.collected, one.start, one.end, int(one.skipped)) for one in found]
    owners, nested = [whole], dict[int, list[tuple[int, int]]]()
    for unit in units:
        while owners[-1] is not whole and owners[-1].end <= unit.start:
            owners.pop()
        unit.inside = [one.name for one in owners[:20] if one.name]
        unit.end = min(unit.end, owners[-1].end)
        nested.setdefault(id(owners[-1]), []).append((unit.start, unit.end))
        owners.append(unit)
    any_skips = [pattern for pattern in _patterns(plain) if pattern.search(plain.text)]
    for unit in [whole, *units]:
        unit.own = _cut(plain.text, unit, nested.get(id(unit), []))
        unit.skips += sum(len(pattern.findall(unit.own)) for pattern in any_skips)
    return [whole, *units]


def _patterns(plain: Plain) -> list[re.Pattern[str]]:
    text = plain.text.lower()
    if not any(word in text for word in _SKIP_WORDS):
        return []
    return [_SKIP, _BARE_SKIP] if plain.family in ("ruby", "python") else [_SKIP]


def _cut(text: str, unit: TextUnit, nested: list[tuple[int, int]]) -> str:
    parts, at = [], unit.start
    for start, end in nested:
        parts.append(text[at:start])
        at = end
    return "\n".join([*parts, text[at : unit.end]])
