"""Secrets taken out of text that a model, a person or a stored record is shown.

Bound the size and strip the controls before: what stands here is linear in the length of the text, and a colour code in
the middle of a key would hide it. What has no shape and no name beside it, such as a bare password, is only found if it
is one of the values this process knows (`redact_known.py`).
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from andon.guardrails.redact_keys import private_keys
from andon.guardrails.redact_known import known_values, value_forms
from andon.guardrails.redact_named import named_values
from andon.guardrails.redact_spans import Span, Unwrapped
from andon.guardrails.redact_tokens import tokens

MARKER = re.compile(r"\[redacted: [a-z]+(?:-[a-z]+)*\]")
"""What stands in place of a secret, once for every line of it: `[redacted: github-token]`."""
_KIND = re.compile(r"\[redacted: ([a-z-]+)\]")


class Redacted(NamedTuple):
    """Text without its secrets."""

    text: str
    found: Mapping[str, int]
    """How many secrets of which kind were taken out; never a value."""


def redact(text: str, known: Iterable[str] | None = None) -> Redacted:
    """Return `text` with every secret as `[redacted: kind]`; line ends stay, so lines keep their numbers.

    Hashes, ids and placeholders stay, and what was redacted before is left alone.

    Args:
        known: Values that are secret whatever they look like, found in base64, hex and URL coding too; None for those
            of this process's environment.
    """
    merged = secret_spans(text, known)
    if not merged:
        return Redacted(text, {})
    parts, at = [], 0
    for span in merged:
        parts += [text[at : span.start], _marked(text[span.start : span.end], span.kind)]
        at = span.end
    return Redacted("".join([*parts, text[at:]]), Counter(span.kind for span in merged))


def secret_spans(text: str, known: Iterable[str] | None = None) -> list[Span]:
    """Return where the secrets that `redact` takes out stand, in order; none overlaps another."""
    values = known_values() if known is None else tuple(known)
    unwrapped = Unwrapped(text)
    spans = [
        *unwrapped.find_all(value_forms(values), "known-secret"),
        *private_keys(text),
        *tokens(text, unwrapped),
        *named_values(text),
    ]
    return list(_merged(spans))


def without_secrets(text: str) -> str:
    """Return the text of `redact`."""
    return redact(text).text


def redacted_values(
    value: Any, clean: Callable[[str], str] = without_secrets, opaque: Collection[str] = frozenset()
) -> Any:
    """Return a JSON value in which `clean` was applied to every string but the keys of objects.

    What stands under a key in `opaque` stays as it is.
    """
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {key: item if key in opaque else _of_pair(key, item, clean, opaque) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redacted_values(item, clean, opaque) for item in value]
    return value


def markers(text: str) -> dict[str, int]:
    """Return how often which kind of marker stands in `text`."""
    return dict(Counter(_KIND.findall(text)))


def _of_pair(key: Any, item: Any, clean: Callable[[str], str], opaque: Collection[str]) -> Any:
    """Return the value of one entry; its name may be what tells that it is secret."""
    if isinstance(item, str) and isinstance(key, str):
        # What is named within the item is taken out there.
        head = f'"{key}": "'
        if any(span.start <= len(head) for span in named_values(f'{head}{item}"')):
            return "[redacted: named-secret]"
    return redacted_values(item, clean, opaque)


def _merged(spans: Iterable[Span]) -> Iterator[Span]:
    """Yield spans in order, those that overlap as one, named by the first and most certain."""
    current: Span | None = None
    for span in sorted(spans, key=lambda span: span.start):
        if current is not None and span.start < current.end:
            kind = span.kind if current.kind == "named-secret" else current.kind
            current = Span(current.start, max(current.end, span.end), kind)
            continue
        if current is not None:
            yield current
        current = span
    if current is not None:
        yield current


def _marked(secret: str, kind: str) -> str:
    return "\n".join([f"[redacted: {kind}]"] * (secret.count("\n") + 1))
