"""Everything that can go wrong between actors, one type for each condition.

The tree comes first: `ActorError` > `DeliveryError` (the message was not accepted) and
`AskError` (it was accepted, and there will be no answer), beside the errors of naming, life
cycle and supervision. Each error carries what it knows as fields and writes its own sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from airswasm.wit import AirswasmError, ErrorCode, ExitStatus

from ._foreign import describe

__all__ = (
    "ActorError",
    "ActorFailed",
    "ActorStopped",
    "ActorSupervised",
    "AskCycle",
    "AskError",
    "AskTimeout",
    "ChildExists",
    "ChildNotRunning",
    "ChildRunning",
    "ChildStartFailed",
    "DeliveryError",
    "FunctionMissing",
    "GuestRefused",
    "HealthCheckFailed",
    "InitFailed",
    "InvalidChildSpec",
    "InvalidTopic",
    "MailboxFull",
    "MessageDropped",
    "MessageTooLarge",
    "MigrationFailed",
    "NameTaken",
    "NoRoute",
    "NoSuchChild",
    "SupervisorGaveUp",
    "SystemClosed",
    "TimersNotDurable",
    "TooManyHops",
    "UnfitPayload",
)

_MOST_LISTED = 8
"""Functions that an error names."""


class ActorError(AirswasmError):
    """Whatever the actor block raises derives from this."""

    explanation = ErrorCode(
        "E0700",
        "actor problem",
        "The actor system failed without a code of its own.",
        "read the message; -vv shows where it came from",
    )

    def __init__(self, text: str) -> None:
        Exception.__init__(self, text)


class DeliveryError(ActorError):
    """A message was not accepted, and will not be handled."""

    explanation = ActorError.explanation

    def __init__(self, target: str, text: str) -> None:
        self.target = target
        ActorError.__init__(self, text)  # not super(): some errors are both


class AskError(ActorError):
    """A question was accepted, and there will be no answer to it."""

    explanation = ActorError.explanation

    def __init__(self, target: str, text: str) -> None:
        self.target = target
        ActorError.__init__(self, text)  # not super(): some errors are both


class MailboxFull(DeliveryError):
    """The mailbox holds as much as it may; later there may be room.

    Attributes:
        limit: Which field of `MailboxSpec` it was: `capacity` or `capacity_bytes`.
        value: What that is, in messages or bytes.
    """

    explanation = ErrorCode(
        "E0701",
        "mailbox full",
        "As many messages, or bytes, wait for the component as may.",
        "send again later, or raise `mailbox` or `mailbox_bytes` under [limits]",
    )

    def __init__(
        self, target: str, value: int, limit: Literal["capacity", "capacity_bytes"] = "capacity"
    ) -> None:
        self.limit: Literal["capacity", "capacity_bytes"] = limit
        self.value = value
        unit = "messages" if limit == "capacity" else "bytes"
        super().__init__(
            target,
            f"the mailbox of {target!r} is full ({limit} is {value:,} {unit}); send later, send "
            f"less, or raise {limit} in its MailboxSpec",
        )


class MessageTooLarge(DeliveryError):
    """The payload alone is more than the actor may ever be sent.

    Attributes:
        size_bytes: The payload's size.
        capacity_bytes: The bound that it is beyond.
        limit: The field of `MailboxSpec` that sets it, `capacity_bytes` or `message_bytes`; or,
            of a component's `Limits`, `memory_bytes`, where it found no room for the message in
            its memory, or `host_call_bytes`, where message and names are more than one call
            carries.
    """

    explanation = ErrorCode(
        "E0603",
        "payload too large",
        "The payload exceeds the size that the host allows.",
        "send it in parts",
    )

    def __init__(
        self,
        target: str,
        size_bytes: int,
        capacity_bytes: int,
        limit: Literal[
            "capacity_bytes", "message_bytes", "memory_bytes", "host_call_bytes"
        ] = "capacity_bytes",
    ) -> None:
        self.size_bytes = size_bytes
        self.capacity_bytes = capacity_bytes
        self.limit: Literal[
            "capacity_bytes", "message_bytes", "memory_bytes", "host_call_bytes"
        ] = limit
        place = "in its MailboxSpec" if limit == "capacity_bytes" else "in its limits"
        holders = {"memory_bytes": "what is left of the memory", "host_call_bytes": "one call"}
        holder = f"{holders.get(limit, 'the mailbox')} of"
        super().__init__(
            target,
            f"a message of {size_bytes:,} bytes is more than {holder} {target!r} may hold "
            f"({limit} is {capacity_bytes:,}); send it in parts, or raise {limit} {place}",
        )


class TooManyHops(DeliveryError):
    """The message would be one link too many in a chain of messages, each sent by a handler.

    Attributes:
        sender: The name of the actor that was going to send it.
        most: The longest chain that the system allows.
        correlation: The id of the message that the chain began with.
    """

    explanation = ErrorCode(
        "E0606",
        "too many hops",
        "Components send a message round in a circle, or one chain of messages is very long.",
        "break the circle: `airswasm tap` shows it; `hops` under [messaging] allows longer chains",
    )

    def __init__(self, target: str, sender: str, most: int, correlation: str) -> None:
        self.sender = sender
        self.most = most
        self.correlation = correlation
        super().__init__(
            target,
            f"{sender!r} may not send on to {target!r}: {most} messages have led to this one "
            f"already, the first was {correlation}; end the circle of sends, begin a new chain "
            "with a timer, or allow more hops",
        )


class NoRoute(DeliveryError):
    """No actor is known under this name."""

    explanation = ErrorCode(
        "E0702",
        "no such target",
        "No component of that name is installed and running.",
        "`airswasm list` shows the names",
        ExitStatus.NOT_FOUND,
    )

    def __init__(self, target: str) -> None:
        super().__init__(target, f"no actor is routed under {target!r}; is it started?")


class ActorStopped(DeliveryError, AskError):
    """The actor has stopped: it accepts no messages and answers none."""

    explanation = ErrorCode(
        "E0703",
        "component stopped",
        "The component has stopped and answers nothing.",
        "`airswasm status` shows its state; `airswasm logs NAME` says why",
    )

    def __init__(self, target: str, reason: str = "stopped") -> None:
        self.reason = reason
        super().__init__(
            target,
            f"{target!r} has stopped ({reason}) and takes no more messages; start it again first",
        )


class ActorSupervised(ActorError):
    """The actor is a supervisor's child: only that one may stop it."""

    explanation = ActorError.explanation

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"{name!r} is a supervisor's child; stop it with `stop_child` of that SupervisorNode"
        )


