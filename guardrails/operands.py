"""Which words of a command are files, and whether the program reads, writes or removes them."""

import posixpath
import re
from collections.abc import Sequence
from dataclasses import replace

from andon.guardrails.program_table import (
    CACHES,
    COPIERS,
    FORMATTERS,
    NOT_PATHS,
    PATTERN_FIRST,
    RECURSIVE_READERS,
    REMOVERS,
    WRITERS,
)
from andon.guardrails.refusal import Found, Refused, Use
from andon.guardrails.script_text import awk_uses, sed_uses
from andon.guardrails.shell_words import Word

_WHOLE = frozenset(
    {
        ".",
        "*",
        "./*",
        "/work",
        "/work/*",
        "..",
        "",
        "./",
        "**",
        "./**",
        "/",
        "/*",
        "~",
        "$HOME",
        ".*",
        "$PWD",
        "./.",
        "./.*",
        "{*,.*}",
    }
)
_EXEC_OPTIONS: dict[str, tuple[str, ...]] = {
    "tar": (
        "--to-command",
        "--checkpoint-action",
        "--use-compress-program",
        "--rsh-command",
        "--info-script",
        "--new-volume-script",
        "-I",
        "-F",
    ),
    "zip": ("-TT", "--unzip-command"),
    "rg": ("--pre", "--hostname-bin"),
    "sort": ("--compress-program",),
    "split": ("--filter",),
    "less": ("-k", "--lesskey-src"),
    "go": ("-exec", "-toolexec", "-vettool"),
    "cargo": ("--config",),
    "make": ("--eval",),
    "fd": ("-x", "-X", "--exec", "--exec-batch"),
    "fdfind": ("-x", "-X", "--exec", "--exec-batch"),
    "gdb": ("-ex", "--eval-command", "-x"),
    "node": ("--experimental-loader",),
    "pytest": ("--pdbcls",),
    "man": ("-P", "--pager", "-H"),
    "date": ("-s", "--set"),
    "mvn": ("exec:exec",),
    "perl": ("-d",),
    "ctest": (),
    "ag": ("--pager",),
    "tree": (),
    "git": (),
    "gcc": ("-wrapper", "-fplugin"),
    "clang": ("-fplugin", "-load"),
    "mypy": (),
    "openssl": ("-engine", "-provider"),
    "sqlite3": ("-cmd", "-init"),
    "prettier": ("--plugin",),
    "eslint": ("--rulesdir", "--resolve-plugins-relative-to"),
    "awk": ("-l", "--load", "-i", "--include"),
    "gawk": ("-l", "--load", "-i", "--include"),
}
"""Options that start programs or load code, by program."""
_WRITE_OPTIONS = frozenset(
    [
        "-o",
        "--output",
        "--out",
        "--outfile",
        "--out-file",
        "--output-file",
        "--junitxml",
        "--junit-xml",
        "--log-file",
        "--outdir",
        "--outDir",
        "--out-dir",
        "--output-dir",
        "--target-directory",
        "--html",
        "--xml",
        "--json",
        "--csv",
        "--report",
        "--result-log",
        "--resultlog",
        "--basetemp",
        "--cov-report",
        "--output-path",
        "--outputFile",
        "--reporter-output",
        "--fix-output",
        "--index-file",
        "--coverage-directory",
        "--coverageDirectory",
        "--snapshot-dir",
        "--cache-dir",
        "--cache-file",
        "--profile-svg",
        "--durations-path",
    ]
)
_SEES_ALL = ("-r", "-R", "--recursive", "--dereference-recursive")


def path_uses(
    word: Word, bases: Sequence[str], *, writes: bool, removes: bool = False, recursive: bool = False
) -> list[Use]:
    """Return `word` as seen from the folder the command runs in, and from those it may run in if a `cd` fails."""
    uses: list[Use] = []
    for one in word.spelled():
        if not one.text or len(one.text) > 1000 or "\n" in one.text:
            continue
        for position, base in enumerate(bases):
            path = one.text if base == "." or one.text.startswith("~") else posixpath.join(base, one.text)
            uses.append(
                Use(
                    path,
                    writes,
                    outside=True,
                    removes=removes,
                    recursive=recursive,
                    pattern=one.pattern,
                    computed=one.computed,
                    fallback=position > 0,
                )
            )
    return uses


