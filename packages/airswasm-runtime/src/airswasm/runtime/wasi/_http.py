"""wasi:http: a guest may build requests; making one is denied until a provider comes.

The types are plain data, so they are complete: a provider (airswasm-osl)
replaces only `outgoing-handler`, reads the `OutgoingRequest` it is given and
completes a `FutureIncomingResponse`. Bodies are held whole and bounded, not
streamed: what a guest can make the host hold is then one number, and a request
can be checked and audited before a byte of it leaves.

Serving requests (`incoming-handler`) is not a way into our components, so no
incoming request is ever handed out; those functions exist so that guests link.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from .._account import OBJECT_BYTES, Account, Holding
from .._host import Caller, HostFunction, HostInterface
from .._values import Case, Err, Ok
from ..errors import AccountExceeded
from ._io import (
    CLOSED_ON_DROP,
    WRITE_PERMIT_BYTES,
    Always,
    BytesInput,
    IoError,
    Pollable,
    Signal,
    StreamClosed,
    StreamFailed,
    methods,
    misuse,
    until_ready,
)

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}")
FIELD_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
TARGET = re.compile(r"[\x21-\x7e]{1,16384}")

FORBIDDEN_FIELDS = frozenset(
    {
        "connection",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
    }
)
"""Fields that decide where a message ends or goes: the host's to set, never the guest's."""

FIELDS_AT_MOST_BYTES = 64 * 1024
_ENTRY_BYTES = 32
_KEPT_BYTES = 384
"""Of an entry in the host, beside that."""
_ENTRY_FUEL = 1_000
"""The fuel to copy an entry, or to hand it out."""
BODY_AT_MOST_BYTES = 16 * 1024 * 1024
_GROWTH = 2
"""A body takes its bytes twice while it is sent."""


class FieldsTooLarge(Exception):
    """A guest collected more header bytes than the host will hold."""


class Fields:
    """The `fields` resource: header names and values in order.

    A name is found by a dictionary: a guest may fill them to the brim with entries that
    carry nothing and then ask for one that is not there, again and again.
    """

    __slots__ = ("_bytes", "_entries", "_holding", "_is_immutable", "_next", "_numbers")

    def __init__(
        self,
        entries: Iterable[tuple[str, bytes]] = (),
        *,
        is_immutable: bool = False,
        account: Account | None = None,
    ) -> None:
        self._holding = account.hold(OBJECT_BYTES) if account is not None else None
        self._entries: dict[int, tuple[str, bytes]] = {}
        self._numbers: dict[str, list[int]] = {}
        self._next = 0
        self._bytes = 0
        self._is_immutable = is_immutable
        for name, value in entries:
            self._add(name, value)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def held_bytes(self) -> int:
        """The bytes that count in `FIELDS_AT_MOST_BYTES`, names included."""
        return self._bytes

    def entries(self) -> list[tuple[str, bytes]]:
        """Return all of them, in order."""
        return list(self._entries.values())

    def get(self, name: str) -> list[bytes]:
        """Return the values of one name, whatever its case."""
        return [self._entries[number][1] for number in self._numbers.get(name.lower(), ())]

    def has(self, name: str) -> bool:
        """Return whether the name is there, whatever its case."""
        return name.lower() in self._numbers

    def copy(self, account: Account | None = None) -> Fields:
        """Return others of the same content, which can be changed."""
        return Fields(self._entries.values(), account=account)

    def frozen(self, account: Account | None = None) -> Fields:
        """Return a copy that a guest cannot change; of what cannot be changed, itself."""
        if self._is_immutable:
            return self
        return Fields(self._entries.values(), is_immutable=True, account=account)

    def replace(self, name: str, values: Sequence[bytes], *, keep: bool = False) -> str | None:
        """Set the values of a name; `keep` adds to those there are.

        Returns:
            None, or the case of wasi:http's `header-error` that says why not.

        Raises:
            FieldsTooLarge: all of it together is too much.
        """
        if self._is_immutable:
            return "immutable"
        added = sum(_entry_bytes(name, value) for value in values)
        freed = 0 if keep else self._bytes_of(name)
        if self._bytes - freed + added > FIELDS_AT_MOST_BYTES:
            raise FieldsTooLarge
        if (problem := field_problem(name, values)) is not None:
            return problem
        if not keep:
            self._remove(name)
        for value in values:
            self._add(name, value)
        return None

    def _add(self, name: str, value: bytes) -> None:
        self._hold(len(self._entries) + 1, self._bytes + _entry_bytes(name, value))
        number, self._next = self._next, self._next + 1
        self._entries[number] = (name, value)
        self._numbers.setdefault(name.lower(), []).append(number)
        self._bytes += _entry_bytes(name, value)

    def _remove(self, name: str) -> None:
        self._bytes -= self._bytes_of(name)
        for number in self._numbers.pop(name.lower(), ()):
            del self._entries[number]
        self._hold(len(self._entries), self._bytes)

    def _hold(self, entries: int, size_bytes: int) -> None:
        if self._holding is not None:
            self._holding.resize(OBJECT_BYTES + size_bytes + entries * _KEPT_BYTES)

    def _bytes_of(self, name: str) -> int:
        numbers = self._numbers.get(name.lower(), ())
        return sum(_entry_bytes(*self._entries[number]) for number in numbers)


def _entry_bytes(name: str, value: bytes) -> int:
    return len(name) + len(value) + _ENTRY_BYTES


def field_problem(name: str, values: Iterable[bytes]) -> str | None:
    """Return why a header may not be sent, as a case of `header-error`; None if it may."""
    if not TOKEN.fullmatch(name) or not all(FIELD_VALUE.fullmatch(value) for value in values):
        return "invalid-syntax"
    return "forbidden" if name.lower() in FORBIDDEN_FIELDS else None


class OutgoingBody:
    """The body that a guest sends: an output stream that collects, up to a bound."""

    waits = False

    def __init__(self, max_bytes: int = BODY_AT_MOST_BYTES, account: Account | None = None) -> None:
        self._holding = account.hold(OBJECT_BYTES) if account is not None else None
        self._data = bytearray()
        self._max_bytes = max_bytes
        self._has_stream = False
        self.finished: Signal = Signal()

    def data(self) -> bytes:
        """Return what was written; all of it once `finished` is ready."""
        return bytes(self._data)

    async def whole(self) -> bytes:
        """Return everything that was written, once the guest has finished."""
        await until_ready(self.finished)
        return self.data()

    def stream(self) -> Ok[OutgoingBody] | Err[None]:
        """Return the stream to write to, once."""
        if self._has_stream:
            return Err(None)
        self._has_stream = True
        return Ok(self)

    def permit_bytes(self) -> int:
        """Return what may be written now; too large a body fails."""
        if self.finished.is_ready():
            raise StreamClosed
        room = self._max_bytes - len(self._data)
        if self._holding is not None:
            room = min(room, self._holding.room_bytes // _GROWTH)
        if room <= 0:
            raise self._too_large()
        return min(WRITE_PERMIT_BYTES, room)

    def write(self, data: bytes) -> None:
        """Collect `data`."""
        self.permit_bytes()
        if self._holding is not None:
            size_bytes = OBJECT_BYTES + _GROWTH * (len(self._data) + len(data))
            try:
                self._holding.resize(size_bytes)
            except AccountExceeded:
                raise self._too_large() from None
        self._data += data

    def _too_large(self) -> StreamFailed:
        too_large = Case("HTTP-request-body-size", self._max_bytes)
        return StreamFailed(IoError("the request body is too large", http_code=too_large))

    def flush(self) -> None:
        """Have nothing to do."""

    def pollable(self) -> Pollable:
        """Return one that is always ready."""
        return Always()


@dataclass(slots=True)
class RequestOptions:
    """The `request-options` resource; durations in nanoseconds."""

    connect_timeout: int | None = None
    first_byte_timeout: int | None = None
    between_bytes_timeout: int | None = None


@dataclass(slots=True)
class OutgoingRequest:
    """The `outgoing-request` resource."""

    headers: Fields
    method: Case = field(default_factory=lambda: Case("get"))
    path_with_query: str | None = None
    scheme: Case | None = None
    authority: str | None = None
    body: OutgoingBody | None = None
    holding: Holding | None = None

    def take_body(self, account: Account | None = None) -> Ok[OutgoingBody] | Err[None]:
        """Return the body to write, once."""
        return _first_body(self, account)


@dataclass(slots=True)
class OutgoingResponse:
    """The `outgoing-response` resource: a guest may build one; it is never sent."""

    headers: Fields
    status_code: int = 200
    body: OutgoingBody | None = None
    holding: Holding | None = None

    def take_body(self, account: Account | None = None) -> Ok[OutgoingBody] | Err[None]:
        """Return the body to write, once."""
        return _first_body(self, account)


def _first_body(
    message: OutgoingRequest | OutgoingResponse, account: Account | None
) -> Ok[OutgoingBody] | Err[None]:
    if message.body is not None:
        return Err(None)
    message.body = OutgoingBody(account=account)
    return Ok(message.body)


class IncomingBody:
    """The `incoming-body` resource over bytes that are all there."""

    __slots__ = ("_data", "_holding")

    def __init__(self, data: bytes, holding: Holding | None = None) -> None:
        self._data: bytes | None = data
        self._holding = holding

    def stream(self) -> Ok[BytesInput] | Err[None]:
        """Return the stream to read from, once."""
        data, self._data = self._data, None
        return Err(None) if data is None else Ok(BytesInput(data, self._holding))


@dataclass(slots=True)
class IncomingResponse:
    """The `incoming-response` resource."""

    status: int
    headers: Fields
    body: bytes | None
    holding: Holding | None = None

    def consume(self) -> Ok[IncomingBody] | Err[None]:
        """Return its body, once."""
        body, self.body = self.body, None
        return Err(None) if body is None else Ok(IncomingBody(body, self.holding))


class FutureIncomingResponse:
    """The `future-incoming-response` resource, completed by a provider.

    Attributes:
        on_drop: called when the guest drops it, so that the request can be given up.
    """

    __slots__ = ("_outcome", "_signal", "_was_taken", "on_drop")

    def __init__(self) -> None:
        self._signal = Signal()
        self._outcome: Ok[IncomingResponse] | Err[Case] | None = None
        self._was_taken = False
        self.on_drop: Callable[[], None] | None = None

    def complete(self, outcome: Ok[IncomingResponse] | Err[Case]) -> None:
        """Hand the response, or a case of wasi:http's `error-code`, to the guest."""
        self._outcome = outcome
        self._signal.set()

    def pollable(self) -> Pollable:
        """Return one that is ready once it is complete."""
        return self._signal

    def take(self) -> Ok[object] | Err[None] | None:
        """Return None while there is no outcome; the outcome in `Ok`; `Err` the second time."""
        if self._outcome is None:
            return None
        if self._was_taken:
            return Err(None)
        self._was_taken = True
        return Ok(self._outcome)

    def close(self) -> None:
        """Note that the guest has dropped it."""
        if self.on_drop is not None:
            self.on_drop()


