"""The sandboxes of one run or session: all of one tier, none left behind by a start that nobody waits for any more."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from andon.line.job import Job
from andon.line.uninterrupted import uninterrupted
from andon.records.errors import RunError, UserError
from andon.records.events import Events
from andon.records.project import ProjectSetup
from andon.records.stops import StopCode
from andon.sandbox.host_git import GitError
from andon.sandbox.protocol import Sandbox
from andon.sandbox.setup_base import find_base
from andon.sandbox.setup_phase import SetupLacks, set_up
from andon.sandbox.start import start_sandbox, tier_of
from andon.sandbox.store import TreeStore

if TYPE_CHECKING:
    from andon.records.setup import SetupFacts

_NAME_MISSING = 'for name do command -v -- "$name" >/dev/null || printf "%s\\n" "$name"; done'


class Sandboxes:
    """Starts them. Whoever asked for one closes it."""

    def __init__(self, job: Job, setup: ProjectSetup, store: TreeStore, events: Events) -> None:
        self._job = job
        self._setup = setup
        self._store = store
        self._events = events
        self._tier = job.tier
        self._base_toolchain = job.toolchain
        self._toolchain = job.toolchain
        self._ready = False
        self.installed: SetupFacts | None = None
        """What was installed for them, once the first one stands."""

    @property
    def tier(self) -> str:
        """The tier of them all; empty while `auto` has not chosen one."""
        return "" if self._tier == "auto" else self._tier

    def go_on(self, tier: str) -> None:
        """Keep to the tier that the run has had so far, in another process."""
        self._tier = tier_of(tier)

    async def workspace(self, tree: str) -> Sandbox:
        """Return the first sandbox, which has the programs of the project's checks; later ones are of its tier.

        Where `auto` took Docker and its image lacks one of them, or bubblewrap runs on the image's root file system,
        bubblewrap with this machine's own programs is used if that has them all: its notes say so.

        Raises:
            RunError: `no-toolchain` if a program is missing, or as `start_sandbox`.
            UserError: as `start_sandbox`.
        """
        sandbox = await self._chosen(tree)
        self._ready = True
        return sandbox

    async def _chosen(self, tree: str) -> Sandbox:
        try:
            return await self._equipped(tree)
        except _Lacking as error:
            foreign = self._job.toolchain.foreign
            if self._job.tier == "docker" or (foreign is None and error.tier != "docker"):
                raise
            lacking = error
        self._tier = "bubblewrap"
        self._base_toolchain = foreign or self._job.toolchain
        try:
            sandbox = await self._equipped(tree)
        except RunError as error:
            # What this machine uses by default is what to mend.
            raise lacking from error
        what = "not Docker: its image" if lacking.tier == "docker" else "not the image's own programs: it"
        sandbox.notes = (f"{what} has no {', '.join(lacking.programs)}", *sandbox.notes)
        return sandbox

    async def fresh(self, tree: str) -> Sandbox:
        """Return a new sandbox that holds `tree`; the first one of a process is chosen as `workspace` does.

        Raises:
            RunError, UserError: as `start_sandbox`.
        """
        return await (self._start(tree) if self._ready else self.workspace(tree))

    async def _start(self, tree: str) -> Sandbox:
        """Start one. A start that is cancelled ends first, so that it can be closed."""
        job = self._job
        starting = asyncio.ensure_future(
            start_sandbox(
                self._store,
                tree=tree,
                commit=job.base_commit,
                toolchain=self._toolchain,
                tier=self._tier,
                run_id=job.run_id,
            )
        )
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            with suppress(RunError, UserError, GitError, OSError):
                sandbox = await uninterrupted(starting)
                await uninterrupted(sandbox.close())
            raise

    async def _install(self) -> None:
        """Have the dependencies of the base commit beside the toolchain, on the tier that is used."""
        job, toolchain = self._job, self._base_toolchain
        self._toolchain = toolchain
        if job.setup is None or job.setup_cache is None:
            return
        base = await asyncio.to_thread(find_base, self._tier, toolchain)
        self._tier = base.tier
        origins = list(job.setup.origins)
        try:
            self._toolchain, self.installed = await set_up(
                job.setup,
                store=self._store,
                cache=job.setup_cache,
                base=base,
                toolchain=toolchain,
                time_limit=job.settings.limits.setup_seconds,
                run_id=job.run_id,
                on_start=lambda: self._events.emit("phase", name="setup", origins=origins),
            )
        except SetupLacks as error:
            raise _Lacking(error.tier, error.programs) from error
        self._events.emit("setup.ended", **self.installed.model_dump(mode="json"))

    async def _equipped(self, tree: str) -> Sandbox:
        await self._install()
        sandbox = await self._start(tree)
        try:
            missing = await _missing(sandbox, self._setup.programs)
            if missing:
                raise _Lacking(sandbox.tier, missing)
        except BaseException:
            await uninterrupted(sandbox.close())
            raise
        self._tier = tier_of(sandbox.tier)
        return sandbox


class _Lacking(RunError):
    """A sandbox without a program that the checks need."""

    def __init__(self, tier: str, programs: Sequence[str]) -> None:
        super().__init__(StopCode.NO_TOOLCHAIN, _advice(tier, ", ".join(programs)))
        self.tier = tier
        self.programs = programs


def _advice(tier: str, programs: str) -> str:
    if tier == "docker":
        return (
            f"the sandbox's Docker image has no {programs}, which this project's checks need: use --sandbox "
            "bubblewrap, which runs the programs of this machine's /usr, name an image that has it in ANDON_IMAGE, or "
            "name other [checks] in factory/andon.toml"
        )
    return (
        f"the sandbox has no {programs}, which this project's checks need: install it below /usr, set ANDON_TOOLCHAIN "
        "to a virtual environment that has it, use --sandbox docker with an image in ANDON_IMAGE that has it, or name "
        "other [checks] in factory/andon.toml"
    )


async def _missing(sandbox: Sandbox, programs: Sequence[str]) -> list[str]:
    if not programs:
        return []
    looked = await sandbox.run(["sh", "-c", _NAME_MISSING, "sh", *programs])
    # A shell that cannot look has found nothing.
    return looked.output.decode("utf-8", "replace").splitlines() if looked.exit_code == 0 else list(programs)
