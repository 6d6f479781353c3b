"""JSON that people wrote by hand: read strictly, with errors that say where."""

import json
from typing import Any, NoReturn

from pydantic import ValidationError

from andon.records.errors import UserError

_SHOWN_PROBLEMS = 5


def decode(content: bytes, where: str) -> str:
    """Return the text of a file; a byte order mark is dropped.

    Raises:
        UserError: it is not UTF-8; names the line.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{where}:{line}: not UTF-8 text. Save the file as UTF-8.") from error


def parse_json(content: bytes, where: str) -> Any:
    """Return the value in `content`; `where` names the file in errors.

    Raises:
        UserError: malformed JSON (with line and column), a key standing twice, `NaN`, or half a surrogate pair.
    """
    text = decode(content, where)
    if not text.strip():
        raise UserError(f"{where}:1: the file is empty. Write JSON into it or remove it.")
    try:
        value = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise UserError(
            f"{where}:{error.lineno}:{error.colno}: malformed JSON: {error.msg}. Correct that line."
        ) from error
    except UnicodeEncodeError as error:
        raise UserError(f"{where}: a string holds half of a surrogate pair (\\ud800 to \\udfff). Remove it.") from error
    except RecursionError as error:
        raise UserError(f"{where}: nested too deeply. Make it flatter.") from error
    except ValueError as error:
        raise UserError(f"{where}: {error}") from error
    return value


def problems(error: ValidationError) -> str:
    """Return what is wrong with which field, one `field: expectation` after another, in words for the author."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    sentences = []
    for problem in found[:_SHOWN_PROBLEMS]:
        field = ".".join(map(str, problem["loc"]))
        sentences.append(f"{field or 'the document'}: {_in_words(problem['type'], problem['msg'])}")
    if len(found) > _SHOWN_PROBLEMS:
        sentences.append(f"and {len(found) - _SHOWN_PROBLEMS} more")
    return "; ".join(sentences)


def _in_words(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "unknown field, or a second spelling of one already given"
    if kind == "missing":
        return "this field is required"
    return message.removeprefix("Value error, ")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise ValueError(f"the key {key!r} stands twice in one object. Keep one of them.")
        seen[key] = value
    return seen


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value. Write a number or null.")
