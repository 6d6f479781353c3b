"""What a phase of a run stands on: the store, the sandboxes, what the base shows; and how it is begun early."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from andon.context.detect import detect
from andon.line.coming_sandbox import ComingSandbox
from andon.line.evidence.checks import check_tree
from andon.line.job import Job
from andon.line.run_folder import RunFolder
from andon.line.sandboxes import Sandboxes
from andon.records.checks import CheckRecord
from andon.records.events import Events
from andon.records.ports import Steps
from andon.records.project import ProjectSetup
from andon.sandbox.store import TreeStore

T = TypeVar("T")


@dataclass(frozen=True)
class Ground:
    """The base of a run and the ways to sandboxes of it. None is started yet."""

    job: Job
    store: TreeStore
    base_tree: str
    setup: ProjectSetup
    sandboxes: Sandboxes
    events: Events

    @classmethod
    def of(cls, job: Job, folder: RunFolder, events: Events) -> "Ground":
        """Make the run's store in its folder, or open the one that is there."""
        path = folder.path / "store.git"
        whole = (path / "objects" / "info" / "alternates").is_file()
        store = TreeStore.open(path) if whole else TreeStore.create(path, job.repository)
        setup = detect(job.files, job.settings)
        return cls(job, store, store.tree_of(job.base_commit), setup, Sandboxes(job, setup, store, events), events)

    async def check_base(self, steps: Steps) -> list[CheckRecord]:
        """Return what the base shows; each check is a step."""
        return await check_tree(
            self.base_tree,
            [*self.setup.tests, *self.setup.static],
            self.sandboxes.fresh,
            time_limit=self.job.settings.limits.check_seconds,
            on_repeat=lambda names: self.events.emit("phase", name="base-again", checks=names),
            steps=steps,
            label="base",
        )


@dataclass
class Early:
    """The beginning of a run that nothing is stored of, begun while the engine that will keep it is still loaded."""

    ground: Ground
    sandbox: ComingSandbox = field(init=False)
    _results: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start the workspace, and check the base once it stands."""
        self.sandbox = ComingSandbox(lambda: self.ground.sandboxes.workspace(self.ground.base_tree))
        self._checking = asyncio.ensure_future(self._check())

    async def _check(self) -> None:
        await self.sandbox.there()
        await self.ground.check_base(self)

    replaying = False

    def recorded(self, name: str, key: str) -> bool:
        """Nothing is stored yet."""
        return False

    async def step(self, name: str, key: str, run: Callable[[], Awaitable[T]], of: Any = Any) -> T:
        """Run a check and remember what it showed."""
        result = await run()
        self._results[f"{name}:{key}"] = result
        return result

    async def over(self, engine: Steps) -> Steps:
        """Return `engine`, in which the checks that were made early are steps that need not run."""
        await self._checking
        return _Made(engine, self._results)

    async def close(self) -> None:
        """End what was begun, for a phase that does not take it over."""
        self._checking.cancel()
        await asyncio.wait({self._checking})
        await self.sandbox.close()


@dataclass(frozen=True)
class _Made:
    engine: Steps
    results: dict[str, Any]

    @property
    def replaying(self) -> bool:
        return self.engine.replaying

    def recorded(self, name: str, key: str) -> bool:
        return self.engine.recorded(name, key)

    async def step(self, name: str, key: str, run: Callable[[], Awaitable[T]], of: Any = Any) -> T:
        async def made() -> T:
            step = f"{name}:{key}"
            return self.results[step] if step in self.results else await run()

        return await self.engine.step(name, key, made, of)
