"""Send one notification to a receiver, signed, and trust nothing of what it answers.

h11 implements the protocol on this module's own stream, as it does for the sources of packages: the
connection goes to an address that was checked, a redirect is a failure, and of the answer the
status is read and nothing else. One deadline covers everything.

The body is that of Prometheus' Alertmanager (version 4), so its receivers understand it. The
signature is that of https://www.standardwebhooks.com: the id, the time and the body, by HMAC-SHA256
(`v1`) or Ed25519 (`v1a`), so that a receiver can refuse what is forged, and what is sent again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import anyio
import anyio.abc
import h11
from airswasm.security import PrivateKey, load_private_key
from airswasm.security.addresses import Address, as_address, innermost, problem_with
from anyio.streams.tls import TLSStream

from ..errors import NotificationFailed, WebhookKeyUnreadable
from .settings import AlertSettings, Webhook

__all__ = ("Resolve", "Sender", "Signer", "read_signer")

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""`(host, port) -> addresses` as text; raises OSError."""
_DEADLINE_SECONDS = 10.0
_HEAD_BYTES = 16 * 1024
_MOST_ADDRESSES = 4
_FINAL = frozenset(range(400, 500)) - {408, 425, 429}
"""Statuses after which the same request again would fail again."""


@dataclass(frozen=True, slots=True)
class Signer:
    """The secrets of one receiver.

    Attributes:
        secret: Of the HMAC; None for none.
        key: The Ed25519 key; None for none.
    """

    secret: bytes | None = None
    key: PrivateKey | None = None

    def headers(self, number: str, time: int, body: bytes) -> list[tuple[str, str]]:
        """Return the headers that sign a body."""
        content = f"{number}.{time}.".encode() + body
        found: list[str] = []
        if self.secret is not None:
            mac = hmac.new(self.secret, content, hashlib.sha256).digest()
            found.append(f"v1,{base64.b64encode(mac).decode()}")
        if self.key is not None:
            found.append(f"v1a,{base64.b64encode(self.key.sign(content)).decode()}")
        headers = [("webhook-id", number), ("webhook-timestamp", str(time))]
        return [*headers, ("webhook-signature", " ".join(found))] if found else headers


def read_signer(webhook: Webhook, home: Path) -> Signer:
    """Read the secrets of a receiver.

    Raises:
        WebhookKeyUnreadable: One of the files has none.
    """
    secret = key = None
    if webhook.secret_file:
        path = home / webhook.secret_file
        try:
            text = path.read_text(encoding="ascii").strip()
            secret = base64.b64decode(text.removeprefix("whsec_"), validate=True)
        except OSError as error:
            raise WebhookKeyUnreadable(
                webhook.name, str(path), error.strerror or str(error)
            ) from error
        except (UnicodeDecodeError, binascii.Error) as error:
            raise WebhookKeyUnreadable(
                webhook.name, str(path), "it is not whsec_ and base64"
            ) from error
        if not text.startswith("whsec_") or not 24 <= len(secret) <= 64:
            raise WebhookKeyUnreadable(
                webhook.name, str(path), "it is not whsec_ and base64 of 24 to 64 bytes"
            )
    if webhook.key_file:
        path = home / webhook.key_file
        try:
            key = load_private_key(path)
        except Exception as error:  # of a file that may be anything
            raise WebhookKeyUnreadable(webhook.name, str(path), str(error)) from error
    return Signer(secret, key)


