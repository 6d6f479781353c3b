"""A sample's run is recorded and replayed, also one that is right not to deliver."""

from pathlib import Path

import pytest
import wire_kit

from andon.evals import replays, sample_run
from andon.evals.replays import evaluate, expected_of
from andon.evals.sample_run import record
from andon.records.errors import RunError, UserError
from andon.records.result import RunResult
from andon.records.stops import StopCode

ANSWER = wire_kit.Turn(text="I would rather not.")


async def recorded(tmp_path: Path, name: str) -> RunResult:
    with wire_kit.serving(ANSWER) as wire:
        return await record(
            tmp_path / "repository",
            tmp_path / "cassettes" / f"{name}.yaml",
            name=name,
            base_url=wire.url,
            answered_by="a script",
        )


@pytest.fixture
def cassettes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of cassettes in place of the shipped one."""
    folder = tmp_path / "cassettes"
    folder.mkdir()
    monkeypatch.setattr(replays, "CASSETTES", folder)
    return folder


async def test_a_run_that_is_right_not_to_deliver_is_recorded_and_replayed(
    cassettes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_run, "ENDINGS", {"unclear": StopCode.MODEL_MISBEHAVED})
    result = await recorded(tmp_path, "unclear")
    assert (result.task_id, result.stop_code, result.exit_code) == ("club-5", StopCode.MODEL_MISBEHAVED, 60)
    expected = cassettes / "unclear.expected.json"
    expected.write_text(expected_of(result).model_dump_json())
    outcome = await evaluate("unclear")
    assert (outcome.passed, outcome.differences) == (True, [])
    assert outcome.answered_by.endswith("answered by a script")
    expected.write_text(expected_of(result).model_copy(update={"exit_code": 0}).model_dump_json())
    assert (await evaluate("unclear")).differences == ["exit_code: recorded 0, now 60"]


async def test_a_run_that_ends_otherwise_than_it_must_is_not_recorded(cassettes: Path, tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match="the run of bugfix must end as delivered and ended as model-misbehaved"
    ) as caught:
        await recorded(tmp_path, "bugfix")
    assert caught.value.code is StopCode.MODEL_MISBEHAVED
    assert replays.cassette_names() == []


async def test_a_cassette_without_a_sample_is_refused(cassettes: Path) -> None:
    (cassettes / "other.yaml").write_text("")
    with pytest.raises(UserError, match="the cassette 'other' is of no sample; the samples are: bugfix, "):
        await evaluate("other")
