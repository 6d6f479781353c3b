import pytest

from gazette import markup
from gazette.markup import heading, link, shorten, slug


@pytest.mark.parametrize(
    ("title", "address"),
    [
        ("Fire at the Mill", "fire-at-the-mill"),
        ("Straße & Møbel: naïve?", "strasse-and-mobel-naive"),
        ("…", "untitled"),
        (
            "The very long and winding story of the new village pump",
            "the-very-long-and-winding-story-of-the",
        ),
        ("x" * 50, "x" * 40),
    ],
)
def test_a_title_becomes_an_address(title, address):
    assert slug(title) == address


def test_an_old_address_is_kept(monkeypatch):
    monkeypatch.setitem(markup.ALIASES, "Fire at the Mill", "mill-fire")
    assert heading("Fire at the Mill") == '<h2 id="mill-fire">Fire at the Mill</h2>'


def test_text_is_escaped():
    assert link("a?b&c", "x < y") == '<a href="a?b&amp;c">x &lt; y</a>'


def test_long_text_is_cut_at_a_word():
    assert shorten("one two three", 10) == "one two…"
