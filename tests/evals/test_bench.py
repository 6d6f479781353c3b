"""The benchmark: its document and its refusals with quick groups, and one real run of the lane beside the bare loop."""

import json
import os
import select
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from andon.evals import bench_turns
from andon.evals.bench import GROUPS, main
from andon.evals.bench_figures import Goal, Group, Measured
from andon.evals.bench_lane import kept_shares
from andon.evals.bench_processes import MeasurementFailed, bench_environment, run_timed
from andon.evals.bench_server import Call, ScriptedServer

Figures = dict[str, dict[str, Any]]


def group(key: str, goal: Goal, *values: Measured) -> Group:
    return Group({key: goal}, lambda runs: {key: values[runs - 1]})


def broken(error: Exception, *keys: str) -> Group:
    def measure(_: int) -> Mapping[str, Measured]:
        raise error

    return Group(dict.fromkeys(keys, Goal("s", "<=", 1)), measure)


def bench(out: Path, groups: Mapping[str, Group], *words: str) -> tuple[int, Figures]:
    code = main(["--out", str(out), *words], groups)
    return code, json.loads(out.read_text())["figures"]


FAST = group("fast.start_s", Goal("s", "<=", 0.25), Measured(0.123456, baseline=0.01), Measured(0.2))
KEEP = group("keep.share", Goal("share", ">=", 0.95), Measured(0.5, parts={"smallest": 0.25}))


def test_a_figure_has_its_value_unit_goal_baseline_and_verdict(tmp_path: Path) -> None:
    assert bench(tmp_path / "b.json", {"fast": FAST}, "--runs", "1") == (
        0,
        {"fast.start_s": {"value": 0.1235, "unit": "s", "goal": "<= 0.25", "baseline": 0.01, "ok": True}},
    )


def test_a_missed_goal_is_reported_with_its_parts_and_is_no_failure(tmp_path: Path) -> None:
    assert bench(tmp_path / "b.json", {"keep": KEEP}, "--runs", "1") == (
        0,
        {
            "keep.share": {
                "value": 0.5,
                "unit": "share",
                "goal": ">= 0.95",
                "baseline": None,
                "ok": False,
                "parts": {"smallest": 0.25},
            }
        },
    )


@pytest.mark.parametrize(
    ("goal", "ok"), [(Goal("s", "<=", 0.2), True), (Goal("s", "<=", 0.19), False), (Goal("s", ">=", 0.2), True)]
)
def test_a_goal_is_met_up_to_and_with_its_limit(tmp_path: Path, goal: Goal, ok: bool) -> None:
    _, figures = bench(tmp_path / "b.json", {"one": group("one.s", goal, Measured(0.2))}, "--runs", "1")
    assert figures["one.s"]["ok"] is ok


def test_a_group_that_breaks_is_reported_with_the_reason_and_the_others_are_measured(tmp_path: Path) -> None:
    lost = broken(MeasurementFailed("no bwrap here"), "lost.a_s", "lost.b_s")
    missing = {"value": None, "unit": "s", "goal": "<= 1", "baseline": None, "ok": False}
    code, figures = bench(tmp_path / "b.json", {"lost": lost, "fast": FAST}, "--runs", "2")
    assert code == 1
    assert figures == {
        "lost.a_s": missing | {"reason": "MeasurementFailed: no bwrap here"},
        "lost.b_s": missing | {"reason": "MeasurementFailed: no bwrap here"},
        "fast.start_s": {"value": 0.2, "unit": "s", "goal": "<= 0.25", "baseline": None, "ok": True},
    }


def test_a_figure_its_group_forgot_is_not_silently_missing(tmp_path: Path) -> None:
    forgetful = Group({"odd.s": Goal("s", "<=", 1)}, lambda runs: {})
    code, figures = bench(tmp_path / "b.json", {"odd": forgetful})
    assert (code, figures["odd.s"]["value"], figures["odd.s"]["reason"]) == (1, None, "its group did not measure it")


def test_only_measures_the_named_groups(tmp_path: Path) -> None:
    groups = {"lost": broken(ValueError("never run"), "lost.s"), "fast": FAST, "keep": KEEP}
    code, figures = bench(tmp_path / "b.json", groups, "--only", "fast", "--only", "keep", "--runs", "1")
    assert (code, list(figures)) == (0, ["fast.start_s", "keep.share"])


def test_the_table_shows_values_goals_and_verdicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lost = broken(ValueError("two\nlines"), "lost.s")
    main(["--out", str(tmp_path / "b.json"), "--runs", "1"], {"fast": FAST, "keep": KEEP, "lost": lost})
    assert capsys.readouterr().out.splitlines() == [
        "figure        value      goal     baseline",
        "fast.start_s  0.1235 s   <= 0.25  0.01 s    ok",
        "keep.share    0.5 share  >= 0.95            missed (smallest 0.25)",
        "lost.s        -          <= 1               not measured: ValueError: two lines",
    ]


def test_the_document_names_the_machine_and_how_busy_it_was(tmp_path: Path) -> None:
    main(["--out", str(tmp_path / "b.json"), "--runs", "1"], {"fast": FAST})
    machine = json.loads((tmp_path / "b.json").read_text())["machine"]
    assert set(machine) == {"system", "cpus", "python", "runs", "load_at_start", "load_at_end"}
    assert (machine["cpus"], machine["runs"]) == (os.cpu_count(), 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "nothing"], "nothing"),
        (["--runs", "0"], "1 or more"),
        (["--runs", "-1"], "1 or more"),
        (["--runs", "many"], "1 or more"),
        (["--out", "no/such/folder/b.json"], "a folder that is there"),
        (["--out", "."], "a folder that is there"),
    ],
)
def test_bad_words_are_refused_before_anything_is_measured(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words, {"lost": broken(AssertionError("measured"), "lost.s")})
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def test_a_process_that_fails_is_no_measurement(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "import sys; print('first'); sys.exit('no model')"]
    with pytest.raises(MeasurementFailed, match=r"(?s)ended with 1 after .* no model"):
        run_timed(words, cwd=tmp_path, environment=bench_environment())


