"""A sandbox that may still be on its way: whoever asks it for something need not know whether it stands yet."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from andon.line.stop_of import stop_of
from andon.records.errors import RunError
from andon.sandbox.protocol import Entry, Finished, Sandbox


class ComingSandbox:
    """Implements `Sandbox`: whatever is asked of it waits until the sandbox stands, and fails as its start did."""

    def __init__(self, start: Callable[[], Awaitable[Sandbox]], *, at_once: bool = True) -> None:
        """Begin to start it, `at_once` or when something is asked of it for the first time.

        Whatever the start raises becomes the typed stop it means for a run. `tier` and `notes` are empty while it does
        not stand.
        """
        self.tier = ""
        self.notes: tuple[str, ...] = ()
        self._make = start
        self._start: asyncio.Future[Sandbox] | None = None
        if at_once:
            self.begin()

    @property
    def begun(self) -> bool:
        """True from the beginning of its start."""
        return self._start is not None

    def begin(self) -> "asyncio.Future[Sandbox]":
        """Begin to start it, if that was not done before."""
        if self._start is None:
            self._start = asyncio.ensure_future(_typed(self._make))
            self._start.add_done_callback(self._started)
        return self._start

    async def there(self) -> Sandbox:
        """Return the sandbox once it stands.

        Raises:
            RunError: it could not be started.
        """
        # Who waits may be cancelled; the start is not, so that nothing half made is left behind.
        return await asyncio.shield(self.begin())

    async def run(
        self,
        argv: Sequence[str],
        *,
        cwd: str = ".",
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        time_limit: float = 120.0,
        output_cap: int = 200_000,
    ) -> Finished:
        """See `Sandbox.run`."""
        sandbox = await self.there()
        return await sandbox.run(argv, cwd=cwd, env=env, stdin=stdin, time_limit=time_limit, output_cap=output_cap)

    async def resolve(self, path: str) -> str:
        """See `Sandbox.resolve`."""
        return await (await self.there()).resolve(path)

    async def read(self, path: str, *, limit: int) -> bytes:
        """See `Sandbox.read`."""
        return await (await self.there()).read(path, limit=limit)

    async def write(self, path: str, content: bytes, *, expected: str = "") -> None:
        """See `Sandbox.write`."""
        await (await self.there()).write(path, content, expected=expected)

    async def entries(self) -> list[Entry]:
        """See `Sandbox.entries`."""
        return await (await self.there()).entries()

    async def restore(self, entries: Sequence[Entry | bytes]) -> None:
        """See `Sandbox.restore`."""
        await (await self.there()).restore(entries)

    async def close(self) -> None:
        """Close the sandbox once it stands; one that was not or could not be started left nothing to close."""
        if self.begun:
            with suppress(RunError):
                await (await self.there()).close()

    def _started(self, start: asyncio.Future[Sandbox]) -> None:
        # Asking for the exception keeps asyncio from reporting a failed start: whoever uses the sandbox is told.
        if not start.cancelled() and start.exception() is None:
            self.tier, self.notes = start.result().tier, start.result().notes


async def _typed(start: Callable[[], Awaitable[Sandbox]]) -> Sandbox:
    try:
        return await start()
    except Exception as error:
        # A boundary: whoever asks for the sandbox later gets a typed stop.
        raise RunError(*stop_of(error)) from error
