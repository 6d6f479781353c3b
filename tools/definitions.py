"""The nine curated tools as clients see them. Every word is sent with every model request, so there are few."""

from dataclasses import dataclass
from typing import Any

from andon.guardrails.arguments import ARGUMENTS
from andon.tools.commands import OUTPUT_BYTES
from andon.tools.files import LISTED
from andon.tools.search import MATCHES


@dataclass(frozen=True)
class Definition:
    """One tool in a listing."""

    name: str
    """What it is called by."""
    description: str
    """What it does and where its limits are."""
    reads_only: bool
    """True if it cannot change the workspace."""
    editing: str = ""
    """The part of the description that a role which may not edit is not shown."""

    def described(self, *, seconds: float, edits: bool) -> str:
        """Return the description for a role that may edit or not, in a run with this time limit of a command."""
        text = self.description if edits or not self.editing else self.description.replace(self.editing, "")
        return text.replace("{seconds}", f"{seconds:g}")

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of its arguments, without titles."""
        schema = ARGUMENTS[self.name].model_json_schema()
        definitions = schema.pop("$defs", {})
        schema.pop("description", None)
        return {key: _plain(value, definitions) for key, value in schema.items() if key != "title"}


def _plain(value: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_plain(item, definitions) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        target = dict(definitions[value["$ref"].rsplit("/", 1)[-1]])
        target.pop("description", None)
        return _plain(target, definitions)
    return {
        key: _plain(item, definitions) for key, item in value.items() if not (key == "title" and isinstance(item, str))
    }


_OUTPUT = f"Output over {OUTPUT_BYTES} bytes is cut in the middle."

_EDITING = "; add, restore -- FILE (new files count without add)"

DEFINITIONS: dict[str, Definition] = {
    definition.name: definition
    for definition in (
        Definition(
            "list_files",
            f"List files below a folder: tracked and new, not ignored. Over {LISTED}: subfolders with counts.",
            True,
        ),
        Definition(
            "search",
            f"Find lines in text files; answers path:line:text. At most {MATCHES} matches. (?i) in front ignores case.",
            True,
        ),
        Definition("read_file", "Read lines of a text file, below a header naming them.", True),
        Definition(
            "edit_file",
            "Replace text in a file. Answers the changed lines, numbered. Give several edits at once.",
            False,
        ),
        Definition("write_file", "Create a file or replace all of it; folders are made.", False),
        Definition("run_tests", "Run the project's tests. Answers counts, and where and why each failure.", True),
        Definition(
            "run_command",
            "Run shell text: no network, no input, at most {seconds} s; its processes end with it, /tmp stays. "
            f"Answers exit code and output. {_OUTPUT}",
            False,
        ),
        Definition(
            "git",
            f"Local git: status diff log show blame ls-files grep rev-parse, branch --list{_EDITING}. "
            f"The line commits and publishes. {_OUTPUT}",
            False,
            _EDITING,
        ),
        Definition("docs_lookup", "Look up the project's documents and installed packages, offline.", True),
    )
}
"""Tool name to definition, in the order tools are listed. `{seconds}` stands for the time limit of a command."""
