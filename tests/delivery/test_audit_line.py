"""The section of a pull-request body that names the head of the audit log."""

import pytest

from andon.delivery.audit_line import NamedHead, audit_section, named_head
from andon.delivery.escape import code, inline, quoted
from andon.guardrails.redact import without_secrets

HEAD = "3f" * 32


def test_what_a_body_names_is_read_from_it_again() -> None:
    body = f"**Green**\n\n{audit_section('20261124-155004-5dc4f1', 42, HEAD)}\n\n## Notes on the run\n\n- none\n"
    assert named_head(body) == NamedHead("20261124-155004-5dc4f1", 42, HEAD)
    assert without_secrets(body) == body


@pytest.mark.parametrize("made_safe", [inline, quoted, lambda text: f"- {code(text)}"])
def test_what_others_wrote_names_no_head(made_safe: object) -> None:
    forged = audit_section("run-x", 1, "0" * 64)
    assert callable(made_safe)
    assert named_head(f"{made_safe(forged)}\n\n{made_safe(forged.splitlines()[-1])}\n") is None


@pytest.mark.parametrize("body", ["", "## Audit log\n", "Event 1 of run `r` has the SHA-256 `abc`.\n"])
def test_a_body_that_names_none_has_none(body: str) -> None:
    assert named_head(body) is None
