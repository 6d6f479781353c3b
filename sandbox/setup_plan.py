"""What a set-up phase is to do; `context` makes it from a commit."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from andon.sandbox.egress_rules import AllowedHost


@dataclass(frozen=True)
class SetupPlan:
    """One set-up. Everything it is made from is in it, so that it can be named by its digest."""

    origins: tuple[str, ...]
    """Lock files it follows, or the settings file; for people."""
    files: Mapping[str, bytes]
    """All that its workspace holds, by path."""
    script: str
    """A POSIX shell script, run in the workspace."""
    programs: tuple[str, ...]
    """What the script needs inside."""
    hosts: tuple[AllowedHost, ...]
    """Servers it may ask."""
    env: Mapping[str, str] = field(default_factory=dict)
    """For the script alone."""
    results: tuple[tuple[str, str], ...] = ()
    """Folders it fills, and where later sandboxes see each."""
    later_env: Mapping[str, str] = field(default_factory=dict)
    """For every command of later sandboxes."""
    bin_dirs: tuple[str, ...] = ()
    """First on PATH in later sandboxes."""

    def digest(self, base: str) -> str:
        """Return the name of its result on `base`, which says what programs there are; hexadecimal digits."""
        files = {path: sha256(content).hexdigest() for path, content in self.files.items()}
        hosts = [(host.host, host.ports, host.private) for host in self.hosts]
        shown = [base, self.script, files, hosts, dict(self.env), self.results]
        return sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()[:32]
