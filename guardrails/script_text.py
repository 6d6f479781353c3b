"""`sed` and `awk` programs: both can start programs and write files from within their text."""

import re

from andon.guardrails.refusal import Found, Refused, Use

_ADDRESS = re.compile(r"(\d+|\$|/(?:[^/\\\n]|\\.)*/[IM]*|\\(.)(?:(?!\2).)*\2)(~\d+)?")
_AWK_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_AWK_REGEX = re.compile(r"(?<=[~(,!&|{; ])/(?:[^/\\\n]|\\.)+/|^/(?:[^/\\\n]|\\.)+/")


def sed_uses(script: str, found: Found) -> None:
    """Judge a sed script: `e` starts programs; `r` and `w` name files.

    Raises:
        Refused: it starts a program.
    """
    at = 0
    while at < len(script):
        if script[at] in " \t\n;{}!,":
            at += 1
        elif script[at] == "#":
            end = script.find("\n", at)
            at = len(script) if end < 0 else end
        elif address := _ADDRESS.match(script, at):
            at = address.end()
        else:
            at = _sed_command(script, at, found)


def _sed_command(script: str, at: int, found: Found) -> int:
    letter, rest = script[at], script[at + 1 :]
    if letter == "e":
        raise Refused("computed-program", "the sed command `e` runs what it is given; write the command itself")
    if letter in "rRwW":
        name = rest.split("\n", 1)[0].strip()
        found.uses.append(Use(name or ".", writes=letter in "wW", outside=True))
        return at + 1 + len(rest.split("\n", 1)[0])
    if letter in "sy":
        return _substitute(script, at, found)
    if letter in "aic":
        return at + 1 + len(re.match(r"(?:[^\n\\]|\\.)*", rest, re.DOTALL)[0])  # type: ignore[index]
    if letter in ":btT":
        return at + 1 + len(re.match(r"[^;\n}]*", rest)[0])  # type: ignore[index]
    if letter in "dDgGhHlnNpPqQxz=F" or letter.isdigit() or letter in "~+":
        return at + 1
    found.ask("shell", f"the sed script is not understood at {script[at : at + 20]!r}; write it more simply")
    return len(script)


def _substitute(script: str, at: int, found: Found) -> int:
    mark = script[at + 1 : at + 2]
    position, parts = at + 2, 0
    if not mark or mark in "\\\n":
        found.ask("shell", "the sed script is not understood; write it more simply")
        return len(script)
    while position < len(script) and parts < 2:
        character = script[position]
        if character == "\\":
            position += 1
        elif character == mark:
            # A mark inside brackets ends nothing; read as an end, it only finds more flags.
            parts += 1
        position += 1
    if parts < 2:
        found.ask("shell", "the sed script is not closed; complete it")
        return len(script)
    if script[at] == "y":
        return position
    flags = re.match(r"[gpiIMm0-9]*", script[position:])[0]  # type: ignore[index]
    position += len(flags)
    following = script[position : position + 1]
    if following == "e":
        raise Refused("computed-program", "the sed flag `e` runs what it finds; write the command itself")
    if following == "w":
        name = script[position + 1 :].split("\n", 1)[0].strip()
        found.uses.append(Use(name or ".", writes=True, outside=True))
        return len(script)
    return position


def awk_uses(script: str, found: Found) -> None:
    """Judge an awk program: `system`, pipes and `getline` start programs; `>` names files.

    Raises:
        Refused: it starts a program.
    """
    strings = _AWK_STRING.findall(script)
    bare = _AWK_REGEX.sub("0", _AWK_STRING.sub('""', script))
    if re.search(r"\bsystem\b|@load|@include|@namespace|\|&", bare) or re.search(r"(?<!\|)\|(?!\|)", bare):
        raise Refused("computed-program", "the awk program starts another program; write the commands themselves")
    if re.search(r"\b(print|printf)\b[^;}\n]*>|getline\s*<", bare):
        names = [string[1:-1] for string in strings if re.fullmatch(r"[\w./@+ -]+", string[1:-1])]
        if not names:
            found.ask("computed-path", "the awk program writes or reads files it computes; use a redirection")
        found.uses += [Use(name, writes=True, outside=True) for name in names]
