"""Stored documents: their schemas are checked in, the stop table is closed and complete."""

import importlib.util
from pathlib import Path

from andon.records.stops import MEANINGS, StopCode

ROOT = Path(__file__).parents[2]


def written_schemas() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("write_schemas", ROOT / "scripts" / "write_schemas.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    schemas: dict[str, str] = module.schemas()
    return schemas


def test_the_checked_in_schemas_are_those_of_the_records() -> None:
    folder = ROOT / "docs" / "schema"
    assert {path.name: path.read_text() for path in folder.iterdir()} == written_schemas(), "run `make schema`"


def test_every_stop_code_has_a_meaning_with_a_remedy() -> None:
    assert set(MEANINGS) == set(StopCode)
    assert [code for code, meaning in MEANINGS.items() if not meaning.remedy.endswith(".")] == []


def test_only_a_delivery_exits_with_zero() -> None:
    assert [code for code, meaning in MEANINGS.items() if meaning.exit_code == 0] == [StopCode.DELIVERED]
