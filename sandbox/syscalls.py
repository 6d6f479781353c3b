"""Which system calls a command inside a sandbox may make, the same on both tiers: an allow-list with reasons.

What is not named here is refused with EPERM, on purpose:

- other namespaces and file systems (`unshare`, `setns`, `mount`, `umount2`, `pivot_root`, `chroot`, `open_tree`,
  `move_mount`, `fsopen`, `fsconfig`, `fsmount`, `fspick`, `mount_setattr`): with them the sandbox could be taken apart;
- wide ways into the kernel no build or test needs (`io_uring_*`, `bpf`, `userfaultfd`, `perf_event_open`, `keyctl`,
  `add_key`, `request_key`, `fanotify_*`, `modify_ldt`, `vhangup`, `lookup_dcookie`, `memfd_secret`);
- the machine (`reboot`, `kexec_*`, `*_module`, `swapon`, `swapoff`, `iopl`, `ioperm`, `acct`, `quotactl*`, `syslog`,
  setting clock and host name, NUMA placement);
- files and processes reached around their names (`name_to_handle_at`, `open_by_handle_at`, `pidfd_getfd`, `kcmp`,
  `process_madvise`, `process_mrelease`).

`ptrace` and `process_vm_*` stay: debuggers and LeakSanitizer need them, and the kernel asks for the usual rights.
"""

from typing import NamedTuple


class Argument(NamedTuple):
    """A condition on one argument: `argument & mask == value`, in 32 bits."""

    position: int
    value: int
    mask: int = 0xFFFF_FFFF


_FILES = """
access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64 fallocate
fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fremovexattr fsetxattr
fstat fstatfs fsync ftruncate futimesat getcwd getdents getdents64 getxattr getxattrat inotify_add_watch inotify_init
inotify_init1 inotify_rm_watch ioctl lchown lgetxattr link linkat listxattr listxattrat llistxattr lremovexattr lseek
lsetxattr lstat mkdir mkdirat mknod mknodat newfstatat open openat openat2 pread64 preadv preadv2 pwrite64 pwritev
pwritev2 read readahead readlink readlinkat readv removexattr removexattrat rename renameat renameat2 rmdir sendfile
setxattr setxattrat splice stat statfs statx symlink symlinkat sync sync_file_range syncfs tee truncate umask unlink
unlinkat utime utimensat utimes vmsplice write writev
"""

_MEMORY = """
brk madvise map_shadow_stack membarrier memfd_create mincore mlock mlock2 mlockall mmap mprotect mremap mseal msync
munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect shmat shmctl shmdt shmget
"""

_PROCESSES = """
arch_prctl capget capset execve execveat exit exit_group fork get_robust_list getcpu getegid geteuid getgid getgroups
getpgid getpgrp getpid getppid getpriority getresgid getresuid getrlimit getrusage getsid gettid getuid ioprio_get
ioprio_set kill pidfd_open pidfd_send_signal prctl process_vm_readv process_vm_writev ptrace restart_syscall
rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam
sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield
set_robust_list set_tid_address setfsgid setfsuid setgid setgroups setpgid setpriority setregid setresgid setresuid
setreuid setrlimit setsid setuid sigaltstack sysinfo tgkill tkill uname vfork wait4 waitid
"""

_WAITING = """
alarm clock_getres clock_gettime clock_nanosleep epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2
epoll_wait eventfd eventfd2 futex futex_requeue futex_wait futex_waitv futex_wake getitimer gettimeofday nanosleep
pause poll ppoll pselect6 select setitimer signalfd signalfd4 time timer_create timer_delete timer_getoverrun
timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime times
"""

_TALKING = """
accept accept4 bind connect getpeername getsockname getsockopt listen mq_getsetattr mq_notify mq_open mq_timedreceive
mq_timedsend mq_unlink msgctl msgget msgrcv msgsnd pipe pipe2 recvfrom recvmmsg recvmsg semctl semget semop semtimedop
sendmmsg sendmsg sendto setsockopt shutdown
"""

_OLDER_AIO = "io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit"
"""Databases in test suites use it; unlike io_uring it makes no calls of its own."""

_FURTHER_CONFINEMENT = "landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp"
"""These only take rights away."""

_RANDOMNESS = "getrandom"

_GROUPS = (_FILES, _MEMORY, _PROCESSES, _WAITING, _TALKING, _OLDER_AIO, _FURTHER_CONFINEMENT, _RANDOMNESS)

ALLOWED = frozenset(" ".join(_GROUPS).split())
"""Whatever their arguments."""

_NAMESPACE_FLAGS = 0x7E02_0000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET (linux/sched.h)."""

_FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}
_NETLINK = (Argument(0, 16), Argument(2, 0))
"""NETLINK_ROUTE alone: libraries list the network interfaces with it."""

_PERSONALITIES = {
    "PER_LINUX": 0,
    "PER_LINUX32": 8,
    "UNAME26": 0x2_0000,
    "UNAME26 | PER_LINUX32": 0x2_0008,
    # Debuggers and ThreadSanitizer start a program again without address randomisation; it concerns that program only.
    "ADDR_NO_RANDOMIZE": 0x4_0000,
    "none, only ask": 0xFFFF_FFFF,
}

_SOCKETS = (*((Argument(0, family),) for family in _FAMILIES.values()), _NETLINK)

CONDITIONAL: dict[str, tuple[tuple[Argument, ...], ...]] = {
    "clone": ((Argument(0, 0, _NAMESPACE_FLAGS),),),
    # One's own limits: a command could take from the worker, whose user it is, what it needs to watch it.
    "prlimit64": ((Argument(0, 0),),),
    "personality": tuple((Argument(0, value),) for value in _PERSONALITIES.values()),
    "socket": _SOCKETS,
    "socketpair": _SOCKETS,
}
"""Allowed if all conditions of one of the alternatives hold, else refused."""

# A filter cannot read clone3's flags, which lie behind a pointer: C libraries then use clone.
_CLONE3 = "clone3"
_NOT_YET_NEEDED = """
cachestat file_getattr file_setattr listmount lsm_get_self_attr lsm_list_modules lsm_set_self_attr open_tree_attr
statmount
"""

ABSENT = frozenset([_CLONE3, *_NOT_YET_NEEDED.split()])
"""Answered with ENOSYS, as is every call newer than this list: programs that know them fall back to older ones."""
