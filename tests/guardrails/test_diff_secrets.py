import random

import pytest
from secret_kit import TOKENS, benign_lines

from andon.guardrails.diff_secrets import secrets_in, secrets_of_change


def _token(kind: str = "github-classic", seed: int = 1) -> str:
    return TOKENS[kind](random.Random(seed))  # noqa: S311


@pytest.mark.parametrize("kind", TOKENS)
def test_names_the_line_on_which_a_new_secret_begins(kind: str) -> None:
    text = f"import os\n\nvalue = '{_token(kind)}'\nend = 1\n".encode()
    assert secrets_in(None, text) == [3]


def test_names_every_line_with_a_secret_and_each_once() -> None:
    one, other = _token(), _token("stripe-live")
    assert secrets_in(b"", f"a = '{one}'\nb = 1\nc = '{other}', '{one}'\n".encode()) == [1, 3]


def test_says_nothing_of_what_the_base_held_wherever_it_stands_now() -> None:
    token = _token()
    assert secrets_in(f"a = '{token}'\n".encode(), f"\n\nmoved = {{'x': '{token}'}}\n".encode()) == []


def test_finds_a_second_secret_beside_one_of_the_base() -> None:
    old, new = _token(seed=1), _token(seed=2)
    assert secrets_in(f"a = '{old}'\n".encode(), f"a = '{old}'\nb = '{new}'\n".encode()) == [2]


def test_finds_a_secret_of_the_base_that_was_made_longer() -> None:
    old = _token()
    assert secrets_in(f"a = '{old}'\n".encode(), f"a = '{old}Zx81'\n".encode()) == [1]


def test_taking_a_secret_out_is_no_finding() -> None:
    assert secrets_in(f"a = '{_token()}'\nb = 1\n".encode(), b"b = 1\n") == []


def test_a_secret_wrapped_over_two_lines_is_found_on_its_first() -> None:
    token = _token("github-fine-grained")
    assert secrets_in(None, f"# see\n{token[:40]}\n{token[40:]}\n".encode()) == [2]


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-8-sig"])
def test_another_coding_hides_nothing(coding: str) -> None:
    assert secrets_in(None, f"a = 1\nb = '{_token()}'\n".encode(coding)) == [2]


def test_an_invisible_character_hides_nothing() -> None:
    token = _token()
    assert secrets_in(None, f"b = '{token[:12]}\u200b{token[12:]}'\n".encode()) == [1]


def test_bytes_that_are_no_text_are_read_as_far_as_they_are() -> None:
    assert secrets_in(None, b"\xff\xfe\x00\x80\n" + f"b = '{_token()}'\n".encode()) == [2]


def test_a_value_this_process_knows_is_found_in_base64_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", "quiet-harbour-71-lantern")
    coded = b"cXVpZXQtaGFyYm91ci03MS1sYW50ZXJu"
    assert secrets_in(b"", b"first\ncookie = '" + coded + b"'\n") == [2]


def test_hashes_placeholders_and_passwords_of_tests_are_free() -> None:
    lines = [*benign_lines(), 'password = "hunter22"', 'client.login("anna", password="correct-horse-9")']
    assert secrets_in(None, "\n".join(lines).encode()) == []


def test_a_file_that_was_moved_takes_its_old_secret_with_it() -> None:
    old, new = f"a = '{_token()}'\n".encode(), f"b = '{_token(seed=2)}'\n".encode()
    change = {"old.py": (old, None), "new.py": (None, old), "other.py": (b"x\n", b"x\n" + new)}
    assert secrets_of_change(change) == {"other.py": [2]}


def test_a_change_without_files_holds_no_secret() -> None:
    assert secrets_of_change({}) == {}
