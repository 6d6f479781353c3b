"""Reads what pytest writes as `junit_family=xunit1`, the one report whose shape is the same in pytest 8 and 9."""

import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from andon.guardrails.output import clean_text
from andon.records.checks import TestOutcome

_WORST = ("error", "failed", "passed", "skipped")
_PLACE = re.compile(r"^([^\s:][^:\n]*):(\d+): ")
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")
_EXPLANATION_LINES = 25


@dataclass(frozen=True)
class Report:
    """What a report says of every test."""

    tests: dict[str, TestOutcome]
    """Outcome by test id, sorted; a file that cannot be collected is an `error` under its path."""
    failures: dict[str, str]
    """For those that failed: where, and what pytest explains; without versions, durations or addresses."""


def read_junit(data: bytes) -> Report | None:
    """Return what the report says, or None if it is none that pytest writes."""
    try:
        root = fromstring(data)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return None
    cases = list(root.iter("testcase"))
    tests: dict[str, TestOutcome] = {}
    failures: dict[str, list[str]] = {}
    for case in cases:
        name = _node_id(case)
        outcome, text = _outcome(case)
        before = tests.get(name)
        tests[name] = outcome if before is None else min(before, outcome, key=_WORST.index)
        if text:
            failures.setdefault(name, []).append(text)
    return Report(dict(sorted(tests.items())), {name: "\n".join(failures[name]) for name in sorted(failures)})


def _node_id(case: Element) -> str:
    """Return `file::Class::test[param]`, or the file alone where it could not be collected.

    Items of a project's own kind may have no name (pygments has 1,508 such): they count under their file or class.
    """
    file, name, dotted = (_printable(case.get(key, "")) for key in ("file", "name", "classname"))
    if not name or not dotted:
        return file or name or dotted or "(a test without a name)"
    module = re.sub(r"\.py$", "", file).replace("/", ".")
    if not file or not (dotted == module or dotted.startswith(module + ".")):
        return f"{dotted}::{name}"
    return "::".join([file, *filter(None, dotted[len(module) + 1 :].split(".")), name])


def _printable(text: str) -> str:
    return "".join(character if ord(character) >= 32 else f"\\x{ord(character):02x}" for character in text)


def _outcome(case: Element) -> tuple[TestOutcome, str]:
    for tag, outcome in (("error", "error"), ("failure", "failed")):
        found = case.find(tag)
        if found is not None:
            return outcome, _explanation(found)  # type: ignore[return-value]  # a pair of the tuple above
    return ("skipped" if case.find("skipped") is not None else "passed"), ""


def _explanation(element: Element) -> str:
    """Return the last place inside the workspace, and the lines pytest marks with `E`."""
    lines = clean_text(element.text or "").split("\n")
    places = [f"{found[1]}:{found[2]}" for line in lines if (found := _PLACE.match(line)) and _inside(found[1])]
    explained = [line.rstrip() for line in lines if re.match(r"E(\s|$)", line) and "Use -v to get" not in line]
    if not explained:
        explained = [
            f"E   {line}".rstrip() for line in clean_text(element.get("message") or "no explanation").split("\n")
        ]
    if len(explained) > _EXPLANATION_LINES:
        cut = len(explained) - _EXPLANATION_LINES
        explained[_EXPLANATION_LINES:] = [f"[… {cut} lines cut; run the test alone with run_command to see them]"]
    return _ADDRESS.sub("0x…", "\n".join([*places[-1:], *explained]))


def _inside(path: str) -> bool:
    return not path.startswith(("/", "..", "<"))
