"""A TCP connection as a byte stream that closes at once.

anyio's own streams close asynchronously. When a guest drops a response, or is stopped, its
connection must be closed before anything else happens, from where nothing can wait.
"""

from __future__ import annotations

import socket

import anyio
import anyio.abc

__all__ = ("SocketBytes",)


class SocketBytes(anyio.abc.ByteStream):
    """A connected, non-blocking socket.

    Args:
        connected: The socket.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    @property
    def is_silent(self) -> bool:
        """Whether the peer has sent nothing that is unread, and has not closed."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        """Return at least one byte.

        Raises:
            anyio.EndOfStream: The peer has closed.
            anyio.BrokenResourceError: The connection broke, or was closed here.
        """
        while True:
            try:
                data = self._socket.recv(max_bytes)
            except (BlockingIOError, InterruptedError):
                await self._wait(is_writing=False)
            except OSError as error:
                raise anyio.BrokenResourceError(error.strerror) from error
            else:
                if not data:
                    raise anyio.EndOfStream
                return data

    async def send(self, item: bytes) -> None:
        """Send all of it.

        Raises:
            anyio.BrokenResourceError: The connection broke, or was closed here.
        """
        rest = memoryview(item)
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except (BlockingIOError, InterruptedError):
                await self._wait(is_writing=True)
            except OSError as error:
                raise anyio.BrokenResourceError(error.strerror) from error

    async def send_eof(self) -> None:
        """Send no more."""
        self._socket.shutdown(socket.SHUT_WR)

    async def aclose(self) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close it now. Closing it twice is harmless."""
        if self._socket.fileno() >= 0:
            anyio.notify_closing(self._socket)
            self._socket.close()

    async def _wait(self, *, is_writing: bool) -> None:
        wait = anyio.wait_writable if is_writing else anyio.wait_readable
        try:
            await wait(self._socket)
        except (anyio.ClosedResourceError, ValueError, OSError) as error:
            raise anyio.BrokenResourceError("it was closed") from error
