"""`andon trust` as a person meets it: a process on a terminal of its own, and what scripts get instead."""

import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import database_kit
import pytest
from durable_kit import SHORT, Shop, shop
from lane_kit import FILES, git, make_repository

from andon.context.settings import Settings
from andon.line.db.runs import Run
from andon.line.identity import host_name
from andon.line.trust import Elsewhere, TrustFile, claims_of

URL = "https://models.example.org/v1"
CLAIM = {"factory/andon.toml": f'[provider]\nbase_url = "{URL}"\n'}


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repo", FILES | CLAIM)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config"


def environment(config: Path) -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "ANDON_"))}
    return env | {"XDG_CONFIG_HOME": str(config)}


def andon(cwd: Path, config: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command without a controlling terminal."""
    return subprocess.run(
        [sys.executable, "-m", "andon", *words],
        cwd=cwd,
        env=environment(config) | more,
        capture_output=True,
        text=True,
        input="y\n",
        start_new_session=True,
        check=False,
    )


def on_a_terminal(
    cwd: Path, config: Path, typed: str, *words: str, stdin: str = "", env: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run `andon trust WORDS` with a controlling terminal, type `typed` there, and return exit code and screen."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        # A session leader takes the first terminal it opens as its controlling one.
        [
            "sh",
            "-c",
            'exec 3<>"$1"; shift; exec "$@"',
            "sh",
            os.ttyname(theirs),
            sys.executable,
            "-m",
            "andon",
            "trust",
            *words,
        ],
        cwd=cwd,
        env=environment(config) | dict(env or {}),
        stdin=subprocess.PIPE,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    assert process.stdin is not None
    process.stdin.write(stdin.encode())
    process.stdin.close()
    screen = _read_until(ours, b"[y/N] ")
    if b"[y/N] " in screen:
        os.write(ours, typed.encode())
        screen += _read_until(ours, None)
    code = process.wait(timeout=30)
    os.close(ours)
    return code, screen.decode().replace("\r\n", "\n")


def _read_until(descriptor: int, marker: bytes | None) -> bytes:
    """Read until `marker` or until nobody holds the terminal any more."""
    seen = b""
    while marker is None or marker not in seen:
        ready, _, _ = select.select([descriptor], [], [], 30)
        assert ready, f"nothing more came after {seen!r}"
        try:
            piece = os.read(descriptor, 4096)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    return seen


def test_a_person_sees_the_value_and_what_it_means_and_accepts_it(repo: Path, config: Path) -> None:
    code, screen = on_a_terminal(repo, config, "y\n")
    assert code == 0
    for part in (
        str(repo),
        f"factory/andon.toml: provider.base_url = {URL}",
        "your OPENAI_API_KEY, the task and whatever agents read in this repository are sent to this server",
        f"accepted: provider.base_url, in {config}/andon/trust.json",
    ):
        assert part in screen
    kept = config / "andon" / "trust.json"
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [path.name for path in kept.parent.iterdir()] == ["trust.json"]
    assert git(repo, "status", "--porcelain") == ""
    assert "must accept is accepted" in andon(repo, config, "trust").stdout


@pytest.mark.parametrize("typed", ["n\n", "\n", "yess\n", "\x04"])
def test_anything_but_yes_accepts_nothing(repo: Path, config: Path, typed: str) -> None:
    code, screen = on_a_terminal(repo, config, typed)
    assert (code, "not accepted" in screen, config.exists()) == (10, True, False)


def test_a_yes_on_stdin_is_not_a_person(repo: Path, config: Path) -> None:
    code, _ = on_a_terminal(repo, config, "n\n", stdin="y\n")
    assert (code, config.exists()) == (10, False)


def test_without_a_terminal_nothing_is_accepted(repo: Path, config: Path) -> None:
    done = andon(repo, config, "trust")
    assert (done.returncode, config.exists()) == (2, False)
    assert "asks a person and there is no terminal" in done.stderr


def test_a_run_believes_an_accepted_value_and_no_other(repo: Path, config: Path) -> None:
    run = ("run", "--headless", "--json", "task-001")
    before = json.loads(andon(repo, config, *run, OPENAI_API_KEY="k").stdout)
    assert (before["exit_code"], "andon trust" in before["message"]) == (2, True)
    on_a_terminal(repo, config, "y\n")
    (repo / "factory/andon.toml").write_text(CLAIM["factory/andon.toml"].replace("/v1", "/v2"))
    git(repo, "commit", "-qam", "elsewhere")
    after = json.loads(andon(repo, config, *run, OPENAI_API_KEY="k").stdout)
    assert after["exit_code"] == 2
    assert "has changed since a person accepted it" in after["message"]


def test_what_is_accepted_for_one_repository_is_not_for_its_copy(repo: Path, config: Path, tmp_path: Path) -> None:
    on_a_terminal(repo, config, "y\n")
    git(tmp_path, "clone", "-q", str(repo), "copy")
    assert "there is no terminal" in andon(tmp_path / "copy", config, "trust").stderr
    (tmp_path / "link").symlink_to(repo)
    assert "must accept is accepted" in andon(tmp_path / "link", config, "trust").stdout


def test_list_shows_every_acceptance_and_revoke_takes_this_repositorys_back(
    repo: Path, config: Path, tmp_path: Path
) -> None:
    assert andon(tmp_path, config, "trust", "--list").stdout == "nothing was accepted for any repository\n"
    other = make_repository(tmp_path / "other", FILES | CLAIM)
    on_a_terminal(repo, config, "y\n")
    on_a_terminal(other, config, "y\n")
    shown = andon(tmp_path, config, "trust", "--list").stdout
    assert shown.count(f"  provider.base_url = {URL}\n  sha256 ") == 2
    assert andon(repo, config, "trust", "--revoke").stdout == f"no longer accepted: provider.base_url = {URL}\n"
    assert andon(repo, config, "trust", "--revoke").stdout == "nothing was accepted for this repository\n"
    left = andon(tmp_path, config, "trust", "--list").stdout
    assert left.startswith(f"{other}\n  provider.base_url")
    assert str(repo) + "\n" not in left


def test_a_repository_that_claims_nothing_needs_nobody(config: Path, tmp_path: Path) -> None:
    plain = make_repository(tmp_path / "plain", FILES)
    done = andon(plain, config, "trust")
    commit = git(plain, "rev-parse", "HEAD")[:12]
    assert (done.returncode, done.stdout) == (
        0,
        f"nothing in factory/andon.toml at commit {commit} needs a person to accept it\n",
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "is damaged"),
        (b'{"schema_version": 2, "accepted": []}', "is damaged"),
        (b'{"schema_version": 1, "accepted": [{"repository": "/"}]}', "is damaged"),
        (b"\xff", "is damaged"),
    ],
)
def test_a_damaged_file_is_refused_and_not_rewritten(repo: Path, config: Path, content: bytes, said: str) -> None:
    kept = config / "andon" / "trust.json"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(content)
    kept.chmod(0o600)
    done = andon(repo, config, "run", "task-001", OPENAI_API_KEY="k")
    assert (done.returncode, said in done.stderr, str(kept) in done.stderr) == (2, True, True)
    assert andon(repo, config, "trust", "--revoke").returncode == 2
    assert kept.read_bytes() == content


def test_a_file_that_others_can_write_is_refused(repo: Path, config: Path) -> None:
    on_a_terminal(repo, config, "y\n")
    (config / "andon" / "trust.json").chmod(0o622)
    done = andon(repo, config, "run", "task-001", OPENAI_API_KEY="k")
    assert (done.returncode, "can be written by others" in done.stderr) == (2, True)


def test_a_link_in_place_of_the_file_is_refused(repo: Path, config: Path, tmp_path: Path) -> None:
    on_a_terminal(repo, config, "y\n")
    kept = config / "andon" / "trust.json"
    kept.rename(tmp_path / "elsewhere.json")
    kept.symlink_to(tmp_path / "elsewhere.json")
    done = andon(repo, config, "run", "task-001", OPENAI_API_KEY="k")
    assert (done.returncode, "cannot read" in done.stderr) == (2, True)


def test_a_file_inside_the_repository_is_not_believed(repo: Path) -> None:
    done = andon(repo, repo / ".config", "run", "task-001", OPENAI_API_KEY="k")
    assert (done.returncode, "lies inside the repository" in done.stderr) == (2, True)


def test_a_folder_that_cannot_be_written_is_said(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("a file")
    code, screen = on_a_terminal(repo, tmp_path / "config", "y\n")
    assert (code, "Traceback" in screen) == (2, False)
    assert "cannot" in screen


def test_no_agent_sdk_is_loaded(repo: Path, config: Path) -> None:
    code = "import sys; from andon.cli.main import main; main(['trust', '--list']); print('agents' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(config), capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "False"


HOSTS = {"sandbox": {"hosts": ["host.example"]}}
"""Asked for by a repository that has nothing to install: what is tested is whether a run begins."""


def from_elsewhere(made: Shop, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Queue a run on a machine on which a person accepted what its repository says; it is not this one."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(made.folder / "elsewhere"))
    [claim] = claims_of(Settings.model_validate(HOSTS))
    TrustFile.of(os.environ).accept(made.repo, claim)
    run = made.queue()
    with made.db.transaction() as tx:
        tx.execute("UPDATE runs SET host = 'elsewhere', root = '/nowhere', repository = 'git.example.org/shop/shop'")
    return made.row(run.id)


@pytest.mark.xdist_group("trust-of-runs")
def test_a_worker_believes_a_repository_of_another_machine_once_a_person_here_accepted_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = FILES | {"factory/andon.toml": '[sandbox]\nhosts = ["host.example"]\n'}
    with database_kit.fresh_postgresql() as url, shop(tmp_path, url, SHORT, files) as made:
        config = tmp_path / ".config"
        refused = from_elsewhere(made, monkeypatch)
        made.serve("--once").end()
        row = made.row(refused.id)
        assert (row.stop_code, f"read it and run `andon trust --run {row.id}`" in row.message) == ("usage", True)

        code, screen = on_a_terminal(tmp_path, config, "y\n", "--run", row.id, env=made.environment)
        assert (code, 'sandbox.hosts = ["host.example"]' in screen) == (0, True)
        assert f"runs of git.example.org/shop/shop, commit {row.base_commit[:12]}" in screen
        assert andon(tmp_path, config, "trust", "--list").stdout.startswith("runs of git.example.org/shop/shop\n")

        believed = from_elsewhere(made, monkeypatch)
        made.serve("--once").end()
        assert made.row(believed.id).stop_code == "delivered", made.row(believed.id).message

        revoked = andon(tmp_path, config, "trust", "--revoke", "--run", row.id, **made.environment)
        assert revoked.stdout == 'no longer accepted: sandbox.hosts = ["host.example"]\n'


FORGED = "git.example.org/a\n  sandbox.hosts = fine\nruns of git.example.org/shop/shop"


@pytest.mark.xdist_group("trust-of-runs")
def test_what_was_accepted_for_runs_is_taken_back_without_their_base_and_without_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, name = tmp_path / ".config", "git.example.org/shop/shop"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config))
    kept = TrustFile.of(os.environ)
    [claim] = claims_of(Settings.model_validate(HOSTS))
    gone = 'no longer accepted: sandbox.hosts = ["host.example"]\n'
    with database_kit.fresh_postgresql() as url, shop(tmp_path, url, SHORT) as made:
        run = made.queue()
        with made.db.transaction() as tx:
            tx.execute("UPDATE runs SET host = 'elsewhere', root = ?, repository = ?", [str(made.repo), name])
            tx.execute("UPDATE runs SET base_blob = NULL")

        def revoked(wanted: str, **more: str) -> tuple[int, str]:
            kept.accept(Elsewhere(name, "any"), claim)
            done = andon(tmp_path, config, "trust", "--revoke", "--run", wanted, **more)
            left = [one for one in kept.entries() if one.repository == f"runs of {name}"]
            assert bool(left) == bool(done.returncode)
            return done.returncode, done.stdout + done.stderr

        kept.accept(made.repo, claim)
        assert revoked(run.id, **made.environment) == (0, gone)
        assert [one.repository for one in kept.entries()] == [str(made.repo)], "that run is of another machine"
        assert revoked(name) == revoked(f"runs of {name}") == (0, gone)
        code, said = revoked("20200101-000000-aaaaaa", **made.environment)
        assert (code, "there is no run '20200101-000000-aaaaaa'" in said) == (2, True)
        assert "its name, which `andon trust --list` shows after `runs of`" in said
        with made.db.transaction() as tx:
            tx.execute("UPDATE runs SET host = ?", [host_name()])
        assert revoked(run.id, **made.environment) == (0, gone + gone)
        assert kept.entries() == ()


@pytest.mark.xdist_group("trust-of-runs")
def test_a_name_that_another_machine_gave_a_repository_forges_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / ".config"
    files = FILES | {"factory/andon.toml": '[sandbox]\nhosts = ["host.example"]\n'}
    shown = r"runs of git.example.org/a\x0a  sandbox.hosts = fine\x0aruns of git.example.org/shop/shop"
    with database_kit.fresh_postgresql() as url, shop(tmp_path, url, SHORT, files) as made:
        run = from_elsewhere(made, monkeypatch)
        with made.db.transaction() as tx:
            tx.execute("UPDATE runs SET repository = ?", [FORGED])
        code, screen = on_a_terminal(tmp_path, config, "y\n", "--run", run.id, env=made.environment)
        assert (code, screen.splitlines()[0]) == (0, f"{shown}, commit {run.base_commit[:12]}")
        assert andon(tmp_path, config, "trust", "--list").stdout.splitlines()[0] == shown
        assert andon(tmp_path, config, "trust", "--revoke", "--run", shown).returncode == 0
        assert andon(tmp_path, config, "trust", "--list").stdout == "nothing was accepted for any repository\n"


def test_a_forged_line_of_an_older_file_is_not_shown_as_one(repo: Path, config: Path) -> None:
    on_a_terminal(repo, config, "y\n")
    kept = config / "andon" / "trust.json"
    content = json.loads(kept.read_text())
    content["accepted"][0]["repository"] = f"runs of {FORGED}"
    kept.write_text(json.dumps(content))
    assert len(andon(repo, config, "trust", "--list").stdout.splitlines()) == 3


def test_the_repository_of_a_run_is_asked_about_only_where_runs_come_from_other_machines(
    repo: Path, config: Path
) -> None:
    done = andon(repo, config, "trust", "--run", "20260101-000000-aaaaaa")
    assert (done.returncode, "set ANDON_DATABASE_URL" in done.stderr) == (2, True)
