"""What the programs of a shell text may do, and which paths they name.

Which programs are free, need a person or are denied stands in the policy. Here is what must be understood first: what a
wrapper starts (`env`, `timeout`, `xargs`, `find -exec`, `sh -c`), and which words are files that are read or written.
"""

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from andon.guardrails.assignments import check_assignment
from andon.guardrails.git_rules import git_uses, strip_globals
from andon.guardrails.inline_code import other_uses, python_uses
from andon.guardrails.operands import find_uses, operand_uses, path_uses, pip_offline, test_runner_uses
from andon.guardrails.patches import patch_uses
from andon.guardrails.program_table import (
    CACHES,
    DECODERS,
    INTERPRETERS,
    NPX_KNOWN,
    REMOVERS,
    RUNNERS,
    SHELLS,
    WRAPPERS,
)
from andon.guardrails.refusal import Found, Refused
from andon.guardrails.rules import RuleSet, strictest
from andon.guardrails.shell import parse
from andon.guardrails.shell_words import ShellError, Simple, Word
from andon.records.calls import Role

_LIMIT = 400
_GRAMMAR = frozenset({"{", "}", "!", "do", "done", "then", "else", "fi", "esac"})
_PYTHON = re.compile(r"(?:python|pypy)[\d.]*")
_ASKS = frozenset({"--version", "-V", "--help", "-h", "version", "-version"})
_NAMED_BY = ("find", "fd", "fdfind", "git", "grep", "egrep", "fgrep", "rg", "ls", "ag", "ack")
_HARMLESS_MODULES = frozenset(
    [
        "json.tool",
        "timeit",
        "cProfile",
        "profile",
        "trace",
        "pdb",
        "doctest",
        "unittest",
        "venv",
        "zipapp",
        "tokenize",
        "dis",
        "ast",
        "calendar",
        "sysconfig",
        "site",
        "platform",
        "inspect",
        "pyclbr",
        "tabnanny",
        "this",
        "antigravity",
        "symtable",
        "pstats",
        "pickletools",
    ]
)