def test_a_process_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "alive")
    end = os.open(tmp_path / "alive", os.O_RDONLY | os.O_NONBLOCK)
    hung = ["sh", "-c", "exec 3>alive; echo started >&3; sleep 600 & wait"]
    with pytest.raises(MeasurementFailed, match="ended with -9"):
        run_timed(hung, cwd=tmp_path, environment=bench_environment(), limit=1)
    assert select.select([end], [], [], 10)[0] == [end]
    assert os.read(end, 100) == b"started\n"
    # Only once no process holds the other end is the end of the file there.
    assert select.select([end], [], [], 10)[0] == [end]
    assert os.read(end, 100) == b""
    os.close(end)


def test_measured_processes_see_no_key_proxy_or_endpoint_of_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HTTPS_PROXY", "http_proxy", "GIT_DIR", "ANDON_STATE"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("ANDON_TOOLCHAIN", "kept")
    seen = bench_environment(OPENAI_BASE_URL="http://127.0.0.1:1/v1")
    steering = ("OPENAI_", "ANTHROPIC_", "ANDON_", "GIT_")
    found = {name: value for name, value in seen.items() if name.startswith(steering) or "proxy" in name.lower()}
    assert found == {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1", "ANDON_TOOLCHAIN": "kept"}


def ask(url: str, body: bytes) -> tuple[int, Any]:
    request = urllib.request.Request(f"{url}/responses", body, {"content-type": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_the_server_answers_in_order_and_refuses_what_is_not_scripted() -> None:
    with ScriptedServer([Call("read_file", {"path": "a"}), "done"]) as server:
        answers = [ask(server.url, body) for body in (b"one", b"two", b"three")]
    assert [answers[0][1]["output"][0][name] for name in ("type", "name", "arguments")] == [
        "function_call",
        "read_file",
        '{"path": "a"}',
    ]
    assert answers[1][1]["output"][0]["content"][0]["text"] == "done"
    assert answers[2] == (400, {"error": {"message": "the script has 2 answers, no more"}})
    assert [exchange.body for exchange in server.exchanges] == [b"one", b"two", b"three"]
    times = [moment for exchange in server.exchanges for moment in (exchange.received, exchange.answered)]
    assert times == sorted(times)


def body(*items: str, instructions: str = "i") -> bytes:
    return json.dumps({"input": list(items), "instructions": instructions, "tools": ["t"]}).encode()


def test_appending_keeps_the_whole_request_and_a_change_keeps_what_stands_before_it() -> None:
    assert kept_shares([body("a"), body("a", "b"), body("a", "b", "c")]) == [1.0, 1.0]
    # '["t"]\n"i"\n"a"\n' is 14 characters, of which 11 stand before the changed letter.
    assert kept_shares([body("a"), body("x")]) == [11 / 14]
    assert kept_shares([body("a"), body("a", instructions="x")]) == [7 / 14]
    assert kept_shares([body("a")]) == []


def test_the_quick_groups_measure_every_figure_they_promise(tmp_path: Path) -> None:
    code, figures = bench(tmp_path / "b.json", GROUPS, "--only", "cli", "--only", "mcp", "--runs", "1")
    assert (code, list(figures)) == (
        0,
        ["cli.help_s", "cli.status_s", "mcp.tools_bytes", "mcp.initialize_s", "mcp.read_file_ms"],
    )
    assert figures["mcp.tools_bytes"]["ok"] is True
    assert figures["cli.help_s"]["value"] > figures["cli.help_s"]["baseline"]


def test_the_lane_does_the_job_beside_the_bare_loop_and_every_figure_is_measured(tmp_path: Path) -> None:
    code, figures = bench(tmp_path / "b.json", GROUPS, "--only", "lane", "--runs", "1")
    assert code == 0, figures
    assert list(figures) == list(GROUPS["lane"].goals)
    assert all(figure["baseline"] > 0 for figure in figures.values())
    # Times depend on the machine; what the model reads does not.
    steady = [key for key in figures if key.startswith(("lane.role_tokens", "lane.job", "lane.prefix"))]
    assert {key: figures[key]["ok"] for key in steady} == dict.fromkeys(steady, True)
    assert figures["lane.prefix_kept"]["value"] == 1.0


def test_a_lane_that_cannot_run_is_reported_with_what_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDON_TOOLCHAIN", str(tmp_path))
    code, figures = bench(tmp_path / "b.json", GROUPS, "--only", "lane", "--runs", "1")
    assert (code, list(figures)) == (1, list(GROUPS["lane"].goals))
    assert all(figure["value"] is None for figure in figures.values())
    assert all("is no virtual environment" in figure["reason"] for figure in figures.values())


def test_a_turn_late_in_a_long_run_takes_little_more_of_the_processor_than_an_early_one(tmp_path: Path) -> None:
    script = Path(bench_turns.__file__).with_name("bench_turns_work.py")
    ran = run_timed([sys.executable, "-I", str(script), "lane"], cwd=tmp_path, environment=bench_environment())

    ratios = {wire: late / early for wire, (early, late) in json.loads(ran.output).items()}
    # By a bare SDK, and by a client that walks over all that was said, it takes from six to fourteen times as much.
    assert ratios.keys() == {"responses", "chat", "anthropic"}
    assert max(ratios.values()) < 4
