"""Attacks by processes: on the worker, on their own end, on the rights they were left."""

import os
from pathlib import Path

from sandbox_kit import alive, ask, sh

from andon.sandbox.protocol import Finished, Sandbox

_SURVIVORS = {
    "a session of its own": "setsid sleep {nap} &",
    "every stream closed": "setsid sleep {nap} <&- >&- 2>&- &",
    "a double fork": "(setsid sh -c 'sleep {nap} & exit' &)",
    "deaf to signals": "setsid sh -c \"trap '' TERM HUP INT QUIT USR1 CHLD; sleep {nap}\" &",
    "stopped": "sleep {nap} & kill -STOP $!",
    "its parent killed": "sh -c 'sleep {nap} & kill -KILL $$' & wait",
    "its parent waiting in vfork": 'python3 -c \'import subprocess; subprocess.run(["sleep", "{nap}"])\' &',
    "adopted by another": (
        "python3 -c 'import ctypes, os, signal; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0); "
        'os.fork() or os.fork() or os.execlp("sleep", "sleep", "{nap}"); os.fork() or signal.pause()\' & sleep 0.1'
    ),
    "that asked not to be killed with its parent": (
        "python3 -c 'import ctypes, os; os.setsid(); ctypes.CDLL(None).prctl(1, 0, 0, 0, 0); "
        'ctypes.CDLL(None).prctl(4, 0, 0, 0, 0); os.execlp("sleep", "sleep", "{nap}")\' &'
    ),
    "traced": (
        "python3 -c 'import ctypes, os, signal\nif not os.fork():\n ctypes.CDLL(None).ptrace(0, 0, 0, 0)\n"
        ' os.execlp("sleep", "sleep", "{nap}")\nsignal.pause()\' & sleep 0.1'
    ),
    "many": "for i in 1 2 3 4 5 6 7 8 9; do (setsid sleep {nap} &); done",
}


async def test_no_process_survives_its_call(sandbox: Sandbox, nap: str) -> None:
    for name, script in _SURVIVORS.items():
        done = await sandbox.run(["sh", "-c", script.format(nap=nap) + "\nexit 3"], time_limit=20)
        assert (done.exit_code, done.why, alive(nap)) == (3, "", []), (name, done)
    assert (await sh(sandbox, "ls -d /proc/[0-9]*"))[1].split()[0] == "/proc/1"


async def test_no_process_survives_a_call_that_was_ended(sandbox: Sandbox, nap: str) -> None:
    for script in _SURVIVORS.values():
        done = await sandbox.run(["sh", "-c", script.format(nap=nap) + f"\nsleep {nap}"], time_limit=0.3)
        assert (done.exit_code, done.why, done.timed_out, alive(nap)) == (124, "time", True, [])


_AIMED = """
import ctypes, errno, json, os, resource, signal
libc = ctypes.CDLL(None, use_errno=True)
def told(attempt):
    try:
        attempt()
    except OSError as error:
        return errno.errorcode[error.errno]
    return 'done'
def call(number, *words):
    if libc.syscall(*(ctypes.c_long(word) for word in (number, *words))) == -1:
        raise OSError(ctypes.get_errno(), 'refused')
PTRACE, READV, WRITEV, GETFD, OPENFD, PRLIMIT = {
    'x86_64': (101, 310, 311, 438, 434, 302), 'aarch64': (117, 270, 271, 438, 434, 261)}[os.uname().machine]
piece = ctypes.create_string_buffer(16)
pair = (ctypes.c_void_p * 2)(ctypes.addressof(piece), 16)
vector = ctypes.addressof(pair)
answers = {'attach': told(lambda: call(PTRACE, 16, 1, 0, 0)), 'seize': told(lambda: call(PTRACE, 0x4206, 1, 0, 0)),
    'readv': told(lambda: call(READV, 1, vector, 1, vector, 1, 0)),
    'writev': told(lambda: call(WRITEV, 1, vector, 1, vector, 1, 0))}
for path in ('mem', 'fd/0', 'fd/1', 'environ', 'maps', 'cwd', 'root', 'exe', 'stack', 'auxv', 'syscall', 'ns/pid'):
    flags = os.O_RDWR if path in ('mem', 'fd/0', 'fd/1') else os.O_RDONLY
    answers[path] = told(lambda: os.read(os.open('/proc/1/' + path, flags | os.O_NONBLOCK), 1))
worker = os.pidfd_open(1)
for number in (0, 1, 2):
    answers['fd %d' % number] = told(lambda: call(GETFD, worker, number, 0))
for name in ('AS', 'NOFILE', 'CPU', 'FSIZE', 'NPROC'):
    answers['limit ' + name] = told(lambda: resource.prlimit(1, getattr(resource, 'RLIMIT_' + name), (0, 0)))
for number in range(1, 65):
    if number not in (32, 33):
        os.kill(1, number)
        signal.pidfd_send_signal(worker, number)
print(json.dumps(answers))
"""


