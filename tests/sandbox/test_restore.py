"""Putting entries of a workspace back, whatever a command made of them and of what leads to them."""

import os
from collections.abc import Awaitable, Callable

import pytest
from sandbox_kit import sh

from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox.bwrap_options import MEMORY_SIZES
from andon.sandbox.docker_options import INODES
from andon.sandbox.protocol import EXECUTABLE, LINK, REGULAR, Entry, Sandbox
from andon.sandbox.store import Change, TreeStore

Open = Callable[..., Awaitable[Sandbox]]
Seen = dict[bytes, tuple[str, str]]

APP = Entry(b"src/app.py", REGULAR, b"VALUE = 1\n")


@pytest.fixture(params=["worker", "plain"])
def plain(request: pytest.FixtureRequest) -> bool:
    """What every sandbox promises holds in both ways: over a worker, and with a process of ours for every call."""
    return bool(request.param == "plain")


async def seen(sandbox: Sandbox) -> Seen:
    """Mode and blob id of everything in the workspace."""
    return {entry.path: (entry.mode, entry.id()) for entry in await sandbox.entries()}


async def work(sandbox: Sandbox, script: str) -> None:
    assert await sh(sandbox, f"set -e; {script}") == (0, "")


@pytest.mark.parametrize(
    "script",
    [
        "echo 2 > src/app.py",
        "rm src/app.py",
        "chmod 755 src/app.py",
        "chmod 000 src/app.py",
        "rm src/app.py; ln -s ../README.md src/app.py",
        "rm src/app.py; ln -s /etc/passwd src/app.py",
        "rm src/app.py; mkfifo src/app.py",
        "rm src/app.py; mkdir -p src/app.py/deep/er; echo x > src/app.py/deep/er/y; chmod 500 src/app.py/deep/er",
        "ln src/app.py /work/../tmp/x 2>/dev/null || true; echo 2 > src/app.py",
        "rm src/app.py; chmod 555 src .",
    ],
)
async def test_a_file_is_put_back_whatever_lies_in_its_place(sandbox: Sandbox, script: str) -> None:
    before = await seen(sandbox)
    await work(sandbox, script)
    await sandbox.restore([APP])
    assert await seen(sandbox) == before


async def test_modes_links_and_odd_bytes_are_put_back_exactly(sandbox: Sandbox) -> None:
    wanted = [
        Entry(b"run.sh", EXECUTABLE, b"#!/bin/sh\necho hello\n"),
        Entry(b"link", LINK, b"src/app.py"),
        Entry(b"new/caf\xe9 -x\n*", REGULAR, bytes(range(256)) * 40),
        Entry(b"-rf", REGULAR, b""),
        Entry(b"n" * 200 + b"/" + b"m" * 200, LINK, b"x" * 300),
    ]
    before = await seen(sandbox)
    await work(sandbox, "rm link run.sh; mkdir link run.sh; echo x > run.sh/x")
    await sandbox.restore(wanted)
    assert await seen(sandbox) == before | {entry.path: (entry.mode, entry.id()) for entry in wanted}
    assert await sh(sandbox, "./run.sh; cat link") == (0, "hello\nVALUE = 1\n")


async def test_what_must_not_be_there_goes_with_the_folders_it_leaves_empty(sandbox: Sandbox) -> None:
    before = await seen(sandbox)
    await work(sandbox, "mkdir -p a/b/c a/d; echo x > a/b/c/x; mkfifo a/b/c/y; ln -s /etc a/b/z; echo x > a/d/kept")
    await sandbox.restore([b"a/b/c/x", b"a/b/c/y", b"a/b/z", b"a/never/was", b"README.md/below", b"a/d"])
    assert (await seen(sandbox)).keys() == before.keys() | {b"a/d/kept"}
    assert await sh(sandbox, "ls a") == (0, "d\n")


async def test_nothing_is_written_or_removed_through_a_link(sandbox: Sandbox) -> None:
    before = await seen(sandbox)
    await work(sandbox, "mkdir /tmp/out; echo kept > /tmp/out/app.py; echo kept > /tmp/out/new")
    await work(sandbox, "mv src was; ln -s /tmp/out src; mkdir sub; ln -s /tmp/out sub/src")
    await sandbox.restore([b"src/new", b"sub/src/new", APP, Entry(b"src/crlf.txt", REGULAR, b"one\r\ntwo\r\n")])
    await sandbox.restore([b"was/app.py", b"was/crlf.txt", b"sub/src"])
    assert await sh(sandbox, "cd /tmp/out; head *; [ ! -e /work/was ] && [ ! -e /work/sub ]") == (
        0,
        "==> app.py <==\nkept\n\n==> new <==\nkept\n",
    )
    assert await seen(sandbox) == before


