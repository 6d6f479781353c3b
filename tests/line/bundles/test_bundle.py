"""A parked run as one sealed file: what comes out on another machine, and everything that is refused on the way in."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from database_kit import claimed, new_run, result_of
from lane_kit import git, make_repository

from andon.line.bundles.bundle import open_bundle, write_bundle
from andon.line.bundles.file import VARIABLE, BundleKey, joined, part_of, parted
from andon.line.db import approvals, blobs, events, runs
from andon.line.db.database import Database, database_url
from andon.line.db.events import EventRow
from andon.line.db.runs import Run
from andon.line.identity import host_name, identity_of
from andon.line.steps import Answer, Gate
from andon.records.errors import UserError
from andon.records.stops import StopCode
from andon.records.task import Task
from andon.sandbox.protocol import LINK, REGULAR
from andon.sandbox.repository import Repository
from andon.sandbox.store import Change, TreeStore

pytest_plugins = ["database_kit"]

GATE = Gate("plan", "plan", "May it be done like this?", StopCode.NEEDS_PERSON, shown="1. test it", editable="{}")
SECRET = "ghp_" + "aZ09bY18cX27dW36eV45fU54gT63hS72iR81"
KEY = "a" * 64
PAPERS = {"plan.json": b'{"steps": []}\n', "diff.patch": b"\xff\n"}


@dataclass(frozen=True)
class Machine:
    """A clone, its user's environment and, in the clone, its database."""

    repository: Repository
    environment: dict[str, str]

    @contextmanager
    def db(self) -> Iterator[Database]:
        with closing(Database.open(database_url(self.environment, self.repository.root))) as db:
            yield db

    def folder(self, run_id: str = "run-1") -> Path:
        return self.repository.root / "factory" / ".state" / "runs" / run_id

    def open(self, path: Path) -> Run:
        return open_bundle(path, self.repository, self.environment)

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Everything its database holds."""
        with self.db() as db:
            return {
                name: [dict(row) for row in db.read(f"SELECT * FROM {name} ORDER BY 1, 2")]  # noqa: S608
                for name in ("runs", "approvals", "events", "blobs")
            }


@pytest.fixture
def here(repo: Path, tmp_path: Path) -> Machine:
    """Where the run parks; it has the pipeline's key."""
    git(repo, "remote", "add", "origin", "git@example.org:owner/name.git")
    return machine(repo, tmp_path / "here")


@pytest.fixture
def there(here: Machine, tmp_path: Path) -> Machine:
    """A fresh clone of another machine, with the same key."""
    git(tmp_path, "clone", "-q", str(here.repository.root), str(tmp_path / "clone"))
    git(tmp_path / "clone", "remote", "set-url", "origin", "https://example.org/owner/name")
    return machine(tmp_path / "clone", tmp_path / "there")


def machine(root: Path, home: Path, **environment: str) -> Machine:
    home.mkdir(exist_ok=True)
    return Machine(Repository.open(root), {"HOME": str(home), VARIABLE: KEY} | environment)


def chain(count: int) -> list[EventRow]:
    return [
        EventRow(seq, "2026-11-29T06:00:00.000Z", "phase", f'{{"seq": {seq}}}', f"p{seq}")
        for seq in range(1, count + 1)
    ]


def parked(machine: Machine, *, phase: int = 0, secret: str = "", run_id: str = "run-1") -> Run:
    """Park a run at a question, its store with two trees beyond the base."""
    repository = machine.repository
    path = machine.folder(run_id) / "store.git"
    if not path.exists():
        path.parent.mkdir(parents=True)
        TreeStore.create(path, repository)
    store, base = TreeStore.open(path), repository.head()
    trees = [
        store.build(store.tree_of(base), [Change(b"n", REGULAR, b"%d" % n), Change(b"l", LINK, b"/")]) for n in (1, 2)
    ]
    task = Task(id="task-001", title=f"Add subtraction {secret}".strip())
    with machine.db() as db:
        if phase == 0:
            new = new_run(run_id, repository=identity_of(repository), root=str(repository.root), task=task,
                          base_commit=base, source_key="github-issue:12 token=key")  # fmt: skip
            runs.add(db, new)
        run = claimed(db, run_id)
        events.append(db, run.id, "worker-1", chain(3 + phase))
        checkpoint = blobs.put(db, json.dumps({"trees": trees, "state": {"turn": phase}}).encode())
        gate = replace(GATE, name=f"plan-{phase}")
        result = result_of(run, StopCode.NEEDS_PERSON)
        runs.park(db, run.id, "worker-1", phase=phase, checkpoint=checkpoint, gate=gate, expires=9e9, result=result)
        return runs.get(db, run_id)


