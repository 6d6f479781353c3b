"""What lower rooms are handed from above: protocols only."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Steps(Protocol):
    """The engine as other rooms see it. Everything with an effect or a cost goes through it."""

    async def step(self, name: str, key: str, run: Callable[[], Awaitable[T]], of: Any = Any) -> T:
        """Run `run` as the step `name`; `key` tells this one from others of the same name in the run.

        A durable engine returns the stored result of a finished step instead of running it again. It stores JSON: `of`
        is the type of the result, as pydantic writes and reads it.
        """
        ...

    def recorded(self, name: str, key: str) -> bool:
        """Say whether the result of this step is stored, so that `step` would not run it."""
        ...

    @property
    def replaying(self) -> bool:
        """True while the next step is one whose result is stored."""
        ...
