import asyncio
import errno
import re
import socket
import stat
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sandbox_kit import alive, appears, sh

from andon.records.errors import RunError
from andon.sandbox.objects import blob_id
from andon.sandbox.protocol import Entry, Finished, Sandbox
from andon.sandbox.start import Tier
from andon.sandbox.store import Change, TreeStore

Open = Callable[..., Awaitable[Sandbox]]


@pytest.fixture(params=["worker", "plain"])
def plain(request: pytest.FixtureRequest) -> bool:
    """What every sandbox promises holds in both ways: over a worker, and with a process of ours for every call."""
    return bool(request.param == "plain")


async def test_a_command_runs_and_its_streams_are_one(sandbox: Sandbox, tier: Tier) -> None:
    done = await sandbox.run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert done == Finished(3, b"out\nerr\n", 0, done.seconds)
    assert 0 < done.seconds < 20
    assert sandbox.tier == tier


async def test_input_is_fed_and_may_be_left_unread(sandbox: Sandbox) -> None:
    assert (await sandbox.run(["cat"], stdin=b"\0\xffin\n" * 100_000, output_cap=1_000_000)).output == (
        b"\0\xffin\n" * 100_000
    )
    assert (await sandbox.run(["true"], stdin=b"x" * 1_000_000)).exit_code == 0
    assert (await sandbox.run(["cat"])).output == b""


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        (["no-such-program"], 127, b"no-such-program"),
        (["/work/README.md"], 126, b"Permission denied"),
        (["src"], 127, b"src"),
        (["-x"], 127, b"-x"),
        (["A=1", "true"], 127, b"A=1"),
        (["sh", "-c", "kill -KILL $$"], 137, b""),
        (["sh", "-c", "kill -TERM $$"], 143, b""),
        (["true", "nul\0byte"], 126, b"NUL byte"),
        (["true", "\ud800"], 126, b"not text"),
        (["true", "x" * 3_000_000], 126, b"too long"),
    ],
)
async def test_how_a_command_can_fail_to_run(sandbox: Sandbox, argv: list[str], code: int, says: bytes) -> None:
    done = await sandbox.run(argv)
    assert (done.exit_code, says in done.output, done.timed_out) == (code, True, False)
    assert (await sandbox.run(["true"])).exit_code == 0


async def test_nothing_to_run_is_a_mistake_of_the_caller(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="argv is empty"):
        await sandbox.run([])


async def test_where_a_command_runs(sandbox: Sandbox) -> None:
    assert (await sandbox.run(["pwd"])).output == b"/work\n"
    assert (await sandbox.run(["pwd"], cwd="src")).output == b"/work/src\n"
    assert (await sandbox.run(["pwd"], cwd="/tmp")).output == b"/tmp\n"
    missing = await sandbox.run(["pwd"], cwd="missing")
    assert missing.exit_code == 126 and b"/work/missing" in missing.output
    assert (await sandbox.run(["pwd"], cwd="-")).exit_code == 126


async def test_output_that_is_not_utf8_comes_as_it_is(sandbox: Sandbox) -> None:
    assert (await sandbox.run(["printf", r"\377\000caf\351"])).output == b"\xff\0caf\xe9"


async def test_huge_output_keeps_head_and_tail_and_counts_the_rest(sandbox: Sandbox) -> None:
    done = await sandbox.run(["seq", "1", "2000000"], output_cap=100)
    whole = "".join(f"{number}\n" for number in range(1, 2_000_001)).encode()
    assert (done.output, done.dropped) == (whole[:50] + whole[-50:], len(whole) - 100)
    exact = await sandbox.run(["seq", "1", "20"], output_cap=51)
    assert (len(exact.output), exact.dropped) == (51, 0)


