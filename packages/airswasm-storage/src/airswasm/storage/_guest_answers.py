"""Answers to guests: a write at once or when it is durable, and refusals as the cases of WIT."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from airswasm.runtime import Case, Err, Ok, Pending

from ._spaces.namespace import Namespace
from .errors import (
    BatchTooLarge,
    InvalidKey,
    InvalidLifetime,
    QuotaExceeded,
    StorageError,
    ValueTooLarge,
)

__all__ = ("refusal", "write_refusal", "written")


def written(
    namespace: Namespace,
    values: Mapping[str, bytes | None],
    answer: Callable[[int], object],
    refuse: Callable[[StorageError], object],
    *,
    ttls: Mapping[str, float] | None = None,
    expected: Mapping[str, bytes | None] | None = None,
) -> object:
    """Write, and answer at once where that is durable already, else when it is.

    Args:
        namespace: The caller's.
        values: As for `Namespace.write`.
        answer: Makes the answer of the number of deleted keys.
        refuse: Makes the answer to an error.
        ttls: As for `Namespace.write`.
        expected: As for `Namespace.write`.
    """
    write = _GuestWrite(answer, refuse)
    try:
        write.deleted = namespace.write(values, write, ttls=ttls, expected=expected)
    except StorageError as error:
        namespace.ask_for_recovery()
        return refuse(error)
    if write.is_done:
        return write.result()
    return write.wait()


class _GuestWrite:
    __slots__ = ("_answer", "_error", "_pending", "_refuse", "deleted", "is_done")

    def __init__(
        self, answer: Callable[[int], object], refuse: Callable[[StorageError], object]
    ) -> None:
        self._answer = answer
        self._refuse = refuse
        self._error: StorageError | None = None
        self._pending: Pending | None = None
        self.deleted = 0
        self.is_done = False

    def __call__(self, error: StorageError | None) -> None:
        self._error, self.is_done = error, True
        if self._pending is not None:
            self._pending.resolve(self.result())

    def result(self) -> object:
        if self._error is not None:
            return self._refuse(self._error)
        return Ok(self._answer(self.deleted))

    def wait(self) -> Pending:
        self._pending = Pending()
        return self._pending


def refusal(error: StorageError) -> object:
    """Return the error of a read as a `storage-error`."""
    return Err(Case(_case_of(error), _text(error)))


def write_refusal(error: StorageError) -> object:
    """Return the error of a write as a `write-error`, whose `quota-exceeded` has numbers."""
    if isinstance(error, QuotaExceeded):
        return Err(Case("quota-exceeded", _quota(error)))
    return Err(
        Case("invalid" if isinstance(error, InvalidLifetime) else _case_of(error), _text(error))
    )


def _case_of(error: StorageError) -> str:
    match error:
        case InvalidKey():
            return "invalid-key"
        case ValueTooLarge() | BatchTooLarge():
            return "too-large"
        case _:
            return "unavailable"


def _quota(error: QuotaExceeded) -> Mapping[str, int | None]:
    return {
        "used_bytes": error.used_bytes,
        "needed_bytes": max(0, error.needed_bytes),
        "quota_bytes": error.quota_bytes,
        "used_keys": error.used_keys,
        "needed_keys": max(0, error.needed_keys),
        "quota_keys": error.quota_keys,
    }


def _text(error: StorageError) -> str:
    """Return the text without the place of the store, which is none of a guest's business."""
    path: str = getattr(error, "path", "storage")
    return str(error).removeprefix(f"{path}: ").replace(path, "storage")
