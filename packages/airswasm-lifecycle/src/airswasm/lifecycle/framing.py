"""Where an HTTP message ends: the checks that h11 leaves to its users, for both directions.

Two programs that disagree about the end of a message can be made to take a part of one for another
(request smuggling). h11 is liberal where old software was: it takes bare line feeds, folded lines
and repeated lengths. The clients and the server of a host refuse each of them, so that whatever
stands before or behind them cannot have read the message in another way.
"""

from __future__ import annotations

import re

import h11

__all__ = ("HEAD_BYTES", "HeadGate", "check_framing")

HEAD_BYTES = 64 * 1024
_END = b"\r\n\r\n"
_ODD = re.compile(rb"\x00|\r(?!\n)|(?<!\r)\n|\r\n[ \t]")
"""NUL, a line end that is not CR LF, and a line that goes on the one before (obs-fold)."""


_LENGTH = re.compile(rb"\r\n(?:content-length|transfer-encoding):", re.IGNORECASE)
"""The headers that give the end of a message; h11 would merge equal ones."""


class HeadGate:
    """Holds the bytes of a message's head back until it is whole, and looks at them.

    Args:
        most_bytes: The most that a head may have.
        status: The status that a server answers a longer one with.
    """

    def __init__(self, most_bytes: int = HEAD_BYTES, status: int = 431) -> None:
        self._most_bytes = most_bytes
        self._status = status
        self._held = bytearray()
        self._searched = 0

    def pass_on(self, data: bytes) -> bytes:
        """Add bytes; return the head once all of it is there, and nothing before.

        Raises:
            h11.RemoteProtocolError: The head is too long, or not in its plain form.
        """
        self._held += data
        end = self._held.find(_END, self._searched)
        self._searched = max(0, len(self._held) - len(_END) + 1)
        size_bytes = len(self._held) if end < 0 else end + len(_END)
        if size_bytes > self._most_bytes:
            raise h11.RemoteProtocolError("the head is too long", error_status_hint=self._status)
        if end < 0:
            return b""
        head = bytes(self._held[:size_bytes])
        del self._held[:size_bytes]
        self._searched = 0
        if _ODD.search(head) is not None:
            raise h11.RemoteProtocolError("the head has a NUL, a bare line end or a folded line")
        if len(_LENGTH.findall(head)) > 1:
            raise h11.RemoteProtocolError("the head gives the end of the message more than once")
        return head

    def rest(self) -> bytes:
        """Return what has come after the head, and forget it."""
        rest, self._held = bytes(self._held), bytearray()
        return rest


def check_framing(head: h11.Request | h11.Response) -> None:
    """Check that the end of a message is given in a way that both sides know.

    Raises:
        h11.RemoteProtocolError: It is not.
    """
    if head.http_version not in (b"1.0", b"1.1"):
        raise h11.RemoteProtocolError("only HTTP/1.0 and 1.1 are spoken", error_status_hint=505)
    coded = (value for name, value in head.headers if name == b"transfer-encoding")
    codings = [value.strip().lower() for value in coded]
    if codings and (head.http_version < b"1.1" or codings != [b"chunked"]):
        raise h11.RemoteProtocolError("the body is coded in a way that is not known")
