"""Writes the JSON Schema of every stored document to docs/schema/. `make schema` runs it; a test compares."""

import json
from pathlib import Path

from andon.records.approvals import Approval
from andon.records.base import Record
from andon.records.checks import TestResult
from andon.records.doctor import Examination, Maturity
from andon.records.events import RunEvent
from andon.records.plan import Plan
from andon.records.project import ProjectContext
from andon.records.result import RunResult
from andon.records.review import Review
from andon.records.task import Task

STORED: dict[str, type[Record]] = {
    "approval": Approval,
    "doctor": Examination,
    "doctor-maturity": Maturity,
    "plan": Plan,
    "project-context": ProjectContext,
    "result": RunResult,
    "review": Review,
    "run-event": RunEvent,
    "task": Task,
    "test-result": TestResult,
}


def schemas() -> dict[str, str]:
    """Return the text of every schema file by name."""
    return {
        f"{name}.json": json.dumps(record.model_json_schema(), indent=2, sort_keys=True) + "\n"
        for name, record in STORED.items()
    }


if __name__ == "__main__":
    folder = Path(__file__).parents[1] / "docs" / "schema"
    for name, text in schemas().items():
        (folder / name).write_text(text, encoding="utf-8")
