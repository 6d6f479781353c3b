"""What the programs of a shell text may do, and which paths they name.

Deny-only: a program that no rule knows may run, since the sandbox has no network and the final tree is judged. Wrappers
(`env`, `timeout`, `xargs`, `find -exec`, `sh -c`) are judged by what they start.
"""

import posixpath
import re
from collections.abc import Iterator, Sequence

from andon.guardrails.git_rules import git_uses
from andon.guardrails.program_table import (
    DECODERS,
    EVALUATES,
    INSTALLS,
    INTERPRETERS,
    LOADERS,
    NETWORK,
    PATTERN_FIRST,
    PRIVILEGED,
    READERS,
    REMOVERS,
    SERVICES,
    SHELLS,
    SPEAKERS,
    WRAPPERS,
)
from andon.guardrails.refusal import Refused, Use
from andon.guardrails.shell import RESERVED, ShellError, Word, parse

_LIMIT = 400


def command_uses(text: str) -> list[Use]:
    """Return the paths that the shell text names.

    Raises:
        Refused: it cannot be read, or a program in it is not allowed.
    """
    uses = list(dict.fromkeys(_text_uses(text, ["."], 0)))
    if len(uses) > _LIMIT:
        raise Refused("shell", f"the command names more than {_LIMIT} paths; split it")
    return uses


def _text_uses(text: str, bases: list[str], depth: int) -> Iterator[Use]:
    if depth > 4:
        raise Refused("shell", "shells are nested deeper than 4; write the commands one after another")
    try:
        commands = parse(text)
    except ShellError as error:
        raise Refused("shell", f"the command cannot be read: {error}") from error
    decoded = False
    for command in commands:
        for target in command.targets:
            yield from _path_uses(target, bases, writes=True)
        for assignment in command.assignments:
            _check_assignment(assignment)
        decoded = command.piped and decoded
        program, arguments = _unwrap(command.words)
        if program is None:
            continue
        if command.piped and not command.fed:
            _check_fed(program, arguments, decoded)
        decoded = decoded or program in DECODERS
        yield from _program_uses(program, arguments, bases, depth)


def _unwrap(words: Sequence[Word]) -> tuple[str | None, list[Word]]:
    """Return the program that really runs, without its folder, and its arguments; None where nothing is started."""
    rest = list(words)
    while rest:
        first = rest[0]
        if first.computed or (first.pattern and first.text not in (*RESERVED, "[", "[[")):
            raise Refused("computed-program", f"the program {first.text!r} is computed; write its name")
        name = posixpath.basename(first.text)
        if name in RESERVED:
            rest = rest[1:]
            continue
        python = re.fullmatch(r"(python|pypy)[\d.]*", name) and _module(rest)
        if python:
            return python
        if name not in WRAPPERS:
            return re.sub(r"^(pip|python)[\d.]+$", r"\1", name), rest[1:]
        rest = _after_wrapper(name, rest[1:])
    return None, []


def _module(words: Sequence[Word]) -> tuple[str, list[Word]] | None:
    """Return MODULE and what follows for `python -m MODULE …`."""
    for position, word in enumerate(words[1:-1], start=1):
        if word.text == "-m":
            return words[position + 1].text, list(words[position + 2 :])
        if not word.text.startswith("-"):
            return None
    return None


def _after_wrapper(name: str, rest: list[Word]) -> list[Word]:
    takes_value = WRAPPERS[name]
    while rest and re.match(r"-|[A-Za-z_]\w*\+?=", rest[0].text):
        option = rest[0].text
        if name == "command" and option in ("-v", "-V"):
            return []
        if name == "env" and re.match(r"-S|--split-string|-C|--chdir", option):
            raise Refused("computed-program", f"env {option} is not read here; write the command itself")
        if not option.startswith("-"):
            _check_assignment(rest[0])
        rest = rest[2:] if option in takes_value else rest[1:]
        if option == "--":
            break
    return rest[1:] if name == "timeout" else rest


def _check_assignment(word: Word) -> None:
    name = re.split(r"[\[+=]", word.text, maxsplit=1)[0]
    if LOADERS.fullmatch(name):
        raise Refused("environment", f"setting {name} changes what is loaded or started; leave it as it is")


def _check_fed(program: str, arguments: Sequence[Word], decoded: bool) -> None:
    """Refuse a shell that reads its program from a pipe, and an interpreter that reads a decoded one."""
    operands = [word.text for word in arguments if not word.text.startswith("-") or word.text == "-"]
    reads_input = not operands or operands[0] == "-" or any(word.text == "-s" for word in arguments)
    by_option = any(re.fullmatch(r"-\w*[cem]\w*|--eval|--version|--help", word.text) for word in arguments)
    if not reads_input or by_option:
        return
    if program in SHELLS or (decoded and INTERPRETERS.fullmatch(program)):
        raise Refused("computed-program", f"{program} would run text computed by a pipe; write the commands themselves")


def _program_uses(program: str, arguments: list[Word], bases: list[str], depth: int) -> Iterator[Use]:
    texts = [word.text for word in arguments]
    _check_program(program, texts)
    if program in ("export", "declare", "typeset", "local", "readonly"):
        for word in arguments:
            _check_assignment(word)
    if program in SHELLS:
        yield from _shell_uses(program, arguments, bases, depth)
    elif program == "git":
        if any(word.computed for word in arguments[:1]):
            raise Refused("git", "the git subcommand is computed; write it")
        yield from (use for base in bases for use in git_uses(texts, base))
    elif program in ("cd", "pushd"):
        yield from _change_directory(arguments, bases)
    elif program == "find":
        yield from _find_uses(arguments, bases, depth)
    elif program not in SPEAKERS:
        yield from _operand_uses(program, arguments, bases)


