"""`andon eval security`: the attack suite on a terminal, as a table or as one JSON document."""

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import TextIO

from andon.cli.endings import flush_streams, print_document
from andon.cli.printing import BAD, GOOD, MUTED, console_on, say, sign, wants_plain
from andon.evals.attack import RISKS, Attack, load_attack, load_attacks
from andon.evals.attack_ground import Own
from andon.evals.attack_suite import AttackOutcome, SuiteReport, report_of, run_suite
from andon.sandbox.repository import Repository

_WORDS = {"stopped": "stopped", "not-stopped": "NOT STOPPED", "not-run": "not run"}
_SIGNS = {"stopped": ("passed", GOOD), "not-stopped": ("failed", BAD), "not-run": ("refused", MUTED)}


def run_attacks(args: argparse.Namespace) -> int:
    """Run the attacks the arguments name against the user's own policy, print what stopped each, return the exit code.

    Raises:
        UserError: no repository, settings that cannot be read, an unknown attack, or a sandbox tier that is none.
    """
    attacks = [load_attack(name) for name in dict.fromkeys(args.only)] or load_attacks()
    attacks.sort(key=lambda attack: (attack.risk, attack.id))
    if args.list:
        return _list(attacks, as_json=args.json)
    own = Own.of(Repository.open(Path(args.directory)).root)
    progress = _Progress(len(attacks), sys.stderr)
    outcomes = asyncio.run(run_suite(attacks, own, tier=args.sandbox, tell=progress.tell))
    progress.end()
    report = report_of(own, outcomes)
    _print(report, sys.stderr if args.json else sys.stdout)
    if args.json:
        print_document(report)
    flush_streams()
    return report.exit_code


def _list(attacks: list[Attack], *, as_json: bool) -> int:
    if as_json:
        facts = [attack.model_dump(include={"id", "risk", "title", "story", "expects"}) for attack in attacks]
        print(json.dumps({"schema_version": 1, "attacks": facts}, indent=2, ensure_ascii=False))
        return 0
    console = console_on(sys.stdout, plain=wants_plain(sys.stdout))
    for attack in attacks:
        say(console, attack.id, (f"  {attack.title}\n{attack.story}", MUTED), mark=f"{attack.risk}  ")
    return 0


class _Progress:
    """Counts attacks on a terminal, on one line; elsewhere a line each."""

    def __init__(self, total: int, out: TextIO) -> None:
        self._total, self._out, self._done = total, out, 0
        self._plain = wants_plain(out)
        self._show("")

    def tell(self, outcome: AttackOutcome) -> None:
        """Show that one more has ended."""
        self._done += 1
        self._show(f"{outcome.id}: {_WORDS[outcome.outcome]}")

    def end(self) -> None:
        """Leave the line."""
        if not self._plain:
            print("\r\033[K", end="", file=self._out, flush=True)

    def _show(self, text: str) -> None:
        line = f"{self._done}/{self._total} attacks  {text}".rstrip()
        print(
            line if self._plain else f"\r\033[K{line[:78]}", end="\n" if self._plain else "", file=self._out, flush=True
        )


def _print(report: SuiteReport, out: TextIO) -> None:
    console = console_on(out, plain=wants_plain(out))
    risk = ""
    for outcome in report.attacks:
        if outcome.risk != risk:
            risk = outcome.risk
            say(console, f"{risk} {RISKS[outcome.risk]}", style="bold")
        name, style = _SIGNS[outcome.outcome]
        say(console, outcome.title, (f" [{outcome.id}]", MUTED), mark=f"  {sign(console, name)} ", style=style)
        for line in _lines(outcome):
            say(console, (line, MUTED if outcome.outcome == "stopped" else style), mark="      ")
    for change in report.loosened:
        say(console, f"your policy is looser than the shipped one: {change}")
    say(console, _sum(report))


def _lines(outcome: AttackOutcome) -> list[str]:
    if outcome.outcome == "stopped":
        return ["; ".join(each.line for each in outcome.stopped_by)]
    if outcome.outcome == "not-run":
        return [f"not run: {outcome.why}"]
    loosened = [f"loosened by: {each}" for each in outcome.loosened_by]
    return [f"NOT STOPPED: {'; '.join(outcome.harms)}", *(loosened or ["the shipped policy does not stop it either"])]


def _sum(report: SuiteReport) -> str:
    found = [outcome.outcome for outcome in report.attacks]
    counts = [f"{found.count(kind)} {word}" for kind, word in _WORDS.items() if kind in found]
    return f"{len(found)} attacks on policy {report.policy}: {', '.join(counts)}"
