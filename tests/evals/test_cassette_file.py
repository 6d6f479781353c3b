"""The cassette on disk: nothing is lost in it, and what is damaged is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
import vcr.cassette  # type: ignore[import-untyped]

from andon.evals.cassette_file import CassetteFile, Interaction, read_cassette, write_cassette
from andon.evals.cassettes import open_cassette
from andon.evals.request_parts import canonical, take_apart
from andon.records.errors import UserError


def interaction(body: object, answer: bytes = b"data: {}\n\n") -> Interaction:
    response = {"status": {"code": 200, "message": "OK"}, "headers": {"content-type": ["text/plain"]}}
    asked = take_apart("POST", "/v1/responses", canonical(body).encode())
    return Interaction(asked, {**response, "body": {"string": answer}})


AWKWARD = [
    "plain",
    "",
    "\n",
    "two\nlines",
    "ends in a break\n",
    "\n  begins with a break and blanks",
    "blank at the end \nof a line",
    "  indented\n    more",
    "tab\there\n\tand there",
    "carriage\r\nreturn",
    "next line \x85 and \u2028 separator\nx",
    "bell \x07\nx",
    "no break space \xa0 and \ufeff mark\nx",
    "ünïcödé → 🎉\nx",
    "# not a comment\n--- \n...\n",
    "true",
    "2026-11-24",
    "1e3",
    "=",
    "x" * 5000 + "\n" + "y" * 5000,
]


@pytest.mark.parametrize("text", AWKWARD)
def test_text_comes_back_character_by_character(text: str, tmp_path: Path) -> None:
    body = {
        "instructions": text,
        text or "k": [None, True, 1, 1.5, 1e-7, {"a": text}],
        "input": [{"content": text}, text],
    }
    written = CassetteFile({"answered_by": "hand"}, (interaction(body, text.encode()), interaction(body)))
    write_cassette(tmp_path / "deep" / "c.yaml", written)
    assert read_cassette(tmp_path / "deep" / "c.yaml") == written
    assert [entry.name for entry in (tmp_path / "deep").iterdir()] == ["c.yaml"]


@pytest.mark.parametrize("body", [b"", b"not json", b"\xff", b"[1, 2]", b'"text"'])
def test_bodies_that_are_no_objects_are_kept_apart(body: bytes, tmp_path: Path) -> None:
    asked = take_apart("POST", "/x", body)
    written = CassetteFile({}, (Interaction(asked, interaction({}).response),))
    write_cassette(tmp_path / "c.yaml", written)
    assert read_cassette(tmp_path / "c.yaml") == written
    assert asked.sha256 != take_apart("POST", "/x", b"other").sha256


def test_the_order_of_keys_and_the_blanks_do_not_count() -> None:
    one = take_apart("POST", "/x", b'{"a": 1, "input": [{"b": 2, "c": 3}]}')
    assert take_apart("POST", "/x", b'{"input":[{"c":3,"b":2}],"a":1}') == one


def test_the_order_of_items_counts() -> None:
    assert (
        take_apart("POST", "/x", b'{"input": [1, 2]}').sha256 != take_apart("POST", "/x", b'{"input": [2, 1]}').sha256
    )


def test_vcrpy_itself_can_load_the_file(tmp_path: Path) -> None:
    write_cassette(tmp_path / "c.yaml", CassetteFile({"answered_by": "hand"}, (interaction({"model": "m"}),)))
    loaded = vcr.cassette.Cassette.load(path=tmp_path / "c.yaml")
    assert [(request.method, request.uri) for request in loaded.requests] == [("POST", "/v1/responses")]
    assert [response["body"]["string"] for response in loaded.responses] == [b"data: {}\n\n"]


def test_a_missing_cassette_is_named_with_the_next_step(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match=r"none\.yaml: there is no such cassette; check the name, or record it first"),
        open_cassette(tmp_path / "none.yaml", mode="replay"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the cassette cannot be read"):
        read_cassette(tmp_path)


DAMAGE: dict[str, Callable[[str], str]] = {
    "empty": lambda text: "",
    "cut": lambda text: text[: len(text) // 2],
    "no yaml": lambda text: text + "\n: : [",
    "a list": lambda text: "- 1",
    "python object": lambda text: text + "extra: !!python/object/apply:os.getcwd []\n",
    "other format": lambda text: text.replace("andon-cassette-1", "andon-cassette-9"),
    "plain vcrpy": lambda text: text.replace("format: andon-cassette-1\n", ""),
    "other version": lambda text: text.replace("version: 1", "version: 2", 1),
    "unknown field": lambda text: text + "more: 1\n",
    "edited prompt": lambda text: text.replace("You plan.", "You guess."),
    "lost part": lambda text: text.replace("You plan.", "").replace("first_seen", "first_seen_"),
    "bad status": lambda text: text.replace("code: 200", "code: fine"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_cassette_is_refused_with_the_next_step(name: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    write_cassette(path, CassetteFile({"answered_by": "hand"}, (interaction({"instructions": "You plan."}),)))
    path.write_text(DAMAGE[name](path.read_text("utf-8")), "utf-8")
    with pytest.raises(UserError, match=r"c\.yaml: .*delete it and record it again"):
        read_cassette(path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="delete it and record it again"):
        read_cassette(tmp_path / "c.yaml")
