"""The first code of a confined process: give rights up, then become the program.

Started as `python -I -S _confined_child.py '{"command": …}'`. It imports only the standard library,
and knows system calls by their numbers, because no library for this is on every machine. Where the
kernel refuses a protection that no person has waived, the program does not begin.

Rejected: the same between fork and exec, where code may deadlock in a process with threads. A
container's tool: none is installed everywhere, and most need a daemon or a setuid program.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import signal
import struct
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_NEW_NAMESPACES = 0x10000000 | 0x20000000 | 0x40000000  # user, process ids, network
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 1, 38, 22
_PR_SET_CHILD_SUBREAPER = 36
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_O_PATH = 0o10000000
# Rights on files, by the version of Landlock that brought them.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_ALL_RIGHTS = (1 << 16) - 1  # from 5 on
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | 1 << 14 | 1 << 15
# seccomp: the audit number of the architecture, and its numbers of `socket` and `io_uring_setup`.
_ARCHITECTURES = {"x86_64": (0xC000003E, 41, 425), "aarch64": (0xC00000B7, 198, 425)}
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050001, 0x80000000
_X32 = 0x40000000

libc: ctypes.CDLL | None = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def main() -> None:
    """Give rights up, and become the program; as the first process of its own, end with it."""
    request = json.loads(sys.argv[1])
    missing: list[str] = []
    if libc is not None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != request["parent"]:  # it was killed before that
            os._exit(125)
        has_own_processes = _unshare()
        if not has_own_processes:
            missing.append("processes")
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = os.fork() if libc is not None else 0
    if child:
        os._exit(_wait(child))
    if libc is not None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if not fence_files(request["read"], request["write"]):
            missing.append("files")
        if not fence_network():
            missing.append("network")
    else:
        missing += ["processes", "files", "network"]
    if set(missing) - set(request["waived"]):
        sys.stderr.write(f"this machine does not confine {', '.join(missing)}\n")
        os._exit(126)
    _limit(request["limits"])
    command: list[str] = request["command"]
    try:
        os.execve(command[0], command, request["environment"])  # noqa: S606 - there is no shell
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        os._exit(127)


def _wait(child: int) -> int:
    """Wait for the program; end what it left behind, and pass its end on."""
    status = 0
    while True:
        pid, ended = os.waitpid(-1, 0)
        if pid == child:
            status = ended
            break
    for name in _children():  # in a namespace of its own, the kernel has done so
        try:
            os.kill(name, signal.SIGKILL)
        except OSError:
            continue
    if os.WIFSIGNALED(status):
        return 128 + os.WTERMSIG(status)
    return os.WEXITSTATUS(status)


def _children() -> list[int]:
    try:
        listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
        return [int(each) for each in listed.split()]
    except OSError:
        return []


def _unshare() -> bool:
    """Move what is started from now on into process ids and a network of its own."""
    assert libc is not None
    user, group = os.getuid(), os.getgid()
    if libc.unshare(_NEW_NAMESPACES) != 0:
        return False
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    except OSError:
        pass  # without a map it is a stranger to its own files, and the build says so
    return True


def fence_files(read: Sequence[str], write: Sequence[str]) -> bool:
    """Let nothing be read but some paths, and nothing be written but others (Landlock)."""
    assert libc is not None
    version = libc.syscall(_CREATE_RULESET, None, 0, 1)
    if version < 1:
        return False
    rights = _RIGHTS.get(version, _ALL_RIGHTS)
    tcp = 3 if version >= 4 else 0
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


def fence_network() -> bool:
    """Let no socket be made, of whatever family: a local one may lead to a service of this user."""
    assert libc is not None
    known = _ARCHITECTURES.get(platform.machine())
    if known is None:
        return False
    audit, *refused = known
    steps = [
        (_LOAD, 0, 0, 4), (_EQUAL, 1, 0, audit), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0),
        (_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _KILL),
    ]  # fmt: skip
    for number in refused:
        steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSE)]
    steps.append((_RETURN, 0, 0, _ALLOW))
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *each) for each in steps))
    program = struct.pack("@HP", len(steps), ctypes.addressof(code))
    is_fenced: bool = libc.prctl(_PR_SET_SECCOMP, 2, program, 0, 0) == 0
    return is_fenced


def _limit(limits: Mapping[str, int]) -> None:
    """Set limits that the program and its children inherit and cannot raise."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return
    for name, most in limits.items():
        number: Any = getattr(resource, f"RLIMIT_{name}", None)
        if number is not None:
            _, hard = resource.getrlimit(number)
            bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(number, (bound, bound))


if __name__ == "__main__":
    main()
