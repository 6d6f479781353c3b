"""The role texts. They hold no fact of a run, so the start of every request of a role is the same bytes."""

from importlib.resources import files

from andon.records.calls import Role


def role_text(role: Role) -> str:
    """Return the instructions of `role`, at most 900 bytes of UTF-8."""
    return (files("andon.agents") / "prompts" / f"{role}.md").read_text(encoding="utf-8").rstrip("\n")
