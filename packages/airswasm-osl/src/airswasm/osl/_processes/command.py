"""Check the program, the arguments and the variables that a component asks for."""

from __future__ import annotations

import os
import re
import stat as stat_modes
from collections.abc import Mapping, Sequence
from pathlib import Path

from .._policy import ProcessPolicy
from ..errors import AccessDenied, LimitReached, Malformed, NotFound, VariableRefused

__all__ = ("check_arguments", "check_program", "environment_of", "open_program")

ARGUMENTS_BYTES = 128 * 1024
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def check_arguments(program: str, arguments: Sequence[str]) -> None:
    """Check that a command line can be passed on unchanged.

    Raises:
        Malformed: The program is not a plain absolute path, or an argument contains a NUL.
        LimitReached: The command line is too long.
    """
    if not program.startswith("/") or {"", ".", ".."} & set(program.split("/")[1:]):
        raise Malformed(f"{program!a}: name a program by its absolute path, without . and ..")
    if any("\0" in text for text in (program, *arguments)):
        raise Malformed("an argument contains a NUL character")
    if sum(len(text.encode()) + 1 for text in arguments) > ARGUMENTS_BYTES:
        raise LimitReached(f"the arguments exceed {ARGUMENTS_BYTES:,} bytes")


def environment_of(policy: ProcessPolicy, asked: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """Return the whole environment of a program.

    Args:
        policy: The host's variables, and the names that a component may set.
        asked: The component's variables.

    Raises:
        VariableRefused: The policy does not let components set one of them.
        Malformed: A name or a value cannot be passed on.
        LimitReached: They are too long.
    """
    for name, value in asked:
        if _NAME.fullmatch(name) is None or "\0" in value:
            raise Malformed(f"{name!a} is not a variable that can be set")
        if name not in policy.variables:
            raise VariableRefused(name)
    if sum(len(name) + len(value.encode()) + 2 for name, value in asked) > ARGUMENTS_BYTES:
        raise LimitReached(f"the variables exceed {ARGUMENTS_BYTES:,} bytes")
    return {**policy.environment, **dict(asked)}


def open_program(program: str) -> tuple[int, str]:
    """Open a program that may run: what is checked is what runs.

    Returns:
        A descriptor that the caller closes, and the path that the program's links lead to.

    Raises:
        NotFound: No such file exists.
        AccessDenied: The file is not a program, or gains privileges.
    """
    try:
        opened = os.open(program, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        raise AccessDenied(f"{program} is not a file that this host may read and run") from None
    except OSError as error:
        raise NotFound(f"{program}: {error.strerror}") from error
    try:
        mode = os.fstat(opened).st_mode
        if not stat_modes.S_ISREG(mode) or not os.access(program, os.X_OK):
            raise AccessDenied(f"{program} is not an executable file")
        if mode & (stat_modes.S_ISUID | stat_modes.S_ISGID):
            raise AccessDenied(
                f"{program} changes its user or group, which is never granted", "host"
            )
        return opened, _real_path(opened, program)
    except BaseException:
        os.close(opened)
        raise


def check_program(program: str) -> str:
    """Check that a path is a program that may run, and return where its links lead.

    Raises:
        NotFound: No such file exists.
        AccessDenied: The file is not a program, or gains privileges.
    """
    opened, real_path = open_program(program)
    os.close(opened)
    return real_path


def _real_path(opened: int, program: str) -> str:
    try:
        return str(Path(f"/proc/self/fd/{opened}").readlink())
    except OSError:  # not on Linux
        return os.path.realpath(program)
