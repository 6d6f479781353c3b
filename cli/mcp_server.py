"""`andon mcp`: the toolset for a client that speaks the Model Context Protocol, over stdin and stdout."""

import argparse
import asyncio
import secrets
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from andon.cli.endings import catch_signals
from andon.line.ide.ground import Ground, ground
from andon.mcp_servers.wire import Wire
from andon.records.errors import UserError
from andon.records.result import RunResult
from andon.sandbox.repository import Repository

if TYPE_CHECKING:
    from andon.line.ide.session import IdeSession


def mcp(args: argparse.Namespace) -> int:
    """Serve one session and return its exit code: 0 after a delivered branch.

    Raises:
        UserError: no session could begin; nothing was written to stdout.
    """
    try:
        wire = Wire.claim()
    except OSError as error:
        raise UserError("stdin or stdout is closed: an MCP client has to start `andon mcp`") from error
    repository = Repository.open(Path(args.directory))
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(_ground, repository, args.title, args.sandbox)
        # Loading the protocol takes most of a second; git reads the repository meanwhile.
        from andon.line.ide.session import IdeSession

        base = reading.result()
    result = asyncio.run(_session(base, wire, IdeSession))
    _say(f"{result.stop_code} (exit {result.exit_code}): {result.message} {result.run_folder}")
    return result.exit_code


def _ground(repository: Repository, title: str, tier: str | None) -> Ground:
    started, unique = int(time.time()), secrets.token_hex(3)
    run_id = time.strftime("%Y%m%d-%H%M%S-", time.gmtime(started)) + unique
    return ground(
        repository,
        title=title,
        session_id=f"ide-{unique}",
        run_id=run_id,
        started=started,
        toolchain=None,
        tier=tier,
    )


async def _session(base: Ground, wire: Wire, make: "type[IdeSession]") -> RunResult:
    told_to_end, loop = asyncio.Event(), asyncio.get_running_loop()

    def end(number: int, frame: FrameType | None) -> None:
        # An event, since a second signal must not interrupt the ending; a closed loop has nothing left to end.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(told_to_end.set)

    catch_signals(end)
    session = make(base)
    _say(f"session {base.job.task.id} from commit {base.job.base_commit[:12]} of {base.job.repository.root}")
    serving, waiting = asyncio.ensure_future(_serve(session, wire)), asyncio.ensure_future(told_to_end.wait())
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    # What the server raises because it was told to end is no fault: its streams break while they are being opened.
    told = not serving.done()
    serving.cancel()
    await asyncio.wait({serving})
    return await session.end(None if serving.cancelled() or told else serving.exception())


async def _serve(session: "IdeSession", wire: Wire) -> None:
    from andon.mcp_servers.stdio import serve

    await serve(session.server(), wire)


def _say(text: str) -> None:
    # A client may have closed stderr.
    with suppress(OSError):
        print(f"andon mcp: {text}", file=sys.stderr, flush=True)
