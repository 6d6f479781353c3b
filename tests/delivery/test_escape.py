"""Text that tries to be more than text."""

import re

import pytest
from markdown_it import MarkdownIt
from secret_kit import secret_lines

from andon.delivery.escape import code, inline, message_line, quoted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Plain words, a_name and tests/test_a.py::test_b.", "Plain words, a_name and tests/test_a.py::test_b."),
        ("# Heading", "#&#8203; Heading"),
        ("a\n\n# Heading\r\n---", "a #&#8203; Heading ---"),
        ("- item", "\\- item"),
        ("+ item", "\\+ item"),
        ("1. item", "1&#8203;. item"),
        ("12) item", "12&#8203;) item"),
        ("/merge", "\\/&#8203;merge"),
        ("> quote", "&gt; quote"),
        ("a | b |", "a \\| b \\|"),
        ("**bold** _it_ __b__ ~~no~~", "\\*\\*bold\\*\\* \\_it\\_ \\_\\_b\\_\\_ \\~\\~&#8203;no\\~\\~"),
        ("`code` ```", "\\`code\\` \\`\\`\\`"),
        ("@alice and a@b.c", "@&#8203;alice and a@&#8203;b.c"),
        ("Closes #12, GH-13, o/r#14, !15", "Closes #&#8203;12, GH-&#8203;13, o/r#&#8203;14, \\!&#8203;15"),
        ("Fixes https://github.com/o/r/issues/1", "Fixes https:&#8203;//github.com/o/r/issues/1"),
        ("www.example.org", "www.&#8203;example.org"),
        ("![x](y) [l](javascript:z)", "\\!\\[x\\](y) \\[l\\](javascript:z)"),
        ("<img src=x> <!-- -->", "&lt;img src=x&gt; &lt;\\!-- --&gt;"),
        ("&lt;b&gt; &#64;a", "&amp;lt;b&amp;gt; &amp;#&#8203;64;a"),
        ("\\# \\", "\\\\#&#8203; \\\\"),
        ("please /merge now, GET /health", "please /&#8203;merge now, GET /health"),
        ("@dependabot merge", "@&#8203;dependabot merge"),
        ("bors r+", "bors&#8203; r+"),
        ("retest this please", "retest&#8203; this pl&#8203;ease"),
        ("ok [skip ci]", "ok \\[skip ci\\]"),
        ("<svg onload=alert(1)> <a href='javascript:x'>", "&lt;svg onload=alert(1)&gt; &lt;a href='javascript:x'&gt;"),
        ("![t](https://x.example/p.png)", "\\!\\[t\\](https:&#8203;//x.example/p.png)"),
        ("a\u202eb\u200bc\x07", "abc"),
        ("", ""),
    ],
)
def test_inline_text_means_nothing_to_a_forge(text: str, shown: str) -> None:
    assert inline(text) == shown


def test_a_quotation_stays_one_whatever_its_lines_say() -> None:
    assert quoted("a\n\n## Facts\n> b\r```\n") == "> a\n>\n> #&#8203;#&#8203; Facts\n> &gt; b\n> \\`\\`\\`\n>"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a b", "`a b`"),
        ("a`b", "``a`b``"),
        ("``a", "``` ``a ```"),
        ("@a <b> #1", "`@a <b> #1`"),
        ("a\n\nb", "`a b`"),
        ("@dependabot merge", "`@\u200bdependabot merge`"),
        (" ", "(empty)"),
    ],
)
def test_a_code_span_cannot_be_left(text: str, shown: str) -> None:
    assert code(text) == shown


@pytest.mark.parametrize(
    ("title", "subject"),
    [
        ("Fix @alice's page\n\nCloses #12", "Fix @\u200balice's page Closes #\u200b12"),
        ("Faster [skip ci]", "Faster [\u200bskip ci]"),
        ("Write to a@b.c, C# and GET /merge", "Write to a@b.c, C# and GET /merge"),
    ],
)
def test_a_commit_subject_calls_nobody_and_skips_nothing(title: str, subject: str) -> None:
    assert message_line(title) == subject


def test_nothing_published_holds_a_secret() -> None:
    for kind, secret, line in secret_lines():
        lines = secret.split("\n")[1:-1] or [secret]
        for published in (inline(line), quoted(f"first\n{line}\nlast"), code(line), message_line(line)):
            assert not any(one in published for one in lines), kind


def test_a_quotation_names_what_was_taken_out_of_it() -> None:
    assert quoted('a\npassword = "hunter22"\nb') == '> a\n> password = "\\[redacted: named-secret\\]"\n> b'


