"""The list of everything that was ever printed."""

from collections.abc import Iterable

from gazette.markup import link
from gazette.markup import slug as address_of


def archive(entries: Iterable[tuple[str, str]]) -> str:
    """Return every article by issue and title: newest issue first, then by address."""
    newest = sorted(entries, key=lambda entry: address_of(entry[1]))
    newest.sort(key=lambda entry: entry[0], reverse=True)
    lines = [
        f"<li>{issue}: {link(f'{address_of(issue)}.html#{address_of(title)}', title)}</li>"
        for issue, title in newest
    ]
    return "<ul>\n" + "".join(line + "\n" for line in lines) + "</ul>\n"