@dataclass
class Shell:
    """One shell text while it is judged."""

    found: Found
    rules: RuleSet
    role: Role
    bases: list[str] = field(default_factory=lambda: ["."])
    """Folders a command may run in; the first is where it runs if every `cd` works."""
    functions: set[str] = field(default_factory=set)
    written: dict[str, str] = field(default_factory=dict)
    """Files the text writes before it runs them, with what it writes."""
    decoded: set[str] = field(default_factory=set)
    """Files that decoded text was written to."""

    def text(self, text: str, depth: int) -> None:
        """Judge every command of `text`."""
        if depth > 4:
            raise Refused("shell", "shells are nested deeper than 4; write the commands one after another")
        try:
            commands, functions = parse(text)
        except ShellError as error:
            raise Refused("shell", f"the command cannot be read: {error}") from error
        for name in functions:
            if strictest(self.rules.for_command([name], role=self.role)):
                raise Refused(
                    "computed-program", f"a function called {name} would stand for a program; choose another name"
                )
        self.functions |= functions
        for command in commands:
            self.command(command, depth)

    def command(self, command: Simple, depth: int) -> None:
        """Judge one simple command."""
        for word in command.targets:
            self.found.uses += path_uses(word, self.bases, writes=True)
        for word in command.sources:
            self.found.uses += path_uses(word, self.bases, writes=False)
        for name, value in command.assignments:
            check_assignment(name, value)
        self._started(command, command.words, depth)

    def _started(self, command: Simple, words: Sequence[Word], depth: int) -> None:
        words = self._unwrapped(list(words), command)
        if not words:
            return
        program = words[0].text
        for name in self.bases[:1] if program.count("/") and program.startswith((".", "/work")) else ():
            self.found.uses += path_uses(Word(posixpath.join(name, program)), ["."], writes=False)
        self._check_fed(command, words)
        self._by_rule(words)
        self._program(command, words, depth)

    def _by_rule(self, words: Sequence[Word]) -> None:
        """Let the policy decide on program and arguments; what no rule knows needs a person."""
        argv = [word.text for word in words]
        program = argv[0]
        if program == "git":
            argv = ["git", *strip_globals(argv[1:])[0]]
        if len(argv) > 1 and all(text in _ASKS for text in argv[1:]):
            return
        if program in self.functions:
            return
        if program.startswith("./") or "/" in program or program.endswith((".sh", ".py")):
            if program.startswith("/tmp"):  # noqa: S108 - a path inside the sandbox
                self.found.ask("unknown-program", f"{program!r} lies in scratch space; run a program of the workspace")
            return
        if pip_offline(argv):
            return
        verb = next((at for at, text in enumerate(argv) if at and not text.startswith("-")), 1)
        bare = [program, *argv[verb:]]
        rule = strictest(
            one
            for words_ in ((argv,) if bare == argv else (argv, bare))
            for one in self.rules.for_command(words_, role=self.role)
        )
        if rule is None:
            self.found.ask(
                "unknown-program", f"no rule knows {_shown(argv)!r}; use a known tool, or a script of the workspace"
            )
        elif rule.verdict == "deny":
            raise Refused(
                rule.id,
                rule.reason(program=_shown(argv) if rule.commands and program != "git" else " ".join(argv[1:2])),
            )
        elif rule.verdict == "ask":
            self.found.ask(rule.id, rule.reason(program=_shown(argv)))

    def _unwrapped(self, words: list[Word], command: Simple) -> list[Word]:
        """Return the program that really runs and its arguments; nothing where nothing is started."""
        for _ in range(12):
            if not words:
                return []
            first = words[0]
            if (first.computed or first.expanded or first.pattern) and first.text not in ("{", "[", "[["):
                raise Refused("computed-program", f"the program {first.text!r} is computed; write its name")
            name = self._name(first.text)
            if name in _GRAMMAR and not first.quoted:
                words = words[1:]
            elif python := _PYTHON.fullmatch(name) and _module(words):
                words = python
            elif dropped := self._runner(name, words):
                words = dropped
            elif name == "npx":
                return self._npx(words)
            elif name in WRAPPERS:
                words = self._after_wrapper(name, words[1:], command)
            else:
                return [replace(first, text=name), *words[1:]]
        raise Refused("shell", "programs start programs more than 12 deep; write the command itself")

    def _name(self, text: str) -> str:
        """Return the program as rules name it: without version, and without folder if it is a system one."""
        path = posixpath.normpath(text)
        system = re.match(r"/(usr/(local/)?)?s?bin/|/opt/", path)
        tool = re.search(r"(^|/)(node_modules/\.bin|\.?venv/bin)/", path)
        name = posixpath.basename(path) if system or tool else text
        return re.sub(r"^(pip|python|pypy|perl|node|php|lua|ruby|gcc|clang)[-\d.]+$", r"\1", name) or text

    def _runner(self, name: str, words: list[Word]) -> list[Word]:
        texts = (name, *(word.text for word in words[1:4]))
        for start, count in RUNNERS.items():
            if texts[: len(start)] == start:
                rest = words[count:]
                while rest and rest[0].text.startswith("-") and rest[0].text not in ("-c", "-m"):
                    if rest[0].text in (
                        "--with",
                        "--from",
                        "--index-url",
                        "--default-index",
                        "-p",
                        "--python",
                        "--env-file",
                        "--extra-index-url",
                    ):
                        raise Refused("install", f"{rest[0].text} of {name} may fetch packages; use what is installed")
                    rest = rest[1:]
                if rest and name in ("coverage",):
                    return [Word("python"), *rest]
                return rest
        return []

    def _npx(self, words: list[Word]) -> list[Word]:
        rest = [word for word in words[1:] if word.text not in ("--no-install", "--no", "--offline", "--")]
        offline = len(rest) < len(words) - 1
        if not rest or rest[0].text in _ASKS:
            return []
        if rest[0].text.startswith("-") or not (offline or rest[0].text in NPX_KNOWN):
            self.found.ask("install", "npx may fetch a package and there is no index here; use what is installed")
        return rest if not rest[0].text.startswith("-") else []

    def _after_wrapper(self, name: str, rest: list[Word], command: Simple) -> list[Word]:  # noqa: C901 - one flat case a program
        takes_value = WRAPPERS[name]
        while rest and re.match(r"-.|[A-Za-z_]\w*\+?=", rest[0].text):
            option = rest[0].text
            if name == "command" and option in ("-v", "-V"):
                return []
            if name == "env" and re.match(r"-S|--split-string", option):
                raise Refused("computed-program", f"env {option} is not read here; write the command itself")
            if name == "env" and re.match(r"-C|--chdir", option):
                folder = option.split("=", 1)[1] if "=" in option else rest[1].text if len(rest) > 1 else "."
                self.change_directory([Word(folder)])
                rest = rest[1:] if "=" in option else rest[2:]
                continue
            if not option.startswith("-"):
                key, value = option.split("=", 1)
                check_assignment(key, replace(rest[0], text=value, values=()))
            if name in ("time", "strace", "ltrace") and option == "-o" and len(rest) > 1:
                self.found.uses += path_uses(rest[1], self.bases, writes=True)
            if name == "xargs" and re.match(r"-a|--arg-file", option):
                listed = (
                    rest[1]
                    if option in ("-a", "--arg-file") and len(rest) > 1
                    else replace(rest[0], text=re.sub(r"^-a|^--arg-file=", "", option))
                )
                self.found.uses += path_uses(listed, self.bases, writes=False)
            rest = rest[2:] if option in takes_value else rest[1:]
            if option == "--":
                break
        if name in ("timeout", "gtimeout", "chrt", "faketime") or (
            name == "taskset" and rest and not rest[0].text.isalpha()
        ):
            rest = rest[1:]
        if name == "hyperfine":
            for word in rest:
                self.text(word.text, 3)
            return []
        return self._fed_words(rest, command) if name == "xargs" else rest

    def _fed_words(self, rest: list[Word], command: Simple) -> list[Word]:
        """Put behind the program of xargs what it is known to be fed; what is not known needs a person."""
        rest = [word for word in rest if word.text != "{}"] or [Word("echo")]
        fed: list[Word] = []
        known = command.document is not None
        if command.document is not None:
            fed += [Word(text) for text in command.document.split()]
        for simple in command.upstream:
            texts = [word.text for word in simple.words]
            if texts[:1] in (["echo"], ["printf"]):
                known = True
                fed += [
                    Word(piece, word.computed)
                    for word in simple.words[1:]
                    for piece in re.split(r"\\n|\\0|\s", word.text)
                    if piece
                ]
            elif texts and texts[0] in _NAMED_BY:
                known = True
                fed += _names_found(simple.words)
        program = rest[0].text
        if program in REMOVERS and not (
            fed
            and all(
                CACHES.fullmatch(posixpath.basename(word.text))
                for word in fed
                if "*" in word.text or "/" in word.text or "." in word.text
            )
        ):
            self.found.ask("delete", f"xargs {program} deletes what it is fed; name what is to go")
        elif not known and program not in ("echo", "wc", "ls", "basename", "dirname"):
            self.found.ask("computed-path", f"what xargs {program} is fed cannot be seen here; name the files")
        return [*rest, *fed] if program not in SHELLS else rest

    def _check_fed(self, command: Simple, words: Sequence[Word]) -> None:
        """Refuse a shell that reads its program from a pipe, and an interpreter that reads a decoded one."""
        program, arguments = words[0].text, words[1:]
        decoding = [
            simple
            for simple in (*command.upstream, command)
            if simple.words and self._name(simple.words[0].text) in DECODERS
        ]
        if decoding and command.targets:
            self.decoded |= {word.text for word in command.targets}
        if program in SHELLS or INTERPRETERS.fullmatch(program):
            operands = [word.text for word in arguments if not word.text.startswith("-")]
            if set(operands) & self.decoded:
                raise Refused(
                    "computed-program", f"{program} would run text that was decoded; write the commands themselves"
                )
            for operand in operands[:1]:
                if operand in self.written:
                    self._run_written(program, self.written[operand])
        self._note_written(command, program, arguments)
        if not command.piped or command.fed:
            return
        operands = [word.text for word in arguments if not word.text.startswith("-") or word.text == "-"]
        reads_input = (
            not operands
            or operands[0] in ("-", "/dev/stdin", "/dev/fd/0")
            or any(word.text == "-s" for word in arguments)
        )
        by_option = any(re.fullmatch(r"-\w*[cem]\w*|--eval|--version|--help", word.text) for word in arguments)
        if not reads_input or by_option or not (program in SHELLS or INTERPRETERS.fullmatch(program)):
            return
        if program in SHELLS or decoding or not self._plain_feed(command, program):
            raise Refused(
                "computed-program", f"{program} would run text computed by a pipe; write the commands themselves"
            )

    def _note_written(self, command: Simple, program: str, arguments: Sequence[Word]) -> None:
        said = command.document
        for one in (command, *command.upstream):
            if one.words and one.words[0].text in ("echo", "printf"):
                said = " ".join(word.text for word in one.words[1:] if not word.text.startswith("-"))
        targets = [word.text for word in command.targets]
        targets += [word.text for word in arguments if program == "tee" and not word.text.startswith("-")]
        if said is not None:
            for target in targets:
                self.written[target] = f"{self.written.get(target, '')}{said}\n"

    def _run_written(self, program: str, text: str) -> None:
        if program in SHELLS:
            self.text(text, 3)
        else:
            self._code(program, text)

    def _plain_feed(self, command: Simple, program: str) -> bool:
        """Judge code that `echo` or a here-document feeds an interpreter; False where it cannot be seen."""
        speakers = [one for one in command.upstream if one.words and one.words[0].text in ("echo", "printf")]
        texts = [" ".join(word.text for word in one.words[1:]) for one in speakers]
        texts += [one.document for one in command.upstream if one.document and one.words and one.words[0].text == "cat"]
        for text in texts:
            self._code(program, text)
        return bool(texts)

    def _program(self, command: Simple, words: Sequence[Word], depth: int) -> None:  # noqa: C901 - one flat case a program
        program, arguments = words[0].text, list(words[1:])
        if program in ("export", "declare", "typeset", "local", "readonly"):
            for word in arguments:
                check_assignment(word.text.split("=", 1)[0], replace(word, text=word.text.partition("=")[2], values=()))
        elif program in SHELLS:
            self._shell(program, arguments, command, depth)
        elif program == "git":
            self._git(arguments, command)
        elif program in ("cd", "pushd"):
            self.change_directory(arguments)
        elif program in ("find", "fd", "fdfind"):
            for inner in find_uses(arguments, self.bases, self.found):
                self._started(Simple(words=inner), inner, depth + 1)
        elif program == "patch":
            if command.document is not None:
                patch_uses(command.document, self.found, self.bases[0])
            else:
                self.found.ask("patch", "what the patch changes cannot be seen here; use edit_file, or a here-document")
            operand_uses(program, arguments, self.bases, self.found)
        elif _PYTHON.fullmatch(program) or INTERPRETERS.fullmatch(program):
            self._interpreter(program, arguments, command)
        elif program == "shopt" and any(
            word.text in ("expand_aliases", "dotglob", "nocaseglob", "extglob", "lastpipe") for word in arguments
        ):
            raise Refused("computed-program", "this shopt changes what commands and names stand for; leave it out")
        elif program in ("exec",):
            return
        else:
            test_runner_uses(program, arguments, self.bases, self.found)
            operand_uses(program, arguments, self.bases, self.found)
        if program in self.functions:
            for word in arguments:
                self.found.uses += path_uses(word, self.bases, writes=True)

    def _interpreter(self, program: str, arguments: list[Word], command: Simple) -> None:
        for position, word in enumerate(arguments):
            flag = re.fullmatch(r"-\w*[ceEp]|--eval|--print|-[ce](.+)|-r", word.text)
            if word.text in ("-r", "--require", "--import", "--loader") and program != "php":
                continue
            if flag and (
                not program.startswith(("python", "pypy")) or (word.text.startswith("-") and "c" in word.text)
            ):
                code = arguments[position + 1 : position + 2]
                if flag[1] and not word.text.startswith(("-E", "-p")) and len(word.text) > 3 and not code:
                    code = [replace(word, text=flag[1])]
                if not code:
                    break
                if code[0].computed and not (re.fullmatch(r"[^$`]*", code[0].text)):
                    raise Refused(
                        "computed-program",
                        f"the text given to {program} {word.text} is computed; write it in single quotes",
                    )
                self._code(program, code[0].text)
                operand_uses("cat", arguments[position + 2 :], self.bases, self.found, codes=True)
                return
            if not word.text.startswith("-"):
                break
        if command.document is not None and not [w for w in arguments if not w.text.startswith("-")]:
            self._code(program, command.document)
        operand_uses("cat", arguments, self.bases, self.found)

    def _code(self, program: str, code: str) -> None:
        if _PYTHON.fullmatch(program):
            python_uses(code, self.found, lambda text: self.text(text, 3))
        else:
            other_uses(code, self.found)

    def _git(self, arguments: Sequence[Word], command: Simple) -> None:
        if any(word.computed for word in arguments[:1]):
            raise Refused("git", "the git subcommand is computed; write it")
        args, folder = strip_globals([word.text for word in arguments])
        if folder != ".":
            self.found.uses += [
                replace(use, outside=False) for use in path_uses(Word(folder), self.bases, writes=False)
            ]
        for base in self.bases:
            git_uses(
                args, self.found, posixpath.join(base, folder) if folder != "." else base, document=command.document
            )

    def _shell(self, program: str, arguments: Sequence[Word], command: Simple, depth: int) -> None:
        for position, word in enumerate(arguments):
            if re.fullmatch(r"-\w*c\w*", word.text):
                script = arguments[position + 1 : position + 2]
                if not script or script[0].computed:
                    raise Refused(
                        "computed-program", f"the text given to {program} -c is computed; write it in single quotes"
                    )
                for spelled in script[0].spelled():
                    self.text(spelled.text, depth + 1)
                return
            if word.text in ("--rcfile", "--init-file", "-i", "--login", "-l") and word.text not in ("-l", "--login"):
                raise Refused("computed-program", f"{program} {word.text} reads start-up files; leave it out")
        operands = [word for word in arguments if not word.text.startswith(("-", "+"))]
        if not operands and command.document is not None:
            self.text(command.document, depth + 1)
        elif not operands and command.sources:
            return
        if any(word.text == "<(" for word in operands):
            raise Refused(
                "computed-program", f"{program} would run text computed by a command; write the commands themselves"
            )
        operand_uses("cat", list(arguments), self.bases, self.found)

    def change_directory(self, arguments: Sequence[Word]) -> None:
        """Follow `cd`; a computed folder is refused."""
        targets = [word for word in arguments if not word.text.startswith("-") or word.text == "-"]
        if targets and targets[0].text == "-":
            return
        if not targets:
            raise Refused("outside-workspace", "cd without a folder leaves the workspace; name a folder inside it")
        if targets[0].computed or targets[0].pattern:
            raise Refused("computed-path", f"the folder {targets[0].text!r} is computed; write its name")
        for word in targets[0].spelled():
            self.found.uses += path_uses(word, self.bases, writes=False)
            self.bases.insert(0, posixpath.join(self.bases[0], word.text))
        del self.bases[6:]


