"""Runs the tests of `node --test`, directly or through a package manager, and reads them by test id.

A reporter of ours is put into the sandbox's scratch space and named in NODE_OPTIONS, beside Node's own: the reports
that Node has built in name no file, so tests of one name in two files could not be told apart.
https://nodejs.org/docs/latest-v20.x/api/test.html#custom-reporters
"""

import json
import posixpath
import secrets
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from andon.records.project import Command
from andon.sandbox.protocol import WORKSPACE, Sandbox
from andon.tools.js_errors import explained
from andon.tools.report import Gathering, Report
from andon.tools.runs import REPORT_BYTES, TestRun, ended, execute

_REPORTER = """\
import { appendFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
const told = fileURLToPath(import.meta.url) + ".jsonl";
const tell = (event) => appendFileSync(told, JSON.stringify(event) + "\\n");
const short = (value) => value === undefined ? "" : String(value).slice(0, 20000);
tell({ type: "begun" });
export default async function* (source) {
  for await (const { type, data } of source) {
    if (!["test:start", "test:pass", "test:fail", "test:stderr"].includes(type)) continue;
    const error = data.details?.error, cause = error?.cause ?? error;
    const left = [data.skip, data.todo].some((value) => value !== undefined && value !== false);
    tell({
      type: type.slice(5), file: data.file ?? "", nesting: data.nesting ?? 0, name: short(data.name), left,
      suite: data.details?.type === "suite", kind: error?.failureType ?? "",
      stack: short(cause?.stack ?? cause), text: short(data.message),
    });
  }
}
"""
_UNKNOWN_OPTION = 9
"""Exit code of a Node that does not take our options; https://nodejs.org/api/process.html#exit-codes."""


async def run_node_tests(sandbox: Sandbox, command: Command, time_limit: float) -> TestRun:
    """Run a command that starts `node --test`; by exit code where that is too old or has reporters of its own."""
    # A new name each time: what an earlier process left in the scratch space is never taken for a report.
    reporter = f"/tmp/andon-{secrets.token_hex(8)}.mjs"  # noqa: S108 - inside the sandbox
    await sandbox.write(reporter, _REPORTER.encode())
    options = f"--test-reporter=spec --test-reporter-destination=stdout --test-reporter={reporter}"
    # Node 24 syncs what it has written to a destination, which /dev/null refuses.
    added = {"NODE_OPTIONS": f"{options} --test-reporter-destination={reporter}.out"}
    done = await execute(sandbox, command, _without_reporters(command.argv), time_limit, added=added)
    try:
        data = await sandbox.read(f"{reporter}.jsonl", limit=REPORT_BYTES)
    except OSError:
        data = b""
    if not data and (done.exit_code == _UNKNOWN_OPTION or b"--test-reporter" in done.output):
        return ended(await execute(sandbox, command, command.argv, time_limit), None)
    whole = len(data) < REPORT_BYTES
    return ended(done, read_node_events(data, posixpath.normpath(f"{WORKSPACE}/{command.cwd}")) if whole else None)


def _without_reporters(argv: Sequence[str]) -> list[str]:
    """Return a plain `node --test` command without reporters of its own: each would need a destination too."""
    kept: list[str] = []
    option = ""
    for word in argv:
        if option and option not in word and not word.startswith("-"):
            option = ""
            continue
        option = word if word in ("--test-reporter", "--test-reporter-destination") else ""
        if not word.startswith("--test-reporter"):
            kept.append(word)
    return kept


def read_node_events(data: bytes, folder: str) -> Report | None:
    """Return the results our reporter told, ids as `file::suite::test`; None if it told nothing.

    Files are shown relative to `folder`, which is absolute. A file that cannot be loaded is an error under its path;
    one without a test of `node:test` passes as a whole, under its path too.
    """
    events = [event for line in data.splitlines() if (event := _event(line)) is not None]
    if not events:
        return None
    printed: dict[str, list[str]] = defaultdict(list)
    for event in events:
        if event["type"] == "stderr":
            # Node 24 names it from the folder it runs in, Node 20 from the root.
            printed[posixpath.join(folder, event["file"])].append(event["text"])
    found = Gathering()
    # Starts are told in the order of definition, each before those inside it.
    above: list[tuple[str, str]] = []
    inside: set[int] = set()
    for event in events:
        nesting = event["nesting"]
        if event["type"] == "start":
            del above[nesting:]
            above.append((event["file"], event["name"]))
            inside.discard(nesting)
            inside.add(nesting - 1)
        elif event["type"] in ("pass", "fail"):
            _count(found, event, above[:nesting], nesting in inside, printed, folder)
    return found.report()


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    kinds = {"type": str, "file": str, "nesting": int, "name": str, "kind": str, "stack": str, "text": str}
    if not isinstance(event, dict):
        return None
    filled = {key: kind() for key, kind in kinds.items()} | {"left": False, "suite": False} | event
    return filled if all(isinstance(filled[key], kind) for key, kind in kinds.items()) else None


def _count(
    found: Gathering,
    event: dict[str, Any],
    above: list[tuple[str, str]],
    parent: bool,
    printed: dict[str, list[str]],
    folder: str,
) -> None:
    file = above[0][0] if above else event["file"]
    names = [name for _, name in above] + [event["name"]]
    alone = len(names) == 1 and _is_file(names[0], file, folder)
    # Some versions of Node wrap the tests of a file into one that is named like it.
    names = [name for at, name in enumerate(names) if at or not _is_file(name, file, folder)]
    identity = "::".join(filter(None, [posixpath.relpath(file, folder) if file else "", *names]))
    failed = event["type"] == "fail"
    if (event["suite"] or (alone and parent)) and not (failed and event["kind"] != "subtestsFailed"):
        return
    outcome = "skipped" if event["left"] else "passed" if not failed else "error" if alone else "failed"
    text = explained("".join(printed[file]) if alone else event["stack"], folder) if failed else ""
    found.add(identity or "(a test without a name)", outcome, text)  # type: ignore[arg-type]  # one of the four above


def _is_file(name: str, file: str, folder: str) -> bool:
    return bool(file) and posixpath.normpath(posixpath.join(folder, name)) == file
