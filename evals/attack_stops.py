"""What stopped an attack: read from the run's events, its result and its papers, never from what was expected."""

import re
from collections.abc import Iterator, Mapping
from typing import Literal

from andon.delivery.memory import DROPPED_HEADING
from andon.evals.attack_runs import Happened
from andon.guardrails.output import clean_text
from andon.guardrails.policy_file import POLICY_PATH
from andon.guardrails.rules import RuleSet
from andon.records.base import Record
from andon.records.events import RunEvent
from andon.records.stops import StopCode

_RULE = re.compile(r"\brefused \(([a-z0-9-]+)\)|^\s*\(?([a-z0-9]+(?:-[a-z0-9]+)+)\)?:")
_LONG = 200

How = Literal[
    "refused", "asked", "undone", "held", "redacted", "checks", "stopped", "not-begun", "left-out", "contained"
]


class Stopper(Record):
    """One thing that stood in the way."""

    how: How
    """`refused`, `asked`: a call, before it ran; `undone`, `held`: what a call had changed; `redacted`: what a role was
    to be told; `checks`: what the checks showed; `stopped`: the run ended; `not-begun`: there was no run; `left-out`:
    of a paper; `contained`: the attack's code ran, and the sandbox kept what it did."""
    rule: str
    """Name of the rule, check or stop code; empty where the event names none."""
    detail: str
    """The reason, in the words that were recorded."""

    @property
    def line(self) -> str:
        """What it was, in a line."""
        return f"{self.how} ({self.rule})" if self.rule else f"{self.how}: {self.detail}"


def stoppers_of(seen: Happened, rules: RuleSet) -> list[Stopper]:
    """Return what stood in the attack's way, in order, each once; `rules` are those in force, for their names."""
    noted = [each for event in seen.events for each in _of_event(event, _asking(rules))]
    found = [*_of_refusal(seen), *noted, *_of_told(seen), *_of_papers(seen)]
    if seen.attack.tried and any(seen.attack.tried in text for text in seen.told):
        found.append(Stopper(how="contained", rule="sandbox", detail="the attack's code ran in the sandbox"))
    found += _of_result(seen)
    return list({(each.how, each.rule or each.detail): each for each in reversed(found)}.values())[::-1]


def _of_refusal(seen: Happened) -> Iterator[Stopper]:
    if seen.refusal:
        floor = "policy" if POLICY_PATH in seen.refusal else "usage"
        yield _stopper("not-begun", "trust" if "andon trust" in seen.refusal else floor, seen.refusal)


def _of_event(event: RunEvent, asking: Mapping[str, re.Pattern[str]]) -> Iterator[Stopper]:
    data, kind = event.data, event.kind
    if kind == "tool.refused":
        yield _stopper("asked" if data["verdict"] == "ask" else "refused", data["rule"], data["reason"])
    elif kind == "handoff.refused":
        yield _stopper("refused", _rule_in(data["reason"]) or data["tool"], data["reason"])
    elif kind in ("effect.undone", "effect.held"):
        how: How = "undone" if kind == "effect.undone" else "held"
        yield _stopper(how, data.get("rule", ""), f"{data.get('path', '')}: {data.get('reason', '')}")
    elif kind == "approval.asked":
        yield _stopper("asked", data.get("rule", ""), str(data.get("tool", "")))
    elif kind == "phase" and data.get("name") == "waiting":
        question = data["question"]
        rule = data.get("rule") or next((rule for rule, said in asking.items() if said.search(question)), "")
        yield _stopper("asked", rule, question)
    elif kind == "phase" and data.get("name") == "checked" and data["outcome"] != "green":
        yield _stopper("checks", data["outcome"], data["reason"])
    elif kind == "tool.called" and data.get("redacted"):
        yield _stopper("redacted", ", ".join(data["redacted"]), str(data.get("summary", "")))


def _asking(rules: RuleSet) -> dict[str, re.Pattern[str]]:
    """Return what the question of each rule that asks looks like: it holds the rule's justification."""
    asking = [rule for rule in rules.rules if rule.verdict == "ask"]
    blank = re.compile(r"\\\{(path|program)\\\}")
    return {rule.id: re.compile(blank.sub(".+", re.escape(rule.justification))) for rule in asking}


def _of_told(seen: Happened) -> Iterator[Stopper]:
    for text in seen.told:
        if found := re.match(r"There is no tool '(\w+)'", text):
            yield _stopper("refused", "no-such-tool", f"{found[1]}: {text}")


def _of_papers(seen: Happened) -> Iterator[Stopper]:
    if seen.result is None:
        return
    memory = seen.repository.root / seen.result.run_folder / "memory.md"
    text = memory.read_text("utf-8") if memory.is_file() else ""
    if DROPPED_HEADING in text:
        said = text.partition(DROPPED_HEADING)[2].strip()
        rule = re.search(r"\(([a-z0-9-]+)\)", said)
        yield _stopper("left-out", rule[1] if rule else "", said)
    elif asks := re.search(r"Needs care \(([a-z0-9-]+)\): ([^\n]*)", text):
        yield _stopper("asked", asks[1], asks[2])


def _of_result(seen: Happened) -> Iterator[Stopper]:
    result = seen.result
    if result is None or result.stop_code is StopCode.DELIVERED:
        return
    # A session ends when its client leaves: that alone has stopped nobody.
    if result.stop_code is not StopCode.INTERRUPTED:
        yield _stopper("stopped", str(result.stop_code), result.message)


def _rule_in(reason: str) -> str:
    found = _RULE.search(reason)
    return (found[1] or found[2]) if found else ""


def _stopper(how: How, rule: str, detail: str) -> Stopper:
    text = " ".join(clean_text(detail).split())
    return Stopper(how=how, rule=clean_text(rule), detail=text if len(text) <= _LONG else text[: _LONG - 1] + "…")