def command_uses(text: str, rules: RuleSet, role: Role, found: Found) -> None:
    """Note the paths that the shell text names, and what of it needs a person.

    Raises:
        Refused: it cannot be read, or a program in it is not allowed.
    """
    Shell(found, rules, role).text(text, 0)
    found.uses = list(dict.fromkeys(found.uses))
    if len(found.uses) > _LIMIT:
        raise Refused("shell", f"the command names more than {_LIMIT} paths; split it")


def _module(words: Sequence[Word]) -> list[Word]:
    """Return MODULE and what follows for `python -m MODULE …`; modules of Python itself stay with it."""
    for position, word in enumerate(words[1:-1], start=1):
        if word.text == "-m":
            module = words[position + 1]
            if module.text in (
                "http.server",
                "smtpd",
                "ftplib",
                "telnetlib",
                "smtplib",
                "poplib",
                "xmlrpc.server",
                "webbrowser",
                "nntplib",
                "imaplib",
                "pydoc",
            ):
                raise Refused("network", f"python -m {module.text} needs a network; there is none here")
            if module.text in (
                "code",
                "pty",
                "runpy",
                "idlelib",
                "base64",
                "zipfile",
                "tarfile",
                "ensurepip",
                "compileall.x",
            ):
                return [Word(f"python-{module.text}"), *words[position + 2 :]]
            if module.computed or module.text in _HARMLESS_MODULES or module.text not in _KNOWN_MODULES:
                return []
            return list(words[position + 1 :])
        if not re.match(r"-[BbEIOPqsSuvx3]+$|-[XW]", word.text):
            return []
    return []