ATTACKS = [
    "@alice", "@org/team", "_@alice_", "(@alice)", "x@\u200balice", "@\u034falice", "\uff20alice",
    "mailto:a@b.example", "#1", "Closes #1", "closes: #1, #2", "Fixes org/repo#12",
    "Resolves https://forge.example/o/r/issues/1", "GH-1", "_GH-1", "closes gh-12", "!7", "group/project!7", "&3",
    "$4", "%5", '%"v 1"', "~bug", '~"to do"', "^alert#6", "[vulnerability:7]", "Fixes ENG-123",
    "closes ENG-1, ENG-2 and OPS-3", "resolved [OPS-7]", "implements: A1_B-9", "ENG-4 #close", "AB#9",
    "&#64;alice &#35;1 &commat;bob", "/approve", " /approve", "(/approve)", "please /lgtm", "ok\n/merge",
    "ok\r/merge", "ok\u2028/merge", "ok\x0b/merge", "> /close", "bors r+", "bors: r+", "\n bors try",
    "retest this please", "jenkins, test  this, please", "ok to test", "add to whitelist", "@dependabot rebase",
    "@MERGIFY queue", "[skip ci]", "[ci skip]", "[no ci]", "[skip azurepipelines]", "***NO_CI***",
    "![x](https://e.example/p.png)", "![x][1]\n\n[1]: https://e.example/p.png", "[1]: <https://e.example>",
    "![][x]", "<img src=x onerror=y>", "<IMG\nSRC=x>", "<img/src=https://e.example/p>", "<svg/onload=x>",
    "<picture><source srcset=x>", "<!-- andon: approved", "--> <b>", "<details open><summary>x</summary>",
    "<script>x</script>", "<style>*{}</style>", "<iframe src=//e.example>", "<a href=javascript:x>y</a>",
    "[x](javascript:alert(1))", "[x](data:text/html;base64,eA==)", "[x](vbscript:x)", "<javascript:x>",
    "<https://e.example>", "<a@b.example>", "https://e.example", "HTTP://E.EXAMPLE", "ftp://e.example/x",
    "www.e.example", "WWW.e.example", "_www.e.example_", "*www.e.example", "(www.e.example)", "//e.example", "```",
    "````\n```\n# x", "` `` ```", "~~~\nx", "``x` `y``", "\\`x\\`", "\\", "a\\\nb", "# x", "x\n===", "x\n---",
    "---", "***", "___", "* x", "+ x", "- [ ] x", "1. x", "1) x", "    x", "\tx", "> x", ">>> x", "[!NOTE]", "[^1]",
    "[^1]: x", "$x$", "$$x$$", "$`x`$", "{+ x +}", "[[_TOC_]]", "[TOC]", "::include{file=x}", ":::mermaid",
    "| a | b |\n|---|---|\n| c | d |", "**x**", "__x__", "_x_", "~~x~~", "==x==", "<kbd>x</kbd>", "&lt;img&gt;",
    "&nbsp;#1", "\u202e/egrem\u202c", "\u2066@alice\u2069", "a\ufeff\u200d@\u2060bob", "\x1b[31m@alice\x1b[0m",
    "\x00#1", "\ud800@a",
]  # fmt: skip
_FOUND_BY_FORGES = re.compile(
    r"@[\w\"]|[#!$&%]\d|[~%][\w\"]|\bgh-\d|(?<![a-z0-9])www\.\w|\w://|"
    r"\b(?:clos|fix|resolv|implement)\w*\W+(?:[a-z]\w+-\u200b\d+\W+(?:and )?)*[a-z]\w+-\d",
    re.IGNORECASE,
)
_FOUND_BY_BOTS = re.compile(
    r"^\s*/\w|(?<![\w.])/(?:approve|merge|lgtm|close)\b|^\W*bors\b\W*[rt]|test\W+this\W+please|\bok\W+to\W+test|"
    r"add\W+to\W+whitelist|@(?:dependabot|mergify)|\[(?:skip ci|ci skip|no ci|skip azurepipelines)\]",
    re.IGNORECASE | re.MULTILINE,
)


def _tokens(text: str) -> list[tuple[str, str]]:
    blocks = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    return [(token.type, token.content) for block in blocks for token in (block, *(block.children or []))]


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_words_wherever_it_stands(attack: str) -> None:
    words = {"paragraph_open", "inline", "text", "text_special", "paragraph_close", "softbreak"}
    item = words | {"bullet_list_open", "list_item_open", "list_item_close", "bullet_list_close"}
    quotation = words | {"blockquote_open", "blockquote_close"}
    places = [(inline(attack), words), (f"- {inline(attack)}", item), (f"Goal: {inline(attack)} end", words)]
    for published, allowed in [*places, (quoted(attack), quotation), (quoted(f"a\n{attack}"), quotation)]:
        tokens = _tokens(published)
        assert {kind for kind, _ in tokens} <= allowed
        rendered = "".join("\n" if kind == "softbreak" else text for kind, text in tokens if kind != "inline")
        assert not _FOUND_BY_FORGES.search(rendered)
        assert not _FOUND_BY_BOTS.search(published)


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_stays_in_its_code_span_and_commands_nothing_there(attack: str) -> None:
    published = code(attack)
    kinds = [kind for kind, _ in _tokens(f"a {published} b")]
    assert (
        kinds == ["paragraph_open", "inline", "text", "code_inline", "text", "paragraph_close"]
        or published == "(empty)"
    )
    told = r"test\W+this\W+please|ok\W+to\W+test|@(?:dependabot|mergify)|\[skip ci\]"
    closes = r"\b(?:clos|fix|resolv|implement)\w*\W+(?:\S+/\S+)?(?:[#!]\d|gh-\d|https?://)"
    assert not re.search(f"{told}|{closes}", published, re.IGNORECASE)


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_in_a_commit_subject_refers_to_nothing(attack: str) -> None:
    subject = message_line(attack)
    assert "\n" not in subject
    found = r"(?<!\w)@\w|[#!&]\d|\bgh-\d|\w://|\[(?:skip ci|ci skip|no ci|skip azurepipelines)\]|\*NO_CI|"
    found += r"\b(?:clos|fix|resolv|implement)\w*\W+(?:[a-z]\w+-\u200b\d+\W+(?:and )?)*[a-z]\w+-\d"
    assert not re.search(found, subject, re.IGNORECASE)


def test_ordinary_titles_are_published_as_they_are() -> None:
    titles = [
        "Fix UTF-8 decoding of x86-64 dumps",
        "Close files after SHA-256 was computed",
        "Add GET /health and src/test/run",
        "Retry 3 times, then stop: at most 50 ms",
        "Grüße aus Köln, 添加自选股页面",
        "Keep a_name and b.c in step-4",
    ]
    assert [inline(title) for title in titles] == titles
    assert [message_line(title) for title in titles] == titles