async def test_the_worker_can_be_neither_read_nor_written_nor_ended(sandbox: Sandbox) -> None:
    before = await sandbox.entries()
    answers = await ask(sandbox, _AIMED)
    assert {name: told for name, told in answers.items() if told not in ("EPERM", "EACCES")} == {}
    assert len(answers) == 24
    done = await sandbox.run(["sh", "-c", "ulimit -n; echo fine"])
    assert done == Finished(0, b"4096\nfine\n", 0, done.seconds)
    assert await sandbox.entries() == before


async def test_a_command_cannot_speak_for_the_worker(sandbox: Sandbox) -> None:
    script = """
import os, struct, sys
frame = struct.pack('>16sIQ', bytes(16), 2, 0) + b'{}'
for fd in range(64):
    try: os.write(fd, frame)
    except OSError: pass
for name in os.listdir('/proc'):
    for fd in range(8):
        try: os.write(os.open('/proc/%s/fd/%d' % (name, fd), os.O_WRONLY | os.O_NONBLOCK), frame)
        except OSError: pass
"""
    done = await sandbox.run(["python3", "-c", script])
    assert (done.exit_code, len(done.output) >= 30) == (0, True)
    assert (await sandbox.run(["echo", "fine"])).output == b"fine\n"


async def test_a_command_that_kills_everything_kills_only_its_own(sandbox: Sandbox) -> None:
    done = await sandbox.run(["sh", "-c", "kill -STOP 1; kill -KILL 1; kill -KILL -1 2>/dev/null; echo alone"])
    assert (done.exit_code, done.output) == (0, b"alone\n")
    assert (await sandbox.run(["true"])).exit_code == 0


async def test_no_program_gives_more_rights(sandbox: Sandbox) -> None:
    script = """
import glob, json, os, stat, subprocess
marked = [path for folder in ('/usr/bin', '/usr/sbin') for path in glob.glob(folder + '/*')
    if os.path.exists(path) and os.stat(path).st_mode & (stat.S_ISUID | stat.S_ISGID)]
subprocess.run(['cp', '/usr/bin/id', 'own']); os.chmod('own', 0o6755)
ids = subprocess.run(['./own', '-u'], capture_output=True).stdout.decode().strip()
raised = []
for path in marked:
    try:
        child = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        status = open('/proc/%d/status' % child.pid).read()
        raised += [path for line in status.splitlines() if line.startswith(('Uid', 'Gid')) and '\\t0' in line]
        child.kill(); child.wait()
    except OSError: pass
root = [subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0 for words in
    (['su', '-c', 'id'], ['mount', '-t', 'tmpfs', 'none', '/tmp'], ['/usr/sbin/chroot', '/', 'id'])]
print(json.dumps([ids, raised, root]))
"""
    assert await ask(sandbox, script) == ["1000", [], [False, False, False]]
    assert (await sh(sandbox, "grep -E 'NoNewPrivs|Seccomp:|CapBnd' /proc/self/status"))[1].split() == [
        "CapBnd:", "0000000000000000", "NoNewPrivs:", "1", "Seccomp:", "2",
    ]  # fmt: skip


async def test_the_engine_and_what_listens_on_the_host_are_not_there(sandbox: Sandbox) -> None:
    listening = {line.split()[-1] for line in _sockets().splitlines()[1:] if len(line.split()) == 8}
    script = """
import json, socket, sys
reached = []
for path in json.loads(sys.argv[1]):
    address = chr(0) + path[1:] if path.startswith('@') else path
    try:
        with socket.socket(socket.AF_UNIX) as asked: asked.connect(address)
        reached.append(path)
    except OSError: pass
print(json.dumps(reached))
"""
    known = {"/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock"}
    words = sorted(path for path in listening | known if len(os.fsencode(path)) < 100)
    assert await ask(sandbox, script, str(words).replace("'", '"')) == []


def _sockets() -> str:
    return Path("/proc/net/unix").read_text()