_KNOWN_MODULES = frozenset(
    [
        "pip",
        "pytest",
        "unittest",
        "mypy",
        "ruff",
        "black",
        "isort",
        "flake8",
        "pylint",
        "coverage",
        "tox",
        "nox",
        "bandit",
        "compileall",
        "py_compile",
        "pyright",
        "poetry",
        "pdm",
        "uv",
        "hatch",
        "twine",
        "virtualenv",
        "pipx",
        "sphinx",
        "mkdocs",
        "autopep8",
        "yapf",
        "vulture",
        "pre_commit",
        "pycodestyle",
        "pydocstyle",
        "pyflakes",
    ]
)


def _names_found(words: Sequence[Word]) -> list[Word]:
    """Return what `find`, `git ls-files` and the like may print: names they are told to look for, and where."""
    texts = [word.text for word in words]
    named = [
        Word(texts[at + 1], pattern=True)
        for at, text in enumerate(texts[:-1])
        if text in ("-name", "-iname", "-path", "-wholename", "-g", "--glob")
    ]
    named += [Word(text.split("=", 1)[1], pattern=True) for text in texts if text.startswith(("--include=", "--glob="))]
    if named:
        return named
    program = texts[0]
    plain = [word for word in words[1:] if not word.text.startswith("-")]
    if program == "git":
        plain = [word for word in plain[1:] if "/" in word.text or "." in word.text]
    elif program in ("grep", "egrep", "fgrep", "rg", "ag", "ack"):
        plain = plain[1:]
    return [word for word in plain if word.text not in (".", "f", "d")]


def _shown(argv: Sequence[str]) -> str:
    """Return program and verb, for people."""
    verb = next((text for text in argv[1:] if not text.startswith("-")), "")
    many = argv[0] in ("npm", "pip", "cargo", "go", "yarn", "pnpm", "uv", "poetry", "apt", "apt-get", "gem", "bundle")
    return f"{argv[0]} {verb}" if many and verb else argv[0]


def all_commands(text: str) -> Iterator[list[str]]:
    """Yield the words of every plain command of `text`, unwrapped; for the examples of rules."""
    shell = Shell(Found(), RuleSet(), "executor")
    for command in parse(text)[0]:
        words = shell._unwrapped(list(command.words), command)
        if words and words[0].text == "git":
            args, _ = strip_globals([word.text for word in words[1:]])
            yield ["git", *args]
        elif words:
            yield [word.text for word in words]
