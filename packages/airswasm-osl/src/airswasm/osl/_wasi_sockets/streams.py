"""The two streams of a connection.

Reading is a system call and no more. Writing takes a permit's bytes at once: what the peer does not
take now is kept, at most one permit for each connection and on the instance's account, and a task
passes it on. Until that is done the permit is 0, so a slow peer slows its guest.
"""

from __future__ import annotations

from airswasm.runtime import AccountExceeded
from airswasm.runtime.wasi import (
    WRITE_PERMIT_BYTES,
    IoError,
    Pollable,
    Signal,
    StreamClosed,
    StreamFailed,
)

from .._network.connections import Connection
from ..errors import LimitReached, OslError
from .codes import code_of
from .readiness import Readiness

__all__ = ("TcpInput", "TcpOutput")

_READ_AT_MOST_BYTES = 256 * 1024
_LINGER_SECONDS = 10.0
"""For the rest of what a guest wrote before it dropped the socket."""


class TcpInput:
    """The stream from the peer."""

    __slots__ = ("_connection", "_is_ended", "_most_bytes", "_ready")

    def __init__(self, connection: Connection) -> None:
        caller, network = connection.place.caller, connection.network
        component = connection.place.component
        self._connection = connection
        self._is_ended = False
        self._most_bytes = min(_READ_AT_MOST_BYTES, caller.message_bytes)
        self._ready = Readiness(
            caller.instance.engine, connection.plain, delay=lambda: network.ledger.delay(component)
        )

    def read(self, max_bytes: int) -> bytes:
        """Return what is there; nothing if nothing is yet.

        Raises:
            StreamClosed: The peer has ended its side, or the guest its own.
            StreamFailed: The connection broke.
        """
        if self._is_ended:
            raise StreamClosed
        if not max_bytes:
            return b""
        try:
            data = self._connection.receive_now(min(max_bytes, self._most_bytes))
        except OslError as error:
            raise _failed(error) from error
        if data is None:
            return b""
        if not data:
            self._is_ended = True
            raise StreamClosed
        return data

    def pollable(self) -> Pollable:
        """Return one that is ready when there are bytes, or the end."""
        return self._ready

    def end(self) -> None:
        """Read nothing more."""
        self._is_ended = True


class TcpOutput:
    """The stream to the peer."""

    __slots__ = ("_connection", "_failure", "_finishes", "_idle", "_is_ended", "_lingers", "_rest")

    waits = True

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._idle = Signal(is_set=True)
        self._rest = b""
        self._failure: OslError | None = None
        self._is_ended = False
        self._finishes = False
        self._lingers = False

    def permit_bytes(self) -> int:
        """Return what is taken now: nothing while the peer has not taken what was written.

        Raises:
            StreamClosed: The guest has ended it.
            StreamFailed: The connection broke.
        """
        if self._failure is not None:
            raise _failed(self._failure)
        if self._is_ended:
            raise StreamClosed
        return 0 if self._rest else WRITE_PERMIT_BYTES

    def write(self, data: bytes) -> None:
        """Send data, and keep what the peer does not take now.

        Raises:
            StreamFailed: The connection broke.
        """
        self.permit_bytes()
        connection = self._connection
        try:
            sent = connection.send_now(memoryview(data)) if data else 0
            if sent < len(data):
                connection.place.keep_bytes(len(data) - sent)
                self._rest = data[sent:]
                self._idle.clear()
                connection.place.caller.instance.engine.start(self._pass_on())
        except AccountExceeded as error:
            self._failure = LimitReached(
                f"there is no room for what the peer does not take: {error}"
            )
            raise _failed(self._failure) from error
        except OslError as error:
            self._failure = error
            raise _failed(error) from error

    def flush(self) -> None:
        """Do nothing: what was written is on its way, and the permit is 0 until it is sent."""

    def pollable(self) -> Pollable:
        """Return one that is ready when the peer has taken everything, or the connection broke."""
        return self._idle

    def finish(self) -> None:
        """Write nothing more; the peer reads the end after the rest.

        Raises:
            Disconnected: The connection broke.
        """
        if self._is_ended:
            return
        self._is_ended = True
        if self._rest:
            self._finishes = True
        else:
            self._connection.finish()

    def close(self) -> None:
        """Close the connection once the rest is sent, or its time is over."""
        if not self._rest or self._connection.is_closed:
            self._connection.close()
            return
        self._is_ended = self._lingers = True
        timers = self._connection.place.caller.instance.engine.timers
        self._connection.on_close.append(
            timers.after(_LINGER_SECONDS, self._connection.close).cancel
        )

    async def _pass_on(self) -> None:
        connection = self._connection
        try:
            while self._rest:
                await connection.writable()
                self._rest = self._rest[connection.send_now(memoryview(self._rest)) :]
            if self._finishes:
                connection.finish()
        except OslError as error:
            self._failure, self._rest = error, b""
        finally:
            if not connection.is_closed:
                connection.place.keep_bytes(0)
            if self._lingers:
                connection.close()
            self._idle.set()


def _failed(error: OslError) -> StreamFailed:
    return StreamFailed(IoError(str(error), network_code=code_of(error)))
