"""Records model traffic and replays it: vcrpy's cassette behind a transport of our own, without its global patch.

A cassette shows that the plumbing works. An answer recorded for an old prompt is no evidence about a new one.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import httpx2
from vcr.cassette import Cassette  # type: ignore[import-untyped]
from vcr.errors import CannotOverwriteExistingCassetteException  # type: ignore[import-untyped]
from vcr.record_mode import RecordMode  # type: ignore[import-untyped]
from vcr.request import Request as VcrRequest  # type: ignore[import-untyped]
from vcr.stubs.httpx_stubs import vcr_handle_async_request  # type: ignore[import-untyped]

from andon.evals.cassette_file import CassetteFile, Interaction, read_cassette, write_cassette
from andon.evals.drift import Recorded, drift_report
from andon.evals.request_parts import RequestParts, take_apart
from andon.records.errors import RunError, UserError
from andon.records.stops import StopCode

_KEPT_RESPONSE_HEADERS = ("content-type",)
_SDKS = ("openai", "anthropic", "openai-agents", "mcp", "vcrpy")


class CassetteMiss(RunError):
    """The run asked what was not recorded. The message says which part of the request changed."""

    def __init__(self, message: str) -> None:
        super().__init__(StopCode.CASSETTE_MISS, message)


class _PartsRequest(VcrRequest):  # type: ignore[misc]
    """What vcrpy keeps of a request. Being one marks it as already taken apart: vcrpy runs its hooks on load too."""

    def __init__(self, parts: RequestParts) -> None:
        super().__init__(parts.method, parts.path, b"", {})
        self.parts = parts


class CassetteTransport(httpx2.AsyncBaseTransport):
    """A transport for one client, or several on one event loop, that answers from a cassette or records into it.

    A recorded answer reaches the client whole, never as it streams.

    Raises:
        CassetteMiss: on replay, from every request that has no unplayed recording.
    """

    def __init__(self, cassette: Cassette, inner: httpx2.AsyncBaseTransport, misses: list[str]) -> None:
        self._cassette = cassette
        self._inner = inner
        self._misses = misses
        self._handle = vcr_handle_async_request(cassette, type(inner).handle_async_request, httpx2)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        try:
            response: httpx2.Response = await self._handle(self._inner, request)
        except CannotOverwriteExistingCassetteException as error:
            message = _miss_message(self._cassette, error.failed_request)
            if message not in self._misses:  # a client that retries misses again
                self._misses.append(message)
            raise CassetteMiss(message) from None
        return response

    async def aclose(self) -> None:
        """Close the transport underneath."""
        await self._inner.aclose()


@dataclass(frozen=True)
class OpenCassette:
    """A cassette in use."""

    transport: CassetteTransport
    """Give it to the model's client: `httpx2.AsyncClient(transport=...)`."""
    label: str
    """For people: when it was recorded, and who answered as the model."""
    about: Mapping[str, str]
    """The metadata it was opened with."""
    misses: list[str]
    """Reports of requests that were not recorded, also of those the client hid. A run with any did not replay."""
    _cassette: Cassette

    def unplayed(self) -> int:
        """Return how many recorded answers nobody asked for; 0 while recording."""
        if self._cassette.record_mode != RecordMode.NONE:
            return 0
        return len(self._cassette) - len(_played(self._cassette))


@contextmanager
def open_cassette(
    path: Path,
    *,
    mode: Literal["replay", "record"],
    inner: httpx2.AsyncBaseTransport | None = None,
    about: Mapping[str, str] | None = None,
) -> Iterator[OpenCassette]:
    """Open the cassette at `path` for one run.

    Replay never reaches a network. Requests match on method, path and JSON body; host and query do not count. Equal
    requests are answered in recorded order, each recording once.

    Recording sends through `inner` (default: the network) and writes the file when the block ends without an
    exception, replacing an older one. `about` must name `answered_by`; `recorded_at` (UTC date), `model`, `prompts`
    (digests of the instructions sent) and the versions of the SDKs are added. Only the content type is kept of the
    headers, so a replayed client sees no `retry-after`.

    Raises:
        UserError: the cassette is missing, damaged or of another version; a recording does not say who answered, is
            empty, or holds what looks like a secret.
        ValueError: `inner` or `about` were given for a replay.
    """
    if mode == "replay":
        if inner is not None or about is not None:
            raise ValueError("a replay takes neither an inner transport nor metadata")
        yield _loaded(path)
        return
    given = dict(about or {})
    if not given.get("answered_by"):
        raise UserError(f"{path}: a cassette says who answered it; give `answered_by` to record one")
    cassette = _vcr_cassette(path, RecordMode.ALL)
    label = f"recording; answered by {given['answered_by']}"
    yield _opened(cassette, inner or httpx2.AsyncHTTPTransport(), given, label)
    _save(path, cassette, given)


