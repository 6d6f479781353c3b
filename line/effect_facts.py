"""What a person reads before allowing changes that were undone: path, rule and reason of each, and its diff."""

from collections.abc import Sequence

from andon.guardrails.call_facts import shown_facts, text_diff
from andon.mcp_servers.settled import Held
from andon.sandbox.protocol import LINK, Entry


def effect_facts(held: Sequence[Held]) -> str:
    """Return them in words, cleaned as `call_facts` does."""
    share = max(20, 300 // max(1, len(held)))
    return shown_facts([line for each in held for line in _bounded(_lines(each), share)])


def _bounded(lines: list[str], most: int) -> list[str]:
    """Give every path its share, so that a long diff hides no other path."""
    left = len(lines) - most
    return [*lines[:most], f"[… {left} lines of it are not shown; held.patch has them]"] if left > 0 else lines


def _lines(each: Held) -> list[str]:
    head = [f"path: {each.path}", f"rule: {each.rule}: {each.reason}"]
    before, after = _text(each.before), _text(each.after)
    modes = [entry.mode for entry in (each.before, each.after) if entry is not None]
    if each.after is None:
        head.append("it is deleted")
    elif each.before is None:
        head.append(f"it is new ({'a link' if each.after.mode == LINK else each.after.mode})")
    elif modes[0] != modes[1]:
        head.append(f"its mode goes from {modes[0]} to {modes[1]}")
    if before is None or after is None:
        return [*head, "its content is no text and is not shown"]
    return [*head, *text_diff(each.path, before, after)]


def _text(entry: Entry | None) -> str | None:
    if entry is None:
        return ""
    try:
        return None if entry.content is None else entry.content.decode()
    except UnicodeDecodeError:
        return None
