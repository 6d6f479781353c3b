"""What models and terminals are shown of foreign bytes."""

import pytest

from andon.guardrails.output import clean


def test_plain_text_and_other_scripts_stay_as_they_are() -> None:
    text = "café 日本語 \tשלום 🏳️ 0123456789abcdef\n"
    assert clean(text.encode(), cap=1000) == text


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"\x1b[31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07x", "x"),
        (b"\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"\x1b[2J\x1b[1;1Hgone?", "gone?"),
        (b"\x1b]0;never closed\nnext line", "\nnext line"),
        (b"\x1bPq#0\x1b\\y", "y"),
        ("\x9b31mred".encode(), "red"),
        (b"a\x08b\x00c\x07", "abc"),
        (b"10%\r100%\r\ndone", "10%\n100%\ndone"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        ("a\u202eb\u200bc\u2066".encode(), "a<U+202E>b<U+200B>c<U+2066>"),
        ("\U000e0041".encode(), "<U+E0041>"),
        ("one\u2028two".encode(), "one<U+2028>two"),
    ],
)
def test_controls_go_and_hidden_characters_show(raw: bytes, shown: str) -> None:
    assert clean(raw, cap=1000) == shown


def test_a_cut_keeps_both_ends_and_says_how_to_read_the_rest() -> None:
    data = b"".join(b"line %04d\n" % number for number in range(1000))
    text = clean(data, cap=100, rest="use sed")
    assert text.startswith("line 0000\n")
    assert text.endswith("line 0999\n")
    assert "[… 9900 bytes cut here; use sed]" in text
    assert len(text.encode()) < 200


def test_a_cut_counts_what_was_missing_before() -> None:
    assert "[… 1050 bytes cut here]" in clean(b"x" * 150, cap=100, dropped=1000)


def test_a_cut_leaves_no_half_of_a_key() -> None:
    key = "A1b2C3d4" * 5
    data = f"{'. ' * 20}{key} {'. ' * 100}{key} {'. ' * 20}".encode()
    text = clean(data, cap=120)
    assert "A1b2" not in text
    assert "bytes cut here" in text


def test_a_word_longer_than_any_key_is_cut_in_the_middle() -> None:
    assert clean(b"x" * 3000, cap=2000) == f"{'x' * 1000}\n[… 1000 bytes cut here]\n{'x' * 1000}\n"


def test_a_cut_inside_a_character_leaves_valid_text() -> None:
    assert "é" in clean("é".encode() * 100, cap=51)
