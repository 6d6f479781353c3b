"""The role texts. They hold no fact of a run, so the start of every request of a role is the same bytes."""

from importlib.resources import files

from andon.records.calls import Role
from andon.records.review import Specialist


def role_text(role: Role | Specialist) -> str:
    """Return the instructions of `role`: UTF-8 of at most 900 bytes, of a specialised reviewer at most 700."""
    return (files("andon.agents") / "prompts" / f"{role}.md").read_text(encoding="utf-8").rstrip("\n")
