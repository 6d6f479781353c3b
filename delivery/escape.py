"""Text somebody else wrote, made safe to stand in Markdown that a forge renders and acts on.

Nothing in it may make a heading, table, list, link, image or HTML, mention a person, command a bot, or close an issue,
and no secret is in it. GitHub and GitLab find mentions and references after rendering, so a backslash or an entity for
the sign alone would not do: the sign is followed by a zero-width space. Bots read the source line by line and often
look into code too.
"""

import re

from andon.context.plain import one_line, plain
from andon.guardrails.redact import without_secrets

_BREAK = "&#8203;"
_MARK = "\u200b"
"""The same before the signs are escaped; `one_line` leaves none of these in a text."""
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_SIGNS = re.compile(
    r"[@#&<>]|[\\`*{}\[\]|~!$^]|(?<![a-z0-9])_|_(?![a-z0-9])|:(?=//)|(?<=(?<![a-z0-9])www)\.|"
    r"(?<=(?<![a-z0-9])GH)-(?=\d)|%(?=[\w\"])",
    re.IGNORECASE,
)
_REFERS = re.compile(r"[!$&](?=\d)|~(?=[\w\"])")
"""Requests, snippets, epics and labels of GitLab, which looks for them after an escape is undone."""
_LEADING = re.compile(r"^([-+=/:]|\d+(?=[.)]))")
# Linear and Jira close what a text says it fixes, by a key of letters and a number; `UTF-8` is none.
_A_KEY = r"(?!(?:utf|sha|iso|md|aes|rsa|cve|pep|rfc|x86|py|python|base|cp|es)-)[a-z][a-z0-9_]{1,19}-\d"
_SAYS_CLOSED = (
    r"\b(?:clos(?:e|es|ed|ing)|fix(?:es|ed|ing)?|resolv(?:e|es|ed|ing)|complet(?:e|es|ed|ing)|implement(?:s|ed|ing)?)"
    r"\W+"
)
_CLOSES = re.compile(rf"{_SAYS_CLOSED}(?:{_A_KEY}+\W+(?:and\W+)?)*{_A_KEY}", re.IGNORECASE)
# A squashed merge makes a commit message of a body, in which code is no code.
_CLOSES_IN_CODE = re.compile(rf"{_SAYS_CLOSED}(?:[\w.-]+/[\w.-]+)?(?:#|!|GH-|https?:)(?=[\d/])", re.IGNORECASE)
_KEY = re.compile(r"-(?=\d)")
# Prow, Mergify, Kodiak, GitLab quick actions: a slash and one of these, also in the middle of a line.
_SLASH = re.compile(
    r"(?<![\w./~-])/(?=(?:lgtm|approve|merge|automerge|squash|rebase|backport|cherry-?pick|assign|unassign|cc|close|"
    r"close-issue|reopen|hold|label|kind|area|priority|lifecycle|retest|test|test-all|rerun|run|ok-to-test|deploy|ship|"
    r"shipit|override|retitle|milestone)\b)",
    re.IGNORECASE,
)
# bors, homu and the Jenkins builder are told at the beginning of a line, without a sign.
_TOLD = re.compile(r"^(?:bors|homu|retest|recheck|rerun|lgtm)(?=[\s:,!.+]|$)", re.IGNORECASE)
# The Jenkins builder looks for these anywhere, with anything but letters between the words.
_PHRASES = re.compile(r"test\W+this\W+pl(?=ease)|\bok\W+to\W+te(?=st)|\badd\W+to\W+white(?=list)", re.IGNORECASE)
_SKIPS = re.compile(r"\[(?=\s*(?:[\w-]+[ -]skip|skip[ -][\w-]+|no[ -]ci)\s*\])", re.IGNORECASE)
_BOT = re.compile(
    r"@(?=(?:dependabot|renovate|mergify|bors|k8s-ci-robot|github-actions|copilot|claude|codex|coderabbit|gemini|cursor|"
    r"sourcery|greptile|pre-commit-ci|homu|rust|swift-ci|jenkins|gitlab-bot|meeseeks|azure-pipelines|codecov|kodiak))",
    re.IGNORECASE,
)
_IN_MESSAGE = re.compile(
    r"(?<!\w)[@#!](?=\w)|[#!&](?=\d)|:(?=//)|(?<=(?<![a-z0-9])GH)-(?=\d)|"
    r"(?<=\[)(?=[\w ]*\b(?:skip|ci|no)\b)|\*(?=NO_CI)",
    re.IGNORECASE,
)


def inline(text: str) -> str:
    """Return `text` on one line in which no character means anything to Markdown or to a forge."""
    return _escaped(without_secrets(one_line(text)))


def quoted(text: str) -> str:
    """Return `text` as a Markdown quotation, line by line, each line as `inline`."""
    lines = [_escaped(one_line(line)) for line in without_secrets(plain(text)).split("\n")]
    return "\n".join(f"> {line}".rstrip() for line in lines)


def code(text: str) -> str:
    """Return `text` as a code span on one line; forges look for nothing in there, and bots find no command.

    Nor does it close anything where the body it stands in becomes a commit message.
    """
    line = _unclosed(_untold(_BOT.sub("@\u200b", _SKIPS.sub("[\u200b", without_secrets(one_line(text))))))
    line = _CLOSES_IN_CODE.sub(lambda found: found[0] + _MARK, line)
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}" if line else "(empty)"


def message_line(text: str) -> str:
    """Return `text` on one line for a commit message: no mention, reference, skipped pipeline or secret in it."""
    return _IN_MESSAGE.sub(lambda found: f"{found[0]}\u200b", _unclosed(without_secrets(one_line(text))))


def _escaped(line: str) -> str:
    told = _TOLD.sub(lambda found: found[0] + _MARK, _SLASH.sub(f"/{_MARK}", _untold(_unclosed(line))))
    told = _REFERS.sub(lambda found: found[0] + _MARK, told)
    return _LEADING.sub(_leading, _SIGNS.sub(_sign, told)).replace(_MARK, _BREAK)


def _untold(line: str) -> str:
    """Return `line` with a mark inside each phrase that a bot looks for anywhere."""
    return _PHRASES.sub(lambda found: found[0] + _MARK, line)


def _unclosed(line: str) -> str:
    """Return `line` with a mark inside each key that it says it closes."""
    return _CLOSES.sub(lambda found: _KEY.sub(f"-{_MARK}", found[0]), line)


def _sign(match: re.Match[str]) -> str:
    sign = match[0]
    if sign in "@#:.-%":
        return f"{sign}{_BREAK}"
    return _ENTITIES.get(sign, f"\\{sign}")


def _leading(match: re.Match[str]) -> str:
    start = match[0]
    return f"{start}{_BREAK}" if start.isdigit() else f"\\{start}"
