"""Runs `cargo test` and reads libtest's plain lines; only stable options are used.

https://doc.rust-lang.org/cargo/reference/external-tools.html#json-messages says which package a test program is of.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from andon.guardrails.output import clean_text
from andon.records.checks import TestOutcome
from andon.records.project import Command
from andon.sandbox.protocol import WORKSPACE, Sandbox
from andon.tools.report import Gathering, Report, shortened, steady, timeless
from andon.tools.runs import REPORT_BYTES, TestRun, ended, execute

_OPTIONS = ("--no-fail-fast", "--message-format=json-render-diagnostics")
_RUNNING = re.compile(r"^\s+Running .*?\(?([^\s()]+)\)?$")
_DOCS = re.compile(r"^\s+Doc-tests (\S+)$")
_BEGINS = re.compile(r"^running (\d+) tests?$")
_TEST = re.compile(r"^test (.+?)(?: - should panic)? \.\.\. (ok|FAILED|ignored\b.*|bench:.*)$")
_SUMMARY = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored; (\d+) measured;")
_SECTION = re.compile(r"^---- (.+) stdout ----$")
_NOT_BUILT = re.compile(r"^error: could not compile `([^`]+)`")
_LINE = re.compile(r" \(line \d+\)")
_ERROR = re.compile(r"error(\[E\d+\])?:")
_NOISE = re.compile(
    r"^note: run with `RUST_BACKTRACE|^For more information about|^stack backtrace:|^warning: build failed"
)
_PROGRAM = re.compile(r"/tmp/(?:cargo-target/[^\s`]*/deps/([^\s`]+)-[0-9a-f]{16}|rustdoctest\w+/)")  # noqa: S108
_THREAD = re.compile(r"^(thread '.*') \(\d+\) (panicked)")


async def run_cargo_tests(sandbox: Sandbox, command: Command, time_limit: float) -> TestRun:
    """Run a `cargo test` command; see `run_test_command`."""
    argv = [*command.argv[:2], *(word for word in _OPTIONS if word not in command.argv), *command.argv[2:]]
    done = await execute(sandbox, command, argv, time_limit, output_cap=REPORT_BYTES)
    lines = done.output.decode("utf-8", "replace").splitlines()
    shown = "\n".join(line for line in lines if not line.startswith('{"reason":'))
    report = read_cargo(done.output, succeeded=done.exit_code == 0) if not done.dropped else None
    return ended(done, report, output=shown.encode())


def read_cargo(output: bytes, *, succeeded: bool) -> Report | None:
    """Return the results in the output of `cargo test`; None where it holds none, or they do not add up.

    Ids are `package::path::test` for a library, `package::tests/file::test` for a test program, and
    `package::src/lib.rs - item` for an example in the documentation. A package that cannot be compiled is an error
    under its name; a test program that ended without saying how, or is no libtest at all, counts as one test.
    """
    reading = _Reading(succeeded)
    for line in clean_text(output.decode("utf-8", "replace")).split("\n"):
        reading.take(line)
    reading.close_unit()
    return reading.found.report() if reading.units and reading.adds_up else None


@dataclass
class _Reading:
    """Where a reader is in the output of cargo, line by line."""

    succeeded: bool
    found: Gathering = field(default_factory=Gathering)
    programs: dict[str, str] = field(default_factory=dict)
    """What ids of a test program begin with, by the file name of the program."""
    crates: dict[str, str] = field(default_factory=dict)
    """Packages by the name of their library."""
    units: int = 0
    """Test programs, documentations and packages that could not be compiled."""
    adds_up: bool = True
    unit: str = ""
    ended: bool = True
    """Whether the unit's tests were summed up, or none is open."""
    counts: dict[TestOutcome, int] = field(default_factory=dict)
    section: str = ""
    sections: dict[str, list[str]] = field(default_factory=dict)
    errors: dict[str, set[str]] = field(default_factory=dict)
    """What the compiler says against a package, an error each."""
    loose: list[str] = field(default_factory=list)
    """Lines that are no result: the compiler's, or a program's own."""

    def take(self, line: str) -> None:
        if line.startswith('{"reason":'):
            self._artifact(line)
        elif ran := _RUNNING.match(line):
            program = ran[1].rsplit("/", 1)[-1]
            self._open_unit(self.programs.get(program, re.sub(r"-[0-9a-f]{16}$", "", program)))
        elif docs := _DOCS.match(line):
            self._open_unit(self.crates.get(docs[1], docs[1]))
        elif broken := _NOT_BUILT.match(line):
            self._not_built(broken[1])
        elif self.unit:
            self._in_unit(line)
        else:
            self.loose.append(line)

    def _artifact(self, line: str) -> None:
        try:
            message: Any = json.loads(line)
            target, package = message["target"], _package(message["package_id"])
            kind, name = target["kind"][0], target["name"]
        except (ValueError, LookupError, TypeError):
            return
        if message.get("executable"):
            folder = {"test": "tests/", "bin": "bin/", "example": "examples/", "bench": "benches/"}.get(kind)
            start = package if folder is None else f"{package}::{folder}{name}"
            self.programs[str(message["executable"]).rsplit("/", 1)[-1]] = start
        elif kind not in ("custom-build", "bin", "test", "example", "bench"):
            self.crates |= {name: package, str(name).replace("-", "_"): package}

    def _open_unit(self, name: str) -> None:
        self.close_unit()
        self.unit, self.ended, self.counts, self.section, self.loose = name, False, {}, "", []
        self.units += 1

    def _in_unit(self, line: str) -> None:
        if _BEGINS.match(line):
            self.ended, self.counts, self.section = False, {}, ""
        elif result := _TEST.match(line):
            word = result[2].split(":")[0].split(",")[0].split(" ")[0]
            outcome: TestOutcome = "skipped" if word == "ignored" else "failed" if word == "FAILED" else "passed"
            self.counts[outcome] = self.counts.get(outcome, 0) + 1
            self.found.add(self._id(result[1]), outcome)
        elif section := _SECTION.match(line):
            self.section = self._id(section[1])
        elif summary := _SUMMARY.match(line):
            passed, failed, ignored, measured = map(int, summary.groups())
            told = (self.counts.get("passed", 0), self.counts.get("failed", 0), self.counts.get("skipped", 0))
            self.adds_up &= told == (passed + measured, failed, ignored)
            self.ended, self.section, self.loose = True, "", []
        elif line == "failures:":
            self.section = ""
        elif self.section:
            self.sections.setdefault(self.section, []).append(line)
        else:
            self.loose.append(line)

    def _id(self, name: str) -> str:
        return f"{self.unit}::{_LINE.sub('', name)}"

    def close_unit(self) -> None:
        """End the unit; what its tests printed becomes their explanation."""
        if self.unit and not self.ended:
            text = "" if self.succeeded else _explanation(self.loose)
            self.found.add(self.unit, "passed" if self.succeeded else "error", text)
        for name, lines in self.sections.items():
            self.found.failures[name] = [_explanation(lines)]
        self.unit, self.ended, self.sections = "", True, {}

    def _not_built(self, package: str) -> None:
        """Take the compiler's errors; a library and its tests are compiled side by side, and repeat each other."""
        self.close_unit()
        self.units += 1
        self.found.add(package, "error")
        blocks = self.errors.setdefault(package, set())
        block: list[str] = []
        for line in [*self.loose, "error:"]:
            if _ERROR.match(line):
                blocks.add("\n".join(block))
                block = []
            if block or _ERROR.match(line):
                block.append(line)
        self.loose = []
        self.found.failures[package] = [_explanation("\n".join(sorted(blocks)).split("\n"))]


def _package(identity: str) -> str:
    """Return the name in a package id: `name 0.1.0 (path…)`, or, since 1.77, `path…/name#0.1.0`, `path…#name@0.1.0`."""
    if " " in identity:
        return identity.split(" ")[0]
    place, _, version = identity.partition("#")
    return version.split("@")[0] if "@" in version else place.rsplit("/", 1)[-1]


def _explanation(lines: list[str]) -> str:
    kept = [_THREAD.sub(r"\1 \2", line.rstrip()) for line in lines if line.strip() and not _NOISE.match(line)]
    text = _PROGRAM.sub(r"\1", "\n".join(shortened(kept)).replace(f"{WORKSPACE}/", ""))
    return steady(timeless(text))
