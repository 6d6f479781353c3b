"""The errors of andon travel between processes."""

import pickle

from andon.records.errors import RunError
from andon.records.stops import StopCode


class Missing(RunError):
    """A stop of one kind, made from its message alone."""

    def __init__(self, message: str) -> None:
        super().__init__(StopCode.CASSETTE_MISS, message)


def test_a_run_error_survives_pickling() -> None:
    back = pickle.loads(pickle.dumps(RunError(StopCode.SANDBOX_LOST, "It is gone.")))  # noqa: S301  (our own bytes)
    assert (type(back), back.code, str(back)) == (RunError, StopCode.SANDBOX_LOST, "It is gone.")


def test_a_run_error_of_another_signature_does_too() -> None:
    back = pickle.loads(pickle.dumps(Missing("Not recorded.")))  # noqa: S301  (our own bytes)
    assert (type(back), back.code, str(back)) == (Missing, StopCode.CASSETTE_MISS, "Not recorded.")
