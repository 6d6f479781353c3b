"""The event stream of a run."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from andon.line.log.event_log import EventLog

if TYPE_CHECKING:
    from andon.records.events import RunEvent


def test_what_is_transient_is_shown_and_neither_stored_nor_counted(tmp_path: Path) -> None:
    seen: list[RunEvent] = []
    log = EventLog(tmp_path / "audit.jsonl", [seen.append])
    log.emit("agent.started", role="planner")
    log.emit("model.delta", role="planner", text="I read")
    log.emit("model.answered", role="planner")
    log.close()

    stored = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [(one["seq"], one["kind"]) for one in stored] == [(1, "agent.started"), (2, "model.answered")]
    assert [(one.seq, one.kind) for one in seen] == [(1, "agent.started"), (0, "model.delta"), (2, "model.answered")]
    assert seen[1].data == {"role": "planner", "text": "I read"}


def test_no_secret_is_stored_or_shown(tmp_path: Path) -> None:
    key = "gh" + "p_aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6"
    seen: list[RunEvent] = []
    log = EventLog(tmp_path / "audit.jsonl", [seen.append])
    log.emit("tool.refused", summary=f"curl -H 'X: {key}'", reasons=[key])
    log.emit("model.delta", text=f"it is {key}")
    log.close()

    assert key not in (tmp_path / "audit.jsonl").read_text()
    assert [one.data for one in seen] == [
        {"summary": "curl -H 'X: [redacted: github-token]'", "reasons": ["[redacted: github-token]"]},
        {"text": "it is [redacted: github-token]"},
    ]
