"""What tools leave beside the work."""

DROPPINGS = frozenset({
    b"__pycache__", b".pytest_cache", b".ruff_cache", b".mypy_cache", b".coverage", b".hypothesis", b"node_modules",
})  # fmt: skip
"""New files of these names are never part of a change, ignored by the base or not."""
