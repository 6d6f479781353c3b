import hashlib
import os

import pytest

from andon.line.db import blobs
from andon.line.db.blobs import PART
from andon.line.db.database import Database
from andon.records.errors import RunError
from andon.records.stops import StopCode


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, 2 * PART + 7])
def test_content_comes_back_by_its_digest(db: Database, size: int) -> None:
    content = os.urandom(size)
    digest = blobs.put(db, content)
    assert digest == hashlib.sha256(content).hexdigest()
    assert blobs.get(db, digest) == content


def test_the_same_content_is_stored_once(db: Database) -> None:
    for _ in range(2):
        blobs.put(db, b"x" * (PART + 1))
    assert db.read("SELECT COUNT(*) AS parts FROM blobs") == [{"parts": 2}]


def test_what_was_stored_in_part_is_completed(db: Database) -> None:
    content = b"a" * PART + b"b"
    digest = blobs.put(db, content)
    with db.transaction() as tx:
        tx.execute("DELETE FROM blobs WHERE part = 0")
    _refused(db, digest)
    assert blobs.get(db, blobs.put(db, content)) == content


def test_refuses_content_that_was_changed(db: Database) -> None:
    digest = blobs.put(db, b"good")
    with db.transaction() as tx:
        tx.execute("UPDATE blobs SET content = ?", [b"evil"])
    _refused(db, digest)


@pytest.mark.parametrize("digest", ["", "0" * 64])
def test_refuses_a_digest_of_nothing(db: Database, digest: str) -> None:
    _refused(db, digest)


def _refused(db: Database, digest: str) -> None:
    with pytest.raises(RunError) as raised:
        blobs.get(db, digest)
    assert raised.value.code is StopCode.INTERNAL
