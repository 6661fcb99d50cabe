"""Messages from Python code: values in, values out.

Components exchange bytes. A `Messenger` encodes what it sends with one codec and decodes answers by
their mark, so that Python code handles values. It is for trusted code: it needs no capability and
counts no rate.
"""

from __future__ import annotations

import anyio.lowlevel
from airswasm.actor import HOST, MessageBroker

from ._addresses import check_address
from ._codecs import Codec, codec_of, encode, load_cbor, walk_cbor

__all__ = ("Messenger",)


class Messenger:
    """Sends values over a broker.

    Args:
        broker: The actor system's broker.
        sender: The name that receivers see as the sender.
        codec: The encoding of values; bytes pass unchanged under `raw`.
        timeout: Seconds to wait for an answer, unless a call sets another time.
    """

    def __init__(
        self,
        broker: MessageBroker,
        *,
        sender: str = HOST,
        codec: Codec = "cbor",
        timeout: float = 5.0,
    ) -> None:
        self._broker = broker
        self._sender = sender
        self._codec: Codec = codec
        self._timeout = timeout

    def tell(self, target: str, value: object, *, codec: Codec | None = None) -> None:
        """Put a message into the target's mailbox; do not wait.

        Raises:
            InvalidAddress: The target's name is malformed.
            Unencodable: The codec has no form for the value.
            DeliveryError: The broker did not accept the message, see `MessageBroker.tell`.
        """
        payload = encode(value, codec or self._codec)
        self._broker.tell(check_address(target), payload, sender=self._sender)

    async def ask(
        self,
        target: str,
        value: object,
        *,
        timeout: float | None = None,
        codec: Codec | None = None,
    ) -> object:
        """Send a message and wait for the answer. A cancel ends the wait.

        Returns:
            The answer, decoded if it is marked as CBOR; None without one.

        Raises:
            InvalidAddress: The target's name is malformed.
            Unencodable: The codec has no form for the value.
            InvalidCbor: The answer is marked as CBOR and cannot be decoded.
            DeliveryError, AskError: As for `MessageBroker.ask`.
        """
        answer = await self._broker.ask(
            check_address(target),
            encode(value, codec or self._codec),
            timeout=self._timeout if timeout is None else timeout,
            sender=self._sender,
        )
        if not isinstance(answer, bytes) or codec_of(answer) == "raw":
            return answer
        for _ in walk_cbor(answer):  # a component may have sent it
            await anyio.lowlevel.checkpoint()
        return load_cbor(answer)

    def publish(self, topic: str, value: object, *, codec: Codec | None = None) -> int:
        """Publish to a topic; return the number of mailboxes that accepted it.

        Raises:
            InvalidTopic: The topic is malformed.
            Unencodable: The codec has no form for the value.
        """
        return self._broker.publish(topic, encode(value, codec or self._codec), sender=self._sender)