def bundle(machine: Machine, path: Path, run_id: str = "run-1") -> Path:
    with machine.db() as db:
        run = runs.get(db, run_id)
        key = BundleKey.of(machine.environment, machine.repository.root)
        store = TreeStore.open(machine.folder(run_id) / "store.git")
        path.write_bytes(write_bundle(db, run, PAPERS, store, key))
    return path


def sealed_again(path: Path, change: dict[str, Any], parts: dict[str, bytes] | None = None) -> None:
    """Seal a bundle with other facts of the run, as whoever has the key could."""
    key = BundleKey.of({"HOME": "/nowhere", VARIABLE: KEY}, Path("/repository"))
    _, contents = parted(path.read_bytes(), key, path)
    contents |= parts or {}
    manifest = json.loads(path.read_bytes().split(b"\n", 2)[1])
    manifest["run"] |= change
    manifest["parts"] = [part_of(name, content).model_dump() for name, content in contents.items()]
    path.write_bytes(joined(json.dumps(manifest).encode(), list(contents.values()), key))


def test_a_parked_run_waits_on_another_machine_as_it_waited_here(here: Machine, there: Machine, tmp_path: Path) -> None:
    run = parked(here)
    opened = there.open(bundle(here, tmp_path / "RUN.andon"))
    assert opened == replace(run, root=str(there.repository.root), host=host_name())
    mine, theirs = here.rows(), there.rows()
    assert theirs["approvals"] == mine["approvals"]
    assert theirs["events"] == mine["events"]
    assert theirs["blobs"] == mine["blobs"]
    kept = {path.name: path.read_bytes() for path in there.folder().iterdir() if path.is_file()}
    assert kept == PAPERS
    with here.db() as db:
        trees = json.loads(blobs.get(db, run.checkpoint))["trees"]
    stores = [TreeStore.open(one.folder() / "store.git") for one in (here, there)]
    assert [stores[1].files(tree) for tree in trees] == [stores[0].files(tree) for tree in trees]
    assert stores[1].diff(*trees) == stores[0].diff(*trees) != ""
    assert git(there.repository.root, "status", "--porcelain") == ""


def test_its_question_is_answered_there(here: Machine, there: Machine, tmp_path: Path) -> None:
    parked(here)
    there.open(bundle(here, tmp_path / "RUN.andon"))
    with there.db() as db:
        [asked] = approvals.open_questions(db, None)
        assert asked.gate == replace(GATE, name="plan-0")
        approvals.answer(db, asked.id, Answer("yes"), by="ada", channel="terminal", digest=asked.digest)
        assert approvals.answers_of(db, "run-1") == {"plan-0": Answer("yes")}


def test_an_answer_travels_too(here: Machine, there: Machine, tmp_path: Path) -> None:
    parked(here)
    with here.db() as db:
        [asked] = approvals.open_questions(db, None)
        approvals.answer(db, asked.id, Answer("no", "too much"), by="ada", channel="terminal", digest=asked.digest)
    there.open(bundle(here, tmp_path / "RUN.andon"))
    with there.db() as db:
        assert approvals.answers_of(db, "run-1") == {"plan-0": Answer("no", "too much")}


def test_it_is_put_into_the_database_the_environment_names(
    here: Machine, there: Machine, tmp_path: Path, postgresql_url: str
) -> None:
    run = parked(here)
    shared = replace(there, environment=there.environment | {"ANDON_DATABASE_URL": postgresql_url})
    opened = shared.open(bundle(here, tmp_path / "RUN.andon"))
    assert opened.base_blob is not None
    root = str(there.repository.root)
    assert opened == replace(run, root=root, host=host_name(), base_blob=opened.base_blob)
    assert not (there.repository.root / "factory" / ".state" / "andon.sqlite").exists()


def test_the_same_run_gives_the_same_bytes(here: Machine, tmp_path: Path) -> None:
    parked(here)
    first = bundle(here, tmp_path / "1.andon").read_bytes()
    assert bundle(here, tmp_path / "2.andon").read_bytes() == first


