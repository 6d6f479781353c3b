"""search: lines that match, over tracked and new files."""

import posixpath

from andon.guardrails.output import clean, clean_text
from andon.guardrails.paths import is_hidden
from andon.guardrails.redact import without_secrets
from andon.sandbox.protocol import Sandbox
from andon.tools.failure import ToolFailed

MATCHES = 100
"""Most lines one answer holds."""
_LINE_CHARACTERS = 300


async def search(sandbox: Sandbox, pattern: str, path: str = ".", fixed: bool = False) -> str:
    """Return matching lines as `path:line:text` in the order of paths.

    Raises:
        ToolFailed: `pattern` is no regular expression, or `path` does not exist.
    """
    options = ["-F" if fixed else "-E", "-nIz", "--untracked", "--no-color", "--full-name"]
    argv = ["git", "--literal-pathspecs", "grep", *options, "-e", pattern, "--", posixpath.normpath(path)]
    done = await sandbox.run(argv, time_limit=60, output_cap=1_000_000)
    if done.timed_out:
        raise ToolFailed("the search took longer than 60 s; name a folder")
    if done.exit_code > 1:
        raise ToolFailed(f"git grep failed: {clean(done.output, cap=500).strip()}")
    matches = [found for line in done.output.split(b"\n") if (found := _match(line)) and not is_hidden(found[0])]
    if not matches:
        return "no matches" if not done.dropped else "too many matches; narrow the pattern or name a folder"
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
    shown = clean_text(text)
    if len(shown) <= _LINE_CHARACTERS:
        return shown
    # Before the cut: half a key is no longer known as one.
    return f"{without_secrets(shown)[:_LINE_CHARACTERS]}[…]"