class AskTimeout(AskError, TimeoutError):
    """No answer came in time. The target may still act on the message, if it had begun.

    Attributes:
        seconds: How long it was waited.
        is_inherited: Whether the deadline was the caller's: the asker was itself handling a
            message that was given so much time.
    """

    explanation = ErrorCode(
        "E0704",
        "no answer in time",
        "No reply came in time. The message may still be handled.",
        "wait longer with --timeout; `airswasm status` shows what waits",
    )

    def __init__(self, target: str, seconds: float, *, is_inherited: bool = False) -> None:
        self.seconds = seconds
        self.is_inherited = is_inherited
        text = f"{target!r} did not answer within {max(0.0, seconds):g} s"
        if is_inherited:
            text += (
                ", which is what the deadline of the message in hand had left; "
                "let its sender wait longer"
            )
        super().__init__(target, f"{text}; it may still handle the message")


class AskCycle(AskError):
    """Waiting would never end: the target waits, directly or through others, for the asker."""

    explanation = ErrorCode(
        "E0705",
        "waiting in a circle",
        "The component waits, through others, for itself.",
        "use `request` instead of `call` somewhere in the circle",
    )

    def __init__(self, path: Sequence[str]) -> None:
        self.path = tuple(path)
        chain = " -> ".join(self.path)
        super().__init__(
            "".join(self.path[1:2]),
            f"this ask would wait for ever: {chain}; use tell in one of these places",
        )


class ActorFailed(AskError):
    """The actor failed while it handled the question; `cause` is what it failed with."""

    explanation = ErrorCode(
        "E0706",
        "the component failed",
        "The component failed while it handled the message. Its supervisor has started it "
        "again, and the message is kept as a dead letter.",
        "`airswasm dlq list NAME` shows the messages, `airswasm dlq show ID` the evidence of one",
    )

    def __init__(self, target: str, cause: BaseException | None, text: str = "") -> None:
        self.cause = cause
        shown = text or ("it was killed" if cause is None else describe(cause))
        super().__init__(target, f"{target!r} failed while handling the message: {shown}")


