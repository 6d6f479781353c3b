"""The system calls of `syscalls` as a filter: JSON for the Docker engine, a program of the kernel's for bubblewrap."""

import errno
import json
import platform
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

from andon.sandbox.syscall_numbers import LAST, NUMBERS
from andon.sandbox.syscalls import ABSENT, ALLOWED, CONDITIONAL, Argument

# seccomp(2), linux/seccomp.h
_KILL = 0x8000_0000
_ALLOW = 0x7FFF_0000
_ERRNO = 0x0005_0000
_EPERM = _ERRNO | errno.EPERM
_ENOSYS = _ERRNO | errno.ENOSYS

# Offsets in struct seccomp_data; both machines put the lower half of an argument first.
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16

# linux/bpf_common.h, linux/filter.h
_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_JUMP, _IF_EQUAL, _IF_AT_LEAST = 0x05, 0x15, 0x35

_ARCHITECTURES = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
"""AUDIT_ARCH_* (linux/audit.h) by machine, as uname(2) names it."""


class _Instruction(NamedTuple):
    """struct sock_filter: jumps count from the next instruction; those of a condition have eight bits."""

    code: int
    k: int
    if_true: int = 0
    if_false: int = 0


_Program = list[_Instruction]


def docker_profile() -> str:
    """Return the JSON text for the engine's `security_opt=["seccomp=" + text]`.

    Calls of another architecture end the process. On machines other than x86_64 and aarch64 no process can be started
    under it.
    """
    return json.dumps(
        {
            "defaultAction": "SCMP_ACT_ERRNO",
            "archMap": [
                {"architecture": f"SCMP_ARCH_{machine.upper()}", "subArchitectures": []} for machine in _ARCHITECTURES
            ],
            "syscalls": [
                {"names": sorted(ALLOWED), "action": "SCMP_ACT_ALLOW", "args": []},
                *(_docker_rule(name, every) for name, any_of in CONDITIONAL.items() for every in any_of),
                {"names": sorted(ABSENT), "action": "SCMP_ACT_ERRNO", "errnoRet": errno.ENOSYS, "args": []},
            ],
        },
        separators=(",", ":"),
    )


def bpf_program(machine: str | None = None) -> bytes | None:
    """Return the filter for `bwrap --seccomp FD`, or None where `machine` has none: it is made for x86_64 and aarch64.

    `machine` is this one unless named. A call of another architecture ends the process.
    """
    machine = platform.machine() if machine is None else machine
    if machine not in _ARCHITECTURES:
        return None
    program = [
        _Instruction(_LOAD, _ARCHITECTURE),
        _Instruction(_IF_EQUAL, _ARCHITECTURES[machine], if_true=1),
        _Instruction(_RETURN, _KILL),
        _Instruction(_LOAD, _NUMBER),
        *_search(_ranges(NUMBERS[machine])),
    ]
    return b"".join(struct.pack("=HBBI", word.code, word.if_true, word.if_false, word.k) for word in program)


def _docker_rule(name: str, every: Sequence[Argument]) -> dict[str, Any]:
    return {
        "names": [name],
        "action": "SCMP_ACT_ALLOW",
        "args": [_docker_argument(argument) for argument in every],
        # Elsewhere the arguments of clone lie in another order.
        "includes": {"arches": ["amd64", "arm64"]},
    }


def _docker_argument(argument: Argument) -> dict[str, Any]:
    return {
        "index": argument.position, "op": "SCMP_CMP_MASKED_EQ", "value": argument.mask, "valueTwo": argument.value,
    }  # fmt: skip


def _ranges(numbers: dict[str, int]) -> list[tuple[int, _Program]]:
    """Return where each run of equally answered numbers begins, and the answer; the last one has no end."""
    # x32 has its own numbers far above LAST, so it is absent like everything there.
    answers = [[_Instruction(_RETURN, _EPERM)]] * (LAST + 1) + [[_Instruction(_RETURN, _ENOSYS)]]
    for name, number in numbers.items():
        answers[number] = _answer(name)
    starts = [0, *(at for at in range(1, len(answers)) if answers[at] != answers[at - 1])]
    return [(start, answers[start]) for start in starts]


def _answer(name: str) -> _Program:
    if name in ALLOWED:
        return [_Instruction(_RETURN, _ALLOW)]
    if name in ABSENT:
        return [_Instruction(_RETURN, _ENOSYS)]
    return [word for every in CONDITIONAL[name] for word in _allow_if(every)] + [_Instruction(_RETURN, _EPERM)]


def _allow_if(every: Sequence[Argument]) -> _Program:
    program = [_Instruction(_RETURN, _ALLOW)]
    for argument in reversed(every):
        program = [
            # The kernel looks at the lower half only, too.
            _Instruction(_LOAD, _ARGUMENTS + 8 * argument.position),
            _Instruction(_AND, argument.mask),
            _Instruction(_IF_EQUAL, argument.value, if_false=len(program)),
            *program,
        ]
    return program


def _search(ranges: Sequence[tuple[int, _Program]]) -> _Program:
    """Return a binary search for the range of the loaded number."""
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    below, above = _search(ranges[:middle]), _search(ranges[middle:])
    if len(below) < 256:
        return [_Instruction(_IF_AT_LEAST, ranges[middle][0], if_true=len(below)), *below, *above]
    return [
        _Instruction(_IF_AT_LEAST, ranges[middle][0], if_false=1), _Instruction(_JUMP, len(below)), *below, *above,
    ]  # fmt: skip
