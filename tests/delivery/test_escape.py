"""Text that tries to be more than text."""

import pytest

from andon.delivery.escape import code, inline, quoted


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
        (" ", "(empty)"),
    ],
)
def test_a_code_span_cannot_be_left(text: str, shown: str) -> None:
    assert code(text) == shown
