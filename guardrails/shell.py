"""Reads shell text through tree-sitter-bash: every simple command in it, however nested, without running anything.

What the grammar cannot place raises `ShellError`; nothing is guessed. Quoting is reduced to what the shell passes on. A
variable stands for the values the text gives it; any other expansion leaves its word marked as computed.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from tree_sitter import Language, Node, Parser

from andon.guardrails.shell_words import Environment, ShellError, Simple, Word, WordReader

_DEPTH = 40
_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_SUBSTITUTES = re.compile(rb"`|\$\(|[<>]\(")
_CONTINUED = re.compile(rb"(\S)\\\n(?=\S)")
_STATEMENTS = frozenset(
    [
        "program",
        "list",
        "pipeline",
        "subshell",
        "compound_statement",
        "do_group",
        "if_statement",
        "elif_clause",
        "else_clause",
        "while_statement",
        "for_statement",
        "c_style_for_statement",
        "case_statement",
        "case_item",
        "function_definition",
        "negated_command",
        "command",
        "redirected_statement",
        "variable_assignment",
        "variable_assignments",
        "declaration_command",
        "unset_command",
        "test_command",
        "comment",
        "command_substitution",
        "process_substitution",
    ]
)
_WORDS = frozenset(
    [
        "word",
        "number",
        "string",
        "raw_string",
        "ansi_c_string",
        "translated_string",
        "concatenation",
        "simple_expansion",
        "expansion",
        "arithmetic_expansion",
        "brace_expression",
        "extglob_pattern",
        "regex",
        "array",
        "subscript",
        "variable_name",
        "command_name",
        "unary_expression",
        "binary_expression",
        "ternary_expression",
        "postfix_expression",
        "parenthesized_expression",
        "test_operator",
        "special_variable_name",
        "string_content",
        "file_descriptor",
        "heredoc_content",
    ]
)


@lru_cache(maxsize=1)
def _parser() -> Parser:
    import tree_sitter_bash

    return Parser(Language(tree_sitter_bash.language()))


def parse(text: str) -> tuple[list[Simple], set[str]]:
    """Return the simple commands of `text` in order, those of substitutions, functions and branches included.

    Beside them the names of the functions it defines.

    Raises:
        ShellError: `text` is no complete shell text, or holds what is not read here.
    """
    try:
        source = text.encode()
    except UnicodeEncodeError as error:
        raise ShellError("the text holds half a surrogate pair; write it in plain UTF-8") from error
    if found := _CONTROL.search(source):
        raise ShellError(f"the text holds a NUL or control character ({found[0][0]:#04x}); write it without")
    root = _parser().parse(source).root_node
    if root.has_error:
        raise ShellError(f"{_fault(root)}; complete the command or write it more simply")
    reader = _Reader(source)
    reader.check_continued_lines(root)
    reader.check_substitutions(root)
    reader.walk(root, 0)
    return [command for command in reader.commands if command.says_something], reader.environment.functions


def _fault(root: Node) -> str:
    """Say where the grammar gave up. Goes down iteratively: hostile text nests thousands deep."""
    node = root
    while inner := next((child for child in node.children if child.has_error), None):
        node = inner
    what = f"a {node.type!r} is missing" if node.is_missing else "the text is malformed or not closed"
    return f"{what} in line {node.start_point[0] + 1}"


class _Reader:
    def __init__(self, source: bytes) -> None:
        self.source = source
        self.commands: list[Simple] = []
        self.environment = Environment()
        self.words = WordReader(source, self.environment, self._nested)

    def walk(self, node: Node, depth: int, piped: "list[Simple] | None" = None) -> None:  # noqa: C901 - one flat case a kind of node
        """Read the commands below `node`; `piped` are those whose output they read."""
        if depth > _DEPTH:
            raise ShellError(f"commands are nested deeper than {_DEPTH}; write them one after another")
        if node.type == "command":
            self._command(node, depth, piped)
        elif node.type == "pipeline":
            self._pipeline(node, depth, piped)
        elif node.type == "redirected_statement":
            self._redirected(node, depth, piped)
        elif node.type in ("variable_assignment", "variable_assignments", "declaration_command", "unset_command"):
            self._assign(node, depth)
        elif node.type == "for_statement":
            self._loop(node, depth, piped)
        elif node.type == "function_definition":
            self._function(node, depth, piped)
        elif node.type in _STATEMENTS or node.type in _WORDS:
            if node.type == "array":
                self._refuse_keys(node)
            self._children(node, depth, piped)
        elif node.type in ("file_redirect", "herestring_redirect", "heredoc_redirect"):
            self._redirect(node, Simple(), depth, piped)
        elif node.is_named:
            raise ShellError(f"{node.type.replace('_', ' ')} is not read here; write it more simply")

    def _children(self, node: Node, depth: int, piped: "list[Simple] | None") -> None:
        for child in node.named_children:
            self.walk(child, depth + 1, piped)

    def _nested(self, node: Node, depth: int) -> None:
        """Read what an expansion inside a word starts; its commands count as commands of the text."""
        if depth > _DEPTH:
            raise ShellError(f"commands are nested deeper than {_DEPTH}; write them one after another")
        for child in node.named_children:
            self.walk(child, depth + 1)

    def _function(self, node: Node, depth: int, piped: "list[Simple] | None") -> None:
        named = node.child_by_field_name("name")
        name = self._text(named) if named is not None else ""
        if not re.fullmatch(r"[A-Za-z_][\w-]*", name):
            raise ShellError(f"the function {name!r} takes a name that is none; choose letters")
        self.environment.functions.add(name)
        before = len(self.commands)
        body = node.child_by_field_name("body")
        if body is not None:
            self.walk(body, depth + 1, piped)
        if any(command.words and command.words[0].text == name for command in self.commands[before:]):
            raise ShellError(f"the function {name!r} calls itself; write a loop")

    def _command(self, node: Node, depth: int, piped: "list[Simple] | None") -> Simple:
        command = Simple(piped=piped is not None, upstream=list(piped or ()))
        for position, child in enumerate(node.children):
            field = node.field_name_for_child(position)
            if field == "redirect":
                self._redirect(child, command, depth, piped)
            elif child.type == "variable_assignment":
                command.assignments.append(self._assignment(child, depth, lasting=False))
            elif field == "name":
                command.words.append(self.words.read(child.named_children[0], depth))
            elif field == "argument" or child.type in _WORDS:
                command.words.append(self.words.read(child, depth))
            elif child.type == "process_substitution":
                self._nested(child, depth)
                command.words.append(Word("<(", computed=True))
            elif child.is_named:
                raise ShellError(f"{child.type.replace('_', ' ')} is not read here; write it more simply")
            else:
                command.words.append(Word(self._text(child)))
        self._forget_read(command)
        self.commands.append(command)
        return command

    def _forget_read(self, command: Simple) -> None:
        """Builtins that give variables values nobody sees here."""
        texts = [word.text for word in command.words]
        if texts[:1] and texts[0] in ("read", "mapfile", "readarray", "getopts", "printf", "let"):
            for text in texts[1:]:
                self.environment.forget(text.split("=", 1)[0])

    def _pipeline(self, node: Node, depth: int, piped: "list[Simple] | None") -> None:
        upstream = piped
        for child in node.named_children:
            before = len(self.commands)
            self.walk(child, depth + 1, upstream)
            upstream = self.commands[before:]

    def _redirected(self, node: Node, depth: int, piped: "list[Simple] | None") -> None:
        body = node.child_by_field_name("body")
        before = len(self.commands)
        if body is not None:
            self.walk(body, depth + 1, piped)
        stated = self.commands[before:]
        holder = stated[-1] if body is not None and body.type == "command" and stated else Simple()
        for child in node.named_children:
            if child != body:
                self._redirect(child, holder, depth, stated)
        if holder not in stated:
            self.commands.append(holder)
        for command in stated:
            command.fed |= holder.fed
            command.document = command.document or holder.document

    def _redirect(self, node: Node, command: Simple, depth: int, piped: "list[Simple] | None") -> None:
        if node.type == "file_redirect":
            self._file(node, command, depth)
        elif node.type == "herestring_redirect":
            command.fed = True
            for child in node.named_children:
                word = self.words.read(child, depth)
                command.document = None if word.computed else word.text
        elif node.type == "heredoc_redirect":
            self._here_document(node, command, depth, piped)
        else:
            command.words.append(self.words.read(node, depth))

    def _file(self, node: Node, command: Simple, depth: int) -> None:
        operator = next((child.type for child in node.children if not child.is_named), ">")
        first = True
        for child in node.named_children:
            if child.type == "file_descriptor":
                continue
            if child.type == "process_substitution":
                self._nested(child, depth)
                command.fed |= operator.startswith("<")
                continue
            word = self.words.read(child, depth)
            if operator in ("<&", ">&", "<&-", ">&-") and re.fullmatch(r"\d*-?", word.text):
                continue
            if not first:
                # `> out word`: the grammar takes what follows for a further destination.
                command.words.append(word)
            first = False
            (command.sources if operator in ("<", "<&") else command.targets).append(word)
            command.fed |= operator.startswith("<")

    def _here_document(self, node: Node, command: Simple, depth: int, piped: "list[Simple] | None") -> None:
        command.fed = True
        start = next((child for child in node.children if child.type == "heredoc_start"), None)
        body = next((child for child in node.children if child.type == "heredoc_body"), None)
        end = next((child for child in node.children if child.type == "heredoc_end"), None)
        if start is None or body is None or end is None or end.is_missing:
            raise ShellError("a here-document is not closed; end it on its own line")
        self._check_end(node, start, body, end)
        command.document = self.source[body.start_byte : end.start_byte].decode("utf-8", "replace")
        for child in node.named_children:
            if child in (start, end) or child.type == "file_descriptor":
                continue
            if child == body:
                self._nested(child, depth)
            elif child.type in ("pipeline", "command", "list", "redirected_statement"):
                self.walk(child, depth + 1, [*(piped or ()), command])
            else:
                self._redirect(child, command, depth, piped)

    def _check_end(self, node: Node, start: Node, body: Node, end: Node) -> None:
        """Refuse where the grammar ends the document elsewhere than a shell would: it takes indented ends for ends."""
        delimiter = re.sub(rb"['\"\\]", b"", self.source[start.start_byte : start.end_byte])
        strips = any(child.type == "<<-" for child in node.children)
        first = self.source.find(b"\n", start.end_byte) + 1
        at = self.source.rfind(b"\n", 0, end.start_byte) + 1
        stop = self.source.find(b"\n", at)
        line = self.source[at : stop if stop >= 0 else len(self.source)]
        before = self.source[max(first, body.start_byte) : at].split(b"\n")
        ends = [piece.lstrip(b"\t") if strips else piece for piece in (*before, line)]
        if ends[-1] != delimiter or delimiter in ends[:-1] or b"\n" in delimiter or not delimiter:
            word = delimiter.decode("utf-8", "replace")
            raise ShellError(f"the here-document {word!r} is not ended plainly; end it on its own line, at its start")

    def _assign(self, node: Node, depth: int) -> None:
        command = Simple()
        for child in node.named_children if node.type != "variable_assignment" else [node]:
            if child.type == "variable_assignment":
                command.assignments.append(self._assignment(child, depth, lasting=True))
            elif child.type == "variable_name":
                continue
            elif child.type != "word" or not self._text(child).startswith("-"):
                raise ShellError(f"{self._text(child)!r} is no plain variable; write NAME=VALUE")
        self.commands.append(command)

    def _assignment(self, node: Node, depth: int, *, lasting: bool) -> tuple[str, Word]:
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        if name is None or name.type != "variable_name":
            raise ShellError("assignments to array elements are not read here; write them otherwise")
        if value is not None and value.type == "array":
            self.walk(value, depth)
            word = Word(self._text(value), computed=True)
        else:
            word = self.words.read(value, depth) if value is not None else Word("")
        if lasting:
            self.environment.give(self._text(name), word)
        return self._text(name), word

    def _refuse_keys(self, node: Node) -> None:
        if any(child.type not in _WORDS or self._text(child).startswith("[") for child in node.named_children):
            raise ShellError("arrays with keys are not read here; write them otherwise")

    def _loop(self, node: Node, depth: int, piped: "list[Simple] | None") -> None:
        variable = node.child_by_field_name("variable")
        values = [self.words.read(child, depth) for child in node.children_by_field_name("value")]
        if variable is not None:
            for word in values or [Word("$@", computed=True)]:
                self.environment.give(self._text(variable), word)
        # Not judged as paths here: whatever is done with the variable is judged for each of its values.
        body = node.child_by_field_name("body")
        if body is not None:
            self.walk(body, depth + 1, piped)

    def check_continued_lines(self, root: Node) -> None:
        """Refuse a backslash at a line's end inside a word or operator: a shell puts its halves together again."""
        for found in _CONTINUED.finditer(self.source):
            at = found.start() + 1
            node = root.descendant_for_byte_range(at, at + 1)
            kinds = {one.type for one in _upwards(node)}
            quoted = "heredoc_body" in kinds and not self._expands(node)
            if not (quoted or kinds & {"raw_string", "comment"} or (kinds & {"string"} and found[1] != b"$")):
                raise ShellError("a line ends with a backslash inside a word or operator; keep those on one line")

    def check_substitutions(self, root: Node) -> None:
        """Refuse a substitution that the grammar took for plain text, as it does in some here-documents."""
        for found in _SUBSTITUTES.finditer(self.source):
            node = root.descendant_for_byte_range(found.start(), found.end())
            kinds = [one.type for one in _upwards(node)]
            escaped = _backslashes(self.source, found.start())
            literal = {"raw_string", "ansi_c_string", "comment"} & set(kinds[:2])
            if escaped % 2 or literal or ("heredoc_body" in kinds and not self._expands(node)):
                continue
            if found[0][:1] in b"<>" and "string" in kinds[:3]:
                continue
            if not {"command_substitution", "process_substitution", "arithmetic_expansion"} & set(kinds[:2]):
                if found[0][:1] in b"<>" and {"heredoc_body", "regex"} & set(kinds):
                    continue
                raise ShellError(
                    "a substitution stands where it is not read; write it outside of quotes and here-documents"
                )

    def _expands(self, node: "Node | None") -> bool:
        document = next((one for one in _upwards(node) if one.type == "heredoc_redirect"), None)
        starts = [child for child in document.children if child.type == "heredoc_start"] if document else []
        return not starts or not any(quote in self._text(starts[0]) for quote in "'\"\\")

    def _text(self, node: Node) -> str:
        return self.source[node.start_byte : node.end_byte].decode("utf-8", "replace")


def _backslashes(source: bytes, at: int) -> int:
    """Count the backslashes directly before `at`."""
    start = at
    while start and source[start - 1 : start] == b"\\":
        start -= 1
    return at - start


def _upwards(node: "Node | None") -> Iterator[Node]:
    while node is not None:
        yield node
        node = node.parent
