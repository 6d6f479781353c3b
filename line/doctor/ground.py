"""Where the checks of `andon doctor` look: a folder, an environment, and what is opened there once for all."""

import asyncio
import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from andon.context.settings import Settings, load_settings
from andon.guardrails.trust import Claim
from andon.line.base_files import CommitFiles
from andon.line.doctor.standing import Standing, stand
from andon.line.trust import TrustFile, claims_of
from andon.records.errors import RunError, UserError
from andon.sandbox.host_git import GitError
from andon.sandbox.protocol import Sandbox
from andon.sandbox.repository import Repository
from andon.sandbox.start import Tier, tier_of
from andon.sandbox.toolchain import Toolchain, find_toolchain

if TYPE_CHECKING:
    from andon.line.db.database import Database


_START_LIMIT = 30.0
"""Seconds a sandbox that is still being started is waited for at the end, and again after it was told to stop."""


class NotHere(Exception):
    """What a check looks at is not there to be looked at; the text says why."""


@dataclass
class Ground:
    """Use it in an `async with`: sandboxes and whatever else it opened are gone after it."""

    directory: Path
    """Where the command was started."""
    environment: Mapping[str, str]
    """The person's."""
    call: bool = False
    """Whether the model and the forge may be asked."""
    _standing: dict[Tier, "asyncio.Task[Standing]"] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)
    _alone: threading.Lock = field(default_factory=threading.Lock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._standing.values():
            await asyncio.wait({task}, timeout=_START_LIMIT)
            # One that is stopped on its way removes what it had.
            task.cancel()
            await asyncio.wait({task}, timeout=_START_LIMIT)
            if task.done() and not task.cancelled() and task.exception() is None:
                with suppress(RunError):
                    await task.result().sandbox.close()
        self._stack.close()

    @cached_property
    def repository(self) -> Repository:
        """The repository of the folder.

        Raises:
            NotHere: there is none that andon can read.
        """
        try:
            return Repository.open(self.directory)
        except (UserError, RunError) as error:
            raise NotHere("there is no repository here (repository.head says more)") from error

    @cached_property
    def commit(self) -> str:
        """What HEAD names."""
        try:
            return self.repository.head()
        except GitError as error:
            raise NotHere(f"git cannot read HEAD: {error.stderr}") from error

    @cached_property
    def files(self) -> CommitFiles:
        """The files of that commit."""
        return CommitFiles(self.repository, self.commit)

    @cached_property
    def settings(self) -> Settings:
        """What the commit says of itself.

        Raises:
            NotHere: there is no repository, or its settings cannot be read.
        """
        try:
            return load_settings(self.files)
        except UserError as error:
            raise NotHere("the settings cannot be read (repository.settings says more)") from error

    @cached_property
    def wanted(self) -> Tier:
        """The tier that was asked for."""
        return tier_of(self.environment.get("ANDON_SANDBOX"))

    async def standing(self, tier: Tier) -> Standing:
        """Return the sandbox of that tier, started once.

        Raises:
            RunError: it does not start; also to everyone who asks again.
        """
        if tier not in self._standing:
            self._standing[tier] = asyncio.create_task(stand(tier, self.toolchain))
        # Whoever is out of time must not take it from the others.
        return await asyncio.shield(self._standing[tier])

    async def sandbox(self, tier: Tier) -> Sandbox:
        """Return the sandbox of that tier.

        Raises:
            NotHere: none of this tier stands.
        """
        try:
            return (await self.standing(tier)).sandbox
        except RunError as error:
            raise NotHere(f"no sandbox of this tier stands (sandbox.{tier}.start says more)") from error

    @cached_property
    def toolchain(self) -> Toolchain:
        """The programs a run here would have, and its image where the repository names one that a person accepted.

        Raises:
            UserError: $ANDON_TOOLCHAIN names what is not there.
        """
        found = find_toolchain(self.environment.get("ANDON_TOOLCHAIN"))
        try:
            image = next((claim for claim in claims_of(self.settings) if claim.key == "sandbox.image"), None)
            return found if image is None else replace(found, image=self.accepted_value(image))
        except (NotHere, UserError):
            return found

    def accepted_value(self, claim: Claim) -> str:
        """Return what the repository claims.

        Raises:
            UserError: no person accepted exactly that here, or the acceptances cannot be believed.
        """
        return TrustFile.of(self.environment).accepted_value(claim, self.repository.root)

    @cached_property
    def url(self) -> str:
        """Where the tables are.

        Raises:
            NotHere: outside a repository, where no variable names a database.
            UserError: the variable cannot be used.
        """
        from andon.line.db.database import database_url

        if self.environment.get("ANDON_DATABASE_URL"):
            return database_url(self.environment, None)
        return database_url(self.environment, self.repository.root)

    @property
    def database(self) -> "Database":
        """The tables; where nothing was ever queued, new ones in a temporary folder, so that none are left behind.

        Raises:
            DatabaseGone, UserError: they cannot be reached, or not be read by this andon.
        """
        with self._alone:
            return self._database

    @cached_property
    def _database(self) -> "Database":
        from andon.line.db.database import Database

        url = self.url
        file = sqlite_file(url)
        if file is not None and not file.exists():
            folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="andon-doctor-"))
            url = f"sqlite:///{folder}/andon.sqlite"
        database = Database.open(url)
        self._stack.callback(database.close)
        return database


def sqlite_file(url: str) -> Path | None:
    """Return the file of an SQLite URL; None for another database."""
    path = url.removeprefix("sqlite:///")
    return None if path == url else Path(path)
