"""What a turn of a long run takes of the processor beside one early in it, by the lane on all wires and a bare SDK."""

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from andon.evals.bench_figures import Goal, Group, Measured
from andon.evals.bench_processes import bench_environment, run_timed

_WORK = Path(__file__).with_name("bench_turns_work.py")


def _measure(runs: int) -> dict[str, Measured]:
    # At 200 turns the bare SDK takes a third of a second a turn: once is enough.
    bare, ran = _work("bare"), [_work("lane") for _ in range(runs)]
    ratios = {wire: median(one[wire][1] / one[wire][0] for one in ran) for wire in ran[0]}
    parts = {
        f"{wire}_at_{turn}_ms": median(one[wire][place] for one in ran)
        for wire in ran[0]
        for place, turn in enumerate((10, 200))
    }
    [(early, late)] = bare.values()
    # Whichever wire a model is asked over, the goal holds.
    return {"lane.turn_cpu_200": Measured(max(ratios.values()), late / early, parts)}


def _work(who: str) -> Mapping[str, tuple[float, float]]:
    """Return the milliseconds of a turn early and late, by wire, as a cold process measured them."""
    with tempfile.TemporaryDirectory() as name:
        done = run_timed([sys.executable, "-I", str(_WORK), who], cwd=Path(name), environment=bench_environment())
    return {wire: (early, late) for wire, (early, late) in json.loads(done.output).items()}


TURNS = Group({"lane.turn_cpu_200": Goal("ratio", "<=", 2)}, _measure)
"""CPU of a turn at 200 turns divided by that at 10: one call with 1 kB of output a turn, no sandbox, no network."""
