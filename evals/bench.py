"""`python -m andon.evals.bench`: measures what the design gives figures for, into bench.json and a table on stdout.

A new group is one function in one new file, and a line in GROUPS.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from andon.evals.bench_cli import CLI
from andon.evals.bench_figures import Figure, Group, measure_group
from andon.evals.bench_guard import GUARD
from andon.evals.bench_lane import LANE
from andon.evals.bench_line import LINE
from andon.evals.bench_mcp import MCP
from andon.evals.bench_redact import REDACT
from andon.evals.bench_sandbox import SANDBOX
from andon.evals.bench_turns import TURNS

GROUPS: Mapping[str, Group] = {
    "cli": CLI,
    "mcp": MCP,
    "sandbox": SANDBOX,
    "guard": GUARD,
    "redact": REDACT,
    "lane": LANE,
    "turns": TURNS,
    "line": LINE,
}
"""Every group, in the order they are measured."""


def main(argv: Sequence[str] | None = None, groups: Mapping[str, Group] = GROUPS) -> int:
    """Measure, write the document, print the table; return 1 if a figure could not be measured, missed goals are 0."""
    args = _parser(groups).parse_args(argv)
    load = _load()
    figures: dict[str, Figure] = {}
    for name in args.only or groups:
        print(f"bench: measuring {name} …", file=sys.stderr, flush=True)
        figures |= measure_group(groups[name], args.runs)
    document = {
        "machine": _machine() | {"runs": args.runs, "load_at_start": load, "load_at_end": _load()},
        "figures": {key: figure.model_dump(exclude_defaults=True) for key, figure in figures.items()},
    }
    args.out.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    print(_table(figures))
    return 1 if any(figure.value is None for figure in figures.values()) else 0


def _parser(groups: Mapping[str, Group]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m andon.evals.bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=sorted(groups), metavar="GROUP", help="this group; repeat")
    parser.add_argument("--runs", type=_runs, default=5, metavar="N", help="medians of N runs (default: 5)")
    parser.add_argument("--out", type=_writable, default="bench.json", metavar="FILE", help="default: bench.json")
    return parser


def _runs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of runs: give 1 or more")
    return int(text)


def _writable(text: str) -> Path:
    """Refuse before the minutes of measuring rather than after them."""
    path = Path(text)
    if path.is_dir() or not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text!r} cannot be written: name a file in a folder that is there")
    return path


def _machine() -> dict[str, object]:
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
    }


def _load() -> float:
    """Of the last minute: what else the machine was doing."""
    return round(os.getloadavg()[0], 2)


def _table(figures: Mapping[str, Figure]) -> str:
    rows = [("figure", "value", "goal", "baseline", ""), *(_row(key, figure) for key, figure in figures.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def _row(key: str, figure: Figure) -> tuple[str, str, str, str, str]:
    if figure.value is None:
        return key, "-", figure.goal, "", f"not measured: {' '.join(figure.reason.split())}"
    baseline_unit = "s" if figure.unit == "x" else figure.unit
    baseline = "" if figure.baseline is None else f"{figure.baseline:g} {baseline_unit}"
    parts = ", ".join(f"{name} {value:g}" for name, value in figure.parts.items())
    verdict = ("ok" if figure.ok else "missed") + (f" ({parts})" if parts else "")
    return key, f"{figure.value:g} {figure.unit}", figure.goal, baseline, verdict


if __name__ == "__main__":
    raise SystemExit(main())