async def test_the_environment_is_ours_whole(sandbox: Sandbox, tier: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_HOST", "leak-me")
    code, output = await sh(sandbox, "env", env={"ADDED": "a b", "TZ": "Europe/Berlin"})
    toolchain = "/opt/toolchain-scripts:/opt/toolchain/bin:" if tier == "docker" else ""
    assert code == 0
    assert dict(line.split("=", 1) for line in output.splitlines()) == {
        "ADDED": "a b",
        "GIT_OPTIONAL_LOCKS": "0",
        "HOME": "/tmp/home",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
        "PATH": f"{toolchain}/usr/local/bin:/usr/bin:/bin",
        "PWD": "/work",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "TERM": "dumb",
        "TZ": "Europe/Berlin",
    }
    assert "leak-me" not in (await sh(sandbox, "cat /proc/*/environ"))[1]


async def test_the_user_is_nobody_of_the_host(sandbox: Sandbox) -> None:
    assert (await sh(sandbox, "id -u; id -g; id -un; hostname")) == (0, "1000\n1000\nandon\nandon\n")
    status = (await sh(sandbox, "cat /proc/self/status"))[1]
    capabilities = dict(re.findall(r"^(Cap\w+):\s*(\w+)$", status, re.M))
    assert {name: int(value, 16) for name, value in capabilities.items()} == dict.fromkeys(
        ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), 0
    )
    assert "NoNewPrivs:\t1" in status


async def test_no_further_namespace_can_be_made(sandbox: Sandbox) -> None:
    code, _ = await sh(sandbox, "unshare --user true || unshare --user --map-root-user true")
    assert code != 0


@pytest.mark.parametrize(
    "path", ["/x", "/usr/x", "/etc/x", "/bin/x", "/opt/x", "/work/factory/x", "/work/factory/andon.toml"]
)
async def test_what_is_not_the_workspace_cannot_be_written(sandbox: Sandbox, path: str) -> None:
    assert (await sh(sandbox, f"echo x > {path}"))[0] != 0


async def test_the_factory_folder_cannot_be_moved_or_removed(sandbox: Sandbox) -> None:
    code, _ = await sh(
        sandbox, "mv factory f || rm -rf factory || ln factory/andon.toml x || mount -o remount,rw /work/factory"
    )
    assert code != 0
    assert await sandbox.read("factory/andon.toml", limit=100) == b"version = 1\n"


async def test_a_folder_that_came_later_is_no_mount_even_as_a_link(
    open_sandbox: Open, store: TreeStore, base: str, tmp_path: Path
) -> None:
    (tmp_path / "outside.txt").write_text("secret")
    sandbox = await open_sandbox(tree=store.build(base, [Change(b"factory/andon.toml", None)]))
    assert (await sh(sandbox, f"ln -s {tmp_path} factory"))[0] == 0
    assert (await sh(sandbox, "cat factory/outside.txt"))[0] == 1
    assert (await sh(sandbox, "rm factory; mkdir factory; echo x > factory/x; rm -r factory"))[0] == 0


async def test_a_factory_link_in_the_tree_shows_nothing_of_the_host(
    open_sandbox: Open, store: TreeStore, base: str, tmp_path: Path
) -> None:
    (tmp_path / "outside.txt").write_text("secret")
    link = [Change(b"factory/andon.toml", None), Change(b"factory", "120000", bytes(tmp_path))]
    sandbox = await open_sandbox(tree=store.build(base, link))
    assert (await sh(sandbox, "cat factory/outside.txt"))[0] == 1


