"""A parked run as bytes: what is sealed, with which key, and how much of it there is.

Line 1 is `andon-bundle 1 KEY HMAC`, line 2 the manifest as JSON; then its parts follow in order, without a gap. The
HMAC is over line 2, which holds length and SHA-256 of every part: nothing is parsed before the key fits, and no name of
a part leads anywhere. `head -2 RUN.andon | tail -1` shows the manifest.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from andon.line.db.runs import Run
from andon.line.seal_key import SealKey
from andon.records.base import Record
from andon.records.errors import UserError

LARGEST = 200_000_000
"""Bytes of a bundle at most."""
VARIABLE = "ANDON_BUNDLE_KEY"
"""Holds the key that the machines of one pipeline share."""

_FORMAT = "andon-bundle"
_VERSION = 1
_SHORTEST_KEY = 16
_FIRST = re.compile(rb"andon-bundle (\d{1,6})\b([^\n]{0,200})\n")
_SEALED = re.compile(r" (shared|user) ([0-9a-f]{64})")

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Part(Record):
    """One content of a bundle."""

    name: Annotated[str, Field(pattern=r"^(base|checkpoint|events|trees|paper:[a-z0-9][a-z0-9-]*(\.[a-z0-9]+)+)$")]
    """What it is."""
    size: Annotated[int, Field(ge=0, le=LARGEST)]
    """In bytes."""
    sha256: Digest
    """Of its bytes, in hex."""


class BundledQuestion(Record):
    """One question of the run, and its answer if there is one. Times are seconds since 1970."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
    """As `andon approve` takes it."""
    phase: int
    """The phase that its answer begins."""
    gate: str
    """Its name in the run."""
    question: str
    """A `Gate` as JSON."""
    digest: Digest
    """SHA-256 of `question`."""
    asked_at: float
    """When."""
    expires_at: float | None
    """From then on it cannot be answered; null: never."""
    answer: Literal["yes", "kind", "no", "edit", "stop"] | None
    """What was said."""
    text: str
    """The reason, or the edited document."""
    answered_by: str
    """Who said it."""
    channel: str
    """Where."""
    answered_at: float | None
    """When."""


class Manifest(Record):
    """What a bundle holds."""

    schema_version: Literal[1] = 1
    """Version of this document."""
    andon: str
    """Which andon wrote it."""
    run: Run
    """The row of the run."""
    questions: list[BundledQuestion]
    """Every question it asked."""
    parts: list[Part]
    """The contents, in order, no name twice."""


@dataclass(frozen=True)
class BundleKey:
    """What a bundle is sealed with."""

    shared: bytes | None
    """The pipeline's key; None: the key of this user."""
    user: SealKey

    @classmethod
    def of(cls, environment: Mapping[str, str], root: Path) -> "BundleKey":
        """Return ANDON_BUNDLE_KEY of this environment, else the key of this user.

        Raises:
            UserError: it is too short to keep anything, or there is no place for the user's.
        """
        text = environment.get(VARIABLE, "").strip()
        if text and len(text) < _SHORTEST_KEY:
            raise UserError(f"{VARIABLE} is too short: set it to a secret such as `openssl rand -hex 32` prints")
        return cls(text.encode("utf-8", "surrogateescape") or None, SealKey.of(environment, root))

    def seal(self, manifest: bytes) -> bytes:
        """Return line 1 for a manifest."""
        kind = "user" if self.shared is None else "shared"
        said = f"{_FORMAT} {_VERSION} {kind} "
        data = said.encode() + manifest
        seal = self.user.seal(data) if self.shared is None else hmac.new(self.shared, data, "sha256").hexdigest()
        return f"{said}{seal}\n".encode()

    def refuse_unsealed(self, path: Path, kind: str, seal: str, manifest: bytes) -> None:
        """Refuse a manifest that was not sealed with this key.

        Raises:
            UserError: says which key is wanted.
        """
        data = f"{_FORMAT} {_VERSION} {kind} ".encode() + manifest
        if kind == "user":
            if not self.user.fits(data, seal):
                raise UserError(
                    f"{path} was changed, or sealed with the key of another user or machine: open it there, or set "
                    f"{VARIABLE} to one secret on both and let the run park again"
                )
        elif self.shared is None:
            raise UserError(
                f"{path} is sealed with {VARIABLE}: set it to the value of the machine that wrote the bundle"
            )
        elif not hmac.compare_digest(hmac.new(self.shared, data, "sha256").hexdigest(), seal):
            raise UserError(f"{path} was changed, or {VARIABLE} is another one than where it was written")


def part_of(name: str, content: bytes) -> Part:
    """Return what a manifest says of a content."""
    return Part(name=name, size=len(content), sha256=hashlib.sha256(content).hexdigest())


def joined(manifest: bytes, contents: list[bytes], key: BundleKey) -> bytes:
    """Return a bundle. `manifest` is one line without its end."""
    return b"".join([key.seal(manifest), manifest, b"\n", *contents])


def parted(content: bytes, key: BundleKey, path: Path) -> tuple[Manifest, dict[str, bytes]]:
    """Return the manifest of a bundle and its parts by name.

    Raises:
        UserError: it is none, of another version, sealed with another key, cut short, or was changed.
    """
    first = _FIRST.match(content)
    if first is None:
        raise UserError(f"{path} is no bundle of a run: name a file that a parked run left, RUN.andon")
    sealed = _SEALED.fullmatch(first[2].decode("utf-8", "replace"))
    if int(first[1]) != _VERSION or sealed is None:
        raise UserError(f"{path} was written by another version of andon: open it with that one")
    end = content.find(b"\n", first.end())
    if end < 0:
        raise _short(path)
    line = content[first.end() : end]
    key.refuse_unsealed(path, sealed[1], sealed[2], line)
    try:
        manifest = Manifest.model_validate_json(line)
    except ValidationError as error:
        raise UserError(f"{path} was written by another version of andon: open it with that one") from error
    return manifest, _parts(content, end + 1, manifest.parts, path)


def _parts(content: bytes, start: int, facts: list[Part], path: Path) -> dict[str, bytes]:
    if len(content) < start + sum(part.size for part in facts):
        raise _short(path)
    found: dict[str, bytes] = {}
    for part in facts:
        found[part.name] = content[start : start + part.size]
        start += part.size
        if hashlib.sha256(found[part.name]).hexdigest() != part.sha256:
            raise UserError(f"{path} was changed: its {part.name} is not what was sealed; get the file again")
    if start != len(content) or len(found) != len(facts):
        raise UserError(f"{path} was changed: it holds more than was sealed; get the file again")
    return found


def _short(path: Path) -> UserError:
    return UserError(f"{path} is cut short: get the file again, whole")
