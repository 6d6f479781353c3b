"""How fast secrets are taken out of what a tool answers, in megabytes a second of processor time."""

import random
import time
from pathlib import Path
from statistics import median

from andon.evals.bench_figures import Goal, Group, Measured
from andon.guardrails.redact import redact

_SIZE = 1_000_000
_KNOWN = ("not-a-real-Key-0f7d2c", "another-of-4-Values")


def _measure(runs: int) -> dict[str, Measured]:
    text = _output()
    # The first text with a token in it pays for loading the library, once in a process.
    redact(text, _KNOWN)
    seconds, bare = [], []
    for _ in range(runs):
        start = time.process_time()
        redact(text, _KNOWN)
        seconds.append(time.process_time() - start)
        start = time.process_time()
        _ = text.lower().encode().decode()
        bare.append(time.process_time() - start)
    size = len(text) / 1e6
    return {"guard.redact_mb_s": Measured(size / median(seconds), baseline=size / median(bare))}


def _output() -> str:
    """Return a megabyte of what commands print: lines of source, of a log, of test results, of a lock file; a few
    secrets among them."""
    draw = random.Random(1)  # noqa: S311
    source = Path(__file__).with_name("bench_figures.py").read_text("utf-8").split("\n")
    lines: list[str] = []
    size = 0
    while size < _SIZE:
        digest = f"{draw.getrandbits(256):064x}"
        block = [
            *draw.sample(source, 20),
            f"2026-11-24 18:00:{draw.randrange(60):02} INFO request id={digest[:32]} path=/v1/items status=200",
            f"tests/test_items.py::test_listing[{draw.randrange(1000)}] PASSED",
            f"    --hash=sha256:{digest} \\",
            f"commit {digest[:40]}",
        ]
        if not len(lines) % 50:
            block.append(f"GITHUB_TOKEN=gh{'p_'}{digest[:36]}")
        lines += block
        size += sum(map(len, block)) + len(block)
    return "\n".join(lines)[:_SIZE]


REDACT = Group({"guard.redact_mb_s": Goal("MB/s", ">=", 10)}, _measure)
"""Beside lower-casing, encoding and decoding the same text."""
