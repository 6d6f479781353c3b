"""Reads what pytest writes as `junit_family=xunit1`, the one report whose shape is the same in pytest 8 and 9."""

import re
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from andon.guardrails.output import clean_text
from andon.records.checks import TestOutcome
from andon.tools.report import Gathering, Report, printable, shortened, steady

_PLACE = re.compile(r"^([^\s:][^:\n]*):(\d+): ")
_EXPLAINED = re.compile(r"E(\s|$)")


def read_junit(data: bytes) -> Report | None:
    """Return what the report says, or None if it is none that pytest writes."""
    try:
        root = fromstring(data)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return None
    found = Gathering()
    for case in root.iter("testcase"):
        found.add(_node_id(case), *_outcome(case))
    return found.report()


def _node_id(case: Element) -> str:
    """Return `file::Class::test[param]`, or the file alone where it could not be collected.

    Items of a project's own kind may have no name (pygments has 1,508 such): they count under their file or class.
    """
    file, name, dotted = (printable(case.get(key, "")) for key in ("file", "name", "classname"))
    if not name or not dotted:
        return file or name or dotted or "(a test without a name)"
    module = file.removesuffix(".py").replace("/", ".")
    if not file or not (dotted == module or dotted.startswith(module + ".")):
        return f"{dotted}::{name}"
    return "::".join([file, *filter(None, dotted[len(module) + 1 :].split(".")), name])


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
    explained = [line.rstrip() for line in lines if _EXPLAINED.match(line) and "Use -v to get" not in line]
    if not explained:
        explained = [
            f"E   {line}".rstrip() for line in clean_text(element.get("message") or "no explanation").split("\n")
        ]
    return steady("\n".join([*places[-1:], *shortened(explained)]))


def _inside(path: str) -> bool:
    return not path.startswith(("/", "..", "<"))