class MessageDropped(AskError):
    """The question left the mailbox unread to make room for a newer message."""

    explanation = ActorFailed.explanation

    def __init__(self, target: str) -> None:
        super().__init__(
            target,
            f"{target!r} dropped the message unread: its mailbox was full and keeps the newest; "
            "ask again, or give it a larger mailbox",
        )


class GuestRefused(AskError):
    """A component handled the message and answered with an error of its own."""

    explanation = ErrorCode(
        "E0707",
        "the component refused",
        "The component handled the message and answered with an error of its own.",
        "read its text; the component goes on",
    )

    def __init__(self, target: str, text: str) -> None:
        self.text = text
        super().__init__(target, f"{target!r} refused the message: {text}")


class HealthCheckFailed(GuestRefused):
    """A component says of itself that it does not work."""

    explanation = ErrorCode(
        "E0712",
        "unhealthy",
        "The component says of itself that it does not work.",
        "`airswasm status` shows its words",
    )

    def __init__(self, target: str, text: str) -> None:
        self.text = text
        AskError.__init__(self, target, f"{target!r} is unhealthy: {text}")


class SystemClosed(ActorError):
    """The actor system is not open: it was not entered yet, or it has been left."""

    explanation = ActorStopped.explanation

    def __init__(self, system: str) -> None:
        self.system = system
        super().__init__(
            f"the actor system {system!r} is not open; use it inside 'async with ActorSystem()'"
        )


class NameTaken(ActorError):
    """Another actor is already routed under this name."""

    explanation = ActorError.explanation

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the name {name!r} is taken; stop its actor first, or switch the route")


class InvalidTopic(ActorError, ValueError):
    """A topic or a pattern of topics is malformed."""

    explanation = ErrorCode(
        "E0708",
        "wrong topic",
        "A topic or a pattern of topics is malformed.",
        "segments are joined by dots: orders.eu.paid",
    )

    def __init__(self, topic: str, problem: str) -> None:
        self.topic = topic
        self.problem = problem
        super().__init__(f"{topic!r} is no valid topic: {problem}")


class InvalidChildSpec(ActorError, ValueError):
    """A child or supervisor specification contradicts itself."""

    explanation = ActorError.explanation

    def __init__(self, child: str, problem: str) -> None:
        self.child = child
        self.problem = problem
        super().__init__(f"the specification of {child!r} is not valid: {problem}")


class ChildExists(ActorError):
    """The supervisor already has a child with this id."""

    explanation = ActorError.explanation

    def __init__(self, supervisor: str, child: str, state: str) -> None:
        self.supervisor = supervisor
        self.child = child
        self.state = state
        advice = "restart" if state == "stopped" else "stop"
        super().__init__(
            f"{supervisor!r} already has a child {child!r}, which is {state}; {advice} that one, "
            "or choose another id"
        )


class ChildRunning(ActorError):
    """The operation needs a stopped child, and this one runs or is being restarted."""

    explanation = ActorError.explanation

    def __init__(self, supervisor: str, child: str, state: str) -> None:
        self.supervisor = supervisor
        self.child = child
        self.state = state
        super().__init__(f"child {child!r} of {supervisor!r} is {state}; stop it first")


class ChildNotRunning(ActorError):
    """The operation needs a child that runs, and this one does not."""

    explanation = ActorError.explanation

    def __init__(self, supervisor: str, child: str, state: str) -> None:
        self.supervisor = supervisor
        self.child = child
        self.state = state
        advice = "start it with restart_child first" if state == "stopped" else "wait until it runs"
        super().__init__(f"child {child!r} of {supervisor!r} is {state}; {advice}")


class NoSuchChild(ActorError, KeyError):
    """The supervisor has no child with this id."""

    explanation = ActorError.explanation

    def __init__(self, supervisor: str, child: str) -> None:
        self.supervisor = supervisor
        self.child = child
        super().__init__(f"{supervisor!r} has no child {child!r}; status() shows those it has")

    def __str__(self) -> str:
        return str(self.args[0])


class ChildStartFailed(ActorError):
    """A child did not start; `cause` says why."""

    explanation = ErrorCode(
        "E0709",
        "start failed",
        "A child of a supervisor did not start.",
        "`airswasm logs NAME` shows why",
    )

    def __init__(self, supervisor: str, child: str, cause: BaseException) -> None:
        self.supervisor = supervisor
        self.child = child
        self.cause = cause
        super().__init__(f"child {child!r} of {supervisor!r} did not start: {describe(cause)}")


