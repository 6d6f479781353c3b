"""Attacks on files that are not the command's own: none gets out, and the caller is told what happened."""

import asyncio
import errno
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sandbox_kit import ask, sh

from andon.sandbox.protocol import Sandbox
from andon.sandbox.store import Change, TreeStore
from andon.sandbox.tree_out import take_tree

Open = Callable[..., Awaitable[Sandbox]]

_TRIES = """
import ctypes, errno, glob, json, os, stat, sys
libc = ctypes.CDLL(None, use_errno=True)
def name_of(attempt, *arguments):
    try:
        done = attempt(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return 'done' if done is None else done
def call(name, *arguments):
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)
"""


def text_of(path: Path) -> str:
    return path.read_text()


def facts_of(path: Path) -> tuple[int, int, int]:
    facts = path.stat()
    return facts.st_mode, facts.st_uid, facts.st_gid


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of the host beside the repository."""
    path = tmp_path / "secret"
    path.write_text("of the host")
    return path


async def test_no_way_leads_to_a_file_of_the_host(sandbox: Sandbox, secret: Path) -> None:
    script = f"""{_TRIES}
path = sys.argv[1]
os.symlink(path, '/work/way'); os.symlink('/', '/work/root'); os.symlink('../' * 40 + path[1:], '/work/up')
ways = [path, '/work/way', '/work/root' + path, '/work/up', '/work/' + '../' * 40 + path[1:]]
for process in ('1', 'self', *filter(str.isdigit, os.listdir('/proc'))):
    ways += [f'/proc/{{process}}/root' + path, f'/proc/{{process}}/cwd' + path]
ways += glob.glob('/proc/1/fd/*') + glob.glob('/proc/1/map_files/*')
def holds(way):
    with open(way, 'rb') as file: return b'of the host' in file.read(100)
def overwrite(way):
    with open(way, 'r+b') as file: file.write(b'changed')
print(json.dumps([way for way in ways if name_of(holds, way) is True or name_of(overwrite, way) == 'done']))
"""
    assert await ask(sandbox, script, str(secret)) == []
    for path in ("way", f"root{secret}", "up", str(secret), "../" * 40 + str(secret)[1:], f"/proc/1/root{secret}"):
        with pytest.raises(FileNotFoundError):
            await sandbox.read(path, limit=100)
        assert (await sandbox.resolve(path)).endswith(str(secret))
    assert text_of(secret) == "of the host"
    entries = {entry.path: entry.content for entry in await sandbox.entries()}
    assert (entries[b"way"], entries[b"root"]) == (str(secret).encode(), b"/")


async def test_a_write_through_a_link_stays_inside(sandbox: Sandbox, secret: Path) -> None:
    before = listed(secret.parent)
    await sh(sandbox, f"ln -s {secret} way; ln -s {secret.parent} folder; ln -s /proc/self/root{secret} magic")
    for path in ("way", "folder/new", f"{secret}", "magic"):
        await sandbox.write(path, b"inside")
        assert await sandbox.read(path, limit=10) == b"inside"
    assert (text_of(secret), listed(secret.parent)) == ("of the host", before)


async def test_a_hard_link_holds_nothing_but_the_workspaces_own(sandbox: Sandbox) -> None:
    script = f"""{_TRIES}
print(json.dumps([name_of(os.link, path, '/work/hard') for path in
    ('/etc/passwd', '/usr/bin/env', '/work/factory/andon.toml', '/proc/self/environ', '/dev/null')]))
"""
    assert set(await ask(sandbox, script)) <= {"EXDEV", "EPERM", "EROFS"}
    assert (await sh(sandbox, "ln README.md src/hard; echo x >> src/hard"))[0] == 0
    assert {entry.content for entry in await sandbox.entries() if entry.path in (b"README.md", b"src/hard")} == {
        b"# project\nx\n"
    }


async def test_nothing_can_be_mounted_or_laid_bare(sandbox: Sandbox) -> None:
    script = f"""{_TRIES}
