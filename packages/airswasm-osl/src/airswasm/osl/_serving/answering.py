"""A component's answer to one request, through its mailbox like every other message.

A component that exports `wasi:http/incoming-handler` is called with the request and streams both
ways; one with a handler gets the whole request as a message and replies with the whole response.
The mailbox keeps requests in order, bounds them, and hands them over to the version that an update
starts; receipts and supervision hold for them as for messages.

A client that goes away does not end the component: requests of others would die with it. The call
goes on, while its streams fail, which ends whatever reads from one or writes to one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import h11
from airswasm.actor import read_traceparent
from airswasm.lifecycle import Registry
from airswasm.runtime import AccountExceeded, Case, Err, Ok, Services
from airswasm.runtime.wasi import (
    BodyAbandoned,
    Fields,
    IncomingBody,
    IncomingRequest,
    IoError,
    OutgoingResponse,
    ResponseOutparam,
)

from ..errors import ComponentServesNothing, NoResponse
from .exchange import BodyMalformed, BodyTooLarge, ClientGone, Exchange
from .messages import codec_for, read_reply, request_message

if TYPE_CHECKING:
    from airswasm.lifecycle import InstalledComponent, System

__all__ = ("Answering",)

HANDLE = "wasi:http/incoming-handler@0.2.0#handle"
_INTERFACE = "wasi:http/incoming-handler@0.2"
_METHODS = frozenset(
    ("get", "head", "post", "put", "delete", "connect", "options", "trace", "patch")
)
_REMEMBERED = 1_000
_UNWATCHED_SECONDS = 0.05
"""A client whose request is whole is not watched before so long."""


@dataclass(frozen=True, slots=True)
class _Way:
    """The way that a component takes requests, and the codec of those that are messages."""

    is_streamed: bool
    codec: str = ""


class Answering:
    """Has components of one host answer requests.

    Args:
        services: The host's.
    """

    def __init__(self, services: Services) -> None:
        from airswasm.lifecycle import System

        self._system: System = services.get(System)
        self._registry = services.get(Registry)
        self._ways: dict[str, _Way] = {}

    def knows(self, component: str) -> bool:
        """Return whether a component of that name is installed."""
        return self._registry.find(component) is not None

    async def answer(self, component: str, exchange: Exchange, scheme: str, timeout: float) -> None:
        """Have a component answer one request.

        Raises:
            ClientGone: The client has gone.
            BodyMalformed: The request's body cannot be read.
            BodyTooLarge: It is too large.
            TimeoutError: It takes longer than `timeout` seconds.
            AirswasmError: The component does not answer; what of its answer was sent already is
                not whole.
        """
        asked = exchange.asked
        exchange.ends_at = anyio.current_time() + timeout
        traceparent = read_traceparent(asked.header("traceparent"))
        way = self._ways.get(self._digest(component))
        if way is None:
            way = await self._look(component, timeout)
        if way.is_streamed:
            called = self._system.component(component).calling(
                timeout=timeout, traceparent=traceparent
            )
            with anyio.fail_after(timeout):
                await called.ready()
                await _Streamed(called, exchange, scheme).run()
            return
        body = await exchange.whole()
        message = request_message(asked, scheme, body, way.codec)
        left = exchange.ends_at - anyio.current_time()
        payload = await self._system.send(component, message, left, traceparent=traceparent)
        reply = read_reply(component, payload)
        await exchange.answer(reply.status, reply.body, reply.headers)

    def _digest(self, component: str) -> str:
        return self._registry.get(component).active_version.wasm_digest

    async def _look(self, component: str, timeout: float) -> _Way:
        """Look how a component takes requests; each artifact is looked at once."""
        called = self._system.component(component).calling(timeout=timeout)
        await called.ready()
        if any(each.path.startswith(_INTERFACE) for each in called.functions):
            way = _Way(is_streamed=True)
        else:
            codec = codec_for(self._system.acceptance_of(component))
            if codec is None or not called.handles_messages:
                raise ComponentServesNothing(component)
            way = _Way(is_streamed=False, codec=codec)
        if len(self._ways) >= _REMEMBERED:
            self._ways.clear()
        self._ways[self._digest(component)] = way
        return way


class _Streamed:
    """One request that a component answers by `wasi:http/incoming-handler`."""

    def __init__(self, called: InstalledComponent, exchange: Exchange, scheme: str) -> None:
        asked = exchange.asked
        self._called = called
        self._exchange = exchange
        self._body = IncomingBody(exchange.arrived(), is_ended=not exchange.has_more)
        self._failure: Exception | None = None
        self._is_silent = False
        self._param = ResponseOutparam()
        self._request = IncomingRequest(
            _method(asked.method),
            asked.target,
            Case(scheme.upper()),
            asked.authority,
            Fields(asked.headers, is_immutable=True),
            self._body,
        )

    async def run(self) -> None:
        """Call the component, while its request arrives and its response goes out."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._answer)
            try:
                await self._called.call(HANDLE, self._request, self._param)
            except Exception as error:
                self._fail(error)
                self._end(Case("HTTP-response-timeout"))
            finally:
                self._param.close()
        if self._is_silent:
            self._fail(NoResponse(self._called.name, "it returned without a response"))
        if self._failure is not None:
            raise self._failure

    async def _answer(self) -> None:
        """Send the response; watch the client meanwhile, where the component takes its time."""
        if not self._exchange.has_more:  # to watch a client costs more than most requests
            with anyio.move_on_after(_UNWATCHED_SECONDS):
                await self._param.answered()
            if self._is_answered():
                await self._send()
                return
        async with anyio.create_task_group() as group:
            group.start_soon(self._receive)
            await self._send()
            group.cancel_scope.cancel()

    def _is_answered(self) -> bool:
        """Whether the component has written its whole response, or none is to come."""
        outcome = self._param.outcome
        if not isinstance(outcome, Ok):
            return False
        body = outcome.value.body
        return body is None or body.is_finished

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error

    async def _receive(self) -> None:
        """Pass the request's body on; then watch for the client to go away."""
        try:
            while part := await self._exchange.part():
                await self._body.put(part)
            self._body.end()
            await self._exchange.gone()
        except BodyAbandoned:
            return
        except AccountExceeded as error:
            self._body.fail(IoError(str(error), http_code=Case("HTTP-request-body-size", None)))
            return
        except BodyTooLarge as error:
            self._fail(error)
            self._end(Case("HTTP-request-body-size", self._exchange.body_bytes))
            return
        except BodyMalformed as error:
            self._fail(error)
            self._end(Case("HTTP-protocol-error"))
            return
        except ClientGone:
            pass
        self._fail(ClientGone())
        self._end(Case("connection-terminated"))

    def _end(self, code: Case) -> None:
        """Have everything fail that the component may read or write of this exchange."""
        error = IoError("the request has ended", http_code=code)
        self._body.fail(error)
        outcome = self._param.outcome
        if isinstance(outcome, Ok) and outcome.value.body is not None:
            outcome.value.body.refuse(error)

    async def _send(self) -> None:
        """Send the component's response as it writes it."""
        await self._param.answered()
        outcome = self._param.outcome
        if self._failure is not None:
            self._end(Case("connection-terminated"))
        elif outcome is None:
            self._is_silent = True
        elif isinstance(outcome, Err):
            self._fail(NoResponse(self._called.name, f"it answered with {outcome.value.name}"))
        else:
            await self._stream(outcome.value)

    async def _stream(self, response: OutgoingResponse) -> None:
        exchange, body = self._exchange, response.body
        headers = response.headers.entries()
        try:
            if body is None:
                await exchange.answer(response.status_code, b"", headers)
                return
            if body.is_finished and not body.trailers:
                whole = await body.whole()
                await exchange.answer(response.status_code, whole, headers)
                return
            await exchange.begin(response.status_code, headers)
            while part := await body.take():
                await exchange.send(part)
            await exchange.end(body.trailers)
        except BodyAbandoned:
            self._fail(NoResponse(self._called.name, "it did not finish the body"))
        except h11.LocalProtocolError as error:
            self._fail(NoResponse(self._called.name, f"it cannot be sent: {error}"))
            self._end(Case("HTTP-protocol-error"))
        except ClientGone as error:
            self._fail(error)
            self._end(Case("connection-terminated"))


def _method(name: str) -> Case:
    """Return a method as wasi:http has it: methods are written in capitals."""
    lower = name.lower()
    return Case(lower) if lower in _METHODS and name == lower.upper() else Case("other", name)
