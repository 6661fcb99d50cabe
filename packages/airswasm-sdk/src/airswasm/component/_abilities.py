"""The declarations of a component beside its handlers: topics, settings, and other components.

All that a component uses of its host is an attribute of its class or a name of its module. So the
build finds the world, and the capabilities, without running a handler.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, Self, TypeVar, cast, overload

from ._host import current
from ._shape import Shape, shape_of
from ._stored import _MISSING, _Typed
from .errors import HostError, NoHost

__all__ = ("Outcome", "Peer", "Setting", "Topic", "request", "tell")

T = TypeVar("T")
P = ParamSpec("P")


class Topic(_Typed[T]):
    """A topic that the component publishes to.

    Args:
        name: Its name, such as `orders.paid`.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def publish(self, value: T) -> int:
        """Publish a value; return the number of mailboxes that it was put into.

        Raises:
            HostError: The host refused.
        """
        running = current()
        return running.host.publish(self.name, running.codec.encode(value), retained=False)

    def retain(self, value: T) -> int:
        """Publish a value, and keep it for later subscribers.

        Raises:
            HostError: The host refused.
        """
        running = current()
        return running.host.publish(self.name, running.codec.encode(value), retained=True)


class Setting(_Typed[T]):
    """A value of `[config]` in Component.toml; checked when the component starts.

    Args:
        name: Its key.
        default: The value where the table lacks it; without a default it must be there.
    """

    def __init__(self, name: str, *, default: T | object = _MISSING) -> None:
        self.name, self._default = name, default

    @property
    def has_default(self) -> bool:
        """Whether `[config]` may lack it."""
        return self._default is not _MISSING

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> T | Self:
        return self if instance is None else self.get()

    def get(self) -> T:
        """Return its value."""
        return cast("T", current().settings.get(self.name, self._default))


class Peer(Generic[T]):
    """Another component, called by the methods of a class: its own, or one that only declares them.

        class Greeter:
            def greet(self, name: str) -> str: ...

        class Door:
            greeter = Peer(Greeter, "local/hello")

            @on_message
            def ring(self, name: str) -> str:
                return self.greeter.greet(name)

    A call waits for the answer. `tell` sends without waiting, `request` has the answer delivered to
    a method later.

    Args:
        kind: The class with the methods.
        target: The component's name.
        timeout: Seconds to wait for an answer; None for the host's default.
    """

    def __init__(self, kind: type[T], target: str, *, timeout: float | None = None) -> None:
        self.kind, self.target = kind, target
        self.timeout_ms = 0 if timeout is None else max(1, round(timeout * 1000))

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> T | Self:
        return self if instance is None else self.get()

    def get(self) -> T:
        """Return the client; in a class the attribute is that already."""
        return cast("T", _Client(self))


class _Client:
    """Has a callable for each method of a peer's class."""

    def __init__(self, peer: Peer[Any]) -> None:
        self._peer = peer

    def __getattr__(self, name: str) -> _Method:
        function = inspect.getattr_static(self._peer.kind, name, None)
        if not inspect.isfunction(function):
            raise AttributeError(f"{self._peer.kind.__name__} has no method {name}")
        tag = getattr(function, "__airswasm_name__", None)
        return _Method(self._peer, shape_of(function, name=tag, is_method=True))


@dataclass(frozen=True)
class _Method:
    """One method of another component."""

    peer: Peer[Any]
    shape: Shape

    def payload(self, arguments: tuple[object, ...], named: dict[str, object]) -> bytes:
        codec = current().codec
        return codec.write(self.shape.bind(codec, arguments, named))

    def __call__(self, *arguments: object, **named: object) -> object:
        running = current()
        payload = self.payload(arguments, named)
        reply = running.host.call(self.peer.target, payload, self.peer.timeout_ms)
        if reply is None or self.shape.reply in (None, type(None)):
            return None
        return running.codec.decode(reply, self.shape.reply)


def tell(method: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> None:
    """Send another component a message without waiting for it to be handled.

        tell(self.greeter.greet, "world")

    Raises:
        HostError: The host refused.
    """
    called = _method(method)
    current().host.send(called.peer.target, called.payload(args, kwargs))


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """The outcome of a request.

    Attributes:
        value: The answer; None if there is none.
        error: The reason why there is no answer.
    """

    value: T | None = None
    error: HostError | None = None

    def get(self) -> T:
        """Return the answer.

        Raises:
            HostError: There is none.
        """
        if self.error is not None:
            raise self.error
        return cast("T", self.value)


def request(
    method: Callable[P, object],
    then: Callable[[Outcome[Any]], None],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> int:
    """Ask another component, and go on; return the id of the request.

        request(self.greeter.greet, self.greeted, "world")

        @on_reply
        def greeted(self, outcome: Outcome[str]) -> None: ...

    Args:
        method: The other component's method.
        then: A method under `@on_reply`, which gets the `Outcome` as a message of its own.
        args: The method's arguments.
        kwargs: Those by name.

    Raises:
        HostError: The host refused.
    """
    called, running = _method(method), current()
    payload = called.payload(args, kwargs)
    given = running.host.request(called.peer.target, payload, called.peer.timeout_ms)
    running.waiting[given] = then.__name__
    return given


def _method(method: object) -> _Method:
    if isinstance(method, _Method):
        return method
    if callable(method) and getattr(method, "__self__", None) is None:
        raise NoHost
    raise TypeError("it is no method of another component: declare that as a Peer")
