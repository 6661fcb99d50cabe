"""Errors as a component sees them: the cases of `messaging-error`.

A component decides by the case; the text is for the people who write and run components: it names
their manifests and commands, and not the Python API, as the errors themselves do. It carries the
target's own words, cut and marked where they are long, because the sender must have room for them.
It never says how the target failed inside: only the target's owner sees that, in the dead letters
and the log.
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
    TimersNotDurable,
    TooManyHops,
    UnfitPayload,
)
from airswasm.runtime import AccountExceeded, Case
from airswasm.security import PermissionDenied
from airswasm.wit import safe_text

from .errors import (
    CodecError,
    DurableMailboxFull,
    InvalidAddress,
    MessageNotWritten,
    PayloadTooLarge,
    RateExceeded,
    RetainedFull,
    TimerInvalid,
    TooManyTargets,
)

__all__ = ("REFUSALS", "refusal_of")

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

_TIMED_OUT, _FAILED, _DENIED = "timed-out", "failed", "denied"
REFUSALS = (_DENIED, _FAILED, _TIMED_OUT, *dict.fromkeys(name for _, name in _CASES))
"""The cases that `refusal_of` returns."""

_KEYS = {
    "capacity": "mailbox",
    "capacity_bytes": "mailbox_bytes",
    "message_bytes": "message_bytes",
    "memory_bytes": "memory",
    "host_call_bytes": "host_call",
}
"""The keys of a manifest that set what an error names."""


def refusal_of(error: BaseException) -> Case | None:
    """Return the `messaging-error` case for an error; None for a bug."""
    match error:
        case AskTimeout():
            return Case(_TIMED_OUT)
        case GuestRefused():
            return Case(_FAILED, safe_text(error.text))
        case PermissionDenied():
            return Case(_DENIED, error.text)
        case ActorFailed():
            return Case(_FAILED, f"{error.target} failed while handling the message")
        case _:
            return _case_of_kind(error)


def _case_of_kind(error: BaseException) -> Case | None:
    for kind, name in _CASES:
        if isinstance(error, kind):
            return Case(name, _words(error))
    return None


def _words(error: BaseException) -> str:
    match error:
        case NoRoute():
            return (
                f"no component {error.target} is installed and running: `airswasm install` "
                f"installs it, `airswasm start {error.target}` starts it"
            )
        case ActorStopped():
            return f"{error.target} has stopped: `airswasm start {error.target}` starts it again"
        case DurableMailboxFull():
            return str(error)
        case MailboxFull():
            key = _KEYS[error.limit]
            return (
                f"the mailbox of {error.target} is full: `{key}` under [limits] in its "
                f"Component.toml is {error.value:,}; send later, send less, or raise it"
            )
        case MessageDropped():
            return (
                f"the mailbox of {error.target} was full, and newer messages took the place of "
                "this one; send again, or raise `mailbox` under [limits] in its Component.toml"
            )
        case MessageTooLarge():
            return (
                f"a message of {error.size_bytes:,} bytes is more than {error.target} takes: "
                f"`{_KEYS[error.limit]}` under [limits] in its Component.toml leaves room for "
                f"{error.capacity_bytes:,}; send it in parts, or raise that limit"
            )
        case TooManyHops():
            return (
                f"{error.sender} may not send on to {error.target}: {error.most} messages have "
                f"led to this one, the first was {error.correlation}; end the circle of sends, "
                "begin a new chain with a timer, or raise `hops` under [messaging] in config.toml"
            )
        case AskCycle():
            return (
                f"this call would never end: {' -> '.join(error.path)}; use `send` or `request` "
                "in one of these places"
            )
        case TimersNotDurable():
            return "this host stores no timers; set one that is not durable"
        case _:
            return str(error)