class FutureTrailers:
    """The `future-trailers` resource: there are none, and that is known at once."""

    __slots__ = ("_was_taken",)

    def __init__(self) -> None:
        self._was_taken = False

    def pollable(self) -> Pollable:
        """Return one that is always ready."""
        return Always()

    def take(self) -> Ok[object] | Err[None]:
        """Return `Ok(Ok(None))`, then `Err`."""
        if self._was_taken:
            return Err(None)
        self._was_taken = True
        return Ok(Ok(None))


# fields


def of(method: Callable[..., object]) -> HostFunction:
    """Make a host function of a resource's method, for any caller."""

    def call(_caller: Caller, *arguments: object) -> object:
        return method(*arguments)

    return call


def _new_fields(caller: Caller) -> Fields:
    return Fields(account=caller.account)


def _fields_from_list(caller: Caller, entries: Sequence[tuple[str, bytes]]) -> object:
    fields = Fields(account=caller.account)
    caller.charge(len(entries) * _ENTRY_FUEL)
    for name, value in entries:
        outcome = _changed(caller, fields, name, (value,), keep=True)
        if isinstance(outcome, Err):
            return outcome
    return Ok(fields)


def _changed(
    caller: Caller, fields: Fields, name: str, values: Sequence[bytes], *, keep: bool
) -> Ok[None] | Err[Case]:
    try:
        problem = fields.replace(name, values, keep=keep)
    except FieldsTooLarge:
        raise misuse(
            caller, "wasi:http/types#fields", f"headers exceed {FIELDS_AT_MOST_BYTES:,} bytes"
        ) from None
    return Ok(None) if problem is None else Err(Case(problem))


