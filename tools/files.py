"""list_files, read_file, edit_file and write_file: text files of the workspace, opened inside the sandbox."""

import difflib
import errno
import hashlib
import posixpath
from collections.abc import Sequence

from andon.guardrails.arguments import Edit
from andon.guardrails.output import show_hidden
from andon.guardrails.paths import is_hidden
from andon.guardrails.redact import MARKER, without_secrets
from andon.sandbox.protocol import Sandbox
from andon.tools.edit_lines import Lines
from andon.tools.failure import ToolFailed
from andon.tools.line_text import cut_line, one_line

LISTED = 400
"""Files listed by name; a larger folder is summed up by its subfolders."""
FILE_BYTES = 2_000_000
"""The largest file that is read or edited."""
READ_BYTES = 24_000
"""Most bytes of a file that one answer holds."""


async def list_files(sandbox: Sandbox, path: str = ".") -> str:
    """Return the files below `path`, one a line: tracked and new ones, ignored ones left out.

    Raises:
        ToolFailed: nothing is there.
    """
    folder = posixpath.normpath(path)
    found = [name for name in await _names(sandbox, folder) if not is_hidden(name)]
    if not found:
        raise ToolFailed(f"there are no files at {folder!r} (ignored files are not listed)")
    if len(found) <= LISTED:
        return "\n".join([_count(len(found), "file"), *map(_shown, found)])
    return _summary(folder, found)


async def read_file(sandbox: Sandbox, path: str, start: int = 1, lines: int = 400) -> str:
    """Return lines of a text file under a header that says which, without the secrets of the whole file.

    Raises:
        ToolFailed: it is missing, a folder, binary or too large, or has no such line.
    """
    text, ending = await _read_text(sandbox, path)
    # Before lines are picked and cut: half a key is no longer known as one.
    all_lines = without_secrets(text).split("\n")
    if all_lines[-1] == "":
        all_lines.pop()
    if not all_lines:
        return f"{path}: empty file"
    if start > len(all_lines):
        raise ToolFailed(f"{path} has {_count(len(all_lines), 'line')}; start is {start}")
    shown = _fitting([cut_line(one_line(line)) for line in all_lines[start - 1 : start - 1 + lines]])
    end = start - 1 + len(shown)
    more = f"; the next part begins at start={end + 1}" if end < len(all_lines) else ""
    kind = ", CRLF line ends" if ending == "\r\n" else ""
    return "\n".join([f"{path}: lines {start}-{end} of {len(all_lines)}{kind}{more}", *shown])


async def edit_file(sandbox: Sandbox, path: str, edits: Sequence[Edit]) -> str:
    """Make exact replacements, in order, all of them or none, and return what changed; see `Lines.shown`.

    Line ends stay as they are in the file; an edit is matched without regard to which they are.

    Raises:
        ToolFailed: an `old` is found not once, an edit holds a marker of redaction that is not in the file, or the file
            cannot be edited or changed meanwhile.
    """
    before = await _read_bytes(sandbox, path)
    text, ending = _decoded(before, path)
    for number, edit in enumerate(edits, start=1):
        _refuse_markers(text, edit.old, f"edit {number} of {len(edits)}: old")
        _refuse_markers(edit.old, edit.new, f"edit {number} of {len(edits)}: new")
    lines = Lines(text)
    for number, edit in enumerate(edits, start=1):
        _replace(lines, edit, f"edit {number} of {len(edits)}", path)
    await _write(sandbox, path, lines.text.replace("\n", ending).encode(), expected=hashlib.sha256(before).hexdigest())
    return "\n".join([f"edited {path}: {_count(len(edits), 'replacement')}", *lines.shown()])


async def write_file(sandbox: Sandbox, path: str, content: str) -> str:
    """Create or replace a file with exactly `content`.

    Raises:
        ToolFailed: it cannot be written, or `content` holds a marker of redaction that is not in the file.
    """
    try:
        old = await sandbox.read(path, limit=FILE_BYTES)
    except FileNotFoundError:
        old = None
    except OSError as error:
        raise _failed(path, error) from error
    _refuse_markers((old or b"").decode("utf-8", "replace"), content, "content")
    await _write(sandbox, path, content.encode())
    lines = content.count("\n") + (not content.endswith("\n") and content != "")
    before = "new file" if old is None else f"replaced {_count(len(old.splitlines()), 'line')}"
    return f"wrote {path}: {_count(lines, 'line')} ({before})"


def _refuse_markers(there: str, given: str, which: str) -> None:
    """Raise if `given` holds more of a marker than `there`: it was copied from an answer, and a secret stands there."""
    for marker in set(MARKER.findall(given)):
        if given.count(marker) > there.count(marker):
            raise ToolFailed(
                f"{which} holds {marker}, which only stands in answers in place of a secret; nothing was changed: "
                "edit the text around it and leave the secret where it is"
            )


async def _names(sandbox: Sandbox, folder: str) -> list[str]:
    argv = ["git", "--literal-pathspecs", "ls-files", "-z", "-t", "-c", "-o", "-d", "--exclude-standard", "--", folder]
    done = await sandbox.run(argv, time_limit=60, output_cap=FILE_BYTES)
    if done.exit_code != 0:
        # `git` may be missing, or its folder broken by what ran here; the files still are what they are.
        done = await sandbox.run(["find", folder, "-type", "f", "-print0"], time_limit=60, output_cap=FILE_BYTES)
        entries = [("?", posixpath.normpath(name)) for name in _split(done.output)]
    else:
        entries = [(name[0], name[2:]) for name in _split(done.output) if len(name) > 2]
    if done.dropped:
        raise ToolFailed(f"{folder!r} holds too many files to list; name a folder below it")
    gone = {name for tag, name in entries if tag == "R"}
    return sorted({name for _, name in entries} - gone)


