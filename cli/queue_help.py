"""What `andon add --help` and `andon queue --help` teach, and the words they take. Every `andon --help` reads it."""

import argparse

_ADD = """\
Put work into the queue. A worker (`andon serve`) runs it; `andon run` would run it here and now.

  andon add "Add a /health endpoint" --accept "GET /health answers 200"
  andon add task-001                 a task of factory/tasks/queue.json
  andon add --all                    every pending task of it, in its order
  andon add "Fix the crash" --source https://github.com/o/r/issues/7 --priority 10

Everything `andon run` would refuse is refused now: the settings, policy, context and base commit are read, and nothing
is queued where one of them cannot be used. The run starts from the commit HEAD names now. Adding the same source, or
the same task of queue.json, again while its run has not ended adds nothing, says so, and is no failure. A task with a
--source counts as asked for by an outsider: its text widens no rights.
A lane that is paused or halted takes work in, and begins none of it (see `andon queue --help`). [lanes.NAME] reviewers
in factory/andon.toml says which specialised reviewers look at what is made in it: security, tests, release-notes.

with --json: schema_version (1), repository, runs (a list of: added, run_id, task_id, title, lane, priority, branch,
base_commit, provider, warnings), lanes (those that are not open: name, state, reason), workers (how many work on the
queue), exit_code
"""

_ADD_EXITS = """\
exit codes:
  0   queued, or queued already
  2   nothing was queued: the message says what to mend
"""

_QUEUE = """\
Show what waits, in the order in which it begins, and why each run waits; what runs where; what waits for a person;
which lanes are not open, with reason and lesson; who works on the queue; which runs this andon cannot read, and why.
Starts nothing and needs no key.

  andon queue
  andon queue pause --reason "release day"          nothing queued begins in the lane `default`
  andon queue pause nightly                          the same for another lane
  andon queue resume nightly                         open it again

Runs begin by priority (lower first), then by age; never two at once on one branch or task, never while the model
server rests after failures, never while as many runs ask it as [limits] provider_runs in factory/andon.toml allows. A
run that waits for a person keeps its branch. Runs that have begun go on in a lane that is closed.

The line stops itself: where runs of one lane stop in a row for the same reason ([limits] halt_after in
factory/andon.toml, 3; 0: never), the lane is halted. What is queued stays. The reason and a lesson drafted from the
records stand here until a person opens the lane with `andon queue resume LANE`. Deliveries end a row; interrupted runs
and those that need a person do not count.

with --json: schema_version (1), repository, and
  counts     queued, running, parked: of all; the lists hold the first 1,000
  queued     run_id, task_id, title, lane, branch, priority, provider, queued_at, why, detail; `why` is stopping,
             not-before, lane-paused, lane-halted, provider-resting, provider-full, branch-busy, its-turn or no-worker
  running    run_id, task_id, title, lane, branch, worker, alive, since, attempt
  parked     run_id, task_id, title, lane, branch, question, approval, expires_at, answered
  pending    task_id, title: of queue.json, not queued
  lanes      those that are not open: name, state, reason, lesson, by, changed_at
  providers  those that rest: name, failures, until, reason
  workers    id, host, pid, kind, slots, since
  unreadable run_id, task_id, title, lane, branch, status, problem: runs that a newer andon wrote, or that are damaged;
             counted above, in no other list, and begun by no worker of this version
  problems   path, problem: what of queue.json was not understood
with pause and resume: schema_version, lane (as it stands now), before (its state until then), lesson
"""

_QUEUE_EXITS = """\
exit codes:
  0   shown; the lane was paused or opened
  2   no repository or database; the lane is so already
"""


def add_queue(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """Add `add` and `queue` to the parser; what is returned still lacks the flags for models and sandbox."""
    raw = argparse.RawDescriptionHelpFormatter
    add = commands.add_parser(
        "add", help="put a task into the queue", description=_ADD, epilog=_ADD_EXITS, formatter_class=raw
    )
    add.add_argument("task", nargs="?", metavar="INTENT|TASK-ID", help="a sentence, or the id of a task in queue.json")
    add.add_argument("--all", action="store_true", help="every pending task of queue.json")
    add.add_argument("--accept", action="append", default=[], metavar="TEXT", help="an acceptance criterion; repeat")
    add.add_argument("--constraint", action="append", default=[], metavar="TEXT", help="what must not happen; repeat")
    add.add_argument("--context", action="append", default=[], metavar="PATH", help="worth reading first; repeat")
    add.add_argument("--lock", action="append", default=[], metavar="PATTERN", help="what nobody may touch; repeat")
    add.add_argument(
        "--source", default="", metavar="ADDRESS", help="what asked for it: queued once until it has ended"
    )
    add.add_argument("--priority", type=int, default=100, metavar="N", help="lower begins first (default: 100)")
    add.add_argument("--lane", default="default", metavar="NAME", help="in which lane (default: default)")
    _common(add)
    queue = commands.add_parser(
        "queue", help="what waits and why, lanes, workers", description=_QUEUE, epilog=_QUEUE_EXITS, formatter_class=raw
    )
    queue.add_argument(
        "what", nargs="?", choices=["pause", "resume"], metavar="pause|resume", help="close or open a lane"
    )
    queue.add_argument("lane", nargs="?", metavar="LANE", help="which (default: default)")
    queue.add_argument("--reason", default="", metavar="TEXT", help="with pause: why; whoever looks is told")
    _common(queue)
    return add


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-C", dest="directory", default=".", metavar="DIR", help="the repository (default: this one)")
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