def _fields_set(caller: Caller, fields: Fields, name: str, values: Sequence[bytes]) -> object:
    caller.charge(len(values) * _ENTRY_FUEL)
    return _changed(caller, fields, name, values, keep=False)


def _fields_append(caller: Caller, fields: Fields, name: str, value: bytes) -> object:
    return _changed(caller, fields, name, (value,), keep=True)


def _fields_delete(caller: Caller, fields: Fields, name: str) -> object:
    return _changed(caller, fields, name, (), keep=False)


def _by_entry(method: Callable[..., object]) -> HostFunction:
    """Make a host function of a method that takes as long as there are entries."""

    def call(caller: Caller, fields: Fields, *arguments: object) -> object:
        caller.charge(len(fields) * _ENTRY_FUEL)
        return method(fields, *arguments)

    return call


def _clone(caller: Caller, fields: Fields) -> Fields:
    caller.charge(len(fields) * _ENTRY_FUEL)
    return fields.copy(caller.account)


_FIELDS: dict[str, HostFunction] = {
    "get": _by_entry(Fields.get),
    "has": of(Fields.has),
    "set": _fields_set,
    "delete": _fields_delete,
    "append": _fields_append,
    "entries": _by_entry(Fields.entries),
    "clone": _clone,
}

# requests


