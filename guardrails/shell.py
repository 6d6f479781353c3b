"""Reads shell text far enough to name every program it starts and every file it mentions, without running it.

What cannot be read for sure raises `ShellError`; nothing is guessed. Expansions are not computed: a word that holds one
is marked, and whoever judges it decides what may be unknown.
"""

import re
from dataclasses import dataclass, field

from andon.guardrails.program_table import names

_DEPTH = 8
_BLANKS = " \t"
_BLANK = re.compile(r"[ \t]+|\\\n|#[^\n]*")
RESERVED = names("if then else elif fi while until do done esac { } !")
"""Words of the shell's grammar that a command may follow."""
_DECLARING = frozenset({"declare", "typeset", "local", "readonly", "export"})
_ARITHMETIC = re.compile(r"\$\(\([\w\s+*/%$,?:!=-]*\)\)")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*(\[[^\]]*\])?\+?=")


class ShellError(ValueError):
    """The text cannot be judged; the message says why and what to write instead."""


@dataclass(frozen=True)
class Word:
    """One word after quotes are taken off."""

    text: str
    """Its characters; an expansion stands as it was written."""
    computed: bool = False
    """True if it holds an expansion, so that what the shell passes on is not known."""
    pattern: bool = False
    """True if it holds an unquoted glob or brace."""


@dataclass
class Simple:
    """One simple command: assignments, then program and arguments; and the files its redirections name."""

    words: list[Word] = field(default_factory=list)
    targets: list[Word] = field(default_factory=list)
    assignments: list[Word] = field(default_factory=list)
    piped: bool = False
    """True if it reads what the command before it prints."""
    fed: bool = False
    """True if a redirection gives it its input."""


def parse(text: str) -> list[Simple]:
    """Return the simple commands of `text` in order, those of substitutions included.

    Raises:
        ShellError: `text` is no complete shell text, or holds what is not read here.
    """
    reader = _Reader(text, 0)
    reader.read(until="")
    return [command for command in reader.commands if command.words or command.targets or command.assignments]


@dataclass(frozen=True)
class _HereDocument:
    end: str
    expands: bool
    strips_tabs: bool


