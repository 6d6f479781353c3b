"""Text that tries to be more than text."""

import pytest
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
        ("/merge", "\\/merge"),
        ("> quote", "&gt; quote"),
        ("a | b |", "a \\| b \\|"),
        ("**bold** _it_ __b__ ~~no~~", "\\*\\*bold\\*\\* \\_it\\_ \\_\\_b\\_\\_ \\~\\~no\\~\\~"),
        ("`code` ```", "\\`code\\` \\`\\`\\`"),
        ("@alice and a@b.c", "@&#8203;alice and a@&#8203;b.c"),
        ("Closes #12, GH-13, o/r#14, !15", "Closes #&#8203;12, GH-&#8203;13, o/r#&#8203;14, \\!15"),
        ("Fixes https://github.com/o/r/issues/1", "Fixes https:&#8203;//github.com/o/r/issues/1"),
        ("www.example.org", "www.&#8203;example.org"),
        ("![x](y) [l](javascript:z)", "\\!\\[x\\](y) \\[l\\](javascript:z)"),
        ("<img src=x> <!-- -->", "&lt;img src=x&gt; &lt;\\!-- --&gt;"),
        ("&lt;b&gt; &#64;a", "&amp;lt;b&amp;gt; &amp;#&#8203;64;a"),
        ("\\# \\", "\\\\#&#8203; \\\\"),
        ("please /merge now, GET /health", "please /&#8203;merge now, GET /health"),
        ("@dependabot merge", "@&#8203;dependabot merge"),
        ("bors r+", "bors&#8203; r+"),
        ("retest this please", "retest&#8203; this please"),
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
