"""Errors of components in Python: what the host refused, and what a component refuses.

The host's errors are one class for each case of the contract's variants, so that a component
decides by the class. They are not those of the host's own packages, which no guest has.
"""

from __future__ import annotations

__all__ = (
    "Cancelled",
    "Conflict",
    "Cycle",
    "DefinitionError",
    "Denied",
    "Failed",
    "HostError",
    "Invalid",
    "InvalidKey",
    "MailboxFull",
    "NoHost",
    "PayloadError",
    "QuotaExceeded",
    "RateLimited",
    "Refuse",
    "TimedOut",
    "TooLarge",
    "TooManyHops",
    "Unavailable",
    "UnknownTarget",
    "host_error",
)


class DefinitionError(TypeError):
    """A component's class or module cannot be a component as it is written."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place, self.problem = place, problem

    def __reduce__(self) -> tuple[type[DefinitionError], tuple[str, str]]:
        return type(self), (self.place, self.problem)


class PayloadError(ValueError):
    """A payload is not what its reader expects; the component refuses the message."""


class Refuse(Exception):
    """Refuse the message in hand: the sender gets the text, and the log gets nothing."""


class NoHost(RuntimeError):
    """A stored value, a topic or another component was used outside of a handler."""

    def __init__(self) -> None:
        super().__init__(
            "there is no host here: use it inside of a handler, or inside of "
            "`with airswasm.component.testing.run(...)`"
        )


class HostError(Exception):
    """The host did not do what the component asked for.

    Attributes:
        text: The reason, for people.
    """

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.text = text


class Denied(HostError):
    """The component lacks the capability; the text has the line that grants it.

    Attributes:
        capability: What it lacks, `storage.write`; empty inside of WebAssembly.
        resource: On what.
    """

    def __init__(self, text: str = "", capability: str = "", resource: str = "") -> None:
        super().__init__(text)
        self.capability, self.resource = capability, resource


class UnknownTarget(HostError):
    """No component of that name is installed and running."""


class MailboxFull(HostError):
    """The target's mailbox is full: try again later, or send less."""


class TooLarge(HostError):
    """A payload or value exceeds the size that the host allows."""


class RateLimited(HostError):
    """The component exceeded its message rate: try again later."""


class Invalid(HostError):
    """The target does not read this codec, or a name, topic or time is malformed."""


class TimedOut(HostError):
    """No answer came in time; the target may still act on the message."""


class Cancelled(HostError):
    """The request was cancelled."""


class Cycle(HostError):
    """The target waits for this component."""


class Failed(HostError):
    """The target answered with an error, or failed while handling the message."""


class TooManyHops(HostError):
    """Components send in a circle."""


class InvalidKey(HostError):
    """A key is empty or longer than 1,024 bytes."""


class Conflict(HostError):
    """A key does not have the expected value."""


class QuotaExceeded(HostError):
    """The component's quota of stored bytes or keys is used up."""


class Unavailable(HostError):
    """The host could not read or write; the disk may be full."""


_CASES: dict[str, type[HostError]] = {
    each.__name__: each
    for each in (
        Cancelled, Conflict, Cycle, Denied, Failed, Invalid, InvalidKey, MailboxFull, QuotaExceeded,
        RateLimited, TimedOut, TooLarge, TooManyHops, Unavailable, UnknownTarget,
    )
}  # fmt: skip


def host_error(case: str, text: str) -> HostError:
    """Return the error of a case, by its name in the contract: `mailbox-full` or `MailboxFull`."""
    name = "".join(part[:1].upper() + part[1:] for part in case.split("-"))
    return _CASES.get(name, HostError)(text or case)
