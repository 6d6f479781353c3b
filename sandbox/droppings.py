"""What tools leave beside the work."""

DROPPINGS = frozenset({
    b"__pycache__", b".pytest_cache", b".ruff_cache", b".mypy_cache", b".coverage", b".hypothesis", b"node_modules",
    b".nyc_output",
})  # fmt: skip
"""New files of these names are never part of a change, ignored by the base or not."""

_COVERAGE = (b"tmp/", b"lcov-report/", b"lcov.info", b"coverage-final.json", b"clover.xml")
"""What c8, nyc, Jest and Vitest put into a folder `coverage`, whose name alone could be anybody's."""


def is_dropping(path: bytes) -> bool:
    """Say whether a new file at `path` was left by a tool."""
    if not DROPPINGS.isdisjoint(path.split(b"/")):
        return True
    _, found, below = (b"/" + path).rpartition(b"/coverage/")
    return found != b"" and below.startswith(_COVERAGE)