def test_a_bundle_holds_no_secret_of_a_task(here: Machine, there: Machine, tmp_path: Path) -> None:
    run = parked(here, secret=SECRET)
    path = bundle(here, tmp_path / "RUN.andon")
    assert SECRET in run.title
    assert SECRET.encode() not in path.read_bytes()
    opened = there.open(path)
    assert opened.task.title == opened.title == "Add subtraction [redacted: github-token]"
    assert (opened.source_key, opened.base_commit) == (run.source_key, run.base_commit)


def test_opening_twice_changes_nothing(here: Machine, there: Machine, tmp_path: Path) -> None:
    parked(here)
    path = bundle(here, tmp_path / "RUN.andon")
    first = there.open(path)
    with there.db() as db:
        [asked] = approvals.open_questions(db, None)
        approvals.answer(db, asked.id, Answer("yes"), by="ada", channel="terminal", digest=asked.digest)
    before = there.rows()
    assert there.open(path) == first
    assert there.rows() == before


def test_opening_where_it_parked_changes_nothing(here: Machine, tmp_path: Path) -> None:
    run = parked(here)
    before = here.rows()
    assert here.open(bundle(here, tmp_path / "RUN.andon")) == run
    assert here.rows() == before


def test_a_run_that_went_on_elsewhere_comes_back(here: Machine, there: Machine, tmp_path: Path) -> None:
    parked(here)
    there.open(bundle(here, tmp_path / "1.andon"))
    later = parked(there, phase=1)
    back = here.open(bundle(there, tmp_path / "2.andon"))
    assert back == replace(later, root=str(here.repository.root))
    assert (here.rows()["events"], here.rows()["approvals"]) == (there.rows()["events"], there.rows()["approvals"])
    with here.db() as db:
        assert [one.gate.name for one in approvals.open_questions(db, None)] == ["plan-0", "plan-1"]


def test_an_older_bundle_takes_nothing_back(here: Machine, there: Machine, tmp_path: Path) -> None:
    parked(here)
    path = bundle(here, tmp_path / "1.andon")
    there.open(path)
    later = parked(there, phase=1)
    assert there.open(path) == later


def test_a_run_that_went_on_in_two_places_is_refused(here: Machine, there: Machine, tmp_path: Path) -> None:
    parked(here)
    there.open(bundle(here, tmp_path / "1.andon"))
    parked(there, phase=1)
    with here.db() as db:
        claimed(db, "run-1")
        events.append(db, "run-1", "worker-1", [replace(chain(4)[3], line="another")])
        with db.transaction() as tx:
            tx.execute("UPDATE runs SET status = 'parked'")
    before = here.rows()
    with pytest.raises(UserError, match="went on in another way"):
        here.open(bundle(there, tmp_path / "2.andon"))
    assert here.rows() == before


def test_only_a_run_that_waits_is_bundled(here: Machine, tmp_path: Path) -> None:
    parked(here)
    with here.db() as db:
        claimed(db, "run-1")
    with pytest.raises(UserError, match=r"does not wait for a person \(it is running\)"):
        bundle(here, tmp_path / "RUN.andon")


@pytest.mark.parametrize("depth", [1, 2])
def test_a_clone_that_lacks_the_base_gets_it_from_the_bundle(here: Machine, tmp_path: Path, depth: int) -> None:
    (here.repository.root / "late.txt").write_text("x")
    git(here.repository.root, "add", "late.txt")
    git(here.repository.root, "commit", "-qm", "late")
    run = parked(here)
    make_repository(tmp_path / "old", {"x": "y"})
    git(tmp_path / "old", "remote", "add", "origin", "https://example.org/owner/name.git")
    old = machine(tmp_path / "old", tmp_path / "home")
    before = git(tmp_path / "old", "count-objects", "-v")
    path = bundle(here, tmp_path / "RUN.andon")
    opened = [old.open(path) for _ in range(depth)][-1]
    place = Path(opened.root)
    assert place.is_relative_to(tmp_path / "home" / ".local" / "state" / "andon")
    assert Repository.open(place).head() == run.base_commit
    store = TreeStore.open(place / "factory" / ".state" / "runs" / "run-1" / "store.git")
    with here.db() as db:
        [*_, tree] = json.loads(blobs.get(db, run.checkpoint))["trees"]
    assert store.read(tree, "n") == b"2"
    assert git(tmp_path / "old", "count-objects", "-v") == before


