"""The cassette on disk: a valid vcrpy cassette in YAML with literal blocks, its request bodies stored as parts.

Each part of a request stands in full where it is seen first and as its digest afterwards, so the file reads as the
conversation went and grows with what is new in it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from andon.evals.request_parts import Part, RequestParts, make_part
from andon.records.base import Record
from andon.records.errors import UserError

FORMAT = "andon-cassette-1"

_SECRET = re.compile(
    r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))"  # JSON writes a line break before a key as the two characters \n
    r"(?:sk-[A-Za-z0-9_-]{16,}|Bearer\s+[A-Za-z0-9._~+/=-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|AKIA[0-9A-Z]{16})"
)
_BLOCK = re.compile(r"[\n\t\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]*")
"""Text a literal block gives back unchanged; PyYAML quotes lines that end in a blank by itself."""


@dataclass(frozen=True)
class Interaction:
    """One request and its answer."""

    request: RequestParts
    """What was asked."""
    response: dict[str, Any]
    """The answer in vcrpy's form: `status`, `headers`, `body.string` as bytes."""


@dataclass(frozen=True)
class CassetteFile:
    """What a cassette holds."""

    about: dict[str, str]
    """Who answered, when, with which model: see `andon.evals.cassettes.open_cassette`."""
    interactions: tuple[Interaction, ...]
    """In recorded order."""


class _Body(Record):
    sha256: str
    fields_: dict[str, str] = Field(alias="fields")
    items_field: str
    items: list[str]
    first_seen: dict[str, Any]


class _Request(Record):
    method: str
    uri: str
    headers: dict[str, list[str]]
    body: _Body


class _Status(Record):
    code: int
    message: str | None


class _Content(Record):
    string: str | bytes


class _Response(Record):
    status: _Status
    headers: dict[str, list[str]]
    body: _Content


class _Stored(Record):
    request: _Request
    response: _Response


class _Document(Record):
    version: Literal[1]
    format: Literal["andon-cassette-1"]
    metadata: dict[str, str]
    interactions: list[_Stored]


def read_cassette(path: Path) -> CassetteFile:
    """Return the cassette at `path`.

    Raises:
        UserError: it is missing, damaged, or of another version.
    """
    try:
        document = _Document.model_validate(yaml.load(path.read_text("utf-8"), Loader=_Loader))  # noqa: S506
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such cassette; check the name, or record it first") from None
    except OSError as error:
        raise UserError(f"{path}: the cassette cannot be read ({error.strerror}); mend that and try again") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "the document"
        raise _unusable(path, f"{where}: {first['msg']}") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise _unusable(path, " ".join(str(error).split())) from None
    seen: dict[str, Part] = {}
    return CassetteFile(document.metadata, tuple(_load(path, stored, seen) for stored in document.interactions))


def write_cassette(path: Path, cassette: CassetteFile) -> None:
    """Write `cassette` to `path`, atomically, making its folder.

    Raises:
        UserError: something in it looks like a secret; nothing is written.
    """
    seen: set[str] = set()
    interactions = [_store(interaction, seen) for interaction in cassette.interactions]
    _refuse_secrets(path, cassette.about, interactions)
    document = {
        "version": 1,
        "format": FORMAT,
        "metadata": dict(cassette.about),
        "interactions": interactions,
    }
    text = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000_000)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, "utf-8", newline="\n")
    partial.replace(path)


def _store(interaction: Interaction, seen: set[str]) -> dict[str, Any]:
    request, response = interaction.request, interaction.response
    new = {part.digest: part.value for part in request.parts() if part.digest not in seen}
    seen.update(new)
    return {
        "request": {
            "method": request.method,
            "uri": request.path,
            "headers": {"content-type": ["application/json"]},
            "body": {
                "sha256": request.sha256,
                "fields": {name: part.digest for name, part in request.fields.items()},
                "items_field": request.items_field,
                "items": [part.digest for part in request.items],
                "first_seen": new,
            },
        },
        "response": {**response, "body": {"string": _text_or_bytes(response["body"]["string"])}},
    }


def _load(path: Path, stored: _Stored, seen: dict[str, Part]) -> Interaction:
    body = stored.request.body
    for digest, value in body.first_seen.items():
        seen[digest] = make_part(value)
        if seen[digest].digest != digest:
            raise _unusable(path, f"the request part {digest} was edited, its text has digest {seen[digest].digest}")
    try:
        fields = {name: seen[digest] for name, digest in body.fields_.items()}
        items = tuple(seen[digest] for digest in body.items)
    except KeyError as error:
        raise _unusable(path, f"the request part {error.args[0]} is not in the file") from None
    request = RequestParts(stored.request.method, stored.request.uri, body.sha256, fields, body.items_field, items)
    response = stored.response.model_dump()
    content = stored.response.body.string
    response["body"]["string"] = content.encode("utf-8") if isinstance(content, str) else content
    return Interaction(request, response)


def _unusable(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path}: this is not a cassette that this version of andon can replay ({reason}); "
        "restore the file from git, or delete it and record it again"
    )


def _text_or_bytes(content: bytes) -> str | bytes:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content


def _refuse_secrets(path: Path, about: Mapping[str, str], interactions: Sequence[Mapping[str, Any]]) -> None:
    places = [("the metadata", about)]
    for number, interaction in enumerate(interactions, start=1):
        places += [(f"request {number}", interaction["request"]), (f"answer {number}", interaction["response"])]
    for place, value in places:
        found = _SECRET.search(json.dumps(value, ensure_ascii=False, default=lambda raw: raw.decode("latin-1")))
        if found:
            raise UserError(
                f"{path}: not saved, because {place} holds what looks like a secret ({found.group()[:6]}…); "
                "take it out of what the model is shown or answers, and record again"
            )


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Plain data only."""


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Plain data, text of several lines as literal blocks, no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write every value out where it stands."""
        return True


def _represent_text(dumper: Any, text: str) -> Any:
    literal = "\n" in text and _BLOCK.fullmatch(text) is not None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if literal else None)


_Dumper.add_representer(str, _represent_text)
