"""The one judge of the agents' own steps: handing over, adding to the plan, ending a review."""

import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from andon.guardrails import paths
from andon.guardrails.credentials import check_credentials
from andon.guardrails.judge import Policy, judge_change
from andon.guardrails.output import show_hidden
from andon.guardrails.refusal import Refused
from andon.records.calls import Decision, Role
from andon.sandbox.protocol import WORKSPACE

AMEND_PLAN = "amend_plan"
"""The step that adds to the plan's files."""
OWN_STEPS: dict[str, Role] = {
    "transfer_to_executor": "planner",
    AMEND_PLAN: "executor",
    "transfer_to_reviewer": "executor",
    "pass_on": "reviewer",
    "hand_back": "reviewer",
    "finish_review": "reviewer",
}
"""Each step, and the one role that may take it."""
STEP_BYTES = 64_000
"""The largest payload of one step, as JSON."""
_ALLOWED = Decision(verdict="allow", rule="default", reason="")


def judge_step(name: str, payload: Mapping[str, Any], role: Role, policy: Policy) -> Decision:
    """Return whether `role` may take the step `name` with `payload`, given as it came and not yet validated.

    Refused: a step of another role, a payload that is no JSON or too large, a credential anywhere in it, a path that
    is no name, lies outside the workspace or is closed. Files a plan lists that need a person are fine: the plan gate
    or the effect gate asks. An amendment that names such a file is asked; see `amendment_decision` for how many.
    """
    try:
        _check_role(name, role)
        _check_size(name, payload)
        check_credentials({"payload": list(_texts(payload))})
        _check_mentions(payload)
        for path in _strings(payload, "tests"):
            _check_test(path, policy)
        asked = [_judged(path, policy) for key in ("files", "paths") for path in _strings(payload, key)]
    except Refused as refused:
        return Decision(verdict="refuse", rule=refused.rule, reason=refused.reason)
    if whole := [decision for decision in asked if decision.rule == "scope" and name != AMEND_PLAN]:
        return whole[0].model_copy(update={"verdict": "refuse"})
    needs = [decision for decision in asked if decision.verdict == "ask"]
    return needs[0] if needs and name == AMEND_PLAN else _ALLOWED


def amendment_decision(paths: Sequence[str], policy: Policy, granted: int, allowed: int) -> Decision:
    """Return whether `paths` may be added to the plan by rule: ordinary ones, as long as there are few.

    `granted` files were added in this run before, `allowed` may be in all (`limits.amended_paths`); `amended_files`
    says how many files a path stands for. What closes a path refuses it, the rest is asked.
    """
    try:
        decisions = [_judged(path, policy) for path in paths]
    except Refused as refused:
        return Decision(verdict="refuse", rule=refused.rule, reason=refused.reason)
    if needs := [decision for decision in decisions if decision.verdict == "ask"]:
        return needs[0]
    total = granted + amended_files(paths, policy)
    if total > allowed:
        reason = f"with these the run adds {total} files to its plan, and {allowed} are free (limits.amended_paths)"
        return Decision(verdict="ask", rule="amended-paths", reason=f"{reason}; name only the files you must change")
    below = (judge_change(file, policy) for path in paths for file in sorted(_below(_entry(path), policy)))
    closed = next((decision for decision in below if decision.verdict != "allow"), None)
    # A folder is not closed for holding one closed file.
    return closed.model_copy(update={"verdict": "ask"}) if closed else _ALLOWED


def amended_files(paths: Sequence[str], policy: Policy) -> int:
    """Return how many files `paths` stand for: a folder of the base tree for every file in it, else one each."""
    return sum(max(1, len(_below(_entry(path), policy))) for path in paths)


def _check_role(name: str, role: Role) -> None:
    owner = OWN_STEPS.get(name)
    if owner is None:
        raise Refused("unknown-tool", f"there is no step {name!r}; there are: {', '.join(OWN_STEPS)}")
    if owner != role:
        mine = ", ".join(step for step, whose in OWN_STEPS.items() if whose == role) or "none"
        raise Refused("role", f"{name} is the {owner}'s; the steps of a {role} are: {mine}")


def _check_size(name: str, payload: Mapping[str, Any]) -> None:
    try:
        size = len(json.dumps(payload).encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise Refused("arguments", f"the arguments of {name} are no JSON: {error}") from error
    if not isinstance(payload, Mapping):
        raise Refused("arguments", f"the arguments of {name} must be one JSON object")
    if size > STEP_BYTES:
        raise Refused(
            "arguments", f"the arguments of {name} are {size} bytes; at most {STEP_BYTES}: say it in fewer words"
        )


def _texts(value: Any) -> Iterator[str]:
    """Yield every string in `value`, keys too: who adds a field may put anything into its name."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def _strings(payload: Mapping[str, Any], key: str) -> list[str]:
    """Return the strings listed under `key`.

    Raises:
        Refused: there is something else.
    """
    value = payload.get(key, [])
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise Refused("arguments", f"{key} must be a list of texts: one path each")
    return list(value)


def _check_mentions(payload: Mapping[str, Any]) -> None:
    """Refuse a finding whose path is no name; what lies there is only spoken of."""
    findings = payload.get("findings", [])
    for finding in findings if isinstance(findings, list | tuple) else []:
        path = finding.get("path", "") if isinstance(finding, Mapping) else ""
        if isinstance(path, str) and path and (fault := paths.name_fault(path)):
            raise Refused("name", f"findings: {fault}")


def _check_test(text: str, policy: Policy) -> None:
    """Refuse a test in a closed place; one that may not be changed may still show a criterion, and some are prose."""
    path = text.strip().strip("`").partition("::")[0]
    if fault := paths.name_fault(path.replace("\n", " ").replace("\t", " ") or "."):
        raise Refused("name", f"tests: {fault}")
    if path and not any(character.isspace() for character in path):
        decision = judge_change(_entry(path), policy)
        if decision.verdict == "refuse" and decision.rule != "locked":
            raise Refused(decision.rule, decision.reason)


def _judged(text: str, policy: Policy) -> Decision:
    """Return the verdict on changing what a plan lists.

    Raises:
        Refused: it is closed, or no path of the workspace.
    """
    path = _entry(text)
    if path == ".":
        reason = f"{text!r} is the whole repository; list the files or folders that will change"
        return Decision(verdict="ask", rule="scope", reason=reason)
    decision = judge_change(path, policy)
    if decision.verdict == "refuse":
        raise Refused(decision.rule, decision.reason)
    return decision


def _entry(text: str) -> str:
    """Return the path that one entry of a plan names, relative to the workspace.

    Raises:
        Refused: it names none.
    """
    bare = text.strip().strip("`")
    if fault := paths.name_fault(bare):
        raise Refused("name", fault)
    path = paths.workspace_path(posixpath.join(WORKSPACE, bare))
    if path is None:
        shown = show_hidden(bare)
        raise Refused("outside-workspace", f"{shown!r} lies outside the workspace; paths are relative to its root")
    return path


def _below(path: str, policy: Policy) -> list[str]:
    """Return the files of the base tree in the folder `path`."""
    prefix = "" if path == "." else f"{path}/"
    return [one for one in policy.tracked if one.startswith(prefix)]
