"""The control API: a host's operations over HTTP.

JSON over HTTP on a Unix socket, because every tool speaks it (`curl
--unix-socket`) and the socket's mode is the access check. Message payloads go
as raw bytes, packages as `.airswasm` bytes, streams as NDJSON. A refusal is a
JSON error with the same code, hint and exit code that the command would show.

An install that needs approval is answered with 409 and its plan; whoever asked
repeats it with `approve=` and the plan's digest, so that what is approved is
what was shown. On loopback TCP, which any local user can reach, every request
needs the token, and the Host header must be a loopback name (DNS rebinding).
"""

from __future__ import annotations

import hmac
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import anyio.to_thread
from airswasm.lifecycle import PACKAGE_SUFFIX, ApprovalRefused, Package
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .document import Document, plan_digest
from .host import Host
from .problem import problem_of, to_document

__all__ = ("TokenGate", "control_app")

_BYTES = "application/octet-stream"
_NDJSON = "application/x-ndjson"
_PACKAGE_BYTES = 256 * 2**20
_STATUS_OF_EXIT_CODE = {2: 400, 3: 422, 4: 403, 5: 404, 6: 503}
_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})

Endpoint = Callable[[Request], Awaitable[Response]]


def control_app(
    host: Host, *, about: Mapping[str, object], monitoring: ASGIApp | None = None
) -> Starlette:
    """The application over one host.

    Args:
        host: What it controls.
        about: What `GET /v1/host` answers.
        monitoring: The monitoring application; `/metrics` and `/healthz` are its.
    """
    api = _Api(host, about)
    component = "/v1/components/{namespace}/{name}"
    paths: tuple[tuple[str, str, Endpoint], ...] = (
        ("GET", "/v1/host", api.about),
        ("GET", "/v1/status", api.status),
        ("GET", "/v1/logs", api.all_logs),
        ("GET", "/v1/components", api.list),
        ("POST", "/v1/components", api.install),
        ("GET", component, api.info),
        ("PUT", component, api.update),
        ("DELETE", component, api.uninstall),
        ("POST", f"{component}/rollback", api.rollback),
        ("POST", f"{component}/start", api.start),
        ("POST", f"{component}/stop", api.stop),
        ("POST", f"{component}/restart", api.restart),
        ("POST", f"{component}/messages", api.send),
        ("GET", f"{component}/logs", api.logs),
        ("GET", f"{component}/storage", api.entries),
        ("GET", f"{component}/storage/export", api.export),
        ("POST", f"{component}/storage/import", api.load),
    )
    routes: list[BaseRoute] = [
        Route(path, _answering(endpoint), methods=[method]) for method, path, endpoint in paths
    ]
    if monitoring is not None:
        routes.append(Mount("/", app=monitoring))
    return Starlette(routes=routes, exception_handlers={HTTPException: _refuse_http})


