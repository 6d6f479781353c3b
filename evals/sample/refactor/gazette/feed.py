"""The feed: one line for each article, newest last."""

from gazette import markup


def feed(base: str, name: str, articles: dict[str, str]) -> str:
    """Return the feed of the issue `name`, whose pages lie below the address `base`."""
    page = f"{base.rstrip('/')}/{markup.slug(name)}.html"
    lines = [
        f"{page}#{markup.slug(title)} | {title} | {markup.shorten(text)}"
        for title, text in articles.items()
    ]
    return "".join(line + "\n" for line in lines)
