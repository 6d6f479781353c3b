"""What a project says of itself in `factory/context/`."""

from dataclasses import dataclass

from pydantic import ValidationError

from andon.context.base import BaseFiles
from andon.context.strict_json import decode, parse_json, problems
from andon.records.errors import UserError
from andon.records.project import ProjectContext

CONTEXT_PATH = "factory/context/project-context.json"
"""The context that is enforced."""
PROSE_PATH = "factory/context/project-context.md"
"""The context that is only read."""


@dataclass(frozen=True)
class Project:
    """The project's own words, from the base commit."""

    context: ProjectContext
    """From project-context.json; empty where there is none."""
    prose: str
    """From project-context.md, with newlines as `\\n`; empty where there is none, or where the JSON file wins."""
    notes: tuple[str, ...]
    """What a person should know about where the context came from."""


def load_project(files: BaseFiles) -> Project:
    """Return the project context of the base commit. Neither file is required.

    Raises:
        UserError: project-context.json is malformed (file, line, column) or holds a bad field (file, field, expected).
    """
    prose = files.read(PROSE_PATH)
    content = files.read(CONTEXT_PATH)
    if content is not None:
        notes = (f"{PROSE_PATH} was not read: {CONTEXT_PATH} stands beside it and wins.",) if prose is not None else ()
        return Project(_parse(content), "", notes)
    if prose is not None:
        note = f"{PROSE_PATH} is read as prose and enforces nothing: protected areas count only in {CONTEXT_PATH}."
        return Project(ProjectContext(), decode(prose, PROSE_PATH).replace("\r\n", "\n").strip(), (note,))
    return Project(
        ProjectContext(), "", (f"No project context: nothing is protected beyond the floors. Add {CONTEXT_PATH}.",)
    )


def _parse(content: bytes) -> ProjectContext:
    data = parse_json(content, CONTEXT_PATH)
    if not isinstance(data, dict):
        raise UserError(f"{CONTEXT_PATH}: must be one JSON object, not a {type(data).__name__}.")
    try:
        return ProjectContext.model_validate(data)
    except ValidationError as error:
        raise UserError(f"{CONTEXT_PATH}: {problems(error)}. Correct the field and run again.") from error
