"""What a sandbox must do and must not let happen, tried in one that stands; the same on every tier."""

import json
import os
import socket
from pathlib import Path

from andon.line.doctor.check import Finding
from andon.sandbox.protocol import WORKSPACE, Finished, Sandbox

PROGRAMS = ("python3", "pytest", "ruff", "git", "rg", "node", "npm", "make", "go", "cargo")
"""What checks of common projects need."""

_INODES = 1_000_000
"""Files that a workspace of the upper tier may hold; more is no cap of andon's."""

# UDP's connect sends nothing: it only asks the kernel for a route. The addresses are reserved for documentation.
_CONNECT = """
import json, socket, sys
reached = []
for family, kind, address in (
    (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", int(sys.argv[1]))),
    (socket.AF_INET, socket.SOCK_DGRAM, ("192.0.2.1", 53)),
    (socket.AF_INET6, socket.SOCK_DGRAM, ("2001:db8::1", 53)),
):
    try:
        with socket.socket(family, kind) as tried:
            tried.settimeout(2)
            tried.connect(address)
            reached.append(address[0])
    except OSError:
        pass
print(json.dumps(reached))
"""
_LIST = r"""for f in /proc/[0-9]*/cmdline; do { tr '\0' ' ' < "$f"; echo; } 2>/dev/null; done | grep -c "^sleep $1 " """
_START = f"""
setsid sleep "$1" > /dev/null 2>&1 < /dev/null &
(trap '' HUP TERM; sleep "$1" > /dev/null 2>&1 < /dev/null &)
until [ "$({_LIST})" -ge 2 ]; do :; done
echo started
"""
_KILL = "end the sandbox's processes by hand, and report this: what an agent starts must not stay"
_CLOSED = "no run should begin on this tier: report this"


async def write_stays(sandbox: Sandbox) -> Finding:
    """Put a file into the workspace, read it by a command, and see it as the only change; /usr must be closed."""
    await sandbox.write("andon/doctor.txt", b"here\n")
    read = await sandbox.run(["cat", "andon/doctor.txt"])
    paths = [entry.path.decode() for entry in await sandbox.entries()]
    closed = await sandbox.run(["test", "-w", "/usr"])
    if read.output != b"here\n" or paths != ["andon/doctor.txt"]:
        return Finding("error", f"what was written is not what lies there: {_said(read)}, {paths}", _CLOSED)
    if closed.exit_code == 0:
        return Finding("error", "programs of the sandbox can be written by what runs in it", _CLOSED)
    return Finding("ok", f"written, read by a command and seen as a change of {WORKSPACE}; /usr cannot be written")


async def network_is_refused(sandbox: Sandbox) -> Finding:
    """Listen on this machine's loopback, and try to connect from inside, there and to addresses of the world."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        tried = await sandbox.run(["python3", "-c", _CONNECT, str(server.getsockname()[1])], time_limit=8)
    if tried.exit_code == 127:
        return Finding("warning", "no python3 inside to try it with", "install python3 in the image or toolchain")
    try:
        reached = json.loads(tried.output)
    except ValueError:
        return Finding("error", f"it could not be tried: {_said(tried)}", "try again, then report this")
    if reached:
        return Finding("error", f"a command could reach {', '.join(reached)}", _CLOSED)
    return Finding("ok", "neither a server on this machine nor a route to the world could be had from inside")


async def tree_is_ended(sandbox: Sandbox) -> Finding:
    """Start processes that leave their parent, their session and their signals behind; none may live after it."""
    # Seconds that nothing else on this machine sleeps.
    nap = f"9{os.getpid():07d}{os.urandom(2).hex()}".translate(str.maketrans("abcdef", "123456"))
    started = await sandbox.run(["sh", "-c", _START, "sh", nap], time_limit=5)
    if started.output.strip() != b"started":
        return Finding("error", f"two processes did not start: {_said(started)}", "try again, then report this")
    left = await sandbox.run(["sh", "-c", _LIST, "sh", nap], time_limit=5)
    if left.output.strip() != b"0" or _on_this_machine(nap):
        return Finding("error", f"of the processes of a command that ended {left.output.decode().strip()} live", _KILL)
    return Finding("ok", "two processes that had left their command were gone when it returned")


def _on_this_machine(nap: str) -> bool:
    wanted = f"sleep\0{nap}\0".encode()
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "cmdline").read_bytes() == wanted:
                return True
        except OSError:
            continue
    return False


async def time_limit_holds(sandbox: Sandbox) -> Finding:
    """Run a command that would take a minute under a limit of half a second."""
    done = await sandbox.run(["sleep", "60"], time_limit=0.5)
    if done.timed_out and done.seconds < 5:
        return Finding("ok", f"a command of a minute was ended after {done.seconds:.2f} s")
    return Finding("error", f"a command of a minute ended after {done.seconds:.1f} s: {_said(done)}", _CLOSED)


async def files_are_counted(sandbox: Sandbox) -> Finding:
    """Ask the file system of the workspace how many files it may hold."""
    done = await sandbox.run(["stat", "-f", "-c", "%c", WORKSPACE])
    try:
        most = int(done.output)
    except ValueError:
        return Finding("warning", f"it cannot be asked: {_said(done)}")
    if most <= _INODES:
        return Finding("ok", f"the workspace holds {most:,} files at most")
    told = f"{most:,} files" if most else "as many files as there is room for"
    return Finding("note", f"this tier has no cap of andon's on the number of files; the kernel's is {told}")


async def programs_are_there(sandbox: Sandbox) -> Finding:
    """Ask for the programs that checks of common projects need."""
    there = await found_programs(sandbox, PROGRAMS)
    lacking = [name for name in PROGRAMS if name not in there]
    lacks = f"; it lacks {', '.join(lacking)}" if lacking else ""
    return Finding("ok" if there else "warning", f"it has {', '.join(there) or 'none of them'}{lacks}")


async def found_programs(sandbox: Sandbox, names: tuple[str, ...]) -> list[str]:
    """Return those of the programs that a sandbox has."""
    done = await sandbox.run(["sh", "-c", 'for name do command -v -- "$name"; done', "sh", *names])
    there = {Path(line).name for line in done.output.decode("utf-8", "replace").splitlines()}
    return [name for name in names if name in there]


def _said(done: Finished) -> str:
    words = " ".join(done.output.decode("utf-8", "replace").split())
    return f"exit code {done.exit_code}{f', {words[:200]}' if words else ''}"
