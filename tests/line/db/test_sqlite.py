"""The file of one machine, used by many processes."""

import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from database_kit import new_run

from andon.line.db import runs
from andon.line.db.database import Database, DatabaseGone
from andon.records.errors import RunError, UserError
from andon.records.stops import StopCode

_KIT = str(Path(__file__).parents[2])
_ADD = """
import sys
sys.path.insert(0, sys.argv[1])
from database_kit import new_run
from andon.line.db import runs
from andon.line.db.database import Database

sys.stdin.readline()
db = Database.open(sys.argv[2])
for number in range(50):
    runs.add(db, new_run(f"{sys.argv[3]}-{number}"))
print(len(runs.listed(db, repository=None, limit=1000)) >= 50)
"""


def _url(folder: Path) -> str:
    return f"sqlite:///{folder}/factory/.state/andon.sqlite"


def test_four_processes_open_a_fresh_database_and_queue_fifty_runs_each_at_once(url: str) -> None:
    """On both databases: nobody is told that it is locked, and nothing is lost."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _ADD, _KIT, url, f"p{number}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in range(4)
    ]  # fmt: skip
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ends = [(process.communicate(timeout=120), process.returncode) for process in processes]
    assert ends == [(("True\n", ""), 0)] * 4
    db = Database.open(url)
    assert runs.count_by_status(db, None) == {"queued": 200}
    db.close()


def test_readers_are_not_kept_waiting_by_a_writer(tmp_path: Path) -> None:
    one, other = Database.open(_url(tmp_path)), Database.open(_url(tmp_path))
    runs.add(one, new_run())
    with one.transaction() as tx:
        tx.execute("UPDATE runs SET message = 'changed'")
        assert runs.get(other, "run-1").message == ""
    assert runs.get(other, "run-1").message == "changed"
    one.close()
    other.close()


def test_the_folder_ignores_itself(tmp_path: Path) -> None:
    Database.open(_url(tmp_path)).close()
    assert (tmp_path / "factory/.state/.gitignore").read_text() == "*\n"


def test_refuses_a_file_that_is_no_database_and_leaves_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "factory/.state/andon.sqlite"
    path.parent.mkdir(parents=True)
    path.write_text("not a database " * 100)
    with pytest.raises(UserError, match="move it away"):
        Database.open(_url(tmp_path))
    assert path.read_text() == "not a database " * 100


@pytest.mark.parametrize("name", ["factory", "factory/.state"])
def test_refuses_to_write_through_a_link_in_the_repository(tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "repo" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="is a link"):
        Database.open(_url(tmp_path / "repo"))
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_says_which_folder_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "factory").write_text("a file")
    with pytest.raises(UserError, match=r"cannot make the folder .*factory/\.state"):
        Database.open(_url(tmp_path))


def test_says_that_a_file_may_not_be_read_as_one(tmp_path: Path) -> None:
    (tmp_path / "factory/.state/andon.sqlite").mkdir(parents=True)
    with pytest.raises(DatabaseGone, match="cannot be opened: see that its folder"):
        Database.open(_url(tmp_path))


def test_a_full_database_is_a_typed_stop_and_what_was_there_stays(tmp_path: Path) -> None:
    db = Database.open(_url(tmp_path))
    row = runs.add(db, new_run())
    pages = db.read("PRAGMA page_count")[0]["page_count"]
    db.read(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(RunError, match="full") as raised:
        runs.add(db, new_run("run-2", root="x" * 100_000))
    assert raised.value.code is StopCode.DISK_FAILED
    assert runs.listed(db, repository=None) == [row]
    db.close()


def test_a_disk_that_takes_no_more_is_a_typed_stop(tmp_path: Path) -> None:
    """The kernel refuses to let the file grow, as it does where a quota is spent."""
    Database.open(_url(tmp_path)).close()
    code = (
        "import resource, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from database_kit import new_run\n"
        "from andon.line.db import runs\n"
        "from andon.line.db.database import Database\n"
        "from andon.records.errors import RunError\n"
        "db = Database.open(sys.argv[2])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "try: runs.add(db, new_run(root='x' * 100_000))\n"
        "except RunError as error: print(error.code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, _KIT, _url(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "disk-failed\n"
    db = Database.open(_url(tmp_path))
    assert runs.listed(db, repository=None) == []
    db.close()


def test_threads_that_end_leave_no_open_files(tmp_path: Path) -> None:
    db = Database.open(_url(tmp_path))

    def read_in_a_thread() -> int:
        thread = threading.Thread(target=db.read, args=["SELECT 1 AS one"])
        thread.start()
        thread.join(20)
        return files()

    def files() -> int:
        return len([path for path in Path("/proc/self/fd").iterdir() if "andon.sqlite" in str(path.resolve())])

    # SQLite keeps the file of the first for the next one.
    first = read_in_a_thread()
    assert [read_in_a_thread() for _ in range(5)] == [first] * 5
    db.close()
    assert files() == 0


def test_says_who_may_be_asked_when_another_process_keeps_it(tmp_path: Path) -> None:
    one, other = Database.open(_url(tmp_path)), Database.open(_url(tmp_path))
    other.read("PRAGMA busy_timeout = 50")
    with one.transaction(), pytest.raises(DatabaseGone, match="was held by another process"):
        runs.add(other, new_run())
    assert runs.add(other, new_run()).status == "queued"
    one.close()
    other.close()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


_AS_NOBODY = """
import os, sys
sys.path.insert(0, sys.argv[1])
from database_kit import new_run
from andon.line.db import runs
from andon.line.db.database import Database
from andon.records.errors import UserError

# Whatever is loaded late is loaded before the rights are gone.
first = Database.open("sqlite:///" + sys.argv[3])
runs.add(first, new_run())
if os.geteuid() == 0: os.seteuid(65534)
try: runs.add(Database.open(sys.argv[2]), new_run())
except UserError as error: print(error)
"""


def _told_without_rights(folder: Path, tmp_path: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY, _KIT, _url(folder), str(tmp_path / "other.sqlite")],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return done.stdout


def test_says_that_the_folder_may_not_be_written(open_folder: Path, tmp_path: Path) -> None:
    open_folder.chmod(0o555)
    told = _told_without_rights(open_folder, tmp_path)
    open_folder.chmod(0o755)
    assert told.endswith("for the database: Permission denied; make it writable for this user\n")


def test_says_that_the_file_may_not_be_written(open_folder: Path, tmp_path: Path) -> None:
    Database.open(_url(open_folder)).close()
    state = open_folder / "factory/.state"
    (state / "andon.sqlite").chmod(0o444)
    state.chmod(0o555)
    told = _told_without_rights(open_folder, tmp_path)
    state.chmod(0o755)
    assert str(state / "andon.sqlite") in told and "writable" in told


def test_a_file_is_opened_without_loading_the_engine_or_the_other_driver(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from andon.line.db import approvals, blobs, events, messages, runs, workers\n"
        "from andon.line.db.database import Database\n"
        "runs.count_by_status(Database.open(sys.argv[1]), None)\n"
        "print(sorted({'dbos', 'sqlalchemy', 'psycopg', 'agents', 'mcp'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, _url(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
