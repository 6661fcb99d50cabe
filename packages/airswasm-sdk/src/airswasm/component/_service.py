"""Run a component: from the calls of the contract to its handlers, and back.

An exception in a handler refuses the message with its text, and its traceback goes to the log: a
trap would end the incarnation, and with it what others wait for. What a sender did wrong
(`PayloadError`) and what a handler decided (`Refuse`) is no fault, and logs nothing.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import TypeVar

from ._abilities import Outcome
from ._definition import Definition, Handler
from ._host import Host, Message, using
from ._marks import TIMER, timer_payload
from ._values import is_list, is_map
from .errors import HostError, PayloadError, Refuse

__all__ = ("Refused", "Service", "matches")

T = TypeVar("T")
_LOG = logging.getLogger("airswasm.component")


class Refused(Exception):
    """The answer to a call is this error text."""


class Service:
    """One incarnation of a component.

    Args:
        definition: The component.
        host: The host's functions.

    Attributes:
        instance: The object of its class; None for functions of a module, and before `init`.
    """

    def __init__(self, definition: Definition, host: Host) -> None:
        self.definition, self.host = definition, host
        self.codec = definition.codec
        self.settings: dict[str, object] = {}
        self.waiting: dict[int, str] = {}
        self.instance: object = None

    def init(self, config: str) -> None:
        """Start: settings, object, subscriptions, timers, then `@on_start`.

        Raises:
            Refused: It cannot start.
        """
        self._answer(lambda: self._start(config))

    def shutdown(self) -> None:
        """Stop. What `@on_stop` raises is logged."""
        with suppress(Refused):
            self._answer(lambda: self._run("stop"))

    def handle(self, sender: str, topic: str | None, payload: bytes) -> bytes | None:
        """Handle a message; return the reply.

        Raises:
            Refused: The message is refused.
        """
        message = Message(sender, topic, payload)
        return self._answer(lambda: self._handle(message))

    def callback(self, request_id: int, payload: bytes | None, error: HostError | None) -> None:
        """Deliver the outcome of a request. What the handler raises is logged."""
        handler = self.definition.named("reply", self.waiting.pop(request_id, ""))
        if handler is not None:
            with suppress(Refused):
                self._answer(
                    lambda: self._call(handler, None, self._outcome(handler, payload, error))
                )

    def check(self) -> None:
        """Check its health.

        Raises:
            Refused: It is unhealthy.
        """
        self._answer(lambda: self._run("health"))

    def migrate(self, from_version: str) -> None:
        """Take over what an earlier version stored.

        Raises:
            Refused: It cannot.
        """
        self._answer(lambda: self._run("migration", from_version))

    def _answer(self, work: Callable[[], T]) -> T:
        with using(self):
            try:
                return work()
            except (Refuse, PayloadError) as error:
                raise Refused(str(error) or type(error).__name__) from error
            except HostError as error:
                _log_fault(error)
                raise Refused(error.text or type(error).__name__) from error
            except (Exception, SystemExit) as error:
                _log_fault(error)
                raise Refused(_describe(error)) from error

    def _start(self, config: str) -> None:
        self._read_settings(config)
        if self.definition.make is not None:
            self.instance = self.definition.make()
        for each in self.definition.of("event"):
            self.host.subscribe(each.mark.argument or "")
        for each in self.definition.of("every"):
            payload = timer_payload(each.function.__name__, [], {})
            interval = max(1, round(each.mark.seconds * 1000))
            self.host.send_every(self.host.name, payload, interval, durable=False)
        self._run("start")

    def _handle(self, message: Message) -> bytes | None:
        if message.topic is not None:
            self._handle_event(message, message.topic)
            return None
        handler, arguments = self._addressed(message) or self._default(message)
        reply = self._call(handler, message, arguments)
        return None if reply is None else self.codec.encode(reply)

    def _read_settings(self, config: str) -> None:
        table = json.loads(config or "{}")
        for each in self.definition.settings:
            if each.name in table:
                try:
                    value = self.codec.convert(table[each.name], each.annotation)
                except PayloadError as error:
                    raise PayloadError(f"[config] {each.name}: {error}") from None
                self.settings[each.name] = value
            elif not each.has_default:
                raise PayloadError(f"[config] of Component.toml needs {each.name}")

    def _handle_event(self, message: Message, topic: str) -> None:
        for each in self.definition.of("event"):
            if matches(each.mark.argument or "", topic, "."):
                self._call(each, message, each.shape.whole(self.codec, message.payload))

    def _addressed(self, message: Message) -> tuple[Handler, dict[str, object]] | None:
        """Return the handler that a payload names, or None."""
        codec = self.codec
        if not codec.prefix and message.payload.lstrip()[:1] != b"{":
            return None
        try:
            plain = codec.read(message.payload)
        except PayloadError:
            return None  # a text may begin with a bracket: its handler decides
        if not is_map(plain):
            return None
        name = plain.get("type")
        if name == TIMER and message.sender == self.host.name:
            return self._timer(plain)
        handler = self.definition.messages.get(name) if isinstance(name, str) else None
        return None if handler is None else (handler, handler.shape.arguments(codec, plain))

    def _timer(self, plain: dict[str, object]) -> tuple[Handler, dict[str, object]]:
        name, arguments, named = plain.get("name"), plain.get("arguments"), plain.get("named")
        found = self.definition.named("timer", str(name)) or self.definition.named(
            "every", str(name)
        )
        if found is None or not is_list(arguments) or not is_map(named):
            raise PayloadError(f"no timer calls {name}")  # of an earlier version
        given = {**dict(zip(found.shape.parameters, arguments, strict=False)), **named}
        record = found.shape.record
        if record is not None:
            return found, {
                record: self.codec.convert(given[record], found.shape.parameters[record])
            }
        return found, found.shape.arguments(self.codec, given)

    def _default(self, message: Message) -> tuple[Handler, dict[str, object]]:
        handlers = self.definition.of("message")
        if len(handlers) != 1:
            known = ", ".join(repr(name) for name in self.definition.messages) or "none"
            raise PayloadError(f"expected an object whose type is one of: {known}")
        return handlers[0], handlers[0].shape.whole(self.codec, message.payload)

    def _outcome(
        self, handler: Handler, payload: bytes | None, error: HostError | None
    ) -> dict[str, object]:
        ((parameter, annotation),) = handler.shape.parameters.items()
        inside = getattr(annotation, "__args__", (object,))[0]
        is_empty = payload is None or inside is type(None)
        value = None if is_empty else self.codec.decode(payload or b"", inside)
        return {parameter: Outcome(value, error)}

    def _run(self, kind: str, *arguments: object) -> None:
        handler = self.definition.one(kind)
        if handler is not None:
            handler.function(*self._self(), *arguments)

    def _call(
        self, handler: Handler, message: Message | None, arguments: dict[str, object]
    ) -> object:
        if handler.shape.message is not None:
            arguments = {**arguments, handler.shape.message: message}
        return handler.function(*self._self(), **arguments)

    def _self(self) -> tuple[object, ...]:
        return () if self.definition.make is None else (self.instance,)


def _log_fault(error: BaseException) -> None:
    """Log the traceback, without the frames of this module."""
    frames = [e for e in traceback.extract_tb(error.__traceback__) if e.filename != __file__]
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames)]
    lines += traceback.format_exception_only(error)
    _LOG.error("".join(lines).rstrip())


def matches(pattern: str, resource: str, separator: str) -> bool:
    """Return whether a pattern covers a resource: a topic, a key, or a name."""
    return _row_matches(pattern.split(separator), resource.split(separator))


def _row_matches(pattern: list[str], segments: list[str]) -> bool:
    if not pattern:
        return not segments
    if pattern[0] == "**":
        return any(_row_matches(pattern[1:], segments[at:]) for at in range(len(segments) + 1))
    if not segments or not segments[0] or not fnmatchcase(segments[0], pattern[0]):
        return False
    return _row_matches(pattern[1:], segments[1:])


def _describe(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
