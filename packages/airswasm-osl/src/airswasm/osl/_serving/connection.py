"""One client's connection: its requests, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import anyio
import anyio.abc
import h11
from airswasm.actor import ActorStopped, AskTimeout, MailboxFull, MessageTooLarge
from airswasm.lifecycle import LogBook, NotInstalled, NotRunning
from airswasm.lifecycle.framing import HeadGate
from airswasm.runtime import Meters
from airswasm.security import Guard
from airswasm.wit import AirswasmError, safe_text

from ..errors import NoResponse
from .answering import Answering
from .exchange import BodyMalformed, BodyTooLarge, ClientGone, Exchange
from .routing import Routing
from .settings import HttpRoute, ServingPolicy

__all__ = ("BYTES_IN", "BYTES_OUT", "CAPABILITY", "Connection", "Desk", "responses")

CAPABILITY = "http:serve"
BYTES_IN, BYTES_OUT = "http_served_bytes_in_total", "http_served_bytes_out_total"
NO_COMPONENT = "_none"
"""The label of requests that reach no component."""
_CLIENT_CLOSED = 499
_STATUSES: tuple[tuple[type[AirswasmError], int], ...] = (
    (AskTimeout, 504),
    (MessageTooLarge, 413),
    (MailboxFull, 503),
    (ActorStopped, 503),
    (NotRunning, 503),
    (NotInstalled, 503),
)
_SHOWN_CHARACTERS = 512
_RETRY = (("retry-after", b"1"),)


def responses(status: int) -> str:
    """Return the metric that counts responses of a status's class."""
    return f"http_served_{status // 100}xx_total"


@dataclass(slots=True)
class Desk:
    """All that connections share.

    Attributes:
        policy: The settings in force.
        routing: The routes in force.
        guard: Decides whether a component may serve a path.
        answering: Has components answer.
        logs: Takes the lines of the access log.
        meters: Counts.
        scheme: `http` or `https`.
        clock: Returns seconds.
        serving: The requests under way, those included that the host answers itself.
        quiet: Set when none is under way any more, once the host stops; until then None.
    """

    policy: ServingPolicy
    routing: Routing
    guard: Guard
    answering: Answering
    logs: LogBook
    meters: Meters
    scheme: str
    clock: Callable[[], float] = time.monotonic
    serving: int = 0
    quiet: anyio.Event | None = None

    async def stop(self) -> None:
        """Have new requests refused, and wait for those that are under way."""
        self.quiet = anyio.Event()
        if self.serving:
            with anyio.move_on_after(self.policy.stop_timeout):
                await self.quiet.wait()

    def end(self) -> None:
        """Count that a request has been answered."""
        self.serving -= 1
        if self.quiet is not None and not self.serving:
            self.quiet.set()


