"""Real repositories, stores and sandboxes."""

import itertools
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from docker import APIClient
from sandbox_kit import need_docker

from andon.sandbox.engine import connect
from andon.sandbox.owner import Owner
from andon.sandbox.protocol import Sandbox
from andon.sandbox.repository import Repository
from andon.sandbox.start import Tier, start_sandbox
from andon.sandbox.store import TreeStore
from andon.sandbox.toolchain import Toolchain

Git = Callable[..., str]
Open = Callable[..., Awaitable[Sandbox]]

_ENV = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "t",
    "GIT_AUTHOR_EMAIL": "t@example.invalid",
    "GIT_COMMITTER_NAME": "t",
    "GIT_COMMITTER_EMAIL": "t@example.invalid",
}


@pytest.fixture
def git() -> Git:
    """Run git as a person would, without anybody's settings: `git(folder, "status")`."""

    def run(cwd: Path, *words: str, stdin: bytes = b"") -> str:
        done = subprocess.run(["git", *words], cwd=cwd, env=_ENV, input=stdin, capture_output=True, check=True)
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    return run


@pytest.fixture
def repo(tmp_path: Path, git: Git) -> Path:
    """A repository with two commits: a module, a script, a link, CRLF, ignore rules and a factory folder."""
    root = tmp_path / "repo"
    (root / "src").mkdir(parents=True)
    (root / "factory").mkdir()
    (root / "README.md").write_text("first\n")
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "first")
    (root / "README.md").write_text("# project\n")
    (root / "src" / "app.py").write_text("VALUE = 1\n")
    (root / "src" / "crlf.txt").write_bytes(b"one\r\ntwo\r\n")
    (root / "run.sh").write_text("#!/bin/sh\necho hello\n")
    (root / "run.sh").chmod(0o755)
    (root / "link").symlink_to("src/app.py")
    (root / ".gitattributes").write_text("* text=auto\n*.bin filter=evil\n")
    (root / ".gitignore").write_text("*.pyc\n/build/\n")
    (root / "factory" / "andon.toml").write_text("version = 1\n")
    # As plain blobs: with text=auto, `git add` would store other bytes than lie in the file.
    git(root, "-c", "core.attributesFile=/dev/null", "add", "-A")
    crlf = git(root, "hash-object", "-w", "--no-filters", "src/crlf.txt")
    git(root, "update-index", "--cacheinfo", f"100644,{crlf},src/crlf.txt")
    git(root, "commit", "-qm", "second")
    return root


@pytest.fixture
def repository(repo: Path) -> Repository:
    return Repository.open(repo)


@pytest.fixture
def store(repository: Repository, tmp_path: Path) -> TreeStore:
    return TreeStore.create(tmp_path / "store", repository)


@pytest.fixture
def base(store: TreeStore, repository: Repository) -> str:
    """The tree of the repository's HEAD."""
    return store.tree_of(repository.head())


@pytest.fixture(params=["bubblewrap", "docker"])
def tier(request: pytest.FixtureRequest) -> Tier:
    """Every test of a sandbox runs on both tiers."""
    if request.param == "docker":
        request.getfixturevalue("docker_tier")
        return "docker"
    return "bubblewrap"


@pytest.fixture(scope="session")
def docker_tier() -> Iterator[None]:
    """Skips where nobody could have installed an engine; afterwards no container of these tests may be left."""
    need_docker()
    api = connect()
    yield
    mine = Owner.this_process().text()
    left = [
        c for c in api.containers(all=True, filters={"label": ["andon=1"]}) if c["Labels"].get("andon.owner") == mine
    ]
    assert left == []


@pytest.fixture
def api(docker_tier: None) -> APIClient:
    return connect()


@pytest.fixture
def plain() -> bool:
    """Asked over a worker inside; suites of what is done without one override it."""
    return False


@pytest.fixture
async def open_sandbox(
    store: TreeStore, repository: Repository, base: str, tier: Tier, plain: bool
) -> AsyncIterator[Open]:
    """Start a sandbox on the base, or on the tree and toolchain given; all are closed afterwards."""
    opened: list[Sandbox] = []

    head = repository.head()

    async def start(tree: str = base, toolchain: Toolchain | None = None) -> Sandbox:
        sandbox = await start_sandbox(
            store,
            tree=tree,
            commit=head,
            toolchain=toolchain or Toolchain.system(),
            tier=tier,
            run_id="test",
            plain=plain,
        )
        opened.append(sandbox)
        return sandbox

    yield start
    for sandbox in opened:
        await sandbox.close()


@pytest.fixture
async def sandbox(open_sandbox: Open) -> Sandbox:
    return await open_sandbox()


_naps = itertools.count(1)


@pytest.fixture
def nap() -> str:
    """Seconds no other test sleeps, so that its processes can be told from all others."""
    return f"9{os.getpid():07d}{next(_naps):03d}"
