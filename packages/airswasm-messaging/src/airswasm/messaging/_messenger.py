"""Messages from Python code: values in, values out.

Components speak bytes. A `Messenger` encodes what it sends with one codec and
decodes answers by their mark, so that Python code handles values. It is trusted
code's own way: no capability is asked for and no rate counted.
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
        broker: The actor system's.
        sender: Whom receivers see as the sender.
        codec: How values are encoded; bytes pass as they are under `raw`.
        timeout: Seconds to wait for an answer, unless a call says otherwise.
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
        """Put a message into the target's mailbox; does not wait.

        Raises:
            InvalidAddress: The target's name is malformed.
            Unencodable: The codec has no form for the value.
            DeliveryError: It was not accepted, see `MessageBroker.tell`.
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
        """Send a message and wait for the answer. A cancel gives up waiting.

        Returns:
            The answer, decoded when it is marked as CBOR; None when there is none.

        Raises:
            InvalidAddress: The target's name is malformed.
            Unencodable: The codec has no form for the value.
            InvalidCbor: The answer is marked as CBOR and cannot be read.
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
        """Publish to a topic; returns how many mailboxes took it.

        Raises:
            InvalidTopic: The topic is malformed.
            Unencodable: The codec has no form for the value.
        """
        return self._broker.publish(topic, encode(value, codec or self._codec), sender=self._sender)
