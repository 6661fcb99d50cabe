"""The interface through which components send messages.

The sender is always the caller's own name. Every function returns at once; `call` returns a
`Pending`, which the broker's request completes: a waiting component is an entry in a table, without
a task. Before any of this runs, the guard has decided whether the component may send at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from airswasm.actor import DeliveryError, Envelope, MessageBroker, Request
from airswasm.runtime import (
    Caller,
    Case,
    Effect,
    Err,
    Holding,
    HostInterface,
    Ok,
    Pending,
    Services,
)
from airswasm.security import Guard, PermissionDenied, decides_each
from airswasm.wit.names import HANDLE_CALLBACK

from ._addresses import check_address
from ._block import MESSAGING_INTERFACE
from ._codecs.installed import encode
from ._counters import MessagingCounters
from ._envelopes import in_hand, retained_value, shown_envelope
from ._gathering import Gathering, outcome_of_write
from ._policy import MessagingPolicy, SamePolicy
from ._quota import SendingQuota
from ._refusals import refusal_of
from ._requests import OpenRequests
from ._retained import RetainedTopics, RetainedValue, RetainedValues, deliver_retained
from .errors import InvalidAddress, RateExceeded, TooManyTargets, Unencodable

__all__ = ("messaging_interface", "provide")

_SEND, _REQUEST, _SUBSCRIBE = "messaging:send", "messaging:request", "messaging:subscribe"
_TARGET_FUEL = 16_000
"""Of one target of a broadcast, and of one retained value that is delivered."""
_MATCH_FUEL = 3_200
"""Of comparing one pattern with one topic."""
_REQUEST_BYTES = 1_024
"""Of a request that waits for its answer, payload and answer left out."""
_SUBSCRIPTION_BYTES = 512
"""Of each segment of a pattern among the topics."""


def messaging_interface(
    broker: MessageBroker,
    policy: MessagingPolicy | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
    guard: Guard | None = None,
    retained: RetainedTopics | None = None,
    counters: MessagingCounters | None = None,
    quota: SendingQuota | None = None,
) -> HostInterface:
    """Return `airswasm:component/messaging` over this broker.

    Args:
        broker: Delivers the messages.
        policy: The limits and codecs of components.
        clock: Seconds, for rates.
        guard: Ends subscriptions and waiting requests when their grants end, and decides about
            each target of a broadcast; None keeps them, and sends to all.
        retained: Keeps the values of topics; in memory when it is left out.
        counters: Counts what happens to messages.
        quota: Counts messages against the rates; None counts those of this interface alone.
    """
    policy = policy or SamePolicy()
    counters = counters or MessagingCounters()
    if retained is None:  # one that is empty is false
        retained = RetainedValues(policy.limits, counters)
    guests = _Guests(
        broker, policy, quota or SendingQuota(policy, clock), guard, retained, counters
    )
    return HostInterface(
        MESSAGING_INTERFACE,
        {
            "envelope": guests.envelope,
            "send": guests.send,
            "broadcast": guests.broadcast,
            "request": guests.request,
            "call": guests.call,
            "cancel": guests.cancel,
            "publish": guests.publish,
            "publish-retained": guests.publish_retained,
            "subscribe": guests.subscribe,
            "unsubscribe": guests.unsubscribe,
        },
        effects={"envelope": Effect.READS},
    )


def provide(services: Services) -> Iterable[HostInterface]:
    """Return the interface that this block offers.

    Uses the services `MessageBroker` and, where present, `MessagingPolicy`, `Guard`,
    `RetainedTopics`, `MessagingCounters` and `SendingQuota`.

    Raises:
        ServiceMissing: No broker was added to the services.
    """
    policy: MessagingPolicy | None = None
    if services.has(MessagingPolicy):
        policy = services.get(MessagingPolicy)  # type: ignore[type-abstract]  # only a key
    guard = services.get(Guard) if services.has(Guard) else None
    retained: RetainedTopics | None = None
    if services.has(RetainedTopics):
        retained = services.get(RetainedTopics)  # type: ignore[type-abstract]  # only a key
    counters = services.get(MessagingCounters) if services.has(MessagingCounters) else None
    quota = services.get(SendingQuota) if services.has(SendingQuota) else None
    return (
        messaging_interface(
            services.get(MessageBroker), policy, guard=guard, retained=retained,
            counters=counters, quota=quota,
        ),
    )  # fmt: skip


class _Guests:
    """The host functions. A refusal that they raise becomes the guest's `err`."""

    def __init__(
        self,
        broker: MessageBroker,
        policy: MessagingPolicy,
        quota: SendingQuota,
        guard: Guard | None,
        retained: RetainedTopics,
        counters: MessagingCounters,
    ) -> None:
        self._broker, self._guard = broker, guard
        self._retained, self._counters = retained, counters
        self._policy = policy
        self._quota = quota
        self._requests = OpenRequests(broker, self._outcome, lambda: policy.limits.open_requests)

    def envelope(self, caller: Caller) -> object:
        read = self._policy.acceptance_of(caller.name)
        return shown_envelope(self._broker, in_hand(caller), read)

    def send(self, caller: Caller, target: str, payload: bytes) -> object:
        try:
            self._check(caller, target, payload)
            return self._send(caller, target, payload)
        except Exception as error:
            return self._refused(error)

    def _send(
        self, caller: Caller, target: str, payload: bytes, pending: Pending | None = None
    ) -> object:
        envelope = self._broker.following(in_hand(caller), caller.name, target)
        if not self._broker.is_carried(target):
            self._broker.tell(target, payload, sender=caller.name, envelope=envelope)
            return Ok(None)
        written = pending or Pending()

        def end(error: BaseException | None) -> None:
            written.resolve(outcome_of_write(error))

        self._broker.submit(target, payload, end, sender=caller.name, envelope=envelope)
        return written

    @decides_each
    def broadcast(self, caller: Caller, targets: Sequence[str], payload: bytes) -> object:
        most = self._policy.limits.broadcast_targets
        if len(targets) > most:
            return self._refused(TooManyTargets(len(targets), most))
        caller.charge(len(targets) * _TARGET_FUEL)

        def finish(outcomes: list[object]) -> object:
            refused = sum(isinstance(outcome, Err) for outcome in outcomes)
            self._counters.broadcast_refused += refused
            self._counters.broadcast_targets += len(outcomes) - refused
            return Ok(outcomes)

        gathering = Gathering(finish)
        for target in targets:
            self._send_one(caller, target, payload, gathering)
        return gathering.result()

    def _send_one(self, caller: Caller, target: str, payload: bytes, gathering: Gathering) -> None:
        """Send to one target of a broadcast, if the guard allows it."""
        try:
            if self._guard is not None:
                self._guard.admit(caller, _SEND, target, argument="target")
            self._check(caller, target, payload)
            if not self._broker.is_carried(target):
                gathering.note(self._send(caller, target, payload))
                return
            envelope = self._broker.following(in_hand(caller), caller.name, target)
        except Exception as error:
            gathering.note(self._refused(error))
            return
        try:
            self._broker.submit(
                target, payload, gathering.expect(), sender=caller.name, envelope=envelope
            )
        except Exception as error:
            gathering.give_up(self._refused(error))

    def request(self, caller: Caller, target: str, payload: bytes, timeout_ms: int) -> object:
        try:
            self._check(caller, target, payload)
            if not caller.instance.has_export(HANDLE_CALLBACK):
                return Err(Case("invalid", "export the interface callbacks to use request"))
            return self._request(caller, target, payload, self._seconds(timeout_ms))
        except Exception as error:
            return self._refused(error)

    def _request(self, caller: Caller, target: str, payload: bytes, seconds: float) -> object:
        held = caller.account.hold(_REQUEST_BYTES)
        envelope = self._question(caller, target)
        number = self._requests.start(caller.name, target, payload, seconds, held, envelope)
        request = self._requests.find(caller.name, number)
        if request is not None:
            self._end_with_grant(caller.name, target, request)
        return Ok(number)

    def _end_with_grant(self, component: str, target: str, request: Request) -> None:
        """Answer a request with the denial when its grant ends before its answer comes."""
        if self._guard is None:
            return

        def end(denial: str) -> None:
            request.fail(PermissionDenied(component, _REQUEST, target, denial))

        request.at_end(self._guard.keep(component, _REQUEST, target, end))

    def call(self, caller: Caller, target: str, payload: bytes, timeout_ms: int) -> object:
        try:
            self._check(caller, target, payload)
            pending = Pending()
            request = self._broker.request(
                target,
                payload,
                lambda ended: pending.resolve(self._outcome(ended, caller.message_bytes)),
                timeout=self._seconds(timeout_ms),
                sender=caller.name,
                is_waiting=True,
                envelope=self._question(caller, target),
            )
        except Exception as error:
            return self._refused(error)
        pending.on_cancel = request.cancel
        self._end_with_grant(caller.name, target, request)
        return pending

    def _question(self, caller: Caller, target: str) -> Envelope | None:
        return self._broker.following(in_hand(caller), caller.name, target, is_question=True)

    def cancel(self, caller: Caller, request_id: int) -> bool:
        return self._requests.cancel(caller.name, request_id)

    def publish(self, caller: Caller, topic: str, payload: bytes) -> object:
        try:
            self._quota.take(caller.name, len(payload), topic=topic)
            return self._publish(caller, topic, payload)
        except Exception as error:
            return self._refused(error)

    def publish_retained(self, caller: Caller, topic: str, payload: bytes) -> object:
        try:
            self._quota.take(caller.name, len(payload), topic=topic)
            self._broker.check_topic(topic)
            envelope = self._broker.following(in_hand(caller), caller.name, topic)
            value = retained_value(topic, payload, caller.name, envelope, self._broker)
            return self._publish(caller, topic, payload, value)
        except Exception as error:
            return self._refused(error)

    def _publish(
        self, caller: Caller, topic: str, payload: bytes, value: RetainedValue | None = None
    ) -> object:
        """Publish, and retain a value; take it back if either could not be written."""
        broker, name = self._broker, caller.name
        counts, take_back = list[int](), _nothing

        def finish(outcomes: list[object]) -> object:
            for outcome in outcomes:
                if not isinstance(outcome, Ok):
                    take_back()
                    return outcome
            return Ok(counts[0])

        gathering = Gathering(finish)
        if value is not None:
            take_back = self._retained.retain(value, gathering.expect())
        try:
            caller.charge(broker.publishing_effort(topic) * _MATCH_FUEL)
            envelope = broker.following(in_hand(caller), name, topic)
            count, is_all = broker.submit_publication(
                topic, payload, gathering.expect(), sender=name, envelope=envelope
            )
        except BaseException:
            take_back()
            raise
        counts.append(count)
        if is_all:
            gathering.give_up(Ok(None))
        return gathering.result()

    def subscribe(self, caller: Caller, pattern: str) -> object:
        subscriptions = self._subscriptions(caller)
        try:
            if subscriptions.add(pattern, self._policy.limits.subscriptions):
                self._deliver_retained(caller, pattern)
        except Exception as error:
            return self._refused(error)
        return Ok(None)

    def _deliver_retained(self, caller: Caller, pattern: str) -> None:
        """Send the values that a new subscription matches; one without room is counted."""
        caller.charge(self._retained.effort(pattern) * _MATCH_FUEL)
        for value in self._retained.matching(pattern):
            caller.charge(_TARGET_FUEL)
            try:
                deliver_retained(self._broker, value, caller.name)
            except DeliveryError:
                self._counters.retained_missed += 1
            else:
                self._counters.retained_delivered += 1

    def unsubscribe(self, caller: Caller, pattern: str) -> object:
        try:
            self._subscriptions(caller).remove(pattern)
        except Exception as error:
            return self._refused(error)
        return Ok(None)

    def _subscriptions(self, caller: Caller) -> _Subscriptions:
        return caller.keep(
            _Subscriptions, lambda: _Subscriptions(self._broker, caller, self._guard)
        )

    def _check(self, caller: Caller, target: str, payload: bytes) -> None:
        try:
            check_address(target)
        except InvalidAddress as error:
            self._quota.note_refusal(caller.name, len(payload), error, target)
            raise
        self._quota.take(caller.name, len(payload), target)

    def _refused(self, error: Exception) -> Err[Case]:
        """Return an error that a guest can handle; another is the host's, and ends the call."""
        case = refusal_of(error)
        if case is None:
            raise error
        self._counters.refused[case.name] += 1
        return Err(case)

    def _seconds(self, timeout_ms: int) -> float:
        if timeout_ms == 0:
            return self._policy.limits.default_timeout
        return min(timeout_ms / 1000, self._policy.limits.longest_timeout)

    def _outcome(self, request: Request, most_bytes: int) -> Ok[bytes | None] | Err[Case]:
        """Return what an ended request is to a component that takes so many bytes at once."""
        if request.error is not None:
            return Err(refusal_of(request.error) or _unforeseen(request.name))
        try:
            reply = _reply(request.value)
        except Unencodable:
            return Err(Case("failed", f"{request.name} answered with what has no encoding"))
        most = min(most_bytes, self._policy.limits.payload_bytes)
        if reply is not None and len(reply) > most:
            text = f"the reply of {request.name} has {len(reply):,} bytes, of {most:,} at most"
            return Err(Case("too-large", text))
        return Ok(reply)