class _Refused(Exception):
    """The host answers in the component's place.

    Attributes:
        status: The status.
        text: The reason, for the log.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Connection:
    """Serves the requests of one connection.

    Args:
        stream: The connection.
        desk: What connections share.
        peer: The client's address.

    Attributes:
        waits_since: When it began to wait for a request, by the desk's clock; None while one is
            under way.
    """

    def __init__(self, stream: anyio.abc.ByteStream, desk: Desk, peer: str) -> None:
        self._stream = stream
        self._desk = desk
        self._peer = peer
        self.waits_since: float | None = desk.clock()

    async def run(self, resting: anyio.CancelScope) -> None:
        """Serve until one of the two closes the connection, or it rests for too long.

        Args:
            resting: The scope around this, which is cancelled when it rests for too long.
        """
        rest = b""
        while True:
            policy = self._desk.policy
            exchange = Exchange(self._stream, HeadGate(policy.head_bytes), policy.idle_timeout)
            self.waits_since = started = self._desk.clock()
            try:
                if not await exchange.head(rest, policy.head_timeout, resting):
                    return
            except (h11.RemoteProtocolError, TimeoutError) as error:
                await self._refuse_unread(exchange, error)
                return
            self.waits_since = None
            self._desk.serving += 1
            try:
                await self._serve(exchange, started)
            finally:
                self._desk.end()
            if not exchange.is_done:
                return
            rest = exchange.rest()

    async def _refuse_unread(self, exchange: Exchange, error: Exception) -> None:
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 408
        self._count(NO_COMPONENT, exchange, status)
        await exchange.refuse(status)

    async def _serve(self, exchange: Exchange, started: float) -> None:
        """Answer one request, and write its line."""
        component, problem = NO_COMPONENT, ""
        try:
            if self._desk.quiet is not None:
                raise _Refused(503, "the host stops")
            component, route = self._routed(exchange)
            await self._answer(exchange, component, route)
            status = exchange.status
        except ClientGone:
            status, problem = _CLIENT_CLOSED, "the client went away"
        except _Refused as refused:
            status, problem = refused.status, refused.text
            await exchange.refuse(status, _RETRY if status == 503 else ())
        self._count(component, exchange, status)
        if component != NO_COMPONENT:
            seconds = self._desk.clock() - started
            self._write_line(component, exchange, status, seconds, problem)

    def _routed(self, exchange: Exchange) -> tuple[str, HttpRoute]:
        """Return the component that answers a request, and the route to it."""
        asked, routing = exchange.asked, self._desk.routing
        route = routing.find(asked.host, asked.path)
        if route is None:
            raise _Refused(404, "no route")
        return routing.choose(route), route

    async def _answer(self, exchange: Exchange, component: str, route: HttpRoute) -> None:
        desk, asked = self._desk, exchange.asked
        if not desk.answering.knows(component):
            raise _Refused(503, f"{component} is not installed")
        decision = desk.guard.decide(component, CAPABILITY, asked.path)
        if not decision.is_allowed:
            text = desk.guard.check(component, CAPABILITY, asked.path).text  # writes the line
            raise _Refused(403, text)
        if not desk.routing.has_room(route):
            raise _Refused(503, f"{route.concurrency} requests of this route are under way")
        exchange.body_bytes = route.body_bytes or desk.policy.body_bytes
        timeout = route.timeout or desk.policy.timeout
        desk.routing.begin(component)
        try:
            if (asked.length or 0) > exchange.body_bytes:
                raise BodyTooLarge
            await desk.answering.answer(component, exchange, desk.scheme, timeout)
        except BodyTooLarge:
            raise _Refused(413, f"its body exceeds {exchange.body_bytes} bytes") from None
        except BodyMalformed as error:
            raise _Refused(400, f"its body is refused: {error}") from error
        except h11.LocalProtocolError as error:
            text = str(NoResponse(component, f"it cannot be sent: {error}"))
            raise _Refused(500, text) from error
        except AirswasmError as error:
            status = next((code for kind, code in _STATUSES if isinstance(error, kind)), 500)
            raise _Refused(status, str(error)) from error
        except TimeoutError:
            raise _Refused(504, f"it was not over within {timeout:g} s") from None
        finally:
            desk.routing.end(component)

    def _count(self, component: str, exchange: Exchange, status: int) -> None:
        meters = self._desk.meters
        meters.add(responses(status), component)
        if exchange.bytes_in:
            meters.add(BYTES_IN, component, exchange.bytes_in)
        if exchange.bytes_out:
            meters.add(BYTES_OUT, component, exchange.bytes_out)

    def _write_line(
        self, component: str, exchange: Exchange, status: int, seconds: float, problem: str
    ) -> None:
        """Write the line of the access log, in the log of the component that answered."""
        kept = self._desk.policy.access_log
        if kept == "none" or (kept == "errors" and status < 400):
            return
        asked = exchange.asked
        method, target, host = (
            safe_text(each)[:_SHOWN_CHARACTERS]
            for each in (asked.method, asked.target, asked.authority)
        )
        message = f"{method} {target} {status}" + (f": {problem}" if problem else "")
        fields = {
            "client": self._peer,
            "method": method,
            "target": target,
            "host": host,
            "status": status,
            "bytes_in": exchange.bytes_in,
            "bytes_out": exchange.bytes_out,
            "seconds": round(seconds, 6),
        }
        level = "info" if status < 500 else "warn"
        self._desk.logs.write(component, level, message, source="http", fields=fields)