def operand_uses(  # noqa: C901 - one flat case a program
    program: str, arguments: Sequence[Word], bases: list[str], found: Found, *, codes: bool = False
) -> None:
    """Note what `program` does to the files its words name.

    Raises:
        Refused: an option starts another program, or everything would go away.
    """
    arguments = [one for word in arguments for one in word.spelled()]
    texts = [word.text for word in arguments]
    _check_options(program, texts)
    if program == "rm" and "--no-preserve-root" in texts:
        raise Refused("delete-all", "rm --no-preserve-root is for deleting everything; name what is to go")
    if program in ("tar", "unzip", "cpio", "ar"):
        _unpacking(program, texts, found)
    if program == "sqlite3" and any(
        re.search(r"\.(shell|system|load)\b|\.(output|once|import)\s*\|", text) for text in texts
    ):
        raise Refused("starts-programs", "this sqlite3 command starts another program; leave it out")
    if program == "dd":
        for word in arguments:
            key, _, value = word.text.partition("=")
            if key in ("of", "if"):
                found.uses += path_uses(replace(word, text=value), bases, writes=key == "of")
        return
    arguments = _without_script(program, list(arguments), found)
    if program in ("make", "gmake"):
        _make(arguments, found, bases)
    if program in ("echo", "printf"):
        return
    writes = _writes(program, texts)
    recursive = program in RECURSIVE_READERS or any(_recursive_flag(program, text) for text in texts)
    operands = _operands(program, arguments, bases, found, writes)
    if program in NOT_PATHS:
        return
    last = operands[-1] if program in COPIERS and operands and not _target_option(texts) else None
    for word in operands:
        changes = writes and (program not in COPIERS or word is last)
        removes = program in REMOVERS or (program == "ln" and word is last)
        _check_removal(program, word, recursive, found)
        found.uses += path_uses(
            word, bases, writes=changes, removes=removes, recursive=recursive or (removes and program == "mv")
        )
        if program in ("cp", "install", "mv", "ln") and word is not operands[-1] and operands:
            # The last may be a folder; then this is the file that is made in it.
            landed = posixpath.join(operands[-1].text, posixpath.basename(word.text.rstrip("/")))
            found.uses += path_uses(
                replace(
                    operands[-1],
                    text=landed,
                    pattern=word.pattern or operands[-1].pattern,
                    computed=word.computed or operands[-1].computed,
                ),
                bases,
                writes=True,
            )
        if "=" in word.text and not codes:
            found.uses += path_uses(replace(word, text=word.text.split("=", 1)[1]), bases, writes=writes)
    if program == "uniq" and len(operands) > 1:
        found.uses += path_uses(operands[1], bases, writes=True)


def _recursive_flag(program: str, text: str) -> bool:
    if text in ("--recursive", "--dereference-recursive", "--archive"):
        return True
    letters = {
        "grep": "rR",
        "egrep": "rR",
        "fgrep": "rR",
        "rm": "rR",
        "cp": "rRa",
        "chmod": "R",
        "chown": "R",
        "ls": "",
        "diff": "r",
        "zip": "r",
    }
    return bool(re.fullmatch(r"-[A-Za-z]+", text)) and bool(set(text[1:]) & set(letters.get(program, "")))


def _target_option(texts: Sequence[str]) -> bool:
    return any(re.match(r"-t|--target-directory", text) for text in texts)


def _check_options(program: str, texts: Sequence[str]) -> None:
    for option in _EXEC_OPTIONS.get(program, ()):
        for text in texts:
            short = (
                len(option) == 2
                and option != "-l"
                and text.startswith(option)
                and program not in ("fd", "perl", "awk", "gawk")
            )
            if text == option or text.startswith(f"{option}=") or short:
                raise Refused(
                    "starts-programs", f"{program} {option} starts another program or loads code; leave it out"
                )


