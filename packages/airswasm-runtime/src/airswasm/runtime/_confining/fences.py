"""Give rights up, of which a process and its children then have no more.

It knows system calls by their numbers, because no library for this is on every machine. Each
function says whether its protection holds; its caller decides what follows if it does not.

Rejected: a container's tool. None is installed everywhere, and most need a daemon or a setuid
program.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

__all__ = (
    "PR_SET_CHILD_SUBREAPER",
    "PR_SET_PDEATHSIG",
    "bound_processes",
    "drop_capabilities",
    "fence_calls",
    "fence_files",
    "libc",
    "limit",
    "unshare",
)

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _PR_CAPBSET_DROP = 38, 22, 24
_NEW_USER, _NEW_PROCESSES, _NEW_NETWORK, _NEW_IPC = 0x10000000, 0x20000000, 0x40000000, 0x08000000
_ANY_NEW = 0x7E020000
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_O_PATH = 0o10000000
_LAST_CAPABILITY = 63
_CAPABILITY_VERSION = 0x20080522
_FIRST_PIDS = 300
"""The kernel uses the numbers below it once only, so that they come on top of a bound."""
# Rights on files, by the version of Landlock that brought them.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_ALL_RIGHTS = (1 << 16) - 1  # from 5 on
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | 1 << 14 | 1 << 15
# seccomp: the audit numbers of the architectures, and their numbers of system calls.
_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_SOCKET, _CLONE, _CLONE3, _CAPSET = (41, 198), (56, 220), 435, (126, 91)
_REFUSED = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsmount": (432, 432), "mount_setattr": (442, 442), "open_by_handle_at": (304, 265),
    "unshare": (272, 97), "setns": (308, 268), "pidfd_getfd": (438, 438),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219), "io_uring_setup": (425, 425),
}  # fmt: skip
"""Calls that no program needs to do its work, and that attack the kernel or other processes."""
_LOAD, _EQUAL, _AT_LEAST, _HAS_ANY, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _REFUSE, _UNKNOWN, _KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
_NUMBER, _AUDIT, _FIRST_ARGUMENT = 0, 4, 16
_X32 = 0x40000000
_INTERNET = (2, 10)
"""AF_INET and AF_INET6."""

_Step: TypeAlias = tuple[int, int, int, int]
"""An instruction of the filter: its code, how far to jump if it is true and if not, a value."""

libc: ctypes.CDLL | None = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def unshare(*, network: bool) -> bool:
    """Move what is started from now on into process ids of its own, which end with the first one.

    Args:
        network: Whether it keeps the network; else it gets one of its own, without interfaces.
    """
    if libc is None:
        return False
    user, group = os.getuid(), os.getgid()
    own_network = 0 if network else _NEW_NETWORK
    if libc.unshare(_NEW_USER | _NEW_PROCESSES | _NEW_IPC | own_network) != 0:
        return False
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    except OSError:
        pass  # without a map it is a stranger to its own files, and says so
    return True


def bound_processes(most: int) -> bool:
    """Let no more processes and threads be started, from the first process of a namespace.

    A limit of the user (`limit`) does not bind root; the numbers of the namespace bind everyone,
    from Linux 6.14 on. Of those, the first 300 come on top.
    """
    try:
        Path("/proc/sys/kernel/pid_max").write_text(str(_FIRST_PIDS + most))
    except OSError:
        return os.getuid() != 0
    return True


def drop_capabilities() -> None:
    """Give up the capabilities that the first process of a user namespace has in it, for good."""
    if libc is None:
        return
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for number in range(_LAST_CAPABILITY + 1):
        libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
    known = _ARCHITECTURES.get(platform.machine())
    if known is not None:
        header = struct.pack("<Ii", _CAPABILITY_VERSION, 0)
        libc.syscall(_CAPSET[known[1]], header, bytes(24))


def fence_files(read: Iterable[str], write: Iterable[str], *, network: bool = False) -> bool:
    """Let nothing be read but some paths, and nothing be written but others (Landlock).

    Args:
        read: What may be read, listed and executed.
        write: What may be changed, too.
        network: Whether TCP may be used; signals and local sockets out of the fence may not.
    """
    if libc is None:
        return False
    version = libc.syscall(_CREATE_RULESET, None, 0, 1)
    if version < 1:
        return False
    rights = _RIGHTS.get(version, _ALL_RIGHTS)
    tcp = 3 if version >= 4 and not network else 0
    scopes = 3 if version >= 6 else 0
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = libc.syscall(
        _CREATE_RULESET, struct.pack("<QQQ", rights, tcp, scopes)[:size], size, 0
    )
    if ruleset < 0:
        return False
    looks = _EXECUTE | _READ_FILE | _READ_DIR
    for paths, allowed in ((read, looks), (write, rights)):
        for path in paths:
            _allow(ruleset, path, allowed & rights)
    for device in ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"):
        _allow(ruleset, device, (_READ_FILE | _WRITE_FILE) & rights)
    is_fenced: bool = libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0
    os.close(ruleset)
    return is_fenced


def _allow(ruleset: int, path: str, rights: int) -> None:
    assert libc is not None
    try:
        opened = os.open(path, _O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        allowed = rights if Path(path).is_dir() else rights & _ON_FILES
        libc.syscall(_ADD_RULE, ruleset, 1, struct.pack("<Qi", allowed, opened), 0)
    finally:
        os.close(opened)


def fence_calls(*, network: bool) -> bool:
    """Refuse system calls that reach around the other protections (seccomp).

    Args:
        network: Whether sockets of the internet's families may be made. Local ones are refused in
            any case: they lead to services of this user, and no other protection is before them.
    """
    known = _ARCHITECTURES.get(platform.machine())
    if libc is None or known is None:
        return False
    audit, column = known
    refused = [numbers[column] for numbers in _REFUSED.values()]
    families = _INTERNET if network else ()
    steps = _filter(audit, refused, _sockets(_SOCKET[column], families), _CLONE[column])
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *each) for each in steps))
    program = struct.pack("@HP", len(steps), ctypes.addressof(code))
    is_fenced: bool = libc.prctl(_PR_SET_SECCOMP, 2, program, 0, 0) == 0
    return is_fenced


def _sockets(call: int, families: Sequence[int]) -> list[_Step]:
    """Refuse sockets of all other families."""
    allowed = [(_EQUAL, len(families) - place, 0, family) for place, family in enumerate(families)]
    steps = [(_LOAD, 0, 0, _FIRST_ARGUMENT), *allowed, (_RETURN, 0, 0, _REFUSE)]
    if families:
        steps.append((_RETURN, 0, 0, _ALLOW))
    return [(_EQUAL, 0, len(steps), call), *steps]


def _filter(audit: int, refused: Sequence[int], sockets: list[_Step], clone: int) -> list[_Step]:
    steps = [
        (_LOAD, 0, 0, _AUDIT), (_EQUAL, 1, 0, audit), (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER), (_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _KILL),
    ]  # fmt: skip
    for number in refused:
        steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSE)]
    steps += sockets
    # The flags of clone3 are in memory, where no filter sees them: libraries fall back to clone.
    steps += [
        (_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _UNKNOWN),
        (_EQUAL, 0, 3, clone), (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_HAS_ANY, 0, 1, _ANY_NEW), (_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _ALLOW),
    ]  # fmt: skip
    return steps


def limit(limits: Mapping[str, int]) -> None:
    """Set limits that the program and its children inherit and cannot raise.

    Args:
        limits: The values, by the end of the name: `CPU`.
    """
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return
    for name, most in limits.items():
        number: Any = getattr(resource, f"RLIMIT_{name}", None)
        if number is None or (name == "AS" and sys.platform == "darwin"):
            continue  # such a kernel has the constant and refuses the limit
        _, hard = resource.getrlimit(number)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(number, (bound, bound))
