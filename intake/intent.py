"""A task from words given on the command line or in a session."""

import hashlib
from collections.abc import Sequence

from pydantic import ValidationError

from andon.context.strict_json import problems
from andon.records.errors import UserError
from andon.records.task import Task


def task_from_intent(
    intent: str,
    *,
    accept: Sequence[str],
    context: Sequence[str],
    constraints: Sequence[str],
    id_seed: str,
    locked: Sequence[str] = (),
) -> Task:
    """Return a task for `intent`; its id is `intent-` and six hex digits of the hash of `id_seed`.

    Raises:
        UserError: the intent, a criterion, a path or a constraint is empty or is not Unicode text, or a pattern of
            `locked` can lock nothing.
    """
    lists = {"--accept": accept, "--context": context, "--constraint": constraints, "--lock": locked}
    for option, values in {"the intent": [intent], **lists}.items():
        for value in values:
            _check(option, value)
    try:
        return Task(
            id=f"intent-{hashlib.sha256(id_seed.encode()).hexdigest()[:6]}",
            title=intent,
            acceptance_criteria=[value.strip() for value in accept],
            context_paths=[value.strip() for value in context],
            constraints=[value.strip() for value in constraints],
            locked_paths=list(locked),
        )
    except ValidationError as error:
        raise UserError(f"The intent is no task: {problems(error)}.") from error


def _check(option: str, value: str) -> None:
    if not value.strip():
        raise UserError(f"{option} is empty. Say in a sentence what is wanted.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{option} is not Unicode text. Check the encoding of the terminal or script.") from error
