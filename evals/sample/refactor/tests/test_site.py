import json

import pytest

from gazette import markup
from gazette.site import build
from plugins.birthdays import column

ISSUE = {
    "name": "May 2026",
    "aliases": {"The Pump": "pump"},
    "articles": {"Tea & Cake": "On Sunday at three.", "The Pump": "It works."},
}


@pytest.fixture
def built(tmp_path):
    source = tmp_path / "issue.json"
    source.write_text(json.dumps(ISSUE), "utf-8")
    assert build(source, tmp_path / "out") == ["archive.html", "feed.txt", "may-2026.html"]
    yield tmp_path / "out"
    markup.ALIASES.pop("The Pump")


def test_the_page_links_to_its_articles(built):
    text = (built / "may-2026.html").read_text("utf-8")
    assert '<li><a href="#tea-and-cake">Tea &amp; Cake</a></li><li><a href="#pump">' in text
    assert '<h2 id="pump">The Pump</h2><p>It works.</p>' in text


def test_the_archive_is_sorted_by_address(built):
    assert (built / "archive.html").read_text("utf-8") == (
        '<ul>\n<li>May 2026: <a href="may-2026.html#pump">The Pump</a></li>\n'
        '<li>May 2026: <a href="may-2026.html#tea-and-cake">Tea &amp; Cake</a></li>\n</ul>\n'
    )


def test_the_feed_has_whole_addresses(built):
    assert (built / "feed.txt").read_text("utf-8") == (
        "https://gazette.example/may-2026.html#tea-and-cake | Tea & Cake | On Sunday at three.\n"
        "https://gazette.example/may-2026.html#pump | The Pump | It works.\n"
    )


def test_a_plugin_can_use_addresses_and_keep_its_own():
    assert column(["Özil", "Nora"]) == '<p id="birthdays">Nora, Özil</p>'
