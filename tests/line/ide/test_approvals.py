"""Where questions wait: sealed, private, answered once, and believed only if andon of this user wrote them."""

import json
import os
import shutil
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from andon.line.ide.approvals import ApprovalStore
from andon.records.approvals import Approval
from andon.records.errors import UserError

ASKED = Approval(
    id="ab12cd34",
    run_id="run-1",
    task_id="task-1",
    subject="tool",
    tool="run_command",
    role="executor",
    digest="a" * 64,
    state="s",
    policy="p",
    rule="packages",
    question="May it?",
    shown="  | pip install x",
    asked_at=1000,
    expires_at=4600,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root"
    path.mkdir()
    return path


@pytest.fixture
def store(root: Path, tmp_path: Path, clock: Clock) -> ApprovalStore:
    return ApprovalStore.of(root, {"XDG_CONFIG_HOME": str(tmp_path / "config")}, clock)


@pytest.fixture
def file(root: Path) -> Path:
    return root / "factory/.state/approvals/ab12cd34.json"


def test_a_question_waits_is_answered_and_taken_once(store: ApprovalStore, clock: Clock) -> None:
    store.ask(ASKED)
    assert store.waiting() == ((ASKED,), ())
    assert store.take("ab12cd34") is None
    clock.now = 1060.5
    answered = store.answer("ab12cd34", "once", reason="fine")
    said = {"answer": "once", "reason": "fine", "channel": "terminal", "answered_at": 1060}
    assert answered == ASKED.model_copy(update=said)
    assert answered.unanswered == ASKED
    assert store.waiting() == ((), ())
    assert store.take("ab12cd34") == answered
    assert store.take("ab12cd34") is None
    assert store.get("ab12cd34") == answered.model_copy(update={"used": True})


def test_only_one_of_many_takes_an_answer(store: ApprovalStore) -> None:
    store.ask(ASKED)
    store.answer("ab12cd34", "once")
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: store.take("ab12cd34"), range(16)))
    assert len([one for one in taken if one is not None]) == 1


def test_an_answer_stands(store: ApprovalStore) -> None:
    store.ask(ASKED)
    store.answer("ab12cd34", "deny", reason="no")
    with pytest.raises(UserError, match="ab12cd34 was answered already: deny"):
        store.answer("ab12cd34", "kind")
    assert store.get("ab12cd34").answer == "deny"


def test_what_expired_is_neither_answered_nor_taken(store: ApprovalStore, clock: Clock) -> None:
    store.ask(ASKED)
    store.ask(ASKED.model_copy(update={"id": "00000001"}))
    store.answer("00000001", "once")
    clock.now = 4600
    with pytest.raises(UserError, match="ab12cd34 has expired"):
        store.answer("ab12cd34", "once")
    assert store.take("00000001") is None
    assert store.waiting() == ((), ())


def test_the_questions_of_a_run_that_is_over_expire(store: ApprovalStore) -> None:
    other = ASKED.model_copy(update={"id": "00000002", "run_id": "run-2"})
    assert store.withdraw("run-1") == ()
    store.ask(ASKED)
    store.ask(other)
    assert store.withdraw("run-1") == (ASKED,)
    assert store.waiting() == ((other,), ())


def test_a_dropped_question_is_void_answered_or_not(store: ApprovalStore) -> None:
    store.ask(ASKED)
    store.answer("ab12cd34", "once")
    store.drop("ab12cd34")
    assert store.take("ab12cd34") is None


def test_folder_files_and_key_are_private_and_the_key_lies_outside(
    store: ApprovalStore, file: Path, tmp_path: Path
) -> None:
    store.ask(ASKED)
    key = tmp_path / "config/andon/approvals.key"
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (file.parent, file, key.parent, key)]
    assert modes == [0o700, 0o600, 0o700, 0o600]
    assert len(key.read_bytes()) == 32
    assert sorted(path.name for path in file.parent.iterdir()) == [".lock", "ab12cd34.json"]
    assert [path.name for path in key.parent.iterdir()] == ["approvals.key"]


