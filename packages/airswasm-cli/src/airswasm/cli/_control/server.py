"""The control API: a host's operations over HTTP.

It is JSON over HTTP on a Unix socket, because every tool speaks it (`curl --unix-socket`) and the
socket's mode is the access check. Message payloads travel as raw bytes, packages as `.airswasm`
bytes, streams as NDJSON. A refusal is a JSON error with the same code, hint and exit code as in the
command.

No operation has a function here: the routes are derived from the table (`control_api`), which gives
the place of each parameter and the form of the answer. `gate` admits requests over TCP.
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol, cast
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from .._session.problem import Problem, problem_of, to_document
from ..errors import CliError
from .api import OPERATIONS
from .document import Document
from .operation import (
    Bytes,
    Component,
    Flag,
    Json,
    JsonLines,
    Nothing,
    Number,
    Operation,
    Parameter,
    Stream,
    Table,
    Text,
    plain_number,
)
from .requester import origin_of

__all__ = ("Performer", "control_app", "refusal", "refused")

_BYTES = "application/octet-stream"
_NDJSON = "application/x-ndjson"
_STATUS_OF_CODE = {"E0001": 500, "E0030": 409, "E0926": 429}
_STATUS_OF_EXIT_CODE = {2: 400, 3: 422, 4: 403, 5: 404, 6: 503}

Endpoint = Callable[[Request], Awaitable[Response]]


class Performer(Protocol):
    """A host that carries out the operations of a table, such as `LocalHost`."""

    async def perform(self, operation: Operation, arguments: Mapping[str, object]) -> object:
        """Carry out an operation and return its result."""
        ...


def control_app(
    host: Performer,
    *,
    operations: Table = OPERATIONS,
    monitoring: Starlette | None = None,
    page: Sequence[BaseRoute] = (),
) -> Starlette:
    """Return the application over one host.

    Args:
        host: The host to control.
        operations: The operations to serve.
        monitoring: The monitoring application, whose routes this one serves too.
        page: The routes of the page.
    """
    routes: list[BaseRoute] = [
        Route(each.route, _endpoint(host, each), methods=[each.method]) for each in operations
    ]
    if monitoring is not None:
        routes += monitoring.routes
    routes += page
    return Starlette(routes=routes, exception_handlers={HTTPException: _refuse_http})


def _endpoint(host: Performer, operation: Operation) -> Endpoint:
    """Return an operation as starlette calls it; its errors become documents."""
    from airswasm.lifecycle import acting  # here, as a client reads the table only

    async def answer(request: Request) -> Response:
        try:
            arguments = await _arguments(operation, request)
            with acting(origin_of(request)):
                return _response(operation, await host.perform(operation, arguments))
        except HTTPException:
            raise
        except Exception as error:  # starlette would answer with 500, and raise it again
            await _drain(operation, request)
            return _failure(problem_of(error))

    return answer


# -- reading a request ----------------------------------------------------------------------------


async def _arguments(operation: Operation, request: Request) -> Mapping[str, object]:
    query = _query(request)
    unknown = query.keys() - {each.name for each in operation.parameters if each.place == "query"}
    if unknown:
        raise HTTPException(400, f"there is no parameter {min(unknown)!r}")
    if operation.one_of and sum(bool(query.get(each)) for each in operation.one_of) != 1:
        raise HTTPException(400, f"give one of the parameters {' and '.join(operation.one_of)}")
    return {each.name: await _argument(each, request, query) for each in operation.parameters}


async def _argument(parameter: Parameter, request: Request, query: Mapping[str, str]) -> object:
    if parameter.place == "body":
        return await _body(parameter, request)
    if parameter.place == "path":
        return _from_path(parameter, request)
    if parameter.name not in query:
        if parameter.is_required:
            raise HTTPException(400, f"{parameter.name} is missing")
        return parameter.default
    return _from_text(parameter, query[parameter.name])


def _query(request: Request) -> Mapping[str, str]:
    """Decode strictly: inner layers would misread a NUL or a byte that is not UTF-8."""
    try:
        pairs = parse_qsl(
            request.scope["query_string"].decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=32,
        )
    except ValueError as error:
        raise HTTPException(400, "the query is not URL-encoded UTF-8") from error
    if len(dict(pairs)) != len(pairs):
        raise HTTPException(400, "a parameter appears twice")
    return dict(pairs)


def _from_path(parameter: Parameter, request: Request) -> str:
    given = request.path_params
    if isinstance(parameter.kind, Component):
        name = f"{given['namespace']}/{given['name']}"
        if not name.isprintable():
            raise HTTPException(400, f"{name!a} is not a component's name")
        return name
    return _plain(parameter, str(given[parameter.name]))


def _from_text(parameter: Parameter, text: str) -> object:
    kind = parameter.kind
    if isinstance(kind, Number):
        return _number(parameter, kind, text)
    if isinstance(kind, Flag):
        if text not in ("0", "1"):
            raise HTTPException(400, f"{parameter.name} must be 0 or 1")
        return text == "1"
    if isinstance(kind, Text) and kind.choices and text not in kind.choices:
        raise HTTPException(
            400, f"{parameter.name} must be one of {', '.join(filter(None, kind.choices))}"
        )
    return _plain(parameter, text)


def _plain(parameter: Parameter, text: str) -> str:
    if "\0" in text:
        raise HTTPException(400, f"{parameter.name} contains a NUL")
    return text


def _number(parameter: Parameter, kind: Number, text: str) -> float | int:
    try:
        value = int(text) if kind.is_whole else float(text)
    except ValueError:
        wanted = "a whole number" if kind.is_whole else "a number"
        raise HTTPException(400, f"{parameter.name} must be {wanted}") from None
    if math.isnan(value) or not kind.least <= value <= kind.most:
        range_ = f"{plain_number(kind.least)} to {plain_number(kind.most)}"
        raise HTTPException(400, f"{parameter.name} is out of range: {range_}")
    return value


async def _body(parameter: Parameter, request: Request) -> bytes | AsyncIterable[bytes]:
    if isinstance(parameter.kind, Stream):
        return request.stream()
    most = parameter.kind.most if isinstance(parameter.kind, Bytes) else 0
    parts: list[bytes] = []
    size_bytes = 0
    async for part in request.stream():
        size_bytes += len(part)
        if size_bytes > most:
            raise HTTPException(413, f"{parameter.name} has more than {most} bytes")
        parts.append(part)
    return b"".join(parts)


async def _drain(operation: Operation, request: Request) -> None:
    """Read the rest of a refused body: its sender looks for an answer only after the last byte."""
    if operation.body is not None and isinstance(operation.body.kind, Stream):
        with suppress(ClientDisconnect, RuntimeError):  # gone, or read to its end
            async for _ in request.stream():
                pass


# -- writing a response ---------------------------------------------------------------------------


def _response(operation: Operation, result: object) -> Response:
    answer = operation.answer
    if isinstance(answer, Nothing):
        return Response(status_code=204)
    if isinstance(answer, JsonLines):
        lines = cast("AsyncIterator[Document]", result)
        return StreamingResponse(_ndjson(lines, answer.schema), media_type=_NDJSON)
    if isinstance(answer, Json):
        return JSONResponse(_document(answer, result))
    if answer.is_streamed:
        return StreamingResponse(cast("AsyncIterator[bytes]", result), media_type=_BYTES)
    if result is None:
        return Response(status_code=204)
    return Response(cast("bytes", result), media_type=_BYTES)


def _document(answer: Json, result: object) -> Mapping[str, object]:
    content = {answer.member: result} if answer.member else cast("Document", result)
    return {"schema": f"airswasm.{answer.schema}", **content} if answer.schema else content


async def _ndjson(lines: AsyncIterator[Document], schema: str) -> AsyncIterator[bytes]:
    try:
        async for line in lines:
            yield _line({"schema": f"airswasm.{schema}", **line})
    except Exception as error:  # the head went out with 200, so the stream must carry the error
        yield _line({"schema": "airswasm.error/1", "error": to_document(problem_of(error))})


def _line(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode() + b"\n"


def _failure(problem: Problem) -> JSONResponse:
    status = _STATUS_OF_EXIT_CODE.get(problem.exit_code, 400)
    body = {"schema": "airswasm.error/1", "error": to_document(problem)}
    return JSONResponse(body, _STATUS_OF_CODE.get(problem.code, status))


async def _refuse_http(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 400
    detail = error.detail if isinstance(error, HTTPException) else str(error)
    return refusal(status, "E0012", str(detail), "docs/control-api.md lists paths and parameters")


def refusal(status: int, code: str, message: str, hint: str) -> JSONResponse:
    """Return the answer to a request that does not reach an operation."""
    body: Mapping[str, str | int | Sequence[str]] = {
        "code": code, "message": message, "hint": hint, "exit_code": 1, "details": [],
    }  # fmt: skip
    return JSONResponse({"schema": "airswasm.error/1", "error": body}, status)


def refused(status: int, error: CliError) -> JSONResponse:
    """Return an error of the command's own as such an answer."""
    return refusal(status, error.explanation.code, error.message, error.hint)