class TokenGate:
    """Lets through what carries the token and was meant for this machine; for TCP."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return
        request = Request(scope)
        name = request.headers.get("host", "").rpartition(":")[0] or request.headers.get("host", "")
        given = request.headers.get("authorization", "")
        if name not in _LOOPBACK_NAMES:
            response = _error(403, "E0012", "this host answers loopback names only", "")
        elif not hmac.compare_digest(given.encode(), self._expected.encode()):
            response = _error(401, "E0012", "the token is missing or wrong", "see `airswasm run`")
        else:
            await self._app(scope, receive, send)
            return
        await response(scope, receive, send)


class _Api:
    def __init__(self, host: Host, about: Mapping[str, object]) -> None:
        self._host = host
        self._about = about

    async def about(self, _request: Request) -> Response:
        return _document("host/1", self._about)

    async def status(self, _request: Request) -> Response:
        return _document("status/1", await self._host.status())

    async def list(self, _request: Request) -> Response:
        return _document("list/1", {"components": list(await self._host.list())})

    async def info(self, request: Request) -> Response:
        return _document("info/1", await self._host.info(_name(request)))

    async def install(self, request: Request) -> Response:
        return await self._change(request, self._host.install)

    async def update(self, request: Request) -> Response:
        return await self._change(request, self._host.update)

    async def _change(
        self,
        request: Request,
        operation: Callable[[Package, Callable[[Document], Awaitable[bool]]], Awaitable[Document]],
    ) -> Response:
        approved = request.query_params.get("approve", "")
        source = request.query_params.get("source", "package")
        package = await anyio.to_thread.run_sync(_read_package, await _body(request), source)
        shown: dict[str, Document] = {}

        async def ask(plan: Document) -> bool:
            shown["plan"] = plan
            if not approved:  # nobody was asked yet: no answer that the audit log should have
                raise ApprovalRefused(str(plan["name"]), str(plan["version"]), ())
            return hmac.compare_digest(plan_digest(plan), approved)

        try:
            return _document("component/1", await operation(package, ask))
        except ApprovalRefused as error:
            body = {**to_document(problem_of(error)), "plan": shown.get("plan", {})}
            return JSONResponse({"schema": "airswasm.error/1", "error": body}, 409)

    async def rollback(self, request: Request) -> Response:
        to = request.query_params.get("to")
        return _document("component/1", await self._host.rollback(_name(request), to))

    async def uninstall(self, request: Request) -> Response:
        purge = request.query_params.get("purge") == "1"
        await self._host.uninstall(_name(request), purge=purge)
        return Response(status_code=204)

    async def start(self, request: Request) -> Response:
        return _document("component/1", await self._host.control(_name(request), "start"))

    async def stop(self, request: Request) -> Response:
        return _document("component/1", await self._host.control(_name(request), "stop"))

    async def restart(self, request: Request) -> Response:
        return _document("component/1", await self._host.control(_name(request), "restart"))

    async def send(self, request: Request) -> Response:
        timeout = _number(request, "timeout", 30.0)
        reply = await self._host.send(_name(request), await _body(request), timeout)
        if reply is None:
            return Response(status_code=204)
        return Response(reply, media_type=_BYTES)

    async def logs(self, request: Request) -> Response:
        name = _name(request)
        await self._host.find_log(name)
        return self._log_response(request, name)

    async def all_logs(self, request: Request) -> Response:
        return self._log_response(request, None)

    async def entries(self, request: Request) -> Response:
        name = _name(request)
        await self._host.info(name)
        lines = self._host.entries(name, request.query_params.get("prefix", ""))
        return StreamingResponse(_ndjson(lines, "entry/1"), media_type=_NDJSON)

    async def export(self, request: Request) -> Response:
        name = _name(request)
        await self._host.info(name)
        return StreamingResponse(self._host.export(name), media_type=_BYTES)

    async def load(self, request: Request) -> Response:
        replace = request.query_params.get("replace") == "1"
        count = await self._host.load(_name(request), request.stream(), replace=replace)
        return _document("import/1", {"keys": count})

    def _log_response(self, request: Request, name: str | None) -> Response:
        lines = self._host.logs(
            name,
            recent=int(_number(request, "recent", 100)),
            follow=request.query_params.get("follow") == "1",
        )
        return StreamingResponse(_ndjson(lines, "log/1"), media_type=_NDJSON)


def _document(schema: str, content: Mapping[str, object]) -> JSONResponse:
    return JSONResponse({"schema": f"airswasm.{schema}", **content})


def _name(request: Request) -> str:
    return f"{request.path_params['namespace']}/{request.path_params['name']}"


def _number(request: Request, name: str, default: float) -> float:
    try:
        value = float(request.query_params.get(name, default))
    except ValueError:
        raise HTTPException(400, f"{name} must be a number") from None
    if not 0 <= value <= 1e9:
        raise HTTPException(400, f"{name} is out of range")
    return value


async def _body(request: Request) -> bytes:
    parts: list[bytes] = []
    size_bytes = 0
    async for part in request.stream():
        size_bytes += len(part)
        if size_bytes > _PACKAGE_BYTES:
            raise HTTPException(413, f"more than {_PACKAGE_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


def _read_package(content: bytes, source: str) -> Package:
    """Reads a package from memory; the file only exists for the reader's sake."""
    file_name = Path(source).name.removesuffix(PACKAGE_SUFFIX) or "package"
    with tempfile.TemporaryDirectory(prefix="airswasm-") as folder:
        path = Path(folder) / f"{file_name}{PACKAGE_SUFFIX}"
        path.write_bytes(content)
        return Package.read(path, signature="optional")


async def _ndjson(lines: AsyncIterator[Document], schema: str) -> AsyncIterator[bytes]:
    try:
        async for line in lines:
            yield _line({"schema": f"airswasm.{schema}", **line})
    except Exception as error:  # the head has gone out with 200: what is left is to say it here
        yield _line({"schema": "airswasm.error/1", "error": to_document(problem_of(error))})


def _line(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode() + b"\n"


def _answering(endpoint: Endpoint) -> Endpoint:
    """The endpoint, with errors as documents: starlette would answer, and raise them anew."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except HTTPException:
            raise
        except Exception as error:
            problem = problem_of(error)
            status = _STATUS_OF_EXIT_CODE.get(problem.exit_code, 400)
            status = 500 if problem.code == "E0001" else status
            body = {"schema": "airswasm.error/1", "error": to_document(problem)}
            return JSONResponse(body, status)

    return answer


async def _refuse_http(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 400
    detail = error.detail if isinstance(error, HTTPException) else str(error)
    return _error(status, "E0012", str(detail), "docs/cli.md lists the control API's paths")


def _error(status: int, code: str, message: str, hint: str) -> JSONResponse:
    body: Mapping[str, str | int | Sequence[str]] = {
        "code": code, "message": message, "hint": hint, "exit_code": 1, "details": [],
    }  # fmt: skip
    return JSONResponse({"schema": "airswasm.error/1", "error": body}, status)