def test_another_repository_is_refused_unless_its_history_holds_the_base(
    here: Machine, there: Machine, tmp_path: Path
) -> None:
    parked(here)
    path = bundle(here, tmp_path / "RUN.andon")
    other = machine(make_repository(tmp_path / "other", {"x": "y"}), tmp_path / "home")
    with pytest.raises(UserError, match=r"is of a run on example\.org/owner/name, and this is .*open it in a clone"):
        other.open(path)
    assert other.rows() == {"runs": [], "approvals": [], "events": [], "blobs": []}
    git(there.repository.root, "remote", "set-url", "origin", "https://example.org/fork/name")
    assert there.open(path).repository == "example.org/fork/name"


def test_the_users_own_key_opens_what_it_sealed_and_no_others(here: Machine, tmp_path: Path) -> None:
    parked(here)
    alone = replace(here, environment={"HOME": here.environment["HOME"]})
    path = bundle(alone, tmp_path / "RUN.andon")
    assert path.read_bytes().startswith(b"andon-bundle 1 user ")
    assert alone.open(path).id == here.open(path).id == "run-1"
    (tmp_path / "stranger").mkdir()
    stranger = replace(here, environment={"HOME": str(tmp_path / "stranger")})
    with pytest.raises(UserError, match=f"key of another user or machine: open it there, or set {VARIABLE}"):
        stranger.open(path)


@pytest.mark.parametrize(
    ("key", "said"),
    [("b" * 64, "is another one than where it was written"), ("", "set it to the value of the machine"),
     ("short", "is too short")],
)  # fmt: skip
def test_without_the_key_nothing_is_opened(here: Machine, there: Machine, tmp_path: Path, key: str, said: str) -> None:
    parked(here)
    path = bundle(here, tmp_path / "RUN.andon")
    with pytest.raises(UserError, match=said):
        replace(there, environment=there.environment | {VARIABLE: key}).open(path)
    assert not (there.repository.root / "factory" / ".state").exists()