def _writes(program: str, texts: Sequence[str]) -> bool:
    if program in ("sed", "perl", "yq", "ruby"):
        return any(re.match(r"-[A-Za-z0-9]*i|--in-?place", text) for text in texts)
    if program in FORMATTERS:
        return _rewrites(program, texts)
    return program in WRITERS or program in COPIERS


def _rewrites(program: str, texts: Sequence[str]) -> bool:
    if program == "ruff":
        checks = "format" not in texts[:1] and not any(
            text.startswith("--fix") or text == "--add-noqa" for text in texts
        )
        return not (checks or "--check" in texts or "--diff" in texts)
    if any(
        text in ("--check", "--check-only", "--diff", "-d", "-l", "--list-different", "-c", "--dry-run", "-n", "--lint")
        for text in texts
    ):
        return False
    if program in ("gofmt", "gofumpt", "goimports", "prettier", "shfmt"):
        return any(text in ("-w", "--write") for text in texts)
    if program in ("eslint", "stylelint", "markdownlint", "oxlint"):
        return any(text.startswith("--fix") for text in texts)
    if program in (
        "biome",
        "dart",
        "rubocop",
        "sqlfluff",
        "codespell",
        "clang-format",
        "autopep8",
        "autoflake",
        "yapf",
        "taplo",
        "djlint",
        "ktlint",
    ):
        return any(
            re.match(r"--write|--fix|-w|-i|-a|-A|--in-place|--auto|--reformat|-F|fix|format", text) for text in texts
        )
    return True


def _without_script(program: str, arguments: list[Word], found: Found) -> list[Word]:  # noqa: C901 - one flat case an option
    """Judge the script of sed or awk, and return the words that may still be files."""
    if program not in PATTERN_FIRST:
        return arguments
    rest: list[Word] = []
    given = False
    position = 0
    while position < len(arguments):
        word = arguments[position]
        position += 1
        if word.text in ("-e", "--expression", "--regexp") and position < len(arguments):
            _script(program, arguments[position], found)
            given = True
            position += 1
        elif re.match(r"--(expression|regexp)=|-e.", word.text):
            _script(program, replace(word, text=re.sub(r"^--\w+=|^-e", "", word.text)), found)
            given = True
        elif word.text in ("-f", "--file", "--from-file") and position < len(arguments):
            given = True
            rest.append(arguments[position])
            position += 1
            if program in ("sed", "awk", "gawk", "mawk", "nawk"):
                found.ask(
                    "computed-program",
                    f"the script of {program} lies in a file and is not seen here; write it in place",
                )
        elif word.text.startswith("-") and len(word.text) > 1:
            rest.append(word)
            takes = (
                word.text
                in ("-v", "-F", "-A", "-B", "-C", "-m", "-g", "-t", "--glob", "--type", "--arg", "--argjson", "-l")
                and program != "sed"
            )
            if (
                takes
                and position < len(arguments)
                and not (program in ("grep", "egrep", "fgrep", "rg") and word.text in ("-v", "-F", "-l"))
                and not (program in ("sed", "awk", "jq") and word.text == "-l")
            ):
                if program == "rg" and word.text in ("-g", "--glob"):
                    rest.append(replace(word, text=f"--glob={arguments[position].text}"))
                position += 1
        elif not given and program != "perl":
            given = True
            _script(program, word, found)
        else:
            rest.append(word)
    return rest


def _script(program: str, word: Word, found: Found) -> None:
    if program not in ("sed", "awk", "gawk", "mawk", "nawk"):
        return
    if word.computed:
        found.ask("computed-program", f"the {program} script is computed; write it in single quotes") if _risky(
            program, word.text
        ) else None
    if program == "sed":
        sed_uses(word.text, found)
    else:
        awk_uses(word.text, found)


def _risky(program: str, text: str) -> bool:
    return not re.fullmatch(r"[^$]*(\$\{?\w+\}?[^$]*)+", text) if program == "sed" else True