def load_about(path: Path) -> dict[str, str]:
    """Return the metadata of the cassette at `path`.

    Raises:
        UserError: it is missing, damaged or of another version.
    """
    return read_cassette(path).about


def label_of(about: Mapping[str, str]) -> str:
    """Return one line for people: `recorded 2026-11-24 over the real wire; answered by hand`."""
    recorded, answered = about.get("recorded_at", "at an unknown date"), about.get("answered_by", "an unknown party")
    return f"recorded {recorded} over the real wire; answered by {answered}"


class _NoNetwork(httpx2.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        raise CassetteMiss(f"a replay tried to reach the network: {request.method} {request.url.path}")


def _opened(cassette: Cassette, inner: httpx2.AsyncBaseTransport, about: Mapping[str, str], label: str) -> OpenCassette:
    misses: list[str] = []
    return OpenCassette(CassetteTransport(cassette, inner, misses), label, about, misses, cassette)


def _loaded(path: Path) -> OpenCassette:
    stored = read_cassette(path)
    cassette = _vcr_cassette(path, RecordMode.NONE)
    for interaction in stored.interactions:
        cassette.append(_PartsRequest(interaction.request), interaction.response)
    cassette.rewound = True  # vcrpy plays nothing before its own loader has set this
    return _opened(cassette, _NoNetwork(), stored.about, label_of(stored.about))


def _save(path: Path, cassette: Cassette, about: Mapping[str, str]) -> None:
    interactions = tuple(
        Interaction(request.parts, response)
        for request, response in zip(cassette.requests, cassette.responses, strict=True)
    )
    if not interactions:
        raise UserError(f"{path}: not saved, nothing was recorded; check that the client uses the cassette's transport")
    write_cassette(path, CassetteFile({**_facts(interactions), **about}, interactions))


def _vcr_cassette(path: Path, mode: RecordMode) -> Cassette:
    return Cassette(
        str(path),
        record_mode=mode,
        match_on=(_same_request,),
        before_record_request=_to_parts,
        before_record_response=_filtered,
    )


def _to_parts(request: VcrRequest) -> _PartsRequest:
    if isinstance(request, _PartsRequest):
        return request
    return _PartsRequest(take_apart(request.method, request.path, request.body or b""))


def _same_request(one: _PartsRequest, other: _PartsRequest) -> bool:
    left, right = one.parts, other.parts
    return (left.method, left.path, left.sha256) == (right.method, right.path, right.sha256)


def _filtered(response: dict[str, Any]) -> dict[str, Any]:
    headers = [(name, value) for name, values in response["headers"].items() for value in values]
    # The client's own decoder, so that whatever it can read is stored readable: gzip, deflate, br, zstd.
    decoded = httpx2.Response(response["status"]["code"], headers=headers, content=response["body"]["string"])
    kept = {name: [decoded.headers[name]] for name in _KEPT_RESPONSE_HEADERS if name in decoded.headers}
    return {"status": response["status"], "headers": kept, "body": {"string": decoded.content}}


def _played(cassette: Cassette) -> set[int]:
    return {index for index, count in cassette.play_counts.items() if count}


def _miss_message(cassette: Cassette, request: VcrRequest) -> str:
    parts, played = _to_parts(request).parts, _played(cassette)
    recorded = [Recorded(index + 1, stored.parts, index in played) for index, stored in enumerate(cassette.requests)]
    return (
        f"{Path(cassette.path).name} holds no answer for {parts.method} {parts.path} "
        f"({len(played)} of {len(recorded)} recorded answers played): {drift_report(parts, recorded)}\n"
        "If the change is meant, record the cassette again."
    )


def _facts(interactions: Sequence[Interaction]) -> dict[str, str]:
    """Return what can be read off the recording itself."""
    fields = [interaction.request.fields for interaction in interactions]
    models = {str(parts["model"].value) for parts in fields if "model" in parts}
    prompts = {parts[name].digest for parts in fields for name in ("instructions", "system") if name in parts}
    return {
        "recorded_at": datetime.now(UTC).date().isoformat(),
        "model": ", ".join(sorted(models)),
        "prompts": " ".join(sorted(prompts)),
        "sdks": " ".join(f"{name}=={_version(name)}" for name in _SDKS),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
