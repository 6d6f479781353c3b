"""Typed payloads of the agents' own steps: the schema a model is shown, and what it is told when it does not fit."""

from typing import Any, TypeVar

from agents.strict_schema import ensure_strict_json_schema
from pydantic import ValidationError

from andon.records.base import Record

P = TypeVar("P", bound=Record)

MAX_PROBLEMS = 10
"""More would bury the first ones; the next attempt shows the rest."""

# Titles repeat the field name; limits and defaults are refused by some providers in strict schemas, and `read_payload`
# knows them.
_DROPPED = frozenset({"title", "$defs", "default", "minLength", "minItems", "minimum"})


class BadPayload(Exception):
    """The arguments do not fit; the message tells the model each field and what is expected there."""


def payload_schema(payload: type[Record]) -> dict[str, Any]:
    """Return the strict JSON schema of `payload`: references put in place, field docstrings as descriptions."""
    full = payload.model_json_schema()
    schema: dict[str, Any] = _slim(full, full.get("$defs", {}))
    schema.pop("description", None)
    return ensure_strict_json_schema(schema)


def read_payload(payload: type[P], raw: str) -> P:
    """Return the record that the JSON text `raw` holds.

    Raises:
        BadPayload: it is no JSON, or a field is missing, unknown or of the wrong kind.
    """
    try:
        return payload.model_validate_json(raw, strict=True)
    except ValidationError as error:
        raise BadPayload(_explain(error, payload_schema(payload))) from error


def _slim(node: Any, defs: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_slim(item, defs) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = dict(defs[node["$ref"].removeprefix("#/$defs/")])
        target.pop("description", None)
        return _slim({**target, **{key: value for key, value in node.items() if key != "$ref"}}, defs)
    return {
        key: {name: _slim(field, defs) for name, field in value.items()} if key == "properties" else _slim(value, defs)
        for key, value in node.items()
        if key not in _DROPPED
    }


def _explain(error: ValidationError, schema: dict[str, Any]) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    lines = [_line(item["loc"], item["msg"], schema) for item in found[:MAX_PROBLEMS]]
    if len(found) > MAX_PROBLEMS:
        lines.append(f"- and {len(found) - MAX_PROBLEMS} more")
    return "\n".join(["Refused: the arguments do not fit. Mend these and call again:", *lines])


def _line(loc: tuple[int | str, ...], message: str, schema: dict[str, Any]) -> str:
    field = ".".join(str(part) for part in loc) or "arguments"
    expected = _expected(_at(schema, loc))
    return f"- {field}: {message}" + (f" (expected: {expected})" if expected else "")


def _at(schema: dict[str, Any], loc: tuple[int | str, ...]) -> dict[str, Any]:
    for part in loc:
        schema = schema.get("items", {}) if isinstance(part, int) else schema.get("properties", {}).get(part, {})
    return schema


def _expected(schema: dict[str, Any]) -> str:
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    kind = schema.get("type", "")
    if kind == "array":
        return f"a list, each item {_expected(schema['items'])}"
    if kind == "object":
        return "an object with " + ", ".join(schema["properties"])
    return {"string": "a text", "integer": "a whole number"}.get(kind, str(kind))