os.makedirs('/tmp/m')
print(json.dumps([name_of(call, *words) for words in (
    ('mount', b'none', b'/tmp/m', b'tmpfs', 0, None), ('mount', b'/proc', b'/tmp/m', None, 4096, None),
    ('mount', None, b'/', None, 32 | 4096, None), ('umount2', b'/work/factory', 2), ('umount2', b'/proc', 2),
    ('pivot_root', b'/tmp/m', b'/tmp/m'), ('chroot', b'/tmp/m'), ('unshare', 0x10000000), ('unshare', 0x20000),
    ('setns', os.open('/proc/self/ns/mnt', os.O_RDONLY), 0), ('syscall', 428, -100, b'/', 1),
    ('syscall', 430, b'proc', 0),
)]))
"""
    assert set(await ask(sandbox, script)) == {"EPERM"}
    assert (await sh(sandbox, "echo x > factory/andon.toml"))[0] != 0


async def test_the_machines_settings_are_closed(sandbox: Sandbox) -> None:
    script = f"""{_TRIES}
open_to_writing = []
for top in os.listdir('/proc'):
    if top.isdigit() or os.path.islink('/proc/' + top):
        continue
    inner = [os.path.join(at, name) for at, _, names in os.walk('/proc/' + top) for name in names]
    for path in ['/proc/' + top, *inner]:
        # What the engine masks is a /dev/null; pressure files only wake whom writes them.
        if not stat.S_ISREG(os.lstat(path).st_mode) or path.startswith('/proc/pressure/'):
            continue
        if name_of(os.open, path, os.O_WRONLY) not in ('EROFS', 'EACCES', 'EPERM', 'ENOENT', 'EIO'):
            open_to_writing.append(path)
for at, _, names in os.walk('/sys'):
    open_to_writing += [path for path in (os.path.join(at, name) for name in names)
        if not os.path.islink(path) and type(name_of(os.open, path, os.O_WRONLY)) is int]
print(json.dumps(open_to_writing))
"""
    before = text_of(Path("/proc/sys/kernel/core_pattern"))
    assert await ask(sandbox, script) == []
    assert (await sh(sandbox, "echo '|/bin/true' > /proc/sys/kernel/core_pattern"))[0] != 0
    assert text_of(Path("/proc/sys/kernel/core_pattern")) == before


async def test_the_machines_devices_keep_their_modes(sandbox: Sandbox) -> None:
    names = ("full", "null", "random", "tty", "urandom", "zero")
    script = f"""{_TRIES}
print(json.dumps([[name_of(os.chmod, path, 0o666), name_of(os.chown, path, 1000, 1000),
    name_of(os.utime, path, (0, 0))] for path in ('/dev/' + name for name in sys.argv[1:])]))
open('/dev/null', 'w').write('x'); assert open('/dev/zero', 'rb').read(2) == bytes(2) and os.urandom(1)
"""
    before = [facts_of(Path("/dev", name)) for name in names]
    for told in await ask(sandbox, script, *names):
        assert set(told) <= {"EROFS", "EPERM", "EACCES"}
    assert [facts_of(Path("/dev", name)) for name in names] == before


async def test_devices_cannot_be_made_and_pipes_hold_nobody_up(sandbox: Sandbox, store: TreeStore, base: str) -> None:
    script = f"""{_TRIES}
made = [name_of(os.mknod, '/work/' + name, kind | 0o666, os.makedev(*numbers)) for name, kind, numbers in
    (('mem', stat.S_IFCHR, (1, 1)), ('disk', stat.S_IFBLK, (8, 0)), ('fuse', stat.S_IFCHR, (10, 229)))]
os.mkfifo('/work/fifo')
os.unlink('/work/run.sh'); os.mkfifo('/work/run.sh')
print(json.dumps(made))
"""
    assert await ask(sandbox, script) == ["EPERM"] * 3
    for path in ("fifo", "run.sh", "/dev/zero", "/dev/tty"):
        with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is compared
            await sandbox.read(path, limit=10)
        assert caught.value.errno == errno.EINVAL
        with pytest.raises(OSError, match="Invalid argument"):
            await sandbox.write(path, b"x")
    taken = take_tree(await sandbox.entries(), store, base)
    assert (taken.tree, taken.refused) == (
        base,
        [
            "'fifo' is no file, folder or link: it was not taken",
            "'run.sh' is no file, folder or link: it was left as it is at the base",
        ],
    )


async def test_a_link_swapped_during_calls_catches_none_of_them(sandbox: Sandbox, secret: Path) -> None:
    swapping = f"""
