"""What `andon log --help` teaches, and the words it takes. Loads nothing: every `andon --help` reads it."""

import argparse

LOG_HELP = """\
Print what a run did, an event a line: when, who, what. RUN is a run's id or the beginning of it, a task's id (its run
that goes on or waits, else its latest), or `last`.

  andon log task-001
  andon log last -f                  go on as the run goes on, until it ends or Ctrl-C
  andon log last --json | jq .kind   the events as they are stored, a JSON object a line
  andon log last --verify            was anything changed since it was written
  andon log last --spans > run.jsonl  the run as an OpenTelemetry trace: OTLP JSON, one document on one line

Every event carries the SHA-256 of the line before it and of its own text, so --verify finds the first line that was
edited, removed, added or moved. That the end was cut off, or the whole log written anew, shows against a head kept
elsewhere: result.json (which `andon run --json` prints), pr-body.md and its copy on the delivered branch are compared
where they are there, and --head HASH is one that you kept.

A run that was queued has its events in the database, so its log prints and goes on wherever a worker has the run.
--verify then looks at the database's events, at the head in the run's row, and at the copy of the log in the run's
folder where that is on this machine.
--spans has the names of the GenAI conventions (invoke_workflow, invoke_agent, chat, execute_tool; gen_ai.usage.*) and
nothing that a model or a person wrote. A collector's OTLP JSON file receiver reads it; andon sends it nowhere.
--verify --json: one document: schema_version, verdict, run_id, log, events, head, fault, line, problem, compared.
"""

LOG_EXITS = """\
exit codes:
  0   the log was printed; --verify: intact
  2   no such run, or its log cannot be read; --verify: no line carries a hash
  10  --verify: nothing is wrong, and nothing outside the log says where it ends, as after a killed run;
      -f: the run waits for a person, or nobody is left who works on it, and it did not end
  21  --verify: broken; the first line that is wrong is named
  130 interrupted

the chain, without andon (python3 check.py audit.jsonl):
  import hashlib, json, sys
  sha = lambda data: hashlib.sha256(data).hexdigest()
  head = None
  for number, line in enumerate(open(sys.argv[1], "rb"), 1):
      body, _, rest = line.rpartition(b', "hash": "')
      event = json.loads(line)
      head = head or sha(b"andon-audit-1 " + event["data"]["run"].encode())
      assert (event["seq"], event["prev"], rest.decode()) == (number, head, sha(body) + '"}\\n'), number
      head = event["hash"]
  print(number, head)
"""


def add_log(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `log` to the parser."""
    raw = argparse.RawDescriptionHelpFormatter
    log = commands.add_parser(
        "log", help="what a run did, and whether its log is intact", description=LOG_HELP, epilog=LOG_EXITS,
        formatter_class=raw,
    )  # fmt: skip
    log.add_argument("wanted", metavar="RUN|TASK", help="a run's or a task's id, or `last`")
    instead = log.add_mutually_exclusive_group()
    instead.add_argument("--verify", action="store_true", help="hold the log against its chain and the papers")
    instead.add_argument("-f", "--follow", action="store_true", help="go on until the run ends")
    instead.add_argument("--spans", action="store_true", help="the run as an OpenTelemetry trace, in OTLP JSON")
    log.add_argument("--head", default="", metavar="HASH", help="with --verify: an event's hash that you kept")
    log.add_argument("-C", dest="directory", default=".", metavar="DIR", help="the repository (default: this one)")
    log.add_argument("--json", action="store_true", help="the stored events; with --verify one JSON document")
