"""A document in the person's own editor, and what a plan is that comes out of it."""

import asyncio
import os
import shlex
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from andon.context.strict_json import parse_json, problems
from andon.guardrails.output import clean_text
from andon.records.errors import UserError
from andon.records.plan import PlanPayload

PLAN = "plan.json"
"""What the file of a plan is called while it is edited."""


async def edited(document: str, name: str, environment: Mapping[str, str]) -> str:
    """Return `document` as $VISUAL, or else $EDITOR, left it; `name` is what the file is called meanwhile.

    The file has mode 0600 in a folder of its own, and both are gone afterwards.

    Raises:
        UserError: no editor is named, it cannot be started or failed, or what it left is not text.
    """
    command = _editor(environment)
    with tempfile.TemporaryDirectory(prefix="andon-edit-") as folder:
        path = Path(folder) / name
        path.touch(mode=0o600)
        path.write_text(document, encoding="utf-8")
        await _run([*command, str(path)])
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise UserError(f"the editor left no {name} behind: save it under the name it was opened with") from error
        except UnicodeDecodeError as error:
            raise UserError(f"{name} is no UTF-8 text any more: save it as UTF-8") from error


def checked_plan(text: str) -> str:
    """Return the text of a plan as the line writes it.

    Raises:
        UserError: it is no plan; names line or field.
    """
    try:
        return PlanPayload.model_validate(parse_json(text.encode(), PLAN)).model_dump_json(indent=2)
    except ValidationError as error:
        raise UserError(f"{PLAN}: {clean_text(problems(error))}") from error


def _editor(environment: Mapping[str, str]) -> list[str]:
    variable = next((name for name in ("VISUAL", "EDITOR") if environment.get(name, "").strip()), None)
    if variable is None:
        raise UserError("there is no editor to open: set VISUAL or EDITOR, as in `export EDITOR=nano`")
    try:
        return shlex.split(environment[variable])
    except ValueError as error:
        raise UserError(f"{variable} cannot be understood ({error}): set it to a program and its options") from error


async def _run(command: list[str]) -> None:
    try:
        process = await asyncio.create_subprocess_exec(*command)
    except OSError as error:
        raise UserError(f"the editor {command[0]!r} cannot be started: {os.strerror(error.errno or 0)}") from error
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    if code != 0:
        raise UserError(f"the editor {command[0]!r} ended with {code}: nothing was taken over")
