"""An unmodified wasi:http component: echoes, streams, waits, fails and forgets, by its path."""

from componentize_py_types import Ok
from wit_world.exports import IncomingHandler as Exported
from wit_world.imports.types import (
    Fields,
    IncomingRequest,
    OutgoingBody,
    OutgoingResponse,
    ResponseOutparam,
)

PART = b"x" * 4096


class IncomingHandler(Exported):
    def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
        path = (request.path_with_query() or "/").partition("?")[0].rpartition("/")[2]
        getattr(self, path, self.hello)(request, response_out)

    def hello(self, request: IncomingRequest, out: ResponseOutparam) -> None:
        said = f"{request.authority()} {request.path_with_query()}\n"
        self.answer(out, [said.encode()])

    def echo(self, request: IncomingRequest, out: ResponseOutparam) -> None:
        body, asked = begin(out), request.consume()
        with body.write() as sink, asked.stream() as source:
            while True:
                try:
                    part = source.blocking_read(65536)
                except Exception:  # the end of the stream
                    break
                for at in range(0, len(part), 4096):
                    sink.blocking_write_and_flush(part[at : at + 4096])
        OutgoingBody.finish(body, None)

    def endless(self, _request: IncomingRequest, out: ResponseOutparam) -> None:
        body = begin(out)  # kept: Python would drop it, and with it the response
        with body.write() as sink:
            while True:
                sink.blocking_write_and_flush(PART)

    def trailing(self, _request: IncomingRequest, out: ResponseOutparam) -> None:
        body = begin(out)
        with body.write() as sink:
            sink.blocking_write_and_flush(b"sum")
        OutgoingBody.finish(body, Fields.from_list([("x-sum", b"3")]))

    def half(self, _request: IncomingRequest, out: ResponseOutparam) -> None:
        body = begin(out)
        with body.write() as sink:
            sink.blocking_write_and_flush(b"half")

    def lying(self, _request: IncomingRequest, out: ResponseOutparam) -> None:
        body = begin(out, [("content-length", b"2")])
        with body.write() as sink:
            sink.blocking_write_and_flush(b"more than two")
        OutgoingBody.finish(body, None)

    def silent(self, _request: IncomingRequest, _out: ResponseOutparam) -> None:
        return

    def trap(self, _request: IncomingRequest, _out: ResponseOutparam) -> None:
        raise RuntimeError("as asked")

    def answer(self, out: ResponseOutparam, parts: list[bytes]) -> None:
        body = begin(out)
        with body.write() as sink:
            for part in parts:
                sink.blocking_write_and_flush(part)
        OutgoingBody.finish(body, None)


def begin(out: ResponseOutparam, headers: list[tuple[str, bytes]] | None = None) -> OutgoingBody:
    response = OutgoingResponse(Fields.from_list(headers or [("content-type", b"text/plain")]))
    body = response.body()
    ResponseOutparam.set(out, Ok(response))
    return body
