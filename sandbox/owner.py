"""Which process a sandbox belongs to, told so that a later process can say whether it is still alive."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Owner:
    """One process of one boot of one machine. A process id alone is used again soon."""

    boot: str
    """Id of the kernel's boot."""
    namespace: str
    """The pid namespace `pid` is counted in."""
    pid: int
    start: str
    """When it began, in clock ticks since the boot (proc(5), field 22 of stat)."""

    @classmethod
    def this_process(cls) -> "Owner":
        """Return the process that asks."""
        start = _start_of(os.getpid())
        return cls(_boot(), os.readlink("/proc/self/ns/pid"), os.getpid(), start or "")

    @classmethod
    def from_text(cls, text: str) -> "Owner | None":
        """Return the owner `text` was made from, or None where it was made from none."""
        parts = text.split()
        if len(parts) != 4 or not parts[2].isdecimal():
            return None
        return cls(parts[0], parts[1], int(parts[2]), parts[3])

    def text(self) -> str:
        """Return one line that `from_text` reads."""
        return f"{self.boot} {self.namespace} {self.pid} {self.start}"

    def of_this_boot(self) -> bool:
        """Say whether it ran since this kernel started."""
        return self.boot == _boot()

    def is_dead(self) -> bool:
        """Say whether it is certain that the process is gone; what another pid namespace holds cannot be seen."""
        if not self.of_this_boot():
            return True
        return self.namespace == os.readlink("/proc/self/ns/pid") and _start_of(self.pid) != self.start


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _start_of(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name may hold spaces and brackets; the state follows the last one.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]