def test_any_changed_byte_is_refused(here: Machine, there: Machine, tmp_path: Path) -> None:
    parked(here)
    path = bundle(here, tmp_path / "RUN.andon")
    content = path.read_bytes()
    lines = content.split(b"\n", 2)
    ends = [0, 13, 15, 25, len(lines[0]), len(lines[0]) + 10, len(content) - len(lines[2]), len(content) - 1]
    for position in [*ends, *range(30, len(content), len(content) // 25)]:
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        with pytest.raises(UserError, match=r"RUN\.andon"):
            there.open(path)
    assert not (there.repository.root / "factory" / ".state").exists()


def test_a_cut_or_longer_file_is_refused(here: Machine, there: Machine, tmp_path: Path) -> None:
    parked(here)
    path = bundle(here, tmp_path / "RUN.andon")
    content = path.read_bytes()
    first = content.index(b"\n")
    second = content.index(b"\n", first + 1)
    for length, said in (
        (0, "is no bundle"), (first - 5, "is no bundle"), (first + 1, "cut short"), (second - 9, "cut short"),
        (second + 1, "cut short"), (len(content) - 1, "cut short"),
    ):  # fmt: skip
        path.write_bytes(content[:length])
        with pytest.raises(UserError, match=said):
            there.open(path)
    path.write_bytes(content + b"x")
    with pytest.raises(UserError, match="holds more than was sealed"):
        there.open(path)


def test_a_newer_bundle_is_refused(here: Machine, there: Machine, tmp_path: Path) -> None:
    parked(here)
    path = bundle(here, tmp_path / "RUN.andon")
    content = path.read_bytes()
    for newer in (content.replace(b"andon-bundle 1 shared", b"andon-bundle 2 shared", 1), b"andon-bundle 2 x y\n"):
        path.write_bytes(newer)
        with pytest.raises(UserError, match="written by another version of andon"):
            there.open(path)
    path.write_bytes(content)
    sealed_again(path, {"from_the_future": 1} | {"status": "sleeping"})
    with pytest.raises(UserError, match="written by another version of andon"):
        there.open(path)


@pytest.mark.parametrize(
    "change",
    [{"id": "../../x"}, {"id": ".git"}, {"id": ""}, {"base_commit": "--output=x"}, {"base_commit": "HEAD"},
     {"status": "ended"}, {"status": "running"}],
)  # fmt: skip
def test_a_sealed_row_that_leads_elsewhere_is_refused(
    here: Machine, there: Machine, tmp_path: Path, change: dict[str, Any]
) -> None:
    parked(here)
    path = bundle(here, tmp_path / "RUN.andon")
    sealed_again(path, change)
    with pytest.raises(UserError, match="which is no run that waits for a person"):
        there.open(path)
    assert not (there.repository.root / "factory" / ".state" / "runs").exists()


def test_a_checkpoint_that_is_not_the_rows_is_refused(here: Machine, there: Machine, tmp_path: Path) -> None:
    parked(here)
    path = bundle(here, tmp_path / "RUN.andon")
    sealed_again(path, {}, {"checkpoint": b"{}"})
    with pytest.raises(UserError, match="lacks what it goes on from"):
        there.open(path)


def test_a_part_with_a_path_for_a_name_is_refused(here: Machine, there: Machine, tmp_path: Path) -> None:
    parked(here)
    path = bundle(here, tmp_path / "RUN.andon")
    manifest = json.loads(path.read_bytes().split(b"\n", 2)[1])
    key = BundleKey.of(there.environment, there.repository.root)
    for name in (
        "paper:../x.json",
        "paper:/x.json",
        "paper:.x",
        "paper:a/b.json",
        "store.git/config",
        "paper:x\n.json",
    ):
        manifest["parts"] = [part_of("events", b"").model_dump() | {"name": name}]
        path.write_bytes(joined(json.dumps(manifest).encode(), [], key))
        with pytest.raises(UserError, match="another version"):
            there.open(path)


def test_trees_that_fool_their_reader_are_refused(here: Machine, there: Machine, tmp_path: Path) -> None:
    parked(here)
    path = bundle(here, tmp_path / "RUN.andon")
    repository = here.repository.root
    blob = git(repository, "rev-parse", "HEAD:calc.py")
    entry = b"100644 .git\0" + bytes.fromhex(blob)
    (tmp_path / "tree").write_bytes(entry)
    tree = git(repository, "hash-object", "-t", "tree", "-w", "--literally", str(tmp_path / "tree"))
    command = ["git", "-C", str(repository), "pack-objects", "--stdout", "-q"]
    pack = subprocess.run(command, input=f"{tree}\n".encode(), capture_output=True, check=True).stdout
    header = {"schema_version": 1, "kind": "trees", "tips": [tree], "needs": here.repository.head(), "shallow": []}
    sealed_again(path, {}, {"trees": json.dumps(header).encode() + b"\n" + pack})
    with pytest.raises(UserError, match=r"not safe to take.*hasDotgit"):
        there.open(path)
    assert there.rows()["runs"] == []


def test_nothing_is_written_through_a_link(here: Machine, there: Machine, tmp_path: Path) -> None:
    parked(here)
    path = bundle(here, tmp_path / "RUN.andon")
    (tmp_path / "outside").mkdir()
    (there.repository.root / "factory" / ".state").mkdir()
    (there.repository.root / "factory" / ".state" / "runs").symlink_to(tmp_path / "outside")
    with pytest.raises(UserError, match="leads through a link"):
        there.open(path)
    assert list((tmp_path / "outside").iterdir()) == []
    assert there.rows()["runs"] == []


def test_what_is_no_file_or_too_large_is_refused(there: Machine, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "text").write_text("andon-bundle\n")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(200_000_001)
    for name, said in (
        ("none", "No such file"), ("pipe", "is no file"), (".", "is no file"), ("text", "is no bundle"),
        ("large", r"larger than a bundle is \(200 MB\)"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=said):
            there.open(tmp_path / name)


def test_a_run_of_the_same_source_that_goes_on_here_is_named(here: Machine, there: Machine, tmp_path: Path) -> None:
    run = parked(here)
    path = bundle(here, tmp_path / "RUN.andon")
    with there.db() as db:
        runs.add(db, new_run("run-2", repository=run.repository, source_key=run.source_key))
    with pytest.raises(UserError, match="another run of github-issue:12 token=key has not ended here"):
        there.open(path)
    assert [row["id"] for row in there.rows()["runs"]] == ["run-2"]
