"""What the toolset costs its clients: bytes of its definitions, and `andon mcp` over stdio."""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from andon.evals.bench_figures import Goal, Group, Measured
from andon.evals.bench_job import make_repository
from andon.evals.bench_processes import MeasurementFailed, bench_environment, run_timed
from andon.tools.definitions import DEFINITIONS

_CALLS = 20


def _measure(runs: int) -> dict[str, Measured]:
    listed = [
        {"name": one.name, "description": one.description, "inputSchema": one.schema} for one in DEFINITIONS.values()
    ]
    text = json.dumps(listed, ensure_ascii=False, separators=(",", ":"))
    return {"mcp.tools_bytes": Measured(len(text.encode())), **_over_stdio(runs)}


def _over_stdio(runs: int) -> dict[str, Measured]:
    ready: list[float] = []
    bare: list[float] = []
    reads: list[float] = []
    lists: list[float] = []
    environment = bench_environment()
    with tempfile.TemporaryDirectory() as name:
        make_repository(Path(name) / "repository")
        for _ in range(runs):
            words = ["-c", "import mcp.server.mcpserver"]
            bare.append(run_timed([sys.executable, *words], cwd=Path(name), environment=environment).seconds)
            asyncio.run(_session(Path(name) / "repository", environment, ready, reads, lists))
    return {
        "mcp.initialize_s": Measured(median(ready), baseline=median(bare)),
        "mcp.read_file_ms": Measured(median(reads) * 1000, baseline=median(lists) * 1000),
    }


async def _session(
    repository: Path, environment: dict[str, str], ready: list[float], reads: list[float], lists: list[float]
) -> None:
    words = ["-m", "andon", "mcp", "-C", str(repository)]
    server = StdioServerParameters(command=sys.executable, args=words, env=environment)
    started = time.perf_counter()
    async with asyncio.timeout(120), Client(stdio_client(server)) as client:
        ready.append(time.perf_counter() - started)
        # The first call waits for the sandbox, which starts meanwhile.
        first = await client.call_tool("read_file", {"path": "calc.py"})
        if first.is_error:
            raise MeasurementFailed(f"read_file answered: {first.content}")
        for _ in range(_CALLS):
            begun = time.perf_counter()
            await client.call_tool("read_file", {"path": "calc.py"})
            reads.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            await client.list_tools()
            lists.append(time.perf_counter() - begun)


MCP = Group(
    {
        "mcp.tools_bytes": Goal("bytes", "<=", 5120),
        "mcp.initialize_s": Goal("s", "<=", 1.0),
        "mcp.read_file_ms": Goal("ms", "<=", 10),
    },
    _measure,
)
"""The curated tools as a client lists them; process start to an answered `initialize`, beside a bare import of the MCP
library; and one `read_file` over stdio, beside one `tools/list`."""
