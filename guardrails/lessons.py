"""What of a proposed lesson may be remembered: nothing that weakens control, no secret, nothing of outsiders unseen."""

import re
from functools import cache

from andon.guardrails.credentials import check_credentials
from andon.guardrails.origin import Origin
from andon.guardrails.paths import fold
from andon.guardrails.refusal import Refused
from andon.records.calls import Decision

LESSON_CHARACTERS = 2_000
"""A longer lesson is refused; one sentence is asked for."""

_FILL = r"(?:(?!before|after|in|for|with|from|when|while|until|if|and|or|of|to|on|at|by|during|because)[\w'-]+ ){0,3}"
_CONTROL = (
    r"(?:[\w-]*tests?|suites?|assert\w*|checks?|checkers?|reviews?|reviewers?|polic(?:y|ies)|guardrails?|approvals?|"
    r"sandbox\w*|lint\w*|ruff|mypy|ci|hooks?|gates?|guards?|security|safety|protections?|permissions?|scans?|scanners?|"
    r"audits?|verification|validation|certificates?|tls|ssl|signatures?|rules?|restrictions?|instructions?|limits?|"
    r"criteri(?:a|on)|codeowners|warnings?)"
)
_WEAKENS = (
    rf"\b(?:disable|skip|ignore|bypass|deactivate|suppress|weaken|loosen|relax|circumvent|evade|override|disregard|"
    rf"xfail|mute|silence|neutrali[sz]e|(?:turn|switch) off|comment out|work around|get around|delete|remove|drop|"
    rf"lower) {_FILL}{_CONTROL}\b",
    rf"\b(?:turn|switch) {_FILL}{_CONTROL} off\b",
    rf"\b{_CONTROL} (?:can|may|should|must|need to|have to|are to) (?:always |safely |just )?be "
    r"(?:disabled|skipped|ignored|bypassed|removed|deleted|turned off|switched off|suppressed|overridden)\b",
    rf"\b(?:do not|don't|dont|never|no need to|not necessary to|needn't|need not|stop) (?:ever )?"
    rf"(?:run|running|ask|asking|wait|waiting|check|checking|verify|verifying|review|reviewing|test|testing|report|"
    rf"reporting)\b(?: {_FILL}(?:{_CONTROL}|person|people|human|anyone)\b|[.!]?$)",
    rf"\b(?:without|instead of) (?:asking|{_FILL}{_CONTROL})\b(?! (?:fail\w*|pass\w*))",
    r"\bapprovals? (?:is|are) (?:not |never |no longer )?(?:needed|required|granted|given|automatic)\b",
    r"\bno approval\b|\bpre-?approved\b|\bauto-?(?:approv|merg|accept)\w*",
    r"\balways (?:approve|pass|accept|merge|allow)\b",
    r"(?:^|[.;:!?] )(?:please |always |just |also )?(?:allow|permit|grant|authori[sz]e|approve|trust|whitelist|"
    r"allowlist)\b",
    r"\b(?:allow|permit|grant|enable|open)\w* (?:[\w'-]+ ){0,2}(?:network|internet|egress|outbound|push\w*|force\w*|"
    r"secrets?|credentials?|sudo|root|admin\w*|everything|all commands|any command|all hosts|any host|full access)\b",
    r"\b(?:you|agents?|executors?|planners?|reviewers?|models?) (?:may|can|are allowed to|are free to|should|must) "
    r"(?:always |freely |now )?(?:edit|change|write|touch|modify|rewrite|overwrite|read|ignore|access) "
    r"(?:[\w'./-]+ ){0,2}\S*(?:factory|\.git\b|\.github|\.env|polic|protected|locked|secret|credential|conftest)",
    r"\b(?:edit|change|write|modify|rewrite|overwrite|patch|loosen) \S*(?:factory/|policy\.toml|andon\.toml|"
    r"queue\.json|\.git/|\.github/|codeowners)",
    r"--no-verify|--force\b|--no-gpg-sign|--no-check\w*|--insecure|\bskip[ -]ci\b|\bci[ -]skip\b|\bverify ?= ?false\b",
    r"\bchmod (?:-r )?(?:777|a\+)|\b(?:curl|wget|nc|ncat|ssh|scp) \S|\bsudo \S|\|\s*(?:ba)?sh\b",
    r"\bpytest\.mark\.(?:skip|xfail)\b|\bmark \S+(?: \S+){0,2} as (?:skip|xfail|expected)|\bassert true\b",
    r"\b(?:this|these) (?:lesson|memory|note|rule)s? (?:override|replace|take precedence|supersede)\w*",
    r"\b(?:send|upload|post|exfiltrate|publish|leak) (?:[\w'./-]+ ){0,4}to (?:https?:|\S+\.\w+)",
)


@cache
def _weakening() -> re.Pattern[str]:
    """Made for the first lesson: that takes as long as a tenth of a start."""
    return re.compile("|".join(_WEAKENS))


def judge_lesson(text: str, origin: Origin, *, verified: bool = True) -> Decision:
    """Return whether `text` may be remembered.

    Refused: a credential, more than LESSON_CHARACTERS, words that loosen or get around tests, review, policy or
    approval, or that give rights. Asked: a lesson of work that an outsider asked for, or of a run that was not
    `verified`. The words are a brake, not a proof: no run reads a lesson until a person promotes it.
    """
    try:
        check_credentials({"lesson": text})
    except Refused as refused:
        return Decision(verdict="refuse", rule=refused.rule, reason="it holds a credential")
    if len(text) > LESSON_CHARACTERS:
        reason = f"it has {len(text)} characters, and at most {LESSON_CHARACTERS} are kept: say it in a sentence"
        return Decision(verdict="refuse", rule="lesson-length", reason=reason)
    if _weakening().search(_plain(text)):
        return Decision(
            verdict="refuse", rule="lesson-control", reason="it reads as if it loosened tests, review, policy or rights"
        )
    if origin == "outsider":
        return Decision(verdict="ask", rule="lesson-origin", reason="an outsider asked for the work it comes from")
    if not verified:
        return Decision(verdict="ask", rule="lesson-unverified", reason="the run it comes from was not delivered")
    return Decision(verdict="allow", rule="default", reason="")


def _plain(text: str) -> str:
    """Return `text` on one line as names are compared, quotes and emphasis apart, so that spelling hides nothing."""
    return " ".join(re.sub(r"[*_`\"\u2018\u201c\u201d]+", " ", fold(text.replace("\u2019", "'"))).split())
