"""The filter of both tiers, asked from inside: the tests run bwrap and the engine themselves, with nothing but it."""

import ctypes
import json
import os
import platform
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from andon.sandbox.engine import LABEL, OWNER_LABEL, connect, find_image, remove_container
from andon.sandbox.owner import Owner
from andon.sandbox.seccomp import bpf_program, docker_profile
from andon.sandbox.syscall_numbers import NUMBERS
from andon.sandbox.syscalls import ABSENT, ALLOWED, CONDITIONAL
from andon.sandbox.toolchain import find_toolchain

Confined = Callable[[Sequence[str]], tuple[int, str]]

_BWRAP = (
    "bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--cap-drop", "ALL",
    "--uid", "1000", "--gid", "1000", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin",
    "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev",
    "--ro-bind-try", "/etc/alternatives", "/etc/alternatives", "--tmpfs", "/tmp", "--chdir", "/tmp", "--clearenv",
)  # fmt: skip

_ENVIRONMENT = {"PATH": "/opt/toolchain/bin:/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8"}

_PROBE = """
import ctypes, errno, json, sys
libc = ctypes.CDLL(None, use_errno=True)
answers = {}
for name, number, *arguments in json.loads(sys.argv[1]):
    ctypes.set_errno(0)
    done = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(argument) for argument in arguments))
    answers[name] = errno.errorcode[ctypes.get_errno()] if done == -1 else "done"
print(json.dumps(answers))
"""


@pytest.fixture(params=["bubblewrap", "docker"])
def confined(request: pytest.FixtureRequest) -> Confined:
    """Run a command under the filter; its exit code as a shell tells it, and its output."""
    run: Confined = request.getfixturevalue(f"in_{request.param}")
    return run


@pytest.fixture(scope="session")
def in_bubblewrap() -> Confined:
    return lambda argv: run_in_bubblewrap(argv, bpf_program())


