"""`andon` alone at a terminal: ask what should be different, then run it."""

import argparse
import os
import sys
from pathlib import Path

from rich.console import Console

from andon.cli.printing import MUTED, console_on, say, wants_plain
from andon.cli.run import model_flags, run
from andon.context.settings import load_settings
from andon.guardrails.output import clean_text
from andon.intake.queue import Queue, load_queue, next_pending
from andon.line.base_files import CommitFiles
from andon.line.job import queue_path
from andon.line.live import choose_models
from andon.sandbox.host_git import run_git
from andon.sandbox.repository import Repository

_INTENT = "What should be different afterwards?"
_STOPPED = 130


def session(args: argparse.Namespace, help_text: str) -> int:
    """Ask for an intent and its criteria, run it as `andon run` does, and return the exit code.

    `args` are those of an `andon run` without a task; `help_text` is shown to who wants nothing done.

    Raises:
        UserError: no run could begin here, said before anything is asked.
    """
    repository = Repository.open(Path(args.directory))
    # What is missing for a model to answer is said now.
    settings = load_settings(CommitFiles(repository, repository.head()))
    choose_models(settings, model_flags(args), os.environ, where=repository.root)
    console = console_on(sys.stdout, plain=args.plain or wants_plain(sys.stdout))
    _say_where(console, repository)
    path = queue_path(repository)
    asked = _Asked(console, load_queue(path) if path.exists() else Queue(()))
    try:
        task = asked.intent()
        if task is None:
            print(help_text)
            return 0
        args.task = task
        args.accept = [] if asked.queued(task) else asked.criteria()
    except EOFError:
        print("\nandon: stopped, nothing was run")
        return _STOPPED
    return run(args)


def _say_where(console: Console, repository: Repository) -> None:
    name = run_git(["rev-parse", "--abbrev-ref", "HEAD"], cwd=repository.root, user_config=True)
    branch = name.decode("utf-8", "replace").strip()
    where = "no branch" if branch == "HEAD" else f"branch {branch}"
    say(
        console,
        ("andon", "bold"),
        f" in {repository.root}\n",
        (f"{where}, commit {repository.head()[:12]}, sandbox not started yet", MUTED),
    )


class _Asked:
    """The questions before a run. Each raises EOFError at the end of the input."""

    def __init__(self, console: Console, queue: Queue) -> None:
        self._console = console
        self._queue = queue
        _edit_lines()

    def queued(self, task_id: str) -> bool:
        """Say whether a task of the queue has this id."""
        return any(task.id == task_id for task in self._queue.tasks)

    def intent(self) -> str | None:
        """Return a sentence or the id of a queued task; None if the person has no wish and no task waits."""
        while True:
            self._console.print()
            say(self._console, (_INTENT, "bold"))
            said = _line("> ")
            if not said:
                waiting = next_pending(self._queue)
                if waiting is None:
                    return None
                if self._takes(waiting.id, waiting.title):
                    return waiting.id
            elif self.queued(said) or " " in said:
                return said
            else:
                say(self._console, f"No queued task is named {said!r}. Say in several words what is wanted.", mark="  ")

    def _takes(self, task_id: str, title: str) -> bool:
        say(self._console, "Nothing said. The next pending task of the queue is ", (task_id, "bold"), f": {title}")
        while True:
            said = _line("Run it? [y]es [n]o: ").lower()
            if said in ("y", "yes", "n", "no"):
                return said[0] == "y"
            say(self._console, ("Type y or n, then Enter.", MUTED))

    def criteria(self) -> list[str]:
        """Return the acceptance criteria, none if the person leaves them to the planner."""
        say(self._console, ("What must hold then?", "bold"), (" One criterion a line; an empty line ends.", MUTED))
        found: list[str] = []
        while said := _line(f"{len(found) + 1}. "):
            found.append(said)
        if not found:
            say(self._console, ("None: the planner proposes them and you see them in the plan.", MUTED))
        return found


def _line(prompt: str) -> str:
    while True:
        try:
            return clean_text(input(prompt)).strip()
        except UnicodeDecodeError:
            print("That was no UTF-8 text; type it again.")


def _edit_lines() -> None:
    """Let `input` edit its line, where Python was built with it."""
    try:
        import readline
    except ImportError:
        return
    readline.set_auto_history(False)
