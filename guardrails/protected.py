"""Protected entries of the project context: from what a person wrote to patterns over paths.

An entry that holds a `/` or a glob, or that names an existing path, is a path rule. Any other entry is an area. An area
protects what `protected_paths` of andon.toml gives it; without that, every path with a segment that holds, as a word of
its own, one of the entry's words, its stem, its plural, or its usual short form: `authentication` protects
`src/auth/login.py`, `tests/test_auth.py` and `AuthService.java`, not `author.py`.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from andon.guardrails.paths import fold
from andon.guardrails.program_table import names
from andon.records.project import ProtectedRule

_SHORT_FORMS: dict[str, tuple[str, ...]] = {
    "administration": ("admin",),
    "authentication": ("auth", "authn"),
    "authorisation": ("auth", "authz"),
    "authorization": ("auth", "authz"),
    "configuration": ("config", "conf", "cfg"),
    "credentials": ("creds",),
    "database": ("db",),
    "deployment": ("deploy",),
    "development": ("dev",),
    "environment": ("env",),
    "infrastructure": ("infra",),
    "payment": ("pay",),
    "payments": ("pay",),
    "production": ("prod",),
}
_SUFFIXES = ("ings", "ing", "ies", "es", "s")
_FILLERS = names(
    "the and for any all our own its not with area areas code file files folder folders logic module modules system "
    "systems part parts related everything anything"
)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def resolve_protected(
    entries: Sequence[str], paths: Sequence[str], mapping: Mapping[str, Sequence[str]]
) -> list[ProtectedRule]:
    """Return one rule for each entry, with the files of `paths` it covers; a rule may match nothing.

    Args:
        entries: `protected_areas` of the project context.
        paths: Every file of the base tree.
        mapping: `protected_paths` of andon.toml: area to gitignore patterns.
    """
    mapped = {fold(area).strip(): list(patterns) for area, patterns in mapping.items()}
    existing = {fold(prefix) for path in paths for prefix in _prefixes(path)}
    rules = []
    for entry in entries:
        if not entry.strip():
            continue
        patterns = mapped.get(fold(entry).strip()) or _patterns(entry.strip(), existing)
        rule = ProtectedRule(entry=entry, patterns=patterns, matches=[])
        rules.append(rule.model_copy(update={"matches": sorted(p for p in paths if match([rule], p))}))
    return rules


def match(rules: Sequence[ProtectedRule], path: str) -> ProtectedRule | None:
    """Return the first rule that protects `path` (relative to the workspace), without regard to case.

    A pattern is a gitignore pattern anchored at the root; it also covers everything below what it names.
    """
    names = {fold(path), fold(_HUMP.sub("-", path))}
    for rule in rules:
        for pattern in rule.patterns:
            expression = _compile(pattern)
            if any(expression.fullmatch(name) for name in names):
                return rule
    return None


def _patterns(entry: str, existing: set[str]) -> list[str]:
    bare = entry.removeprefix("./").strip("/")
    if fold(bare) in existing:
        return ["/" + re.sub(r"([*?\[\\])", r"\\\1", bare)]
    if "/" in entry or any(character in entry for character in "*?["):
        return [entry.removeprefix("./")]
    words = [word for word in re.findall(r"[^\W\d_]+", entry.casefold()) if len(word) > 2 and word not in _FILLERS]
    return [pattern for word in words for form in _forms(word) for pattern in _word_patterns(form)]


def _forms(word: str) -> list[str]:
    """Return the word, its stem, the plurals of both and the usual short forms, each once, in that order."""
    stem = next((word.removesuffix(end) for end in _SUFFIXES if word.endswith(end) and len(word) - len(end) >= 4), word)
    forms = [word, stem, f"{word}s", f"{stem}s", *_SHORT_FORMS.get(word, ())]
    return list(dict.fromkeys(forms))


def _word_patterns(word: str) -> list[str]:
    """Return patterns for a segment that holds `word` with no letter beside it."""
    return [word, f"{word}[!a-z]*", f"*[!a-z]{word}", f"*[!a-z]{word}[!a-z]*"]


def _prefixes(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


@lru_cache(maxsize=4096)
def _compile(pattern: str) -> re.Pattern[str]:
    body = fold(pattern).rstrip("/")
    anchored = "/" in body
    parts = [part for part in body.split("/") if part]
    expression = "" if anchored else "(?:.*/)?"
    for position, part in enumerate(parts):
        last = position == len(parts) - 1
        if part == "**":
            expression += ".*" if last else "(?:.*/)?"
        else:
            expression += _segment(part) + ("" if last else "/")
    return re.compile(f"{expression}(?:/.*)?", re.DOTALL)


def _segment(part: str) -> str:
    """Return the regular expression of one segment of a gitignore pattern."""
    out, position = "", 0
    while position < len(part):
        character = part[position]
        end = part.find("]", position + 2) if character == "[" else -1
        if character == "\\" and position + 1 < len(part):
            position += 1
            out += re.escape(part[position])
        elif end > 0:
            inside = part[position + 1 : end]
            negated = inside[0] in "!^"
            inside = re.sub(r"([\\\[\]^&~|])", r"\\\1", inside[negated:])
            out += f"[^/{inside}]" if negated else f"(?!/)[{inside}]"
            position = end
        else:
            out += {"*": "[^/]*", "?": "[^/]"}.get(character, re.escape(character))
        position += 1
    return out