def _operands(program: str, arguments: Sequence[Word], bases: list[str], found: Found, writes: bool) -> list[Word]:
    operands: list[Word] = []
    position = 0
    plain = False
    while position < len(arguments):
        word = arguments[position]
        position += 1
        if plain or not word.text.startswith("-") or word.text == "-":
            operands.append(word)
        elif word.text == "--":
            plain = True
        else:
            option = word.text.split("=", 1)[0]
            writing = option in _WRITE_OPTIONS or (
                program in ("sort", "gcc", "cc", "g++", "clang", "go") and option.startswith("-o")
            )
            if program in ("grep", "egrep", "fgrep", "ls", "ps", "rg", "mypy", "nm", "comm") and option.startswith(
                "-o"
            ):
                writing = False
            if (writing and "=" not in word.text and position < len(arguments) and word.text in _WRITE_OPTIONS) or (
                program in COPIERS | {"mv"} and word.text in ("-t", "--target-directory") and position < len(arguments)
            ):
                found.uses += path_uses(arguments[position], bases, writes=True)
                position += 1
            elif (
                program in ("head", "tail", "wc", "cut", "sort", "timeout", "fold", "column", "tree", "chmod")
                and word.text in ("-n", "-c", "-d", "-f", "-k", "-t", "-w", "-L", "-I", "-P", "-m")
                and program != "wc"
            ):
                position += (
                    1
                    if position < len(arguments)
                    and not (program == "cut" and word.text == "-s")
                    and not (program == "sort" and word.text in ("-n", "-c", "-d", "-f", "-m"))
                    else 0
                )
            else:
                found.uses += _option_uses(word, bases, writes or writing)
    if program == "chmod" and operands:
        operands = operands[1:]
    return operands


def _option_uses(word: Word, bases: list[str], writes: bool) -> list[Use]:
    """Return the path in `--option=path` and in `-Xpath`."""
    option, equals, value = word.text.partition("=")
    if (
        option in ("--include", "--exclude", "--exclude-dir", "--ignore", "--glob", "--ignore-dir")
        and option != "--include"
    ):
        return []
    value = value if equals else "" if word.text.startswith("--") else word.text[2:]
    value = re.sub(r"^(xml|html|json|lcov|annotate|term):", "", value)
    if value and ("/" in value or "." in value or equals):
        return path_uses(replace(word, text=value, values=()), bases, writes=writes)
    return []


def _make(arguments: Sequence[Word], found: Found, bases: list[str]) -> None:
    from andon.guardrails.assignments import check_assignment

    for position, word in enumerate(arguments):
        if name := re.match(r"([A-Za-z_]\w*)[:+?]?=", word.text):
            check_assignment(name[1], replace(word, text=word.text.split("=", 1)[1], values=()))
        if word.text in ("-f", "--file", "-C", "--directory", "-I") and position + 1 < len(arguments):
            found.uses += path_uses(arguments[position + 1], bases, writes=False)
            if arguments[position + 1].text.startswith(("/tmp", "-", "/dev")):  # noqa: S108 - a path inside the sandbox
                found.ask("unknown-program", "make would read recipes from outside the workspace; use its own Makefile")


def _unpacking(program: str, texts: Sequence[str], found: Found) -> None:
    first = texts[0] if texts else ""
    extracts = program == "tar" and (
        any(re.fullmatch(r"-[A-Za-z]*x[A-Za-z]*|--extract|--get", text) for text in texts)
        or bool(re.fullmatch(r"x[a-zA-Z]*", first))
    )
    extracts |= program == "unzip" and not any(re.fullmatch(r"-[A-Za-z]*[ltpvZz]\w*", text) for text in texts)
    extracts |= (program == "cpio" and any("i" in text for text in texts if text.startswith("-"))) or (
        program == "ar" and "x" in first
    )
    into = next((texts[at + 1] for at, text in enumerate(texts[:-1]) if text in ("-C", "-d", "--directory")), "")
    into = into or next((text.split("=", 1)[1] for text in texts if text.startswith("--directory=")), "")
    if extracts and not posixpath.normpath(into).startswith("/tmp/") and into != "/tmp":  # noqa: S108 - inside the sandbox
        found.ask("patch", f"what {program} unpacks cannot be seen here; unpack below /tmp and copy what you need")
    if program == "tar" and any(text in ("-P", "--absolute-names", "--absolute-paths") for text in texts):
        raise Refused("outside-workspace", "tar with absolute names leaves the workspace; leave the option out")


