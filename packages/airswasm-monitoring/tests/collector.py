"""A receiver of OTLP over HTTP, on a real socket, that answers as a test wants it."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import anyio.abc
import h11
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Answer:
    """The answer to one request: status, headers, body; and whether none comes at all."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    hangs: bool = False
    drips: bool = False


@dataclass
class Collector:
    """What it got, and what it answers: each of `answers` once, and then `last`."""

    url: str = ""
    requests: list[ExportTraceServiceRequest] = field(
        default_factory=list[ExportTraceServiceRequest]
    )
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    answers: list[Answer] = field(default_factory=list[Answer])
    last: Answer = field(default_factory=Answer)
    _news: anyio.Event = field(default_factory=anyio.Event)

    @property
    def spans(self) -> list[Span]:
        """All spans that it got."""
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    async def wait_for(self, is_there: Callable[[], bool]) -> None:
        """Wait until something is there; it looks at each request."""
        with anyio.fail_after(60):
            while not is_there():
                await self._news.wait()

    async def serve(self, stream: anyio.abc.ByteStream) -> None:
        """Answer the requests of one connection."""
        async with stream:
            connection = h11.Connection(h11.SERVER)
            try:
                while True:
                    await self._answer(stream, connection)
                    if connection.our_state is not h11.DONE:
                        return
                    connection.start_next_cycle()
            except (anyio.EndOfStream, anyio.BrokenResourceError, h11.RemoteProtocolError):
                return

    async def _answer(self, stream: anyio.abc.ByteStream, connection: h11.Connection) -> None:
        body = b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await stream.receive())
            elif isinstance(event, h11.Request):
                self.headers.append({k.decode(): v.decode() for k, v in event.headers})
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                raise anyio.EndOfStream
        request = ExportTraceServiceRequest()
        request.ParseFromString(gzip.decompress(body))
        answer = self.answers.pop(0) if self.answers else self.last
        if answer.status == 200 and not (answer.hangs or answer.drips):
            self.requests.append(request)
        self._news.set()
        self._news = anyio.Event()
        if answer.hangs:
            await anyio.sleep_forever()
        length = [] if answer.drips else [("content-length", str(len(answer.body)))]
        head = h11.Response(status_code=answer.status, headers=[*answer.headers, *length])
        await stream.send(connection.send(head) or b"")
        while answer.drips:
            await stream.send(connection.send(h11.Data(data=b"x")) or b"")
            await anyio.sleep(0.01)
        await stream.send(connection.send(h11.Data(data=answer.body)) or b"")
        await stream.send(connection.send(h11.EndOfMessage()) or b"")


@asynccontextmanager
async def collector(*answers: Answer, last: Answer | None = None) -> AsyncIterator[Collector]:
    """Give a receiver on loopback."""
    found = Collector(answers=list(answers), last=last or Answer())
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    found.url = f"http://127.0.0.1:{port}/v1/traces"
    async with anyio.create_task_group() as group:
        group.start_soon(listener.serve, found.serve)
        yield found
        group.cancel_scope.cancel()
    await listener.aclose()


def values(attributes: list[KeyValue]) -> dict[str, object]:
    """Return attributes as a dictionary."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