def _split(output: bytes) -> list[str]:
    return [name for name in output.decode("utf-8", "backslashreplace").split("\0") if name]


def _summary(folder: str, found: Sequence[str]) -> str:
    """Return the entries directly in `folder`, each subfolder with the number of its files."""
    prefix = "" if folder == "." else folder + "/"
    counts: dict[str, int] = {}
    for name in found:
        head, slash, _ = name.removeprefix(prefix).partition("/")
        counts[prefix + head + slash] = counts.get(prefix + head + slash, 0) + 1
    lines = [
        f"{_shown(name)} ({_count(count, 'file')})" if name.endswith("/") else _shown(name)
        for name, count in counts.items()
    ]
    cut = [f"[… {len(lines) - LISTED} more entries]"] if len(lines) > LISTED else []
    return "\n".join([f"{_count(len(found), 'file')}; name a folder to list it", *lines[:LISTED], *cut])


def _shown(name: str) -> str:
    return show_hidden(name.encode("unicode_escape").decode() if any(ord(c) < 32 for c in name) else name)


async def _read_bytes(sandbox: Sandbox, path: str) -> bytes:
    try:
        data = await sandbox.read(path, limit=FILE_BYTES + 1)
    except OSError as error:
        raise _failed(path, error) from error
    if len(data) > FILE_BYTES:
        raise ToolFailed(f"{path} is larger than {FILE_BYTES} bytes; use search, or run_command with sed -n '1,200p'")
    return data


async def _read_text(sandbox: Sandbox, path: str) -> tuple[str, str]:
    data = await _read_bytes(sandbox, path)
    if b"\0" in data[:8000]:
        raise ToolFailed(f"{path} is a binary file of {len(data)} bytes; it cannot be shown as text")
    text = data.decode("utf-8", "replace")
    return (text.replace("\r\n", "\n"), "\r\n") if _is_crlf(text) else (text, "\n")


def _decoded(data: bytes, path: str) -> tuple[str, str]:
    """Return the text with `\\n` line ends, and the line end it has in the file."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ToolFailed(f"{path} is not UTF-8 text; edit_file cannot edit it") from error
    return (text.replace("\r\n", "\n"), "\r\n") if _is_crlf(text) else (text, "\n")


def _is_crlf(text: str) -> bool:
    return "\r\n" in text and text.count("\r\n") == text.count("\n")


async def _write(sandbox: Sandbox, path: str, content: bytes, *, expected: str = "") -> None:
    try:
        await sandbox.write(path, content, expected=expected)
    except OSError as error:
        raise _failed(path, error) from error


def _failed(path: str, error: OSError) -> ToolFailed:
    if isinstance(error, FileNotFoundError):
        return ToolFailed(f"there is no file {path!r}; list_files shows what there is")
    if error.errno == errno.ESTALE:
        return ToolFailed(f"{path} changed while it was edited; nothing was written: read it again")
    if isinstance(error, IsADirectoryError):
        return ToolFailed(f"{path!r} is a folder; list_files lists it")
    return ToolFailed(f"{path!r} cannot be used as a file: {error.strerror or error}")


def _fitting(lines: Sequence[str]) -> list[str]:
    """Return the first lines that fit into one answer, at least one."""
    size = 0
    kept: list[str] = []
    for line in lines:
        size += len(line.encode()) + 1
        if kept and size > READ_BYTES:
            break
        kept.append(line)
    return kept


def _replace(lines: Lines, edit: Edit, which: str, path: str) -> None:
    """Make one replacement, or raise with why it cannot be made."""
    text = lines.text
    lf_text = "\r" not in text
    old = edit.old.replace("\r\n", "\n") if lf_text else edit.old
    new = edit.new.replace("\r\n", "\n") if lf_text else edit.new
    if old == new:
        raise ToolFailed(f"{which}: old and new are the same; nothing was changed")
    count = text.count(old)
    if count != 1:
        raise ToolFailed(f"{which}: old {_where(text, old, count, path)}; nothing was changed")
    lines.replace(text.index(old), old, new)


def _where(text: str, old: str, count: int, path: str) -> str:
    if count:
        numbers: list[str] = []
        at = text.find(old)
        while at >= 0 and len(numbers) < 10:
            numbers.append(str(text.count("\n", 0, at) + 1))
            at = text.find(old, at + len(old))
        return f"matches {count} times in {path}, at lines {', '.join(numbers)}; add lines around it until it is unique"
    return f"matches 0 times in {path}{_closest(text, old)}"


def _closest(text: str, old: str) -> str:
    """Return a hint at the line most like the first line of `old`."""
    wanted = next((line.strip() for line in old.split("\n") if line.strip()), "")
    lines = [line.strip() for line in text.split("\n")[:5000]]
    near = difflib.get_close_matches(wanted[:300], [line[:300] for line in lines if line], n=1, cutoff=0.5)
    if not near:
        return ", nor does a line like its first; read the file again"
    number = next(position for position, line in enumerate(lines, start=1) if line[:300] == near[0])
    return f"; the closest to its first line is line {number}: {cut_line(without_secrets(one_line(near[0])))!r}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
