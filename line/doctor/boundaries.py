"""The checks of each tier's boundary, made one after another in one sandbox of it."""

from collections.abc import Awaitable, Callable

from andon.line.doctor import boundary, memory
from andon.line.doctor.check import Check, Finding
from andon.line.doctor.ground import Ground
from andon.line.doctor.tiers import START_LIMIT
from andon.sandbox.protocol import Sandbox
from andon.sandbox.start import Tier

Try = Callable[[Sandbox], Awaitable[Finding]]


async def _group(sandbox: Sandbox) -> Finding:
    # Its sandbox stands, so this tier is one; the group beside it is made as its own was.
    return memory.group_is_limited()


_MEMORY: dict[Tier, Try] = {"docker": memory.container_is_limited, "bubblewrap": _group}


def _tries(tier: Tier) -> tuple[tuple[str, str, Try], ...]:
    return (
        ("write", "write a file into the workspace and read it by a command", boundary.write_stays),
        ("network", "try to connect from inside to this machine and to the world", boundary.network_is_refused),
        ("kill", "start processes that leave their command, and look for them when it has ended",
         boundary.tree_is_ended),
        ("time-limit", "run a command beyond its time limit", boundary.time_limit_holds),
        ("memory", "hold the limit on memory against what asks for more", _MEMORY[tier]),
        ("files", "ask the workspace how many files it may hold", boundary.files_are_counted),
        ("programs", "ask for the programs of common projects", boundary.programs_are_there),
    )  # fmt: skip


def boundaries(tier: Tier) -> tuple[Check, ...]:
    """Return the checks of `tier`; where no sandbox of it stands they are skipped."""

    def on(attempt: Try) -> Callable[[Ground], Awaitable[Finding]]:
        async def look(ground: Ground) -> Finding:
            return await attempt(await ground.sandbox(tier))

        return look

    group = f"sandbox.{tier}"
    # The first of them to be made alone waits for the start.
    return tuple(Check(f"{group}.{name}", did, on(attempt), START_LIMIT, group) for name, did, attempt in _tries(tier))
