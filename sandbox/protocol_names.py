"""Names both ends of a sandbox use."""

WORKSPACE = "/work"
"""Where the project lies inside every sandbox, on every tier, so that nothing a model sees depends on the host."""
