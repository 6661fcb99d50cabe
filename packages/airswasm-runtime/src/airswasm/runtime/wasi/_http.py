"""wasi:http: the functions that guests import; making a request is denied until a provider comes.

A provider (airswasm-osl) replaces only `outgoing-handler`, reads the `OutgoingRequest` it is given
and completes a `FutureIncomingResponse`. What serves hands an `IncomingRequest` and a
`ResponseOutparam` to the `handle` that a component exports. Bodies stream.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from .._account import OBJECT_BYTES
from .._host import Caller, HostFunction, HostInterface
from .._values import Case, Err, Ok
from ._http_fields import FIELDS_AT_MOST_BYTES, TOKEN, Fields, FieldsTooLarge
from ._http_incoming import FutureTrailers, IncomingBody
from ._http_messages import (
    FutureIncomingResponse,
    IncomingRequest,
    IncomingResponse,
    OutgoingRequest,
    OutgoingResponse,
    RequestOptions,
    ResponseOutparam,
)
from ._http_outgoing import OutgoingBody
from ._io import CLOSED_ON_DROP, IoError, methods, misuse

TARGET = re.compile(r"[\x21-\x7e]{1,16384}")
_ENTRY_FUEL = 1_000
"""The fuel to copy an entry, or to hand it out."""

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


def _finish_body(caller: Caller, body: OutgoingBody, trailers: Fields | None) -> object:
    if trailers is not None:
        caller.charge(len(trailers) * _ENTRY_FUEL)
    body.finish(() if trailers is None else trailers.entries())
    return Ok(None)


def _consume(caller: Caller, message: IncomingRequest | IncomingResponse) -> object:
    taken = message.consume()
    if isinstance(taken, Ok):
        taken.value.hold_on(caller.account)
    return taken


def _trailers(caller: Caller, trailers: FutureTrailers) -> object:
    return trailers.take(caller.account)


def _http_error_code(_caller: Caller, error: IoError) -> object:
    return error.http_code


def _set_response(
    _caller: Caller, param: ResponseOutparam, response: Ok[OutgoingResponse] | Err[Case]
) -> None:
    param.answer(response)


def _send_informational(
    _caller: Caller, _param: ResponseOutparam, _status: int, _headers: Fields
) -> Err[Case]:
    """Refuse: proxies and clients disagree about them, and no answer depends on one."""
    return Err(Case("internal-error", "interim responses are not sent"))


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
    "consume": _consume,
}
_OUTGOING_RESPONSE: dict[str, HostFunction] = {
    "status-code": _getter("status_code"),
    "set-status-code": _setter("status_code", _is_status),
    "headers": _getter("headers"),
    "body": _take_body,
}
_INCOMING_REQUEST: dict[str, HostFunction] = {
    "method": _getter("method"),
    "path-with-query": _getter("path_with_query"),
    "scheme": _getter("scheme"),
    "authority": _getter("authority"),
    "headers": _getter("headers"),
    "consume": _consume,
}

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
    "[static]incoming-body.finish": of(IncomingBody.finish),
    **methods(
        "future-trailers",
        {"subscribe": of(FutureTrailers.pollable), "get": _trailers},
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
    **methods("incoming-request", _INCOMING_REQUEST),
    **methods("response-outparam", {"send-informational": _send_informational}),
    "[static]response-outparam.set": _set_response,
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
