"""Reads an issue and builds its files."""

import json
from pathlib import Path

from gazette import markup
from gazette.archive import archive
from gazette.feed import feed
from gazette.pages import page


def build(source: Path, target: Path, base: str = "https://gazette.example") -> list[str]:
    """Build the issue at `source` into the folder `target`; return the names of the files."""
    issue = json.loads(source.read_text("utf-8"))
    markup.ALIASES.update(issue.get("aliases", {}))
    name, articles = issue["name"], issue["articles"]
    files = {
        f"{markup.slug(name)}.html": page(name, articles),
        "archive.html": archive((name, title) for title in articles),
        "feed.txt": feed(base, name, articles),
    }
    target.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        (target / path).write_text(text, "utf-8")
    return sorted(files)