def _set(**fields: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda document: document["approval"].update(fields)


@pytest.mark.parametrize(
    "change",
    [
        _set(answer="once", channel="terminal", answered_at=1001),
        _set(used=False, expires_at=9_000_000_000),
        _set(question="May it read a file?"),
        lambda document: document.update(seal="0" * 64),
        lambda document: document.update(seal=""),
        lambda document: document.pop("seal"),
        lambda document: document.update(more=1),
        lambda document: document["approval"].update(schema_version=2),
    ],
)
def test_a_file_changed_by_hand_counts_for_nothing(
    store: ApprovalStore, file: Path, change: Callable[[dict[str, Any]], Any]
) -> None:
    store.ask(ASKED)
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))
    for use in (store.get, store.take, lambda name: store.answer(name, "once")):
        with pytest.raises(UserError, match="was changed or not written by your andon"):
            use("ab12cd34")
    waiting, [problem] = store.waiting()
    assert waiting == ()
    assert "counts for nothing" in problem


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"null"])
def test_a_damaged_file_counts_for_nothing(store: ApprovalStore, file: Path, content: bytes) -> None:
    store.ask(ASKED)
    file.write_bytes(content)
    with pytest.raises(UserError, match="counts for nothing"):
        store.take("ab12cd34")


def test_an_answered_question_under_another_id_counts_for_nothing(store: ApprovalStore, file: Path) -> None:
    store.ask(ASKED)
    store.answer("ab12cd34", "once")
    shutil.copy(file, file.with_name("00000003.json"))
    with pytest.raises(UserError, match="counts for nothing"):
        store.take("00000003")


def test_what_another_users_key_sealed_counts_for_nothing(root: Path, store: ApprovalStore, tmp_path: Path) -> None:
    ApprovalStore.of(root, {"XDG_CONFIG_HOME": str(tmp_path / "other")}, store.clock).ask(ASKED)
    with pytest.raises(UserError, match="counts for nothing"):
        store.get("ab12cd34")
    store.ask(ASKED.model_copy(update={"id": "00000004"}))
    with pytest.raises(UserError, match="counts for nothing"):
        store.get("ab12cd34")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_can_read_or_write_is_refused(store: ApprovalStore, tmp_path: Path, mode: int) -> None:
    store.ask(ASKED)
    (tmp_path / "config/andon/approvals.key").chmod(mode)
    with pytest.raises(UserError, match=r"approvals\.key can be read by others"):
        store.get("ab12cd34")


def test_a_key_cut_short_is_refused(store: ApprovalStore, tmp_path: Path) -> None:
    store.ask(ASKED)
    (tmp_path / "config/andon/approvals.key").write_bytes(b"")
    with pytest.raises(UserError, match=r"approvals\.key is damaged"):
        store.ask(ASKED)


def test_a_key_inside_the_repository_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match="lies inside the repository"):
        ApprovalStore.of(root, {"XDG_CONFIG_HOME": str(root / "config")}).ask(ASKED)


def test_without_a_home_nothing_can_be_asked(root: Path) -> None:
    with pytest.raises(UserError, match="set HOME or XDG_CONFIG_HOME"):
        ApprovalStore.of(root, {}).ask(ASKED)


@pytest.mark.parametrize("name", ["factory", "factory/.state", "factory/.state/approvals"])
def test_a_folder_that_leads_elsewhere_is_refused(root: Path, store: ApprovalStore, tmp_path: Path, name: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).symlink_to(elsewhere)
    for use in (lambda: store.ask(ASKED), store.waiting, lambda: store.get("ab12cd34")):
        with pytest.raises(UserError, match="is a symbolic link"):
            use()
    assert list(elsewhere.iterdir()) == []


def test_a_file_that_is_a_link_or_a_pipe_is_not_read(store: ApprovalStore, file: Path) -> None:
    store.ask(ASKED)
    kept = file.rename(file.with_name("kept"))
    file.symlink_to(kept)
    with pytest.raises(UserError, match="cannot keep approvals"):
        store.get("ab12cd34")
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(UserError, match="counts for nothing"):
        store.get("ab12cd34")


@pytest.mark.parametrize("name", ["", "ab12cd3", "../x", "AB12CD34", "ab12cd34\n", "ab12cd345", "00000000"])
def test_an_id_that_is_none_or_unknown_is_refused(store: ApprovalStore, name: str) -> None:
    store.ask(ASKED)
    with pytest.raises(UserError, match="`andon approve` lists what waits"):
        store.get(name)


def test_looking_makes_nothing(root: Path, store: ApprovalStore) -> None:
    assert store.waiting() == ((), ())
    with pytest.raises(UserError):
        store.answer("ab12cd34", "once")
    assert list(root.iterdir()) == []
