"""How much of the machine the commands of one sandbox may take together, and what is left of that without a cgroup."""

from typing import NamedTuple


class Limits(NamedTuple):
    """For all processes of a sandbox together."""

    memory: int
    """Bytes, swap included."""
    processes: int
    """Processes and threads, the sandbox's own few among them."""


def fallback_limits(limits: Limits, user: int) -> dict[str, int]:
    """Return what prlimit(1) can still hold where there is no cgroup: names of its options and their values.

    `user` is the effective user id of the caller. The kernel exempts the host's root from the limit on processes, also
    in a user namespace. "data" counts for each process alone: memory it may write to and shares with nobody, reserved
    address space excepted, so that programs that reserve much of it still run; AddressSanitizer does not.
    """
    return {"data": limits.memory} | ({} if user == 0 else {"nproc": limits.processes})


def fallback_notes(reason: str, user: int) -> tuple[str, ...]:
    """Return what a run must say when `fallback_limits` is all there is; `reason` tells why there is no cgroup."""
    notes = [f"memory is limited for each process alone, not for all together: {reason}"]
    return (*notes, "no limit on processes, as andon runs as root") if user == 0 else tuple(notes)
