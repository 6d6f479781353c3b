"""One attempt at a phase, told what to do: `engine_child.py URL RUN ATTEMPT STEP...`.

It says `began STEP` and `kept STEP` on stdout. A step whose name begins with `held` waits for a line on stdin, and one
with `large` in it returns a megabyte. In the end it says `over` and which process made which step, or `lost` and the
error that ended it.
"""

import asyncio
import json
import os
import secrets
import sys
from typing import Any

from andon.line.engine import Engine, JournalledSteps
from andon.records.errors import RunError

URL, RUN, ATTEMPT, STEPS = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]


def say(*words: object) -> None:
    print(*words, flush=True)


async def _body(run_id: str, phase: int, steps: JournalledSteps) -> dict[str, Any]:
    made = {}
    for name in STEPS:

        async def run(name: str = name) -> dict[str, Any]:
            say("began", name)
            if name.startswith("held"):
                await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
            return {"by": os.getpid(), "filler": "x" * 1_000_000 if "large" in name else ""}

        made[name] = (await steps.step("step", name, run))["by"]
        say("kept", name)
    return made


async def _main() -> None:
    worker = f"child:{os.getpid()}:{secrets.token_hex(4)}"
    engine = await Engine.launch(URL, worker=worker, body=_body)
    say("ready")
    try:
        say("over", json.dumps(await engine.run(RUN, 0, attempt=ATTEMPT or None)))
    except RunError as error:
        say("lost", error.code, error)
    except Exception as error:  # noqa: BLE001 - the test reads which
        say("lost", type(error).__name__, error)
    await engine.close()


if __name__ == "__main__":
    asyncio.run(_main())