async def _system_resolver(host: str, port: int) -> Sequence[str]:
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Sender:
    """Posts bodies to receivers.

    Args:
        settings: The networks that receivers may be in, and the certificates.
        home: The folder that the certificates' file is relative to.
        resolve: Resolves names.
    """

    def __init__(
        self, settings: AlertSettings, home: Path, resolve: Resolve = _system_resolver
    ) -> None:
        self._internal = tuple(map(ip_network, settings.internal_networks))
        self._ca_file = str(home / settings.ca_file) if settings.ca_file else ""
        self._resolve = resolve
        self._tls: ssl.SSLContext | None = None

    async def post(
        self, webhook: Webhook, body: bytes, *, signer: Signer, number: str, time: int
    ) -> None:
        """Post a body to a receiver.

        Args:
            webhook: The receiver.
            body: JSON.
            signer: Its secrets.
            number: The notification's id, the same when it is sent again.
            time: Seconds since 1970.

        Raises:
            NotificationFailed: It was not accepted.
        """
        try:
            with anyio.fail_after(_DEADLINE_SECONDS):
                status = await self._exchange(webhook, [*signer.headers(number, time, body)], body)
        except TimeoutError:
            reason = f"does not answer within {_DEADLINE_SECONDS:g} s"
            raise NotificationFailed(webhook.name, reason) from None
        except h11.ProtocolError as error:
            raise NotificationFailed(webhook.name, f"does not speak http: {error}") from error
        except (anyio.BrokenResourceError, anyio.EndOfStream, OSError) as error:
            reason = getattr(error, "verify_message", "") or "closed the connection"
            raise NotificationFailed(webhook.name, reason) from error
        if not 200 <= status < 300:
            raise NotificationFailed(
                webhook.name, f"answers {status}", is_final=status in _FINAL or status < 400
            )

    async def _exchange(self, webhook: Webhook, signed: list[tuple[str, str]], body: bytes) -> int:
        parts = urlsplit(webhook.url)
        host, port = parts.hostname or "", parts.port or 443
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        stream = await self._connect(webhook, host, port)
        try:
            tls = await TLSStream.wrap(
                stream, hostname=host, ssl_context=self._context(webhook), server_side=False,
                standard_compatible=False,
            )  # fmt: skip
            protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_BYTES)
            head = h11.Request(
                method="POST",
                target=target,
                headers=[
                    ("Host", parts.netloc), ("User-Agent", "airswasm"),
                    ("Content-Type", "application/json"), ("Content-Length", str(len(body))),
                    *signed, ("Connection", "close"),
                ],
            )  # fmt: skip
            sent = [protocol.send(head), protocol.send(h11.Data(body)),
                    protocol.send(h11.EndOfMessage())]  # fmt: skip
            await tls.send(b"".join(each or b"" for each in sent))
            return await _status(protocol, tls)
        finally:
            await anyio.aclose_forcefully(stream)

    async def _connect(self, webhook: Webhook, host: str, port: int) -> anyio.abc.SocketStream:
        reasons: list[str] = []
        for address in await self._addresses(webhook, host, port):
            try:
                return await anyio.connect_tcp(str(address), port)
            except OSError as error:
                reasons.append(f"{address}: {error.strerror or type(error).__name__}")
        raise NotificationFailed(webhook.name, f"cannot be reached: {'; '.join(reasons)}")

    async def _addresses(self, webhook: Webhook, host: str, port: int) -> Sequence[Address]:
        """Return the receiver's addresses, after checking all of them."""
        literal = as_address(host)
        if literal is None:
            try:
                answers = await self._resolve(host, port)
            except OSError as error:
                raise NotificationFailed(webhook.name, f"the name {host} is unknown") from error
            found = [as_address(answer.partition("%")[0]) for answer in answers]
        else:
            found = [literal]
        checked: list[Address] = []
        for address in found:
            problem = "unreadable" if address is None else problem_with(address)
            if address is None or (problem and not self._is_internal(address)):
                raise NotificationFailed(
                    webhook.name,
                    f"{host} has the {problem} address {address}; if it is meant, add its network "
                    "to `internal_networks` under [alerts]",
                )
            checked.append(address)
        if not checked:
            raise NotificationFailed(webhook.name, f"the name {host} has no address")
        return checked[:_MOST_ADDRESSES]

    def _is_internal(self, address: Address) -> bool:
        inner = innermost(address)
        return any(each.version == inner.version and inner in each for each in self._internal)

    def _context(self, webhook: Webhook) -> ssl.SSLContext:
        if self._tls is None:
            context = ssl.create_default_context()
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self._ca_file:
                try:
                    context.load_verify_locations(cafile=self._ca_file)
                except OSError as error:
                    reason = f"no certificates in {self._ca_file}: {error.strerror or error}"
                    raise NotificationFailed(webhook.name, reason) from error
            self._tls = context
        return self._tls


async def _status(protocol: h11.Connection, stream: anyio.abc.ByteReceiveStream) -> int:
    while True:
        event = protocol.next_event()
        if isinstance(event, h11.Response):
            return event.status_code
        if event is h11.NEED_DATA:
            protocol.receive_data(await stream.receive(_HEAD_BYTES))
        elif not isinstance(event, h11.InformationalResponse):
            raise anyio.EndOfStream