class _Subscriptions:
    """The subscriptions of one incarnation; they end with it."""

    def __init__(self, broker: MessageBroker, caller: Caller, guard: Guard | None) -> None:
        self._broker, self._guard = broker, guard
        self._forget: dict[str, Callable[[], None]] = {}
        self._name = caller.name
        self._account = caller.account
        self._patterns: dict[str, Holding] = {}
        caller.on_close(self._close)

    def add(self, pattern: str, most: int) -> bool:
        """Subscribe; return False when there is such a subscription already."""
        is_new = pattern not in self._patterns
        if is_new:
            self._check_number(pattern, most)
        held = self._account.hold(_SUBSCRIPTION_BYTES * (1 + pattern.count(".")) + len(pattern))
        self._broker.subscribe(pattern, self._name, owner=self)
        self._patterns[pattern] = held
        if self._guard is not None and pattern not in self._forget:
            self._forget[pattern] = self._guard.keep(
                self._name, _SUBSCRIBE, pattern, lambda _denial: self.remove(pattern)
            )
        return is_new

    def _check_number(self, pattern: str, most: int) -> None:
        """Hold the incarnation to its number, and the name to two of them: durable ones stay."""
        if len(self._patterns) >= most:
            raise RateExceeded(self._name, f"it has {most} subscriptions")
        known = self._broker.subscriptions_of(self._name)
        if len(known) >= 2 * most and pattern not in known:
            reason = f"it has {len(known)} subscriptions, with those of its former incarnations"
            raise RateExceeded(self._name, reason)

    def remove(self, pattern: str) -> None:
        self._broker.unsubscribe(pattern, self._name, owner=self)
        self._patterns.pop(pattern, None)
        forget = self._forget.pop(pattern, None)
        if forget is not None:
            forget()

    def _close(self) -> None:
        self._broker.unsubscribe_owner(self)
        for forget in self._forget.values():
            forget()
        self._forget.clear()


def _nothing() -> None:
    """Take nothing back: no value was retained."""


def _reply(value: object) -> bytes | None:
    """Return a Python actor's answer as bytes: components get a value as CBOR."""
    return value if value is None or isinstance(value, bytes) else encode(value)


def _unforeseen(target: str) -> Case:
    return Case("failed", f"{target} failed while handling the message")
