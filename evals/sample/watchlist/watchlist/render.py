"""HTML. `page` and `table` take HTML; whatever is not ours goes through `text` first."""

import html
from collections.abc import Iterable, Sequence


def text(value: str) -> str:
    """Return `value` as HTML that shows it."""
    return html.escape(value)


def link(path: str, label: str) -> str:
    """Return a link."""
    return f'<a href="{text(path)}">{text(label)}</a>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of HTML cells."""
    titles = "".join(f"<th>{text(title)}</th>" for title in head)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{titles}</tr>{lines}</table>"


def page(title: str, *parts: str) -> str:
    """Return a whole page around HTML parts."""
    return (
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{text(title)}</title></head>\n'
        f"<body><h1>{text(title)}</h1>\n{''.join(parts)}\n</body></html>\n"
    )
