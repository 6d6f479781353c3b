"""A diff for a person on a terminal: which files first, then the lines, bounded, the rest counted."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from andon.cli.printing import BAD, GOOD, MUTED, NEW, say, sign
from andon.context.diffs import FileDiff
from andon.guardrails.output import clean_text

_FILES = 20
_COLUMNS = 400


def show_diff(console: Console, files: Sequence[FileDiff], *, most: int, whole: str) -> None:
    """Print the files with their counts, then at most `most` lines of their hunks in this order.

    `whole` says where the rest can be read.
    """
    for file in files[:_FILES]:
        gone = "  removed" if "\n+++ /dev/null\n" in file.text.partition("\n@@")[0] + "\n" else ""
        say(console, file.path, (f"  {file.counts}{gone}", MUTED), mark="    ")
    if len(files) > _FILES:
        say(console, (f"{sign(console, 'more')} {len(files) - _FILES} more files", MUTED), mark="    ")
    lines = [line for file in files for line in _hunks(file, named=len(files) > 1)]
    for line in lines[:most]:
        console.print(_coloured(line), soft_wrap=True)
    if len(lines) > most:
        say(console, (f"{sign(console, 'more')} {len(lines) - most} more lines, {whole}", MUTED), mark="    ")


def _hunks(file: FileDiff, *, named: bool) -> list[str]:
    _, at, body = file.text.partition("\n@@")
    return [*([file.path] if named else []), *("@@" + body).split("\n")] if at else []


def _coloured(line: str) -> Text:
    shown = clean_text(line).replace("\n", " ").expandtabs(4)
    if len(shown) > _COLUMNS:
        shown = f"{shown[:_COLUMNS]} [{len(shown) - _COLUMNS} more characters]"
    styles = {"+": GOOD, "-": BAD, "@": NEW, " ": "", "\\": MUTED}
    return Text("    " + shown, style=styles.get(line[:1], "bold"))
