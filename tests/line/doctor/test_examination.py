import asyncio
import re
import threading
import time
from pathlib import Path

import pytest

from andon.line.doctor.check import Check, Finding, make
from andon.line.doctor.examination import CHECKS, chosen, concluded, examine
from andon.line.doctor.explains import explaining
from andon.line.doctor.ground import Ground, NotHere
from andon.records.doctor import CheckResult, Severity
from andon.records.errors import RunError, UserError
from andon.records.stops import MEANINGS, StopCode


def result(id: str, severity: Severity) -> CheckResult:
    return CheckResult(id=id, severity=severity, did="looked", found="this")


def test_every_check_has_a_stable_id_of_its_own() -> None:
    ids = [check.id for check in CHECKS]
    assert len(set(ids)) == len(ids)
    assert [id for id in ids if not re.fullmatch(r"[a-z]+(\.[a-z]+(-[a-z]+)*)+", id)] == []


def test_checks_are_chosen_by_whole_parts_of_their_ids() -> None:
    assert [check.id for check in chosen(["model", "sandbox.docker.image"])] == [
        "sandbox.docker.image", "model.key", "model.names", "model.call",
    ]  # fmt: skip
    assert chosen([]) == CHECKS


@pytest.mark.parametrize("wanted", ["mod", "sandbox.podman", "Model", ""])
def test_refuses_a_check_that_is_none(wanted: str) -> None:
    with pytest.raises(UserError, match="there is no check"):
        chosen(["model", wanted])


async def test_a_check_that_hangs_is_an_error_after_its_time(tmp_path: Path) -> None:
    never = threading.Event()

    def hang(ground: Ground) -> Finding:
        never.wait(30)
        return Finding("ok", "too late")

    begun = time.monotonic()
    found = await make(Check("a.b", "hang", hang, limit=0.2), Ground(tmp_path, {}))
    never.set()
    assert (found.severity, time.monotonic() - begun < 5) == ("error", True)
    assert found.found.startswith("no answer within")


@pytest.mark.parametrize(
    ("raised", "severity", "words", "outcome"),
    [
        (NotHere("no repository"), "skipped", "no repository", ""),
        (UserError("the file is bad"), "error", "the file is bad", ""),
        (RunError(StopCode.NO_IMAGE, "no image"), "error", "no image", "no-image"),
        (ZeroDivisionError("by zero"), "error", "the check itself failed: ZeroDivisionError: by zero", ""),
    ],
)
async def test_what_a_check_raises_is_a_finding(
    tmp_path: Path, raised: Exception, severity: Severity, words: str, outcome: str
) -> None:
    def fail(ground: Ground) -> Finding:
        raise raised

    found = await make(Check("a.b", "fail", fail), Ground(tmp_path, {}))
    assert (found.id, found.severity, found.found, found.outcome) == ("a.b", severity, words, outcome)
    assert bool(found.remedy) == (severity == "error")


async def test_checks_of_different_groups_are_made_at_once_and_told_in_their_order(tmp_path: Path) -> None:
    met = asyncio.Barrier(2)

    async def meet(ground: Ground) -> Finding:
        await met.wait()
        return Finding("ok", "met")

    checks = [Check("b.one", "meet", meet), Check("a.two", "meet", meet)]
    found = [one async for one in examine(Ground(tmp_path, {}), checks)]
    assert [(one.id, one.found) for one in found] == [("b.one", "met"), ("a.two", "met")]


@pytest.mark.parametrize(
    ("wanted", "found", "uses", "exit_code", "severities"),
    [
        ("auto", {"docker.start": "ok", "bubblewrap.start": "ok"}, "docker", 0, ["ok", "ok"]),
        ("auto", {"docker.start": "error", "bubblewrap.start": "ok"}, "bubblewrap", 0, ["note", "ok"]),
        ("auto", {"docker.start": "error", "bubblewrap.start": "error"}, "", 50, ["error", "error"]),
        ("docker", {"docker.start": "error", "bubblewrap.start": "ok"}, "", 50, ["error", "ok"]),
        ("bubblewrap", {"docker.start": "error", "bubblewrap.start": "ok"}, "bubblewrap", 0, ["note", "ok"]),
        # A tier that starts is used, however much it leaks.
        ("auto", {"docker.start": "ok", "docker.network": "error", "bubblewrap.start": "ok"}, "docker", 50,
         ["ok", "error", "ok"]),
        ("auto", {"docker.start": "ok", "bubblewrap.start": "ok", "bubblewrap.kill": "error"}, "docker", 0,
         ["ok", "ok", "note"]),
        # Only a check inside was asked for.
        ("auto", {"docker.network": "skipped"}, "", 50, ["skipped"]),
        ("auto", {"docker.network": "ok"}, "docker", 0, ["ok"]),
        # Nothing was asked of the tier that runs use.
        ("docker", {"bubblewrap.start": "error"}, "", 0, ["note"]),
    ],
)  # fmt: skip
def test_the_tier_that_runs_use_decides(
    wanted: str, found: dict[str, Severity], uses: str, exit_code: int, severities: list[Severity]
) -> None:
    told = concluded([result(f"sandbox.{id}", severity) for id, severity in found.items()], wanted)
    assert (told.uses, told.exit_code, [one.severity for one in told.checks]) == (uses, exit_code, severities)


@pytest.mark.parametrize(
    ("severity", "exit_code"), [("error", 2), ("warning", 0), ("note", 0), ("skipped", 0), ("ok", 0)]
)
def test_only_an_error_elsewhere_stops_runs(severity: Severity, exit_code: int) -> None:
    told = concluded([result("sandbox.docker.start", "ok"), result("disk.space", severity)], "auto")
    assert (told.exit_code, told.uses) == (exit_code, "docker")


def test_a_stop_that_a_doctor_can_explain_names_checks_that_exist() -> None:
    commands = {code: explaining(code.value) for code in StopCode}
    named = {command.split()[2] for command in commands.values() if command}
    assert all(chosen([check]) for check in named)
    assert commands[StopCode.NO_SANDBOX] == "andon doctor sandbox"
    assert commands[StopCode.PROVIDER_FAILED] == "andon doctor model --call"
    assert commands[StopCode.DELIVERED] == commands[StopCode.FAILED_REVIEW] == explaining("unheard-of") == ""
    unexplained = {code for code, command in commands.items() if MEANINGS[code].exit_code == 50 and not command}
    assert unexplained == set()


def test_the_page_on_the_doctor_names_every_check_and_no_other() -> None:
    page = (Path(__file__).parents[3] / "docs" / "doctor.md").read_text()
    table = page.partition("## Checks")[2].partition("\n\n")[0]
    named = [id for row in table.splitlines()[3:] for id in re.findall(r"`([a-z.-]+)`", row.split("|")[1])]
    assert sorted(named) == sorted(check.id for check in CHECKS)