def run_in_bubblewrap(argv: Sequence[str], program: bytes | None) -> tuple[int, str]:
    filter_fd = os.memfd_create("filter")
    os.write(filter_fd, program or b"")
    os.lseek(filter_fd, 0, os.SEEK_SET)
    options = ["--seccomp", str(filter_fd)] if program else []
    for mount in find_toolchain(None).mounts:
        options += ["--ro-bind", mount.source, mount.target]
    for name, value in _ENVIRONMENT.items():
        options += ["--setenv", name, value]
    try:
        done = subprocess.run(
            [*_BWRAP, *options, "--", *argv], pass_fds=[filter_fd], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    finally:
        os.close(filter_fd)
    return done.returncode, done.stdout.decode()


@pytest.fixture(scope="module")
def in_docker(docker_tier: None) -> Iterator[Confined]:
    api = connect()
    config = api.create_host_config(
        network_mode="none", cap_drop=["ALL"], security_opt=["no-new-privileges", f"seccomp={docker_profile()}"],
        tmpfs={"/tmp": "exec,mode=1777"}, init=True,
    )  # fmt: skip
    container = api.create_container(
        find_image(api).id,
        ["/bin/sleep", "infinity"],
        entrypoint=[],
        user="1000:1000",
        host_config=config,
        labels={LABEL: "1", OWNER_LABEL: Owner.this_process().text()},
    )["Id"]

    def run(argv: Sequence[str]) -> tuple[int, str]:
        made = api.exec_create(container, list(argv), workdir="/tmp", environment=_ENVIRONMENT)
        output = api.exec_start(made["Id"]).decode()
        return int(api.exec_inspect(made["Id"])["ExitCode"]), output

    try:
        api.start(container)
        yield run
    finally:
        remove_container(api, container)


def asked(calls: Mapping[str, Sequence[int]], run: Confined) -> dict[str, str]:
    """What the kernel answers to each call: number and arguments."""
    code, output = run(["python3", "-c", _PROBE, json.dumps([[name, *call] for name, call in calls.items()])])
    assert code == 0, output
    answers: dict[str, str] = json.loads(output)
    return answers


def of_this_machine(calls: Mapping[str, tuple[int, int, Sequence[int]]]) -> dict[str, list[int]]:
    """Take the number of this machine from calls with both."""
    if platform.machine() not in ("x86_64", "aarch64"):
        pytest.skip("a filter is made for x86_64 and aarch64")
    return {
        name: [x86_64 if platform.machine() == "x86_64" else aarch64, *arguments]
        for name, (x86_64, aarch64, arguments) in calls.items()
    }


_CLONE_NEWUSER, _CLONE_FS, _SIGCHLD = 0x1000_0000, 0x200, 17

_REFUSED = {
    "io_uring_setup": (425, 425, (0, 0)),
    "io_uring_enter": (426, 426, (-1, 0, 0, 0, 0, 0)),
    "io_uring_register": (427, 427, (-1, 0, 0, 0)),
    "unshare": (272, 97, (0,)),
    "setns": (308, 268, (-1, 0)),
    "clone with a namespace": (56, 220, (_CLONE_NEWUSER | _CLONE_FS | _SIGCHLD, 0, 0, 0, 0)),
    "open_tree": (428, 428, (-1, 0, 0)),
    "keyctl": (250, 219, (0, -3, 0)),
    "name_to_handle_at": (303, 264, (-100, 0, 0, 0, 0)),
    "kcmp": (312, 272, (1, 1, 99, 0, 0)),
    "pidfd_getfd": (438, 438, (-1, 0, 0)),
    "process_madvise": (440, 440, (-1, 0, 0, 0, 1)),
    "personality READ_IMPLIES_EXEC": (135, 92, (0x40_0000,)),
    "socket AF_ALG": (41, 198, (38, 5, 0)),
    "socket AF_VSOCK": (41, 198, (40, 1, 0)),
    "socket of netfilter": (41, 198, (16, 3, 12)),
    "socketpair AF_TIPC": (53, 199, (30, 1, 0, 0)),
}
"""Calls which the kernel answers otherwise where there is no filter."""

_REFUSED_TWICE = {
    "mount": (165, 40, (0, 0, 0, 0, 0)),
    "umount2": (166, 39, (0, 0)),
    "pivot_root": (155, 41, (0, 0)),
    "chroot": (161, 51, (0,)),
    "move_mount": (429, 429, (-1, 0, -1, 0, 0)),
    "fspick": (433, 433, (-1, 0, 0)),
    "fsopen": (430, 430, (0, 0)),
    "mount_setattr": (442, 442, (-1, 0, 0, 0, 0)),
    "bpf": (321, 280, (0, 0, 0)),
    "userfaultfd": (323, 282, (0,)),
    "perf_event_open": (298, 241, (0, 0, -1, -1, 0)),
    "add_key": (248, 217, (0, 0, 0, 0, 0)),
    "request_key": (249, 218, (0, 0, 0, 0)),
    "fanotify_init": (300, 262, (0, 0)),
    "memfd_secret": (447, 447, (1,)),
    "open_by_handle_at": (304, 265, (-1, 0, 0)),
    "reboot": (169, 142, (0, 0, 0, 0)),
    "kexec_load": (246, 104, (0, 0, 0, 0)),
    "init_module": (175, 105, (0, 0, 0)),
    "swapon": (167, 224, (0, 0)),
    "acct": (163, 89, (0,)),
    "quotactl": (179, 60, (0, 0, 0, 0)),
    "syslog": (103, 116, (10, 0, 0)),
    "settimeofday": (164, 170, (0, 0)),
    "sethostname": (170, 161, (0, 0)),
    "mbind": (237, 235, (0, 0, 0, 0, 0, 0)),
}
"""The kernel may refuse these by itself as well."""


def test_calls_no_build_needs_are_refused(confined: Confined) -> None:
    calls = of_this_machine(_REFUSED | _REFUSED_TWICE)
    assert asked(calls, confined) == dict.fromkeys(calls, "EPERM")


def test_it_is_the_filter_that_refuses_them() -> None:
    answers = asked(of_this_machine(_REFUSED), lambda argv: run_in_bubblewrap(argv, None))
    assert [name for name, answer in answers.items() if answer == "EPERM"] == []


def test_calls_newer_than_the_list_are_absent_so_that_programs_fall_back(confined: Confined) -> None:
    calls = {"clone3": (435, 435, (0, 0)), "cachestat": (451, 451, (-1, 0, 0, 0)), "none": (900, 900, ())}
    assert asked(of_this_machine(calls), confined) == dict.fromkeys(calls, "ENOSYS")


def test_what_programs_use_is_allowed(confined: Confined) -> None:
    calls = {
        "AF_UNIX": (41, 198, (1, 1, 0)),
        "AF_INET": (41, 198, (2, 1, 0)),
        "AF_INET6": (41, 198, (10, 1, 0)),
        "the list of interfaces": (41, 198, (16, 3, 0)),
        "asking for the personality": (135, 92, (0xFFFF_FFFF,)),
        "no address randomisation": (135, 92, (0x4_0000,)),
        "ptrace": (101, 117, (0, 0, 0, 0)),
        "membarrier": (324, 283, (0, 0, 0)),
    }
    assert asked(of_this_machine(calls), confined) == dict.fromkeys(calls, "done")


_PROGRAMS = {
    "sh": "echo a | cat | grep -q a && mkfifo f && test -p f && ln -s f l && id -u",
    "python3": """python3 - <<'X'
import asyncio, concurrent.futures, hashlib, multiprocessing, os, select, socket, subprocess, tempfile, threading
thread = threading.Thread(target=lambda: None); thread.start(); thread.join()
with concurrent.futures.ProcessPoolExecutor(2) as pool:
    assert list(pool.map(abs, [-1, -2])) == [1, 2]
async def child():
    return await (await asyncio.create_subprocess_exec("true")).wait()
assert asyncio.run(child()) == 0
assert subprocess.run("true", shell=True).returncode == 0
server = socket.create_server(("127.0.0.1", 0)); socket.create_connection(server.getsockname())
socket.if_nameindex(), socket.getaddrinfo("127.0.0.1", 80), os.openpty(), os.memfd_create("x")
X""",
    "git": "git init -q r && cd r && echo x > f && git add f && git -c user.name=a -c user.email=b commit -qm x"
    " && git status --porcelain && git gc -q && git fsck",
    "node": 'node -e \'const c = require("child_process"), f = require("fs"); c.execSync("true");'
    ' f.promises.readFile("/usr/bin/env").then(() => new (require("worker_threads").Worker)("1", {eval: true}))\'',
    "gcc": "echo 'int main(void) { return 0; }' > a.c && gcc -pthread -o a a.c && ./a",
    "make": "printf 'all: a b\\n\\techo done\\na b:\\n\\ttrue\\n' > Makefile && make -j2",
    "pytest": "echo 'def test(): pass' > test_a.py && python3 -m pytest -q test_a.py",
    "ruff": "echo 'x = 1' > b.py && ruff check --no-cache b.py",
    "cargo": "cargo init -q --vcs none c && cargo run -q --manifest-path c/Cargo.toml",
    "rg": "echo a > f && rg -q a",
}


@pytest.mark.parametrize("program", _PROGRAMS)
def test_the_programs_of_builds_and_tests_run(confined: Confined, program: str) -> None:
    if confined(["sh", "-c", f"command -v {program}"])[0] != 0:
        pytest.skip(f"{program} is not installed here")
    code, output = confined(["sh", "-ec", f"d=$(mktemp -d); cd $d; {_PROGRAMS[program]}"])
    assert code == 0, output


def test_another_architectures_calls_end_the_process(confined: Confined) -> None:
    if platform.machine() != "x86_64":
        pytest.skip("only x86_64 has a second way into the kernel")
    # mov eax, 20 (getpid of i386); int 0x80; ret
    script = (
        "import ctypes, mmap; code = mmap.mmap(-1, 4096, prot=7); code.write(bytes.fromhex('b814000000cd80c3'));"
        "ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))(); print('alive')"
    )
    code, output = confined(["sh", "-c", 'python3 -c "$0"; echo $?', script])
    assert (code, "alive" in output, str(128 + signal.SIGSYS) in output.split()) == (0, False, True)


def test_an_architecture_without_a_table_has_no_filter() -> None:
    assert bpf_program("riscv64") is None


@pytest.mark.parametrize("machine", NUMBERS)
def test_the_numbers_are_those_of_libseccomp(machine: str) -> None:
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        pytest.skip("libseccomp is not installed here")
    library.seccomp_syscall_resolve_name_arch.argtypes = [ctypes.c_uint32, ctypes.c_char_p]
    token = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}[machine]
    named = {*ALLOWED, *CONDITIONAL, *ABSENT}
    theirs = {name: library.seccomp_syscall_resolve_name_arch(token, name.encode()) for name in named}
    # Negative: that version of the library, or the architecture, does not have it.
    assert {
        name: number for name, number in theirs.items() if number >= 0 and NUMBERS[machine].get(name) != number
    } == {}
    assert {*NUMBERS[machine]} <= named
    assert {name for name in named - {*NUMBERS[machine]} if theirs[name] >= 0} == set()
