"""Sockets for datagrams."""

from __future__ import annotations

import anyio

from ..errors import from_os_error
from .addresses import Endpoint
from .binding import as_endpoint
from .gate import LISTEN_UDP
from .open_sockets import WOULD_BLOCK, GrantedSocket
from .traffic import DATAGRAM_BYTES

__all__ = ("Datagrams",)


class Datagrams(GrantedSocket):
    """A UDP socket."""

    capability = LISTEN_UDP

    def receive_now(self) -> tuple[bytes, Endpoint] | None:
        """Return the next datagram and its sender; None if there is none yet.

        Raises:
            OslError: The socket failed, or the component may move no more bytes.
        """
        if self.is_closed:
            raise self.broken()
        if not self.network.ledger.room_bytes(self.place.component, 1):
            return None
        try:
            data, sender = self.plain.recvfrom(DATAGRAM_BYTES + 1)
        except WOULD_BLOCK:
            return None
        except OSError as error:
            raise self.broken(error) from error
        self.note_received(len(data))
        return data, as_endpoint(sender)

    async def receive(self) -> tuple[bytes, Endpoint]:
        """Wait for a datagram; see `receive_now`."""
        while (received := self.receive_now()) is None:
            await self._for_room(anyio.wait_readable)
        return received

    def send_now(self, data: bytes, address: tuple[str, int] | None = None) -> bool:
        """Send a datagram, to the connected peer if no other is given.

        Returns:
            Whether there was room for it.
        """
        if self.is_closed:
            raise self.broken()
        if not self.network.ledger.room_bytes(self.place.component, 1):
            return False
        try:
            if address is None:
                self.plain.send(data)
            else:
                self.plain.sendto(data, address)
        except WOULD_BLOCK:
            return False
        except OSError as error:
            raise from_os_error(
                error, self._what if address is None else str(address[0])
            ) from error
        self.note_sent(len(data))
        return True

    async def send(self, data: bytes, address: tuple[str, int] | None = None) -> None:
        """Send a datagram; wait for room."""
        while not self.send_now(data, address):
            await self._for_room(anyio.wait_writable)