async def test_another_name_of_a_file_keeps_what_was_written(sandbox: Sandbox) -> None:
    await work(sandbox, "ln src/app.py other; echo 2 > other")
    await sandbox.restore([APP])
    assert await sh(sandbox, "cat src/app.py other") == (0, "VALUE = 1\n2\n")


async def test_a_file_in_place_of_a_folder_makes_room_for_it(sandbox: Sandbox) -> None:
    before = await seen(sandbox)
    await work(sandbox, "rm -r src; echo x > src")
    await sandbox.restore([Entry(b"src/crlf.txt", REGULAR, b"one\r\ntwo\r\n"), APP])
    assert await seen(sandbox) == before


async def test_a_folder_too_deep_to_be_named_goes(sandbox: Sandbox, plain: bool) -> None:
    if plain:
        pytest.skip("only a worker tells such folders as entries")
    before = await seen(sandbox)
    deep = "import os\nfor _ in range(3000):\n os.mkdir('d' * 20)\n os.chdir('d' * 20)\nopen('x', 'w')"
    assert (await sandbox.run(["python3", "-c", deep])).exit_code == 0
    found = [entry.path for entry in await sandbox.entries() if entry.path not in before]
    assert [len(path) for path in found] == [len(b"d" * 20 + b"/") * 181 - 1]
    await sandbox.restore(found)
    left = "find . -mindepth 1 -maxdepth 1 -name 'ddd*' -o -name '.andon-*'"
    assert (await seen(sandbox), await sh(sandbox, left)) == (before, (0, ""))


async def test_a_thousand_entries_go_at_once(sandbox: Sandbox) -> None:
    before = await seen(sandbox)
    await work(sandbox, "mkdir new; for n in $(seq 1000); do echo $n > new/$n; done; rm README.md run.sh")
    gone = [b"new/%d" % number for number in range(1, 1001)]
    await sandbox.restore(
        [*gone, Entry(b"README.md", REGULAR, b"# project\n"), Entry(b"run.sh", EXECUTABLE, b"#!/bin/sh\necho hello\n")]
    )
    assert await seen(sandbox) == before


async def test_nothing_to_put_back_is_fine(sandbox: Sandbox) -> None:
    before = await seen(sandbox)
    await sandbox.restore([])
    assert await seen(sandbox) == before


@pytest.mark.parametrize(
    "entry",
    [
        b"", b"/etc/passwd", b"../x", b"a/../x", b"./x", b"a//b", b"a/", b"nul\0", b".git", b".git/config",
        Entry(b"../x", REGULAR, b""), Entry(b"x", "other", b""), Entry(b"x", REGULAR, None, "0" * 40),
        Entry(b"x", "160000", b""),
    ],
)  # fmt: skip
async def test_what_no_entry_can_be_is_refused_before_anything_changes(sandbox: Sandbox, entry: Entry | bytes) -> None:
    await work(sandbox, "echo 2 > src/app.py")
    with pytest.raises(ValueError, match=r"entry|put back"):
        await sandbox.restore([APP, entry])
    assert await sh(sandbox, "cat src/app.py") == (0, "2\n")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A workspace of a few megabytes."""
    monkeypatch.setitem(MEMORY_SIZES, "/work", 8 << 20)
    monkeypatch.setitem(INODES, "/work", 400)


async def test_no_room_to_put_it_back_is_a_stop_of_its_own(
    small: None, open_sandbox: Open, store: TreeStore, base: str, plain: bool, tier: str
) -> None:
    if plain and tier == "bubblewrap":
        pytest.skip("the workspace is a folder of this machine there")
    content = os.urandom(6 << 20)
    sandbox = await open_sandbox(store.build(base, [Change(b"large", REGULAR, content)]))
    await sh(sandbox, "rm large; cat /dev/zero > fill 2>/dev/null")
    with pytest.raises(RunError) as caught:
        await sandbox.restore([Entry(b"large", REGULAR, content)])
    assert caught.value.code is StopCode.SANDBOX_FULL


async def test_what_takes_the_room_is_removed_first(
    small: None, open_sandbox: Open, store: TreeStore, base: str, plain: bool, tier: str
) -> None:
    content = os.urandom(6 << 20)
    sandbox = await open_sandbox(store.build(base, [Change(b"large", REGULAR, content)]))
    before = await seen(sandbox)
    await sh(sandbox, "rm large; head -c 7000000 /dev/zero > fill 2>/dev/null")
    await sandbox.restore([Entry(b"large", REGULAR, content), b"fill"])
    assert await seen(sandbox) == before