class SupervisorGaveUp(ActorError):
    """Children failed more often than the supervisor's intensity allows."""

    explanation = ErrorCode(
        "E0710",
        "given up",
        "The component crashed more often than `supervision.intensity` allows, and is not "
        "started again.",
        "find the cause in `airswasm logs NAME`, then install a fixed version",
    )

    def __init__(self, supervisor: str, child: str, intensity: int, period: float) -> None:
        self.supervisor = supervisor
        self.child = child
        self.intensity = intensity
        self.period = period
        super().__init__(
            f"{supervisor!r} gave up: child {child!r} brought it over {intensity} restarts "
            f"within {period:g} s; its children were stopped. Mend what the cause says, or allow "
            "more, and start it again"
        )


class InitFailed(ActorError):
    """A component's `init` answered with an error."""

    explanation = ChildStartFailed.explanation

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        super().__init__(f"{name!r} refused to start: {text}")


class MigrationFailed(ActorError):
    """A component's `migrate` answered with an error; the earlier version should go on."""

    explanation = ErrorCode(
        "E0711",
        "migration failed",
        "The new version could not take over the stored data; the version before goes on.",
        "`airswasm logs NAME` shows what it said",
    )

    def __init__(self, name: str, from_version: str, text: str) -> None:
        self.name = name
        self.from_version = from_version
        self.text = text
        super().__init__(f"{name!r} could not take over from version {from_version}: {text}")


class UnfitPayload(AskError):
    """The actor cannot take such a payload; it was not bothered with it.

    Attributes:
        kind: What was sent: the name of its type.
        reason: Why bytes do not fit either; empty when it was something else.
    """

    explanation = ErrorCode(
        "E0605",
        "payload of a wrong kind",
        "The actor cannot take what it was sent: a component takes bytes, and values that fit "
        "the types of the function that is called. It did not see the message, and goes on.",
        "encode the payload before you send it, or compare the arguments with the function's types",
    )

    def __init__(self, target: str, kind: str, reason: str = "") -> None:
        self.kind = kind
        self.reason = reason
        fits = f"cannot take this: {reason}"
        other = f"takes bytes, and was sent {kind}; encode it first"
        super().__init__(target, f"{target!r} {fits if reason else other}")


class TimersNotDurable(ActorError):
    """A durable timer was set where nothing outlives the host."""

    explanation = ErrorCode(
        "E0631",
        "timers not durable",
        "A durable timer was set in a host without a store.",
        "set a timer that is not durable, or give `Schedule` a namespace of a store, and open it",
    )

    def __init__(self, owner: str) -> None:
        self.owner = owner
        super().__init__(
            f"{owner} sets a durable timer, and this host has no store for it; set one that is "
            "not durable, or give `Schedule` a namespace of a store, and open it"
        )


class FunctionMissing(UnfitPayload):
    """The component exports no such function: not at all, or not any more after an update.

    Attributes:
        function: The path that was called.
        version: The version that should have answered; empty if it is not known.
        available: The paths of the functions that there are, or that it can mean.
        is_ambiguous: Whether it can mean several of them.
    """

    explanation = ErrorCode(
        "E0713",
        "no such function",
        "The version of the component that answers does not export the function that was called.",
        "compare the name with the functions that the error lists; after an update, call what the "
        "new version has, or roll back",
    )

    def __init__(
        self,
        target: str,
        function: str,
        available: Sequence[str] = (),
        *,
        version: str = "",
        is_ambiguous: bool = False,
    ) -> None:
        self.function, self.version = function, version
        self.available, self.is_ambiguous = tuple(available), is_ambiguous
        listed = ", ".join(self.available[:_MOST_LISTED]) or "none"
        more = len(self.available) - _MOST_LISTED
        listed += f" and {more} more" if more > 0 else ""
        of = f"{target!r} {version}".rstrip()
        text = f"{of} exports no function {function!r}; it has {listed}"
        if is_ambiguous:
            text = f"{of} exports several functions that {function!r} can mean: {listed}"
        AskError.__init__(self, target, text)
        self.kind, self.reason = "FunctionCall", text
