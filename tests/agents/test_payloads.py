"""What a model is shown of the payloads, and what it may leave out."""

import pytest

from andon.agents.payloads import BadPayload, payload_schema, read_payload
from andon.agents.verdict import ChangesReview, FinalReview
from andon.records.plan import ChangeReport


def test_a_field_with_a_default_is_asked_for_without_naming_it_and_may_be_missing() -> None:
    schema = payload_schema(ChangeReport)
    assert schema["required"] == ["summary", "not_done", "lesson"]
    assert "default" not in schema["properties"]["lesson"]
    assert read_payload(ChangeReport, '{"summary": "s", "not_done": []}').lesson == ""


def test_a_field_without_a_default_may_not_be_missing() -> None:
    with pytest.raises(BadPayload, match="not_done"):
        read_payload(ChangeReport, '{"summary": "s", "lesson": "l"}')


def test_each_ending_says_which_findings_it_takes() -> None:
    said = [payload_schema(kind)["properties"]["findings"]["description"] for kind in (ChangesReview, FinalReview)]
    assert said == ["At least one `must-fix`.", "Empty, or notes, for a pass."]
