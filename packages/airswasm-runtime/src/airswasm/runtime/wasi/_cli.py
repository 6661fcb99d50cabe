"""wasi:cli: arguments, environment, stdio, exit; there is never a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from .._host import Caller, HostFunction, HostInterface
from .._values import Err, Ok
from ..errors import GuestExited
from ._io import CLOSED_ON_DROP, InputStream, OutputStream


def _environment(caller: Caller) -> list[tuple[str, str]]:
    return list(caller.wasi.config.environment.items())


def _arguments(caller: Caller) -> list[str]:
    return list(caller.wasi.config.arguments)


def _nothing(_caller: Caller) -> None:
    """Answer that there is no initial directory, and no terminal."""


def _exit(caller: Caller, outcome: Ok[None] | Err[None]) -> NoReturn:
    _exit_with_code(caller, 0 if isinstance(outcome, Ok) else 1)


def _exit_with_code(caller: Caller, status: int) -> NoReturn:
    raise GuestExited(caller.name, "wasi:cli/exit#exit", status)


def _stdin(caller: Caller) -> InputStream:
    return caller.wasi.stdin


def _stdout(caller: Caller) -> OutputStream:
    return caller.wasi.stdout


def _stderr(caller: Caller) -> OutputStream:
    return caller.wasi.stderr


_FUNCTIONS: dict[str, dict[str, HostFunction]] = {
    "environment": {
        "get-environment": _environment,
        "get-arguments": _arguments,
        "initial-cwd": _nothing,
    },
    "exit": {"exit": _exit, "exit-with-code": _exit_with_code},
    "stdin": {"get-stdin": _stdin},
    "stdout": {"get-stdout": _stdout},
    "stderr": {"get-stderr": _stderr},
    "terminal-stdin": {"get-terminal-stdin": _nothing},
    "terminal-stdout": {"get-terminal-stdout": _nothing},
    "terminal-stderr": {"get-terminal-stderr": _nothing},
}


def interfaces(version: str) -> Iterable[HostInterface]:
    """Offer wasi:cli, all that a command or a library imports."""
    for name, functions in _FUNCTIONS.items():
        yield HostInterface(f"wasi:cli/{name}@{version}", functions)
    for name in ("terminal-input", "terminal-output"):
        yield HostInterface(f"wasi:cli/{name}@{version}", {}, {name: CLOSED_ON_DROP})
