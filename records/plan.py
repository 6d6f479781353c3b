"""What the planner hands to the executor, and what the executor hands to the reviewer."""

from pydantic import Field

from andon.records.base import Record


class PlanPayload(Record):
    """The plan as the planner writes it."""

    summary: str = Field(min_length=1)
    """The approach in one or two sentences."""
    acceptance_criteria: list[str] = Field(min_length=1)
    """The task's criteria word for word, in order, without their numbers; proposed ones only where it has none."""
    steps: list[str] = Field(min_length=1)
    """Ordered, small, each checkable; one sentence each."""
    files: list[str] = Field(min_length=1)
    """Files or folders that will change, relative to the workspace."""
    tests: list[str]
    """Tests that will show the criteria: existing ones and new ones."""
    risks: list[str]
    """What could go wrong, and what must not be touched; one sentence each."""


class Plan(PlanPayload):
    """The plan as the line keeps it (`plan.json`)."""

    schema_version: int = 1
    """Version of this document."""
    task_id: str
    """The task it is for."""
    branch: str
    """Where the change will be delivered; chosen by the line, never by a model."""
    criteria_proposed: bool = False
    """True if the task named no criteria and the planner proposed these."""


class AskPerson(Record):
    """What the planner must know before it can plan."""

    question: str = Field(min_length=1, max_length=1000)
    """One question that a person answers in a sentence, and what you would do without an answer."""


class AmendPlan(Record):
    """What the executor wants added to the plan's files."""

    paths: list[str] = Field(min_length=1, max_length=50)
    """Files or folders that must change too, relative to the workspace."""
    why: str = Field(min_length=1, max_length=2000)
    """Why the plan cannot be carried out without them; the reviewer judges it."""


class ChangeReport(Record):
    """What the executor says it did. A claim, kept for people; the reviewer judges the tree."""

    summary: str = Field(min_length=1)
    """What changed and why, in a few sentences."""
    not_done: list[str]
    """Steps of the plan or findings left undone, each with its reason."""
    lesson: str = ""
    """What a later task here should know and no file says, in one sentence; mostly empty."""