def _getter(attribute: str) -> HostFunction:
    def get_attribute(_caller: Caller, resource: object) -> object:
        return getattr(resource, attribute)

    return get_attribute


def _anything(_value: object) -> bool:
    return True


def _setter(attribute: str, is_valid: Callable[[object], bool] = _anything) -> HostFunction:
    def set_attribute(_caller: Caller, resource: object, value: object) -> Ok[None] | Err[None]:
        if not is_valid(value):
            return Err(None)
        setattr(resource, attribute, value)
        return Ok(None)

    return set_attribute


def _is_method(method: object) -> bool:
    return isinstance(method, Case) and (
        method.name != "other" or TOKEN.fullmatch(str(method.value)) is not None
    )


def _is_target(text: object) -> bool:
    return text is None or (isinstance(text, str) and TARGET.fullmatch(text) is not None)


def _is_status(status: object) -> bool:
    return isinstance(status, int) and 100 <= status <= 599


def _take_body(caller: Caller, message: OutgoingRequest | OutgoingResponse) -> object:
    return message.take_body(caller.account)


def _new_request(caller: Caller, headers: Fields) -> OutgoingRequest:
    caller.charge(len(headers) * _ENTRY_FUEL)
    account = caller.account
    return OutgoingRequest(headers.frozen(account), holding=account.hold(OBJECT_BYTES))


def _new_options(_caller: Caller) -> RequestOptions:
    return RequestOptions()


def _new_response(caller: Caller, headers: Fields) -> OutgoingResponse:
    caller.charge(len(headers) * _ENTRY_FUEL)
    account = caller.account
    return OutgoingResponse(headers.frozen(account), holding=account.hold(OBJECT_BYTES))


def _finish_body(_caller: Caller, body: OutgoingBody, trailers: Fields | None) -> object:
    if trailers is not None and trailers.entries():
        return Err(Case("internal-error", "trailers are not supported"))
    body.finished.set()
    return Ok(None)


