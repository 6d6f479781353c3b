"""`andon trust`: a person reads what a repository may not decide alone, and accepts it or not."""

import argparse
import os
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from andon.context.plain import shown_path
from andon.context.settings import SETTINGS_PATH, load_settings
from andon.guardrails.output import clean_text
from andon.guardrails.trust import Claim
from andon.line.base_files import CommitFiles
from andon.line.trust import Elsewhere, TrustFile, Where, claims_of, name_of
from andon.records.errors import UserError
from andon.sandbox.repository import Repository

if TYPE_CHECKING:
    from andon.line.db.database import Database

_RUNS_OF = "runs of "


def trust(args: argparse.Namespace) -> int:
    """List, revoke, or ask on the controlling terminal what to accept; return the exit code.

    Raises:
        UserError: there is no terminal to ask on, no repository, or the file of acceptances cannot be believed.
    """
    kept = TrustFile.of(os.environ)
    if args.list:
        return _list(kept)
    if args.revoke:
        return _revoke(kept, _names(kept, args.run) if args.run else [name_of(_here(Path(args.directory)).where)])
    return _ask(kept, _of_run(args.run) if args.run else _here(Path(args.directory)))


@dataclass(frozen=True)
class _Asked:
    """A repository whose claims are read."""

    where: Where
    commit: str
    files: CommitFiles


def _here(directory: Path) -> _Asked:
    repository = Repository.open(directory)
    commit = repository.head()
    return _Asked(repository.root, commit, CommitFiles(repository, commit))


def _of_run(wanted: str) -> _Asked:
    """Return the repository of a run in the database, whose base is read from what travelled, or here."""
    from andon.line.db import runs
    from andon.line.durable.checkouts import checkout, own_state
    from andon.line.identity import host_name

    with closing(_database()) as db:
        run = runs.get(db, wanted)
        repository = checkout(db, run, own_state(os.environ), host_name())
    where = repository.root if str(repository.root) == run.root else Elsewhere(run.repository, run.id)
    return _Asked(where, run.base_commit, CommitFiles(repository, run.base_commit))


def _names(kept: TrustFile, wanted: str) -> list[str]:
    """Return what the repository of a run can be called in the file, by its row alone: its base may be gone.

    `wanted` may also be the name of a repository as `--list` shows it: the run may be gone too.
    """
    from andon.line.db import runs
    from andon.line.identity import host_name

    listed = _RUNS_OF + wanted.removeprefix(_RUNS_OF)
    if any(shown_path(one.repository) == listed for one in kept.entries()):
        return [listed]
    with closing(_database()) as db:
        try:
            run = runs.get(db, wanted)
        except UserError as error:
            raise UserError(
                f"{error}; to take back what was accepted for runs of a repository without one of them, give --run its "
                "name, which `andon trust --list` shows after `runs of`"
            ) from error
    here = [name_of(Path(run.root))] if run.host == host_name() else []
    return [name_of(Elsewhere(run.repository, run.id)), *here]


def _database() -> "Database":
    from andon.line.db.database import VARIABLE, Database, database_url

    if not os.environ.get(VARIABLE, "").strip():
        raise UserError(
            f"`andon trust --run` is for runs that come from other machines: set {VARIABLE} to the database they are in"
        )
    return Database.open(database_url(os.environ, None))


def _list(kept: TrustFile) -> int:
    entries = kept.entries()
    for entry in entries:
        print(clean_text(f"{shown_path(entry.repository)}\n  {entry.key} = {entry.value}\n  sha256 {entry.digest}"))
    if not entries:
        print("nothing was accepted for any repository")
    return 0


def _revoke(kept: TrustFile, names: list[str]) -> int:
    gone = kept.revoke(*names)
    for entry in gone:
        print(clean_text(f"no longer accepted: {entry.key} = {entry.value}"))
    if not gone:
        print("nothing was accepted for this repository")
    return 0


def _ask(kept: TrustFile, asked: _Asked) -> int:
    commit = asked.commit
    claims = claims_of(load_settings(asked.files))
    accepted = kept.accepted(asked.where)
    open_claims = [claim for claim in claims if (claim.key, claim.digest) not in accepted]
    if not open_claims:
        where = f"in {SETTINGS_PATH} at commit {commit[:12]}"
        accepted_all = f"everything {where} that a person must accept is accepted"
        print(accepted_all if claims else f"nothing {where} needs a person to accept it")
        return 0
    with ExitStack() as stack:
        terminal_in, terminal_out = _terminal(stack)
        print(clean_text(f"{shown_path(name_of(asked.where))}, commit {commit[:12]}"), file=terminal_out)
        answers = [_accepts(claim, terminal_in, terminal_out) for claim in open_claims]
        for claim, yes in zip(open_claims, answers, strict=True):
            if yes:
                kept.accept(asked.where, claim)
                print(clean_text(f"accepted: {claim.key}, in {kept.path}"), file=terminal_out)
        if not all(answers):
            print("not accepted: a run will refuse it", file=terminal_out)
    return 0 if all(answers) else 10


def _accepts(claim: Claim, terminal_in: TextIO, terminal_out: TextIO) -> bool:
    shown = f"\n{claim.file}: {claim.key} = {claim.value}\n  sha256 {claim.digest}\n  accepted, {claim.meaning}"
    print(clean_text(shown), file=terminal_out)
    terminal_out.write("accept exactly this value for exactly this repository? [y/N] ")
    terminal_out.flush()
    return terminal_in.readline().strip().lower() in ("y", "yes")


def _terminal(stack: ExitStack) -> tuple[TextIO, TextIO]:
    """Open the terminal itself, so that neither a pipe nor a script's input can say yes."""
    try:
        return stack.enter_context(open("/dev/tty")), stack.enter_context(open("/dev/tty", "w"))
    except OSError as error:
        raise UserError(
            "andon trust asks a person and there is no terminal: run it in one, or set what the repository names "
            "in the environment instead"
        ) from error