def _check_removal(program: str, word: Word, recursive: bool, found: Found) -> None:
    if program not in ("rm", "mv", "shred", "rimraf", "unlink", "rmdir", "rename") and not (
        program in ("chmod", "chown") and recursive
    ):
        return
    text = posixpath.normpath(word.text) if word.text else ""
    if program in ("chmod", "chown") and text in _WHOLE:
        found.ask("delete", f"{program} changes everything at once; name the files")
    if program != "chmod" and (
        word.text.rstrip("/") in _WHOLE or text in _WHOLE or re.fullmatch(r"(\*+/)+\*+|\./\*+(/\*+)*", text)
    ):
        raise Refused("delete-all", f"{program} {word.text} takes the workspace away; name what is to go")
    if program in ("rm", "rimraf", "shred") and word.computed and not text.startswith("/tmp/"):  # noqa: S108 - inside
        found.ask("delete", f"{program} {word.text} deletes what is computed; name what is to go")
    if program in ("rm", "rimraf") and word.pattern and not _cache_like(text):
        found.ask("delete", f"{program} {word.text} deletes by pattern; name the files")


def _cache_like(path: str) -> bool:
    parts = path.split("/")
    return path.startswith("/tmp/") or any(CACHES.fullmatch(part) for part in parts)  # noqa: S108 - inside the sandbox


def free_to_remove(path: str) -> bool:
    """True for caches and build output (relative to the workspace), which building makes again."""
    return _cache_like(path)


def find_uses(arguments: list[Word], bases: list[str], found: Found) -> list[list[Word]]:
    """Note what `find` itself reads and writes, and return the commands it starts, the names it looks for as operands.

    Raises:
        Refused: it would delete everything.
    """
    texts = [word.text for word in arguments]
    begin = next(
        (at for at, text in enumerate(texts) if text[:1] in "-(!" and text not in ("-H", "-L", "-P")), len(texts)
    )
    starts = [word for word in arguments[:begin] if word.text not in ("-H", "-L", "-P")] or [Word(".")]
    names = [
        replace(arguments[at + 1], pattern=True)
        for at, text in enumerate(texts[:-1])
        if text in ("-name", "-iname", "-path", "-wholename", "-ipath", "-regex", "-iregex", "-lname")
    ]
    if "-L" in texts or "-follow" in texts:
        found.ask("computed-path", "find -L follows links out of what is judged; leave it out")
    deletes = "-delete" in texts
    if deletes:
        _check_delete(starts, names, texts, found, "find -delete")
    for word in starts:
        found.uses += path_uses(
            word,
            bases,
            writes=deletes and (not names or posixpath.normpath(word.text) != "."),
            recursive="-exec" in texts and not names,
        )
    inner: list[list[Word]] = []
    for position, text in enumerate(texts):
        if text in (
            "-fprint",
            "-fprintf",
            "-fls",
            "-fprint0",
            "-newer",
            "-samefile",
            "-anewer",
            "-cnewer",
            "-files0-from",
        ) and position + 1 < len(texts):
            found.uses += path_uses(arguments[position + 1], bases, writes=text.startswith("-fp") or text == "-fls")
        if text in ("-exec", "-execdir", "-ok", "-okdir"):
            end = next((at for at in range(position, len(texts)) if texts[at] in (";", "+")), len(texts))
            command = list(arguments[position + 1 : end])
            if command and command[0].text in REMOVERS:
                _check_delete(starts, names, texts, found, f"find -exec {command[0].text}")
                command = [word for word in command if word.text != "{}"]
                inner.append(
                    [*command, *(name for name in names if not _is_regex(texts, name))]
                    if command[0].text == "rm" and names
                    else [Word("true")]
                )
            elif any("{}" in word.text for word in command[:1]):
                raise Refused("computed-program", "find -exec {} starts whatever it finds; write the program's name")
            else:
                inner.append(_with_names(command, starts, names))
    return inner


