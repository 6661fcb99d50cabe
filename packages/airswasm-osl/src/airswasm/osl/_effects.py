"""The record of what came of the operations of this block, for the audit log.

The guard writes that an operation may happen; each door says here what came of it. An operation is
begun after the guard has allowed it and before its effect, and it ends once: with the block of a
`with`, or, for a connection, a process or an open file, when that closes. What a cancel interrupts
has failed.
"""

from __future__ import annotations

import time
from types import TracebackType

from airswasm.runtime import AccountExceeded, Services
from airswasm.security import EffectLines, EffectRecord

from .errors import AccessDenied, OslError, from_os_error

__all__ = ("Effects", "RunningEffect", "effects_of")


class Effects:
    """Begins the record of an operation, for the doors of this block.

    Args:
        lines: Where effects are written; by default nowhere.
    """

    def __init__(self, lines: EffectLines | None = None) -> None:
        self._lines = lines if lines is not None else EffectLines(None)

    def begin(self, component: str, capability: str, resource: str, act: str = "") -> RunningEffect:
        """Begin the record of one operation.

        Args:
            component: The caller.
            capability: `domain:verb`, as it was decided.
            resource: The resource, as it was decided.
            act: The operation, where the capability has several.
        """
        return RunningEffect(self._lines, component, capability, resource, act)


class RunningEffect:
    """An operation that has not ended yet.

    As a context manager it ends with its block. What outlives the block ends later: call
    `outlive` in it, and `end` when it closes.
    """

    __slots__ = (
        "_act",
        "_bytes_in",
        "_bytes_out",
        "_decided",
        "_is_ended",
        "_lines",
        "_outlives",
        "_since",
    )

    def __init__(
        self, lines: EffectLines, component: str, capability: str, resource: str, act: str
    ) -> None:
        self._lines, self._act = lines, act
        self._decided = component, capability, resource
        self._since = time.monotonic()
        self._bytes_in = self._bytes_out = 0
        self._is_ended = self._outlives = False

    def __enter__(self) -> RunningEffect:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None or not self._outlives:
            self.end(error)

    def received(self, size_bytes: int) -> None:
        """Count bytes that the component got."""
        self._bytes_in += size_bytes

    def sent(self, size_bytes: int) -> None:
        """Count bytes that the component gave."""
        self._bytes_out += size_bytes

    def outlive(self) -> None:
        """Keep the record open after the block, if that ends without an error."""
        self._outlives = True

    def cancel(self) -> None:
        """Write the record of what ends with its component, or with its handle."""
        self.end(_Cancelled())

    def end(self, error: BaseException | None = None, *, reason: str = "") -> None:
        """Write the record. Ending twice is harmless.

        Args:
            reason: A word on an end without an error: the exit code of a program.
            error: The reason why it failed; a refusal of the operating system or of the policy is a
                denial, with its layer.
        """
        if self._is_ended:
            return
        self._is_ended = True
        if isinstance(error, OSError):
            error = from_os_error(error, self._decided[-1])
        layer = error.layer if isinstance(error, AccessDenied) else ""
        self._lines.write(
            EffectRecord(
                *self._decided,
                outcome="done" if error is None else "deny" if layer else "failed",
                act=self._act,
                reason=reason if error is None else _reason(error),
                layer=layer,
                bytes_in=self._bytes_in,
                bytes_out=self._bytes_out,
                seconds=time.monotonic() - self._since,
            )
        )


class _Cancelled(BaseException):
    """Stands for the end of a component or a handle."""


def effects_of(services: Services) -> Effects:
    """Return the record of a host; one that writes nothing where the host keeps none."""
    return Effects(services.get(EffectLines) if services.has(EffectLines) else None)


def _reason(error: BaseException) -> str:
    if isinstance(error, OslError):
        return f"{error.case_name}: {error.text}" if error.text else error.case_name
    if isinstance(error, AccountExceeded):
        return f"limit-exceeded: {error}"
    if not isinstance(error, Exception):
        return "cancelled"
    return f"{type(error).__name__}: {error}"
