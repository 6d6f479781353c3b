"""The arguments of the nine curated tools. A field's docstring is what clients are told of it."""

from pydantic import ConfigDict, Field

from andon.records.base import Record


class _Arguments(Record):
    model_config = ConfigDict(strict=True)


class ListFiles(_Arguments):
    """Arguments of `list_files`."""

    path: str = "."
    """Folder."""


class ReadFile(_Arguments):
    """Arguments of `read_file`."""

    path: str
    """File."""
    start: int = Field(default=1, ge=1)
    """First line."""
    lines: int = Field(default=400, ge=1, le=2000)
    """How many lines."""


class Search(_Arguments):
    """Arguments of `search`."""

    pattern: str = Field(min_length=1, max_length=1000)
    """POSIX extended regular expression ([0-9], not \\d)."""
    path: str = "."
    """Folder or file to search in."""
    fixed: bool = False
    """Take the pattern literally."""


class Edit(_Arguments):
    """One exact replacement."""

    old: str = Field(min_length=1)
    """Text to replace, exactly as in the file; must occur once."""
    new: str
    """Its replacement."""


class EditFile(_Arguments):
    """Arguments of `edit_file`."""

    path: str
    """Existing text file."""
    edits: list[Edit] = Field(min_length=1, max_length=50)
    """Applied in order, all or none."""


class WriteFile(_Arguments):
    """Arguments of `write_file`."""

    path: str
    """File to create or replace."""
    content: str = Field(max_length=1_000_000)
    """The whole content."""


class RunTests(_Arguments):
    """Arguments of `run_tests`."""

    select: list[str] = Field(default=[], max_length=50)
    """Test files or ids, such as tests/test_a.py::test_b; pytest only. Empty: all."""


class RunCommand(_Arguments):
    """Arguments of `run_command`."""

    command: str = Field(min_length=1, max_length=20_000)
    """Shell text, run in the workspace root."""


class Git(_Arguments):
    """Arguments of `git`."""

    args: list[str] = Field(min_length=1, max_length=100)
    """Subcommand and its arguments, such as ["diff", "--stat"]."""


class DocsLookup(_Arguments):
    """Arguments of `docs_lookup`."""

    query: str = Field(min_length=1, max_length=400)
    """A few words."""


ARGUMENTS: dict[str, type[_Arguments]] = {
    "list_files": ListFiles,
    "search": Search,
    "read_file": ReadFile,
    "edit_file": EditFile,
    "write_file": WriteFile,
    "run_tests": RunTests,
    "run_command": RunCommand,
    "git": Git,
    "docs_lookup": DocsLookup,
}
"""Tool name to the model its arguments must fit, in the order tools are listed."""
