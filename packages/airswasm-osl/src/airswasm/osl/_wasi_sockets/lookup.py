"""The addresses of a name: `resolve-addresses` of wasi:sockets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio
from airswasm.runtime import Caller, Case
from airswasm.runtime.wasi import Pollable, Signal
from airswasm.security.addresses import Address, innermost

from .._network.places import Network
from ..errors import NotFound, OslError
from .codes import Refused, refuse, wasi_address

__all__ = ("Lookup", "Lookups")

_AT_ONCE = 8
"""Look-ups of one instance that run."""
_LOOKUP_BYTES = 4_096


class Lookups:
    """The look-ups of one instance."""

    def __init__(self) -> None:
        self._running: set[Lookup] = set()

    @classmethod
    def of(cls, caller: Caller) -> Lookups:
        """Return the caller's look-ups, which end with its instance."""

        def make() -> Lookups:
            lookups = cls()
            caller.on_close(lookups.close)
            return lookups

        return caller.keep(cls, make)

    def start(self, network: Network, caller: Caller, name: str) -> Lookup:
        """Start a look-up.

        Raises:
            Refused: Too many run.
        """
        if len(self._running) >= _AT_ONCE:
            raise Refused("temporary-resolver-failure")
        lookup = Lookup(network, caller, name)
        self._running.add(lookup)
        lookup.on_end = lambda: self._running.discard(lookup)
        caller.instance.engine.start(lookup.run())
        return lookup

    def close(self) -> None:
        """End all of them."""
        for lookup in list(self._running):
            lookup.close()


class Lookup:
    """The `resolve-address-stream` resource."""

    def __init__(self, network: Network, caller: Caller, name: str) -> None:
        self._network = network
        self._caller = caller
        self._name = name
        self._done = Signal()
        self._scope = anyio.CancelScope()
        self._holding = caller.account.hold(_LOOKUP_BYTES)
        self._code: str | None = None
        self._found: list[Address] = []
        self.on_end: Callable[[], None] = _nothing

    async def run(self) -> None:
        """Look the name up."""
        try:
            with self._scope:
                seconds = self._network.policy.seconds(0)
                with anyio.fail_after(seconds):
                    found = await self._network.gate.resolve(self._caller, self._name)
                self._found = _ordered(found)
        except TimeoutError:
            self._code = "temporary-resolver-failure"
        except NotFound:
            self._code = "name-unresolvable"
        except OslError as error:
            self._code = refuse(self._caller, error)
        finally:
            self.on_end()
            self._done.set()

    def next(self) -> Case | None:
        """Return the next address; None after the last.

        Raises:
            Refused: There is no answer yet, or an error.
        """
        if not self._done.is_ready():
            raise Refused("would-block")
        if self._code is not None:
            raise Refused(self._code)
        return wasi_address(self._found.pop(0)) if self._found else None

    def pollable(self) -> Pollable:
        """Return one that is ready when there is an answer."""
        return self._done

    def close(self) -> None:
        """End it."""
        self._scope.cancel()
        self._found.clear()
        self._holding.release()


def _nothing() -> None:
    """Do nothing: no instance counts the look-up yet."""


def _ordered(found: Sequence[Address]) -> list[Address]:
    """Return each address once, an IPv4 one where an IPv6 one stands for it."""
    return list(dict.fromkeys(map(innermost, found)))
