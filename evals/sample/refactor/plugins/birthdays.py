"""Upper Wallop: the birthday column."""

from gazette import markup
from gazette.markup import escape, slug

markup.ALIASES["Our birthdays"] = "birthdays"


def column(names: list[str]) -> str:
    """Return the column."""
    people = ", ".join(escape(name) for name in sorted(names, key=slug))
    return f'<p id="{slug("Our birthdays")}">{people}</p>'
