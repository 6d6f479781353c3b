"""What the toolset costs its clients."""

import json

from andon.evals.bench_figures import Goal, Group, Measured
from andon.tools.definitions import DEFINITIONS


def _measure(_: int) -> dict[str, Measured]:
    listed = [
        {"name": one.name, "description": one.description, "inputSchema": one.schema} for one in DEFINITIONS.values()
    ]
    text = json.dumps(listed, ensure_ascii=False, separators=(",", ":"))
    return {"mcp.tools_bytes": Measured(len(text.encode()))}


MCP = Group({"mcp.tools_bytes": Goal("bytes", "<=", 5120)}, _measure)
"""The curated tools as a client lists them: names, descriptions, schemas."""
