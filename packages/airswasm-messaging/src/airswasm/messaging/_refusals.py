"""Errors as a component sees them: the cases of `messaging-error`.

A component decides by the case; the text is for people. It carries the target's own words, cut and
marked where they are long, because the sender must have room for them. It never says how the target
failed inside: only the target's owner sees that, in the dead letters and the log.
"""

from __future__ import annotations

from airswasm.actor import (
    ActorFailed,
    ActorStopped,
    AskCycle,
    AskTimeout,
    GuestRefused,
    InvalidTopic,
    MailboxFull,
    MessageDropped,
    MessageTooLarge,
    NoRoute,
    TooManyHops,
    UnfitPayload,
)
from airswasm.runtime import AccountExceeded, Case
from airswasm.security import PermissionDenied
from airswasm.wit import safe_text

from .errors import (
    CodecError,
    InvalidAddress,
    MessageNotWritten,
    PayloadTooLarge,
    RateExceeded,
    RetainedFull,
    TimerInvalid,
    TimersNotDurable,
    TooManyTargets,
)

__all__ = ("refusal_of",)

_CASES: tuple[tuple[type[BaseException], str], ...] = (
    (NoRoute, "unknown-target"),
    (ActorStopped, "unknown-target"),
    (MailboxFull, "mailbox-full"),
    (MessageDropped, "mailbox-full"),
    (PayloadTooLarge, "too-large"),
    (MessageTooLarge, "too-large"),
    (RateExceeded, "rate-limited"),
    (RetainedFull, "rate-limited"),
    (TooManyTargets, "too-large"),
    (TooManyHops, "too-many-hops"),
    (MessageNotWritten, "rate-limited"),
    (AccountExceeded, "rate-limited"),
    (InvalidAddress, "invalid"),
    (TimerInvalid, "invalid"),
    (TimersNotDurable, "invalid"),
    (InvalidTopic, "invalid"),
    (CodecError, "invalid"),
    (UnfitPayload, "invalid"),
    (AskCycle, "cycle"),
)


def refusal_of(error: BaseException) -> Case | None:
    """Return the `messaging-error` case for an error; None for a bug."""
    match error:
        case AskTimeout():
            return Case("timed-out")
        case GuestRefused():
            return Case("failed", safe_text(error.text))
        case PermissionDenied():
            return Case("denied", error.text)
        case ActorFailed():
            return Case("failed", f"{error.target} failed while handling the message")
        case _:
            return _case_of_kind(error)


def _case_of_kind(error: BaseException) -> Case | None:
    for kind, name in _CASES:
        if isinstance(error, kind):
            return Case(name, str(error))
    return None