def _check_program(program: str, texts: Sequence[str]) -> None:
    asks_only = bool(texts) and all(text in ("--version", "-V", "--help", "-h", "version") for text in texts)
    if asks_only:
        return
    if program in NETWORK or program in SERVICES:
        raise Refused("network", f"{program} needs a network; there is none here: work with what is in place")
    if program in PRIVILEGED:
        raise Refused("sandbox", f"{program} has no use here; run the command without it")
    if program in EVALUATES:
        raise Refused("computed-program", f"{program!r} runs or renames text that cannot be judged; write the commands")
    verb = next((text for text in texts if not text.startswith("-")), "")
    if verb in INSTALLS.get(program, ()) and "--no-index" not in texts:
        hint = "use what is installed, or report the missing dependency under not_done"
        raise Refused("install", f"{program} {verb} needs a package index and there is none here; {hint}")


def _shell_uses(program: str, arguments: Sequence[Word], bases: list[str], depth: int) -> Iterator[Use]:
    for position, word in enumerate(arguments):
        if re.fullmatch(r"-\w*c\w*", word.text):
            script = arguments[position + 1 : position + 2]
            if not script or script[0].computed:
                raise Refused(
                    "computed-program", f"the text given to {program} -c is computed; write it in single quotes"
                )
            yield from _text_uses(script[0].text, list(bases), depth + 1)
            return
    yield from _operand_uses(program, arguments, bases)


def _change_directory(arguments: Sequence[Word], bases: list[str]) -> Iterator[Use]:
    targets = [word for word in arguments if not word.text.startswith("-") or word.text == "-"]
    if not targets or targets[0].text == "-":
        return
    if targets[0].computed or targets[0].pattern:
        raise Refused("computed-path", f"the folder {targets[0].text!r} is computed; write its name")
    yield from _path_uses(targets[0], bases, writes=False)
    current = posixpath.join(bases[0], targets[0].text)
    bases.insert(0, current)
    del bases[6:]


def _find_uses(arguments: list[Word], bases: list[str], depth: int) -> Iterator[Use]:
    texts = [word.text for word in arguments]
    starts = arguments[: next((i for i, text in enumerate(texts) if text[:1] in "-(!"), len(texts))]
    deletes = "-delete" in texts
    if deletes and not any(text in ("-name", "-iname", "-path", "-type", "-regex") for text in texts):
        raise Refused("delete-all", "find -delete without a test deletes the workspace; name what is to go")
    for word in starts:
        yield from _path_uses(word, bases, writes=deletes)
    for position, text in enumerate(texts):
        if text in ("-fprint", "-fprintf", "-fls", "-newer", "-samefile") and position + 1 < len(texts):
            yield from _path_uses(arguments[position + 1], bases, writes=text.startswith("-f"))
        if text in ("-exec", "-execdir", "-ok", "-okdir"):
            end = next((i for i in range(position, len(texts)) if texts[i] in (";", "+")), len(texts))
            program, rest = _unwrap(arguments[position + 1 : end])
            if program:
                yield from _program_uses(program, [word for word in rest if word.text != "{}"], bases, depth + 1)


def _operand_uses(program: str, arguments: Sequence[Word], bases: list[str]) -> Iterator[Use]:
    texts = [word.text for word in arguments]
    writes = program not in READERS and not _reads_only(program, texts)
    skip_first = program in PATTERN_FIRST and not any(
        re.match(r"-\w*[ef]|--(regexp|file|expression)", t) for t in texts
    )
    for word in arguments:
        if word.text.startswith("-") and len(word.text) > 1:
            yield from _option_uses(word, bases, writes)
        elif skip_first:
            skip_first = False
        else:
            if program in ("rm", "mv", "shred") and word.text.rstrip("/") in (".", "*", "./*", "/work", "..", ""):
                raise Refused("delete-all", f"{program} {word.text} takes the workspace away; name what is to go")
            yield from _path_uses(word, bases, writes=writes, removes=program in REMOVERS)
            if "=" in word.text:
                value = word.text.split("=", 1)[1]
                yield from _path_uses(Word(value, word.computed, word.pattern), bases, writes=writes)


def _reads_only(program: str, texts: Sequence[str]) -> bool:
    if program == "sed":
        return not any(re.match(r"-\w*i|--in-place", text) for text in texts)
    if program in ("ruff", "black", "isort", "eslint", "prettier"):
        return "check" in texts[:1] and "--fix" not in texts
    return False


def _option_uses(word: Word, bases: list[str], writes: bool) -> Iterator[Use]:
    """Yield the path in `--option=path` and in `-Xpath`."""
    value = word.text.split("=", 1)[1] if "=" in word.text else "" if word.text.startswith("--") else word.text[2:]
    if value and ("/" in value or "." in value or "=" in word.text):
        yield from _path_uses(Word(value, word.computed, word.pattern), bases, writes=writes)


def _path_uses(word: Word, bases: Sequence[str], *, writes: bool, removes: bool = False) -> Iterator[Use]:
    """Yield `word` as seen from the folder the command runs in, and from those it may run in if a `cd` fails."""
    if not word.text or len(word.text) > 1000 or "\n" in word.text:
        return
    for position, base in enumerate(bases):
        path = word.text if base == "." else posixpath.join(base, word.text)
        yield Use(path, writes, outside=True, removes=removes, pattern=word.pattern, computed=word.computed,
                  fallback=position > 0)  # fmt: skip