def _is_regex(texts: Sequence[str], name: Word) -> bool:
    return any(text in ("-regex", "-iregex") and texts[at + 1] == name.text for at, text in enumerate(texts[:-1]))


def _with_names(command: list[Word], starts: Sequence[Word], names: Sequence[Word]) -> list[Word]:
    """Put what may be found where `{}` stands."""
    found = list(names) or [word for word in starts if word.text != "."]
    if any("{}" in word.text and word.text != "{}" for word in command):
        return [replace(word, computed=True) if "{}" in word.text else word for word in command]
    return [one for word in command for one in (found if word.text == "{}" else [word])]


def _check_delete(starts: Sequence[Word], names: Sequence[Word], texts: Sequence[str], found: Found, what: str) -> None:
    below = [word for word in starts if posixpath.normpath(word.text) not in (".", "/work")]
    if not names and not below:
        if not any(text in ("-type", "-empty", "-size", "-mtime", "-newer", "-mmin", "-perm") for text in texts):
            raise Refused("delete-all", f"{what} without a test deletes the workspace; name what is to go")
        found.ask("delete", f"{what} without a name deletes what it finds; name what is to go")
        return
    cleared = all(
        CACHES.fullmatch(posixpath.basename(word.text.rstrip("/*"))) or CACHES.fullmatch(posixpath.basename(word.text))
        for word in names
    )
    inside = (
        bool(below) and all(_cache_like(posixpath.normpath(word.text)) for word in below) and len(below) == len(starts)
    )
    if not ((names and cleared and "!" not in texts and "-not" not in texts) or inside):
        found.ask("delete", f"{what} deletes by pattern; name the files")


def pip_offline(argv: Sequence[str]) -> bool:
    """True for an installation of the project itself that needs no index."""
    installs = list(argv[:2]) == ["pip", "install"] or list(argv[:3]) == ["uv", "pip", "install"]
    if not installs or not ("--no-index" in argv or "--no-deps" in argv):
        return False
    rest = [word for word in argv[argv.index("install") + 1 :] if not word.startswith("-")]
    options = [word for word in argv if word.startswith("-")]
    known = {
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
        "-e",
        "--editable",
        "-q",
        "--quiet",
        "-v",
        "--no-cache-dir",
        "--user",
        "--force-reinstall",
    }
    return (
        bool(rest)
        and all(re.fullmatch(r"\.{1,2}/?|\./[\w./-]+(\[[\w,]+\])?|\.(\[[\w,-]+\])", word) for word in rest)
        and set(options) <= known
    )


def test_runner_uses(program: str, arguments: Sequence[Word], bases: list[str], found: Found) -> None:
    """Note options of test runners that load code or loosen what counts."""
    if program not in ("pytest", "py.test"):
        return
    texts = [word.text for word in arguments]
    for position, text in enumerate(texts):
        value = texts[position + 1] if position + 1 < len(texts) else ""
        plugin = value if text == "-p" else text[2:] if re.match(r"-p\w", text) else ""
        if plugin and not re.match(
            r"no:|xdist|pytest_cov|pytest_asyncio|randomly|pytester|anyio|cacheprovider|asyncio|hypothesis", plugin
        ):
            found.ask("test-options", f"pytest -p {plugin} loads a plugin; leave it out")
        if text in ("-c", "--config-file", "--confcutdir", "--rootdir") and value.startswith("/tmp"):  # noqa: S108 - inside
            found.ask("test-options", f"pytest {text} takes settings from outside the workspace; use the project's own")
        if text.startswith("--basetemp"):
            path = text.partition("=")[2] or value
            found.uses.append(Use(path or ".", writes=True, outside=True, removes=True, recursive=True))
        setting = (
            value
            if text in ("-o", "--override-ini")
            else text.partition("=")[2]
            if text.startswith("--override-ini=")
            else ""
        )
        if setting and not re.match(
            r"(addopts=|cache_dir=|log_cli|console_output|asyncio_mode|junit_|"
            r"xfail_strict=[Tt]rue|faulthandler|log_level)",
            setting,
        ):
            found.ask("test-options", f"pytest -o {setting} changes how tests are found or judged; leave it out")