import os, sys, time
os.makedirs('real', exist_ok=True)
os.fork() and os._exit(0)
os.setsid()
until = time.monotonic() + 20
while time.monotonic() < until:
    try:
        os.rename('spot', 'real') if os.path.isdir('spot') and not os.path.islink('spot') else None
        os.symlink('{secret.parent}', 'spot'); os.unlink('spot'); os.rename('real', 'spot')
    except OSError: pass
"""
    results = await asyncio.gather(
        sandbox.run(["python3", "-c", swapping]),
        *(sandbox.write("spot/secret", b"%d" % number) for number in range(20)),
        return_exceptions=True,
    )
    assert all(result is None or isinstance(result, PermissionError) for result in results[1:])
    assert text_of(secret) == "of the host"


async def test_an_archive_with_traversal_lands_inside(sandbox: Sandbox, tmp_path: Path) -> None:
    script = f"""{_TRIES}
import io, subprocess, tarfile, zipfile
names = ['../' * 30 + sys.argv[1][1:] + '/up', sys.argv[1] + '/absolute', 'fine']
with tarfile.open('evil.tar', 'w') as archive:
    for name in names:
        member = tarfile.TarInfo(name); member.size = 1
        archive.addfile(member, io.BytesIO(b'x'))
    link = tarfile.TarInfo('lnk'); link.type = tarfile.SYMTYPE; link.linkname = sys.argv[1]
    archive.addfile(link)
    through = tarfile.TarInfo('lnk/through'); through.size = 1
    archive.addfile(through, io.BytesIO(b'x'))
with zipfile.ZipFile('evil.zip', 'w') as archive:
    for name in names: archive.writestr(name, 'x')
subprocess.run(['tar', '-xPf', 'evil.tar'], stderr=subprocess.DEVNULL)
zipfile.ZipFile('evil.zip').extractall('zipped')
os.unlink('evil.tar'); os.unlink('evil.zip')
print(json.dumps(sorted(os.listdir('.'))))
"""
    before = listed(tmp_path)
    assert "fine" in await ask(sandbox, script, str(tmp_path))
    assert listed(tmp_path) == before
    assert b"fine" in {entry.path for entry in await sandbox.entries()}


async def test_a_write_through_shared_memory_is_seen(sandbox: Sandbox) -> None:
    script = """
import mmap, os
file = os.open('src/app.py', os.O_RDWR)
shared = mmap.mmap(file, 0)
assert shared.find(b'VALUE') == 0
shared[8:9] = b'7'
"""
    for _ in range(2):
        # Files that changed a moment ago are looked at again in any case.
        await sandbox.run(["sleep", "0.1"])
        await sandbox.entries()
        assert (await sandbox.run(["python3", "-c", script])).exit_code == 0
        assert [entry.content for entry in await sandbox.entries() if entry.path == b"src/app.py"] == [b"VALUE = 7\n"]
        assert (await sh(sandbox, "sed -i s/7/1/ src/app.py"))[0] == 0
        assert [entry.content for entry in await sandbox.entries() if entry.path == b"src/app.py"] == [b"VALUE = 1\n"]


async def test_what_was_only_read_is_no_change_and_git_says_so(open_sandbox: Open, store: TreeStore, base: str) -> None:
    tree = store.build(base, [Change(b"many/%d" % number, "100644", b"%d\n" % number) for number in range(300)])
    sandbox = await open_sandbox(tree=tree)
    for _ in range(3):
        code, said = await sh(sandbox, "cat many/* src/* | wc -l; git status --porcelain")
        assert (code, said) == (0, "303\n?? many/\n")
        assert take_tree(await sandbox.entries(), store, tree).tree == tree
