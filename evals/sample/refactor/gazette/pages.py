"""The page of an issue."""

from collections.abc import Iterable

from gazette.markup import escape, heading, link, slug


def contents(titles: Iterable[str]) -> str:
    """Return links to the articles below."""
    items = "".join(f"<li>{link('#' + slug(title), title)}</li>" for title in titles)
    return f"<ul>{items}</ul>"


def page(name: str, articles: dict[str, str]) -> str:
    """Return the page of the issue `name` with its articles, text by title."""
    parts = [f"{heading(title)}<p>{escape(text)}</p>" for title, text in articles.items()]
    return "\n".join([f"<h1>{escape(name)}</h1>", contents(articles), *parts]) + "\n"
