"""search: lines that match, over tracked and new files."""

import posixpath
import re

from andon.guardrails.output import clean, clean_text
from andon.guardrails.paths import is_hidden
from andon.guardrails.redact import without_secrets
from andon.sandbox.protocol import Sandbox
from andon.tools.failure import ToolFailed
from andon.tools.line_text import one_line

MATCHES = 100
"""Most lines one answer holds."""
_LINE_CHARACTERS = 300
_NO_CASE = "(?i)"
PERL = re.compile(r"\\[dDpPAzZ]|\(\?")
"""What other engines know and POSIX ones take for letters, or for a mistake."""
SYNTAX = (
    "it is a POSIX extended regular expression: [0-9] for \\d, (a|b) for (?:a|b), no look-around; "
    "(?i) in front ignores case, fixed=true takes it literally"
)
"""What a pattern that was not understood, or found nothing, is answered with."""


async def search(sandbox: Sandbox, pattern: str, path: str = ".", fixed: bool = False) -> str:
    """Return matching lines as `path:line:text` in the order of paths.

    A `pattern` that begins with `(?i)` and is not `fixed` ignores case.

    Raises:
        ToolFailed: `pattern` is no regular expression, or `path` does not exist.
    """
    options = ["-F" if fixed else "-E", "-nIz", "--untracked", "--no-color", "--full-name"]
    wanted = pattern
    if not fixed and pattern.startswith(_NO_CASE) and pattern != _NO_CASE:
        options, wanted = [*options, "-i"], pattern.removeprefix(_NO_CASE)
    argv = ["git", "--literal-pathspecs", "grep", *options, "-e", wanted, "--", posixpath.normpath(path)]
    done = await sandbox.run(argv, time_limit=60, output_cap=1_000_000)
    if done.timed_out:
        raise ToolFailed("the search took longer than 60 s; name a folder")
    if done.exit_code > 1:
        why = clean(done.output, cap=500).strip()
        raise ToolFailed(f"git grep failed: {why}" + (f"\nOf the pattern: {SYNTAX}." if "-e option" in why else ""))
    matches = [found for line in done.output.split(b"\n") if (found := _match(line)) and not is_hidden(found[0])]
    if not matches:
        if done.dropped:
            return "too many matches; narrow the pattern or name a folder"
        return f"no matches for this pattern: {SYNTAX}" if not fixed and PERL.search(wanted) else "no matches"
    shown = [f"{clean_text(name)}:{number}:{_cut(text)}" for name, number, text in matches[:MATCHES]]
    if len(matches) > MATCHES or done.dropped:
        more = "many" if done.dropped else str(len(matches) - MATCHES)
        shown.append(f"[… {more} more matches; narrow the pattern or name a folder]")
    return "\n".join(shown)


def _match(line: bytes) -> tuple[str, int, str] | None:
    """Return path, line number and text of one line of `git grep -nz`; None for anything else."""
    parts = line.split(b"\0", 2)
    if len(parts) != 3 or not parts[1].isdigit():
        return None
    return parts[0].decode("utf-8", "backslashreplace"), int(parts[1]), parts[2].decode("utf-8", "replace")


def _cut(text: str) -> str:
    shown = one_line(text)
    if len(shown) <= _LINE_CHARACTERS:
        return shown
    # Before the cut: half a key is no longer known as one.
    return f"{without_secrets(shown)[:_LINE_CHARACTERS]}[…]"
