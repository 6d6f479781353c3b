"""`andon doctor`: what of andon works on this machine, shown by trying it, and what each tier cannot promise."""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from andon.cli.endings import open_streams, print_json
from andon.records.errors import RunError, UserError
from andon.sandbox.examine import Examined, examine
from andon.sandbox.repository import Repository
from andon.sandbox.start import tier_of
from andon.sandbox.toolchain import Toolchain, find_toolchain

_VERSION = 1
_SPACE = 2_000_000_000
"""Bytes below which the run store may not hold a run."""


def doctor(args: argparse.Namespace) -> int:
    """Print what works and return 0 if a run could begin here, 50 if no sandbox works, 2 if something else is missing.

    Raises:
        UserError: $ANDON_SANDBOX or $ANDON_TOOLCHAIN name what is not there.
    """
    open_streams()
    wanted, toolchain = tier_of(None), find_toolchain(None)
    tiers = asyncio.run(_examine(toolchain))
    facts = [_git(), _repository(Path(args.directory)), _space(Path(args.directory)), _key(os.environ)]
    usable = [tier for tier in tiers if not tier.problem and wanted in ("auto", tier.tier)]
    if args.json:
        print_json(json.dumps(_document(tiers, facts, wanted), indent=2, ensure_ascii=False))
    else:
        print("\n".join(_lines(tiers, facts, usable, wanted)))
    if not usable:
        return 50
    return 0 if all(fact["ok"] for fact in facts if fact["needed"]) else 2


async def _examine(toolchain: Toolchain) -> list[Examined]:
    return [await examine("docker", toolchain), await examine("bubblewrap", toolchain)]


def _fact(name: str, ok: bool, text: str, *, needed: bool = True) -> dict[str, object]:
    return {"name": name, "ok": ok, "needed": needed, "text": text}


def _git() -> dict[str, object]:
    try:
        done = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return _fact("git", False, "git does not run: install it (apt-get install git)")
    return _fact("git", True, done.stdout.strip())


def _repository(folder: Path) -> dict[str, object]:
    try:
        repository = Repository.open(folder)
    except (UserError, RunError) as error:
        return _fact("repository", False, str(error), needed=False)
    return _fact("repository", True, f"{repository.root} at {repository.head()[:12]}", needed=False)


def _space(folder: Path) -> dict[str, object]:
    free = shutil.disk_usage(folder if folder.is_dir() else Path.cwd()).free
    text = f"{free / 1e9:.1f} GB free"
    return _fact("disk", free > _SPACE, text if free > _SPACE else f"{text}: a run may need {_SPACE / 1e9:.0f} GB")


def _key(environment: Mapping[str, str]) -> dict[str, object]:
    if environment.get("OPENAI_API_KEY"):
        server = "OPENAI_BASE_URL" if environment.get("OPENAI_BASE_URL") else "OpenAI"
        return _fact("model key", True, f"OPENAI_API_KEY is set, for {server}", needed=False)
    return _fact(
        "model key",
        False,
        "OPENAI_API_KEY is not set: andon run needs it, andon demo and andon mcp do not",
        needed=False,
    )


def _document(tiers: list[Examined], facts: list[dict[str, object]], wanted: str) -> dict[str, object]:
    return {
        "schema_version": _VERSION,
        "sandbox": wanted,
        "tiers": [
            {
                "tier": tier.tier, "works": not tier.problem, "ready_seconds": round(tier.seconds, 3),
                "notes": list(tier.notes), "programs": list(tier.programs), "problem": tier.problem,
                "remedy": tier.remedy,
            }
            for tier in tiers
        ],
        "facts": facts,
        "python": sys.version.split()[0],
    }  # fmt: skip


def _lines(tiers: list[Examined], facts: list[dict[str, object]], usable: list[Examined], wanted: str) -> Iterator[str]:
    for fact in facts:
        yield f"{'ok ' if fact['ok'] else '-- '} {fact['name']:<12} {fact['text']}"
    for tier in tiers:
        if tier.problem:
            yield f"--  {tier.tier:<12} {tier.problem}"
            yield f"    {'':<12} {tier.remedy}"
            continue
        yield f"ok  {tier.tier:<12} a sandbox stood after {tier.seconds:.2f} s; it has {', '.join(tier.programs)}"
        yield from (f"    {'':<12} {note}" for note in tier.notes)
    if usable:
        yield f"runs use {usable[0].tier}"
    else:
        yield "no run can begin: " + ("no sandbox works here" if wanted == "auto" else f"ANDON_SANDBOX names {wanted}")