async def test_the_network_is_the_sandboxes_own(sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        connect = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"
        code, output = await sh(
            sandbox, f'/usr/bin/env python3 -c "{connect}"; ls /sys/class/net 2>&1; cat /proc/net/dev'
        )
    assert "ConnectionRefusedError" in output and code == 0
    assert re.findall(r"^\s*(\w+):", output.partition("Inter-")[2], re.M) == ["lo"]


async def test_tmp_lives_as_long_as_the_sandbox_and_is_private(open_sandbox: Open) -> None:
    first, second = await open_sandbox(), await open_sandbox()
    assert (await sh(first, "echo kept > /tmp/x; mkdir -p $HOME/.cache"))[0] == 0
    assert (await sh(first, "cat /tmp/x"))[1] == "kept\n"
    assert (await sh(second, "ls /tmp"))[1] == "home\n"


async def test_files_and_processes_have_limits(sandbox: Sandbox) -> None:
    code, output = await sh(sandbox, "ulimit -f; ulimit -n; ulimit -c; head -c 1100000000 /dev/zero > big; ls -s big")
    blocks, files, core, *_ = output.split()
    assert (int(blocks) * 512, int(files) <= 4096, core) == (1 << 30, True, "0")
    assert (await sandbox.run(["stat", "-c", "%s", "big"])).output == b"1073741824\n"
    assert code == 0


async def test_the_time_limit_ends_the_command_and_keeps_its_output(sandbox: Sandbox, nap: str) -> None:
    done = await sandbox.run(["sh", "-c", f"echo before; exec sleep {nap}"], time_limit=0.5)
    assert done == Finished(124, b"before\n", 0, done.seconds, "time")
    assert 0.5 <= done.seconds < 5
    assert alive(nap) == []
    assert (await sandbox.run(["true"])).exit_code == 0


async def test_the_time_limit_ends_a_command_that_closed_its_output(sandbox: Sandbox, nap: str) -> None:
    done = await sandbox.run(["sh", "-c", f"exec >&- 2>&-; sleep {nap}"], time_limit=0.5)
    assert (done.exit_code, done.timed_out, alive(nap)) == (124, True, [])


async def test_a_process_that_left_the_session_dies_with_a_finished_command(sandbox: Sandbox, nap: str) -> None:
    started = f"setsid sh -c 'trap \"\" TERM HUP INT; sleep {nap}' {{}} & while ! pgrep -x sleep; do :; done"
    for streams in ("", ">/dev/null 2>&1 </dev/null"):
        done = await sandbox.run(["sh", "-c", started.format(streams)], time_limit=30)
        assert (done.exit_code, alive(nap)) == (0, [])


async def test_a_process_that_left_the_session_dies_with_a_timed_out_command(sandbox: Sandbox, nap: str) -> None:
    script = f"setsid sleep {nap} >/dev/null 2>&1 & sleep {nap}"
    done = await sandbox.run(["sh", "-c", script], time_limit=0.5)
    assert (done.timed_out, alive(nap)) == (True, [])


async def test_cancelling_the_caller_kills_the_command(sandbox: Sandbox, nap: str) -> None:
    task = asyncio.create_task(sandbox.run(["sh", "-c", f"setsid sleep {nap} & sleep {nap}"]))
    await appears(nap)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert alive(nap) == []
    assert (await sandbox.run(["true"])).exit_code == 0


async def test_cancelling_at_any_moment_of_the_start_leaves_nothing_behind(sandbox: Sandbox, nap: str) -> None:
    for turns in range(0, 60, 3):
        task = asyncio.create_task(sandbox.run(["sleep", nap]))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert alive(nap) == []
    assert (await sandbox.run(["true"])).exit_code == 0


async def test_commands_of_one_sandbox_run_one_after_another(sandbox: Sandbox) -> None:
    script = "mkdir busy || exit 1; for i in 1 2 3 4 5 6 7 8 9; do echo $i >> busy/x; done; rm -r busy"
    codes = await asyncio.gather(*(sh(sandbox, script) for _ in range(4)))
    assert codes == [(0, "")] * 4


async def test_closing_ends_what_runs_and_removes_the_workspace_whatever_its_modes(
    open_sandbox: Open, nap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "private"))
    (tmp_path / "private").mkdir()
    sandbox = await open_sandbox()
    assert (await sh(sandbox, "mkdir -p a/b; touch a/b/c; chmod 000 a/b/c a/b a"))[0] == 0
    task = asyncio.create_task(sandbox.run(["sleep", nap]))
    await appears(nap)
    await sandbox.close()
    await sandbox.close()
    with pytest.raises(RunError, match="it was closed"):
        await task
    with pytest.raises(RunError, match="it was closed"):
        await sandbox.write("x", b"x")
    assert (alive(nap), list((tmp_path / "private").iterdir())) == ([], [])