class _Reader:
    def __init__(self, text: str, depth: int) -> None:
        if depth > _DEPTH:
            raise ShellError(f"commands are nested deeper than {_DEPTH}; write them one after another")
        if "\0" in text or "\r" in text:
            raise ShellError("the text holds a NUL or carriage return; write it without")
        self.text, self.depth, self.at = text, depth, 0
        self.commands: list[Simple] = []
        self.current = Simple()
        self.here_documents: list[_HereDocument] = []

    def read(self, until: str) -> None:
        """Read commands up to the closing `until`, or to the end of the text."""
        open_brackets = 0
        while self.at < len(self.text):
            character = self.text[self.at]
            if blank := _BLANK.match(self.text, self.at):
                self.at = blank.end()
                self._refuse_split(blank[0])
            elif character == "\n":
                self.at += 1
                self._end_command()
                self._skip_here_documents()
            elif character == ")" and until and not open_brackets:
                self._close()
                return
            elif character in "()":
                open_brackets += self._bracket(character)
            elif self.text.startswith(("&>", "<", ">"), self.at):
                self._redirect()
            elif character in ";&|":
                self._operator()
            else:
                self._add(self._word())
        if until:
            raise ShellError("a `$(` is not closed; complete the command")
        self._close()

    def _close(self) -> None:
        self._end_command()
        if self.here_documents:
            raise ShellError(f"the here-document {self.here_documents[0].end!r} is not closed; end it on its own line")

    def _bracket(self, character: str) -> int:
        """Pass a bracket of a subshell; return by how much it deepens the nesting."""
        before = self.text[self.at - 1 : self.at]
        if character == "(" and before and before not in " \t\n;&|()":
            raise ShellError(
                "a `(` directly after a word (array, function, pattern) is not read here; write it otherwise"
            )
        if self.text.startswith("((", self.at):
            raise ShellError("`((` is not read here; use $((…)), test, or a space between the brackets")
        self.at += 1
        self._end_command()
        return 1 if character == "(" else -1

    def _operator(self) -> None:
        end = self.at
        while end < len(self.text) and self.text[end] in ";&|":
            end += 1
        operator = self.text[self.at : end]
        self.at = end
        self._end_command(piped=operator in ("|", "|&"))

    def _end_command(self, piped: bool = False) -> None:
        empty = not (self.current.words or self.current.targets or self.current.assignments)
        self.commands.append(self.current)
        self.current = Simple(piped=piped or (empty and self.current.piped))

    def _add(self, word: Word) -> None:
        if not self.current.words:
            if _ASSIGNMENT.match(word.text):
                self.current.assignments.append(word)
                return
            if word.text in RESERVED and not word.computed:
                return
            if word.text == "case" and self.depth:
                raise ShellError("`case` inside $(…) is not read here; write it outside")
        self.current.words.append(word)

    def _redirect(self) -> None:
        found = re.compile(r"&>>|&>|<<<|<<-|<<|<>|<&|<|>>|>&|>\||>").match(self.text, self.at)
        assert found is not None  # noqa: S101 - the caller saw one of its first characters
        operator = found[0]
        self.at = found.end()
        self._drop_descriptor(found.start())
        while self.at < len(self.text) and self.text[self.at] in _BLANKS:
            self.at += 1
        if self.text.startswith("(", self.at) and operator in ("<", ">"):
            self.current.words.append(Word("<(", computed=True))
            self.at += 1
            self._nested()
            return
        if self.at >= len(self.text) or self.text[self.at] in "\n;&|()<>" or self.text.startswith("\\\n", self.at):
            raise ShellError(f"the redirection {operator!r} names no file; complete it")
        target = self._word()
        if operator.startswith("<"):
            self.current.fed = True
        if operator in ("<<", "<<-"):
            raw = self.text[found.end() : self.at]
            if "\n" in raw:
                raise ShellError("the word of a here-document goes over a line end; keep it on one line")
            expands = not any(quote in raw for quote in "'\"\\")
            self.here_documents.append(_HereDocument(target.text, expands, operator == "<<-"))
        elif operator in ("<&", ">&") and re.fullmatch(r"\d*-?", target.text):
            return
        elif operator != "<<<":
            self.current.targets.append(target)

    def _drop_descriptor(self, start: int) -> None:
        """Forget a number directly before a redirection: it is a descriptor and no argument."""
        words = self.current.words
        if words and words[-1].text.isdigit() and self.text[:start].endswith(words[-1].text):
            words.pop()

    def _skip_here_documents(self) -> None:
        for document in self.here_documents:
            while (line := self._here_line(document)) != document.end:
                if document.expands and ("$(" in line or "`" in line or line.endswith("\\")):
                    raise ShellError(f"the here-document is not plain text; quote its word: <<'{document.end}'")
        self.here_documents = []

    def _here_line(self, document: "_HereDocument") -> str:
        if self.at >= len(self.text):
            raise ShellError(f"the here-document {document.end!r} is not closed; end it on its own line")
        line = self.text[self.at : self._line_end()]
        self.at = min(self._line_end() + 1, len(self.text))
        return line.lstrip("\t") if document.strips_tabs else line

    def _line_end(self) -> int:
        end = self.text.find("\n", self.at)
        return len(self.text) if end < 0 else end

    def _word(self) -> Word:
        out: list[str] = []
        computed = pattern = False
        while self.at < len(self.text):
            character = self.text[self.at]
            if character in " \t\n;&|()<>":
                break
            if character == "\\":
                out.append(self.text[self.at + 1 : self.at + 2].replace("\n", ""))
                self.at += 2
            elif character == "'":
                out.append(self._single())
            elif character == '"':
                part, inner = self._double()
                out.append(part)
                computed |= inner
            elif character == "`":
                raise ShellError("backquotes are not read here; write $(…)")
            elif character == "$":
                out.append(self._dollar(quoted=False))
                computed |= out[-1] != "$"
            else:
                if character == "[":
                    self._refuse_subscript("".join(out))
                pattern |= character in "*?[{"
                computed |= character == "~" and not out
                out.append(character)
                self.at += 1
        return Word("".join(out), computed, pattern)

    def _refuse_split(self, passed: str) -> None:
        """Refuse a backslash at a line's end inside an operator: the shell puts its halves together again."""
        if passed == "\\\n" and self.text[self.at : self.at + 1] in tuple("<>&|;("):
            raise ShellError("a line ends with a backslash inside an operator; keep operators on one line")

    def _refuse_subscript(self, name: str) -> None:
        words = self.current.words
        if name.isidentifier() and (not words or words[0].text in _DECLARING):
            raise ShellError("assignments to array elements are not read here; write them otherwise")

    def _single(self) -> str:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            raise ShellError("a single quote is not closed; complete the command")
        part = self.text[self.at + 1 : end]
        self.at = end + 1
        return part

    def _double(self) -> tuple[str, bool]:
        out: list[str] = []
        computed = False
        self.at += 1
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == '"':
                self.at += 1
                return "".join(out), computed
            if character == "\\":
                following = self.text[self.at + 1 : self.at + 2]
                out.append("" if following == "\n" else following if following in '$`"\\' else "\\" + following)
                self.at += 2
            elif character == "`":
                raise ShellError("backquotes are not read here; write $(…), or single quotes around plain text")
            elif character == "$":
                out.append(self._dollar(quoted=True))
                computed |= out[-1] != "$"
            else:
                out.append(character)
                self.at += 1
        raise ShellError("a double quote is not closed; complete the command")

    def _dollar(self, *, quoted: bool) -> str:
        start = self.at
        following = self.text[start + 1 : start + 2]
        if self.text.startswith("\\\n", start + 1):
            raise ShellError("a line ends between `$` and its name; keep them on one line")
        if found := _ARITHMETIC.match(self.text, start):
            self.at = found.end()
        elif following == "(":
            if self.text.startswith("((", start + 1):
                raise ShellError("this $((…)) is not read here; use plain names, numbers and + - * / %")
            self.at += 2
            self._nested()
        elif following == "{":
            found = re.compile(r"\$\{[^'\"\\`{}()]*\}").match(self.text, start)
            if not found:
                raise ShellError("a ${…} that holds more than a name and plain text is not read here; simplify it")
            self.at = found.end()
        elif following == "[" or (following in ("'", '"') and following and not quoted):
            raise ShellError("$'…', $\"…\" and $[…] are not read here; write the characters themselves, or use printf")
        elif found := re.compile(r"\$(\w+|[?#@*!$-])").match(self.text, start):
            self.at = found.end()
        else:
            self.at += 1
        return self.text[start : self.at]

    def _nested(self) -> None:
        """Read a substitution whose opening bracket has been passed; its commands count as commands of the text."""
        inner = _Reader(self.text[self.at :], self.depth + 1)
        inner.read(until=")")
        self.commands.extend(inner.commands)
        self.at += inner.at + 1