def _finish_incoming_body(_caller: Caller, _body: IncomingBody) -> FutureTrailers:
    return FutureTrailers()


def _http_error_code(_caller: Caller, error: IoError) -> object:
    return error.http_code


def _no_server(_caller: Caller, *_arguments: object) -> None:
    """Refuse: nothing serves http here, so no guest holds what this would need."""


def _denied(_caller: Caller, _request: OutgoingRequest, _options: object) -> Err[Case]:
    return Err(Case("HTTP-request-denied"))


_REQUEST: dict[str, HostFunction] = {
    "body": _take_body,
    "method": _getter("method"),
    "set-method": _setter("method", _is_method),
    "path-with-query": _getter("path_with_query"),
    "set-path-with-query": _setter("path_with_query", _is_target),
    "scheme": _getter("scheme"),
    "set-scheme": _setter("scheme"),
    "authority": _getter("authority"),
    "set-authority": _setter("authority", _is_target),
    "headers": _getter("headers"),
}
_OPTIONS: dict[str, HostFunction] = {
    function: made(f"{name}_timeout")
    for name in ("connect", "first_byte", "between_bytes")
    for function, made in (
        (f"{name.replace('_', '-')}-timeout", _getter),
        (f"set-{name.replace('_', '-')}-timeout", _setter),
    )
}
_RESPONSE: dict[str, HostFunction] = {
    "status": _getter("status"),
    "headers": _getter("headers"),
    "consume": of(IncomingResponse.consume),
}
_OUTGOING_RESPONSE: dict[str, HostFunction] = {
    "status-code": _getter("status_code"),
    "set-status-code": _setter("status_code", _is_status),
    "headers": _getter("headers"),
    "body": _take_body,
}
_SERVER_METHODS = ("method", "path-with-query", "scheme", "authority", "headers", "consume")

_TYPES: dict[str, HostFunction] = {
    "http-error-code": _http_error_code,
    "[constructor]fields": _new_fields,
    "[static]fields.from-list": _fields_from_list,
    **methods("fields", _FIELDS),
    "[constructor]outgoing-request": _new_request,
    **methods("outgoing-request", _REQUEST),
    "[constructor]request-options": _new_options,
    **methods("request-options", _OPTIONS),
    **methods("outgoing-body", {"write": of(OutgoingBody.stream)}),
    "[static]outgoing-body.finish": _finish_body,
    **methods("incoming-response", _RESPONSE),
    **methods("incoming-body", {"stream": of(IncomingBody.stream)}),
    "[static]incoming-body.finish": _finish_incoming_body,
    **methods(
        "future-trailers",
        {"subscribe": of(FutureTrailers.pollable), "get": of(FutureTrailers.take)},
    ),
    **methods(
        "future-incoming-response",
        {
            "subscribe": of(FutureIncomingResponse.pollable),
            "get": of(FutureIncomingResponse.take),
        },
    ),
    "[constructor]outgoing-response": _new_response,
    **methods("outgoing-response", _OUTGOING_RESPONSE),
    **methods("incoming-request", dict.fromkeys(_SERVER_METHODS, _no_server)),
    **methods("response-outparam", {"send-informational": _no_server}),
    "[static]response-outparam.set": _no_server,
}
_RESOURCES = (
    "fields",
    "incoming-request",
    "outgoing-request",
    "request-options",
    "response-outparam",
    "incoming-response",
    "incoming-body",
    "future-trailers",
    "outgoing-response",
    "outgoing-body",
    "future-incoming-response",
)


def interfaces(version: str) -> Iterable[HostInterface]:
    """Offer wasi:http, as far as a client imports it; every request is denied."""
    return (
        HostInterface(
            f"wasi:http/types@{version}", _TYPES, dict.fromkeys(_RESOURCES, CLOSED_ON_DROP)
        ),
        HostInterface(f"wasi:http/outgoing-handler@{version}", {"handle": _denied}),
    )