async def test_paths_are_resolved_inside(sandbox: Sandbox) -> None:
    await sh(sandbox, "ln -s /etc etc; ln -s ../.. src/up; ln -s loop loop")
    expected = {
        "src/app.py": "/work/src/app.py",
        "link": "/work/src/app.py",
        "src/../new/x": "/work/new/x",
        "etc/passwd": "/etc/passwd",
        "src/up/tmp/x": "/tmp/x",
        "../../x": "/x",
        "/work/./src//": "/work/src",
        "-n": "/work/-n",
        "new\nline": "/work/new\nline",
        "caf\udce9": "/work/caf\udce9",
    }
    assert {path: await sandbox.resolve(path) for path in expected} == expected


async def test_files_are_read_up_to_a_limit(sandbox: Sandbox) -> None:
    await sandbox.write("data", bytes(range(256)) * 1000)
    assert await sandbox.read("data", limit=1_000_000) == bytes(range(256)) * 1000
    assert await sandbox.read("/work/data", limit=300) == (bytes(range(256)) * 2)[:300]
    assert await sandbox.read("link", limit=5) == b"VALUE"
    assert await sandbox.read("data", limit=0) == b""


async def test_what_cannot_be_read_says_why(sandbox: Sandbox) -> None:
    await sh(sandbox, "mkfifo fifo; ln -s missing broken; ln -s loop loop; echo x > locked; chmod 000 locked")
    expected: dict[str, type[OSError]] = {
        "missing": FileNotFoundError,
        "broken": FileNotFoundError,
        "loop": FileNotFoundError,
        "README.md/x": FileNotFoundError,
        "src": IsADirectoryError,
        "fifo": OSError,
        "/dev/zero": OSError,
        "locked": PermissionError,
        "nul\0": OSError,
    }
    for path, kind in expected.items():
        with pytest.raises(OSError) as caught:  # noqa: PT011 - the type is compared below
            await sandbox.read(path, limit=10)
        assert type(caught.value) is kind, path
    with pytest.raises(OSError, match="Invalid argument") as pipe:
        await sandbox.read("fifo", limit=10)
    assert (pipe.value.errno, pipe.value.filename) == (errno.EINVAL, "fifo")


async def test_files_are_written_with_their_folders_and_keep_their_bit(sandbox: Sandbox) -> None:
    await sandbox.write("deep/er/-n x\n.txt", b"\0\xff" * 500_000)
    assert await sandbox.read("deep/er/-n x\n.txt", limit=2_000_000) == b"\0\xff" * 500_000
    await sandbox.write("run.sh", b"#!/bin/sh\necho changed\n")
    assert (await sandbox.run(["./run.sh"])).output == b"changed\n"
    await sandbox.write("empty", b"")
    assert await sandbox.read("empty", limit=1) == b""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("src", IsADirectoryError),
        ("new/", IsADirectoryError),
        ("README.md/x", OSError),
        ("factory/x", PermissionError),
        ("/usr/x", PermissionError),
        ("/dev/full", OSError),
        ("nul\0", OSError),
    ],
)
async def test_what_cannot_be_written_says_why(sandbox: Sandbox, path: str, kind: type[OSError]) -> None:
    before = await sandbox.entries()
    with pytest.raises(kind):
        await sandbox.write(path, b"x")
    assert await sandbox.entries() == before


async def test_the_repository_inside_is_ours_and_works(sandbox: Sandbox) -> None:
    code, output = await sh(
        sandbox,
        "git status --porcelain; git log --format='%s %D'; git remote; git for-each-ref --format='%(refname)'; "
        "git config --list --show-origin | cut -f1 | sort -u; ls .git/hooks .git/objects/info/alternates 2>/dev/null; "
        "echo x >> README.md; git commit -qam local && git log -1 --format=%an",
    )
    assert (code, output) == (0, "second HEAD -> main\nfirst \nrefs/heads/main\nfile:.git/config\nandon\n")


async def test_an_edit_shows_in_git_inside(sandbox: Sandbox) -> None:
    await sandbox.write("src/app.py", b"VALUE = 2\n")
    assert (await sh(sandbox, "git diff --stat | tail -1; git status --porcelain"))[1] == (
        " 1 file changed, 1 insertion(+), 1 deletion(-)\n M src/app.py\n"
    )


async def test_entries_show_what_lies_there_without_following_or_opening(sandbox: Sandbox, repo: Path) -> None:
    before = {entry.path: entry for entry in await sandbox.entries()}
    held = {
        b"src/crlf.txt": ("100644", b"one\r\ntwo\r\n"),
        b"run.sh": ("100755", (repo / "run.sh").read_bytes()),
        b"link": ("120000", b"src/app.py"),
        b"README.md": ("100644", (repo / "README.md").read_bytes()),
    }
    assert {path: (before[path].mode, before[path].id()) for path in held} == {
        path: (mode, blob_id(content)) for path, (mode, content) in held.items()
    }
    code, _ = await sh(
        sandbox,
        "rm -r src factory 2>/dev/null; mkfifo fifo; ln -s /etc/shadow shadow; ln README.md hard; mkdir empty; "
        "chmod 000 run.sh; mkdir -p shut/in; echo x > shut/in/x; chmod 000 shut/in/x shut/in shut; "
        'mkdir -p sub/.git; echo g > sub/.git/config; touch "$(printf "caf\\351\\nx")"; '
        "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"sock\")'",
    )
    after = await sandbox.entries()
    assert code == 0
    assert after == sorted(after, key=lambda entry: entry.path)
    assert {entry.path: (entry.mode, entry.content) for entry in after if not _same(entry, before.get(entry.path))} == {
        b"caf\xe9\nx": ("100644", b""),
        b"fifo": ("other", b""),
        b"hard": ("100644", b"# project\n"),
        b"run.sh": ("100644", b"#!/bin/sh\necho hello\n"),
        b"shadow": ("120000", b"/etc/shadow"),
        b"shut/in/x": ("100644", b"x\n"),
        b"sock": ("other", b""),
        b"sub/.git/config": ("100644", b"g\n"),
    }
    assert not any(entry.path.startswith(b".git/") for entry in after)


def _same(entry: Entry, before: Entry | None) -> bool:
    return before is not None and (entry.mode, entry.id()) == (before.mode, before.id())


async def test_of_a_file_too_large_to_carry_only_the_id_is_known(sandbox: Sandbox) -> None:
    assert (await sandbox.run(["truncate", "-s", "50000001", "huge"])).exit_code == 0
    [huge] = [entry for entry in await sandbox.entries() if entry.path == b"huge"]
    assert huge == Entry(b"huge", "100644", None, blob_id(bytes(50_000_001)), oversized=True)


async def test_a_link_made_inside_never_leads_a_write_to_the_host(sandbox: Sandbox, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("host")
    await sh(sandbox, f"ln -s {target} out; ln -s {tmp_path} dir")
    for path in ("out", "dir/target", "dir/new"):
        try:
            await sandbox.write(path, b"inside")
        except OSError:
            continue
    assert (target.read_text(), (tmp_path / "new").exists()) == ("host", False)


async def test_a_sandbox_started_in_another_thread_works_there(open_sandbox: Open, store: TreeStore) -> None:
    assert stat.S_ISDIR(store.path.stat().st_mode)
    results: list[int] = []

    async def use() -> None:
        sandbox = await open_sandbox()
        results.append((await sandbox.run(["sh", "-c", "exit 7"])).exit_code)
        await sandbox.close()

    thread = threading.Thread(target=lambda: asyncio.run(use()))
    thread.start()
    await asyncio.to_thread(thread.join)
    assert results == [7]
