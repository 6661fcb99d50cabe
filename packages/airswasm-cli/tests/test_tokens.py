"""Tokens for TCP: each admits what its scope says, and nothing else."""

from __future__ import annotations

import itertools
import json
import stat
import urllib.error
import urllib.request
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from airswasm.cli._control.api import OPERATIONS
from airswasm.cli._control.gate import Need, TokenGate
from airswasm.cli._control.openapi import openapi_document
from airswasm.cli._control.operation import SCOPES, Component, Nothing, Operation, Parameter, Scope
from airswasm.cli._control.server import control_app
from airswasm.cli._control.tokens import Token, TokenFile
from airswasm.cli._hosts.host import LocalHost
from airswasm.cli._hosts.serving import serve
from airswasm.cli.errors import (
    NoSuchToken,
    PlanGone,
    TokenExists,
    TokenFileUnreadable,
    TokenMalformed,
)
from airswasm.lifecycle import System
from airswasm.security import AuditEvent, read_audit
from starlette.routing import Route

INCLUDED: Mapping[Scope, set[Scope]] = {
    "monitoring": {"monitoring"},
    "read": {"monitoring", "read"},
    "send": {"send"},
    "all": set(SCOPES),
}
"""The scopes of operations that a token of each scope may use."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # uvicorn's


class Performed:
    """A host that refuses everything (409) and knows what it was asked."""

    def __init__(self) -> None:
        self.names: list[str] = []

    async def perform(self, operation: Operation, arguments: Mapping[str, object]) -> object:
        self.names.append(operation.name)
        raise PlanGone("0")


class Lines:
    """An audit log that is a list."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    def record(self, event: AuditEvent) -> None:
        self.events.append(event)


async def status_of(
    app: Any, method: str, path: str, token: str | None, host: str = "localhost"
) -> int:
    """The status of one request."""
    headers = [(b"host", host.encode())]
    if token is not None:
        headers.append((b"authorization", f"Bearer {token}".encode()))
    scope: dict[str, Any] = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(),
        "headers": headers,
        "query_string": b"", "root_path": "", "scheme": "http", "http_version": "1.1",
    }  # fmt: skip
    found: list[int] = []

    received = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(received, {"type": "http.disconnect"})

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            found.append(message["status"])

    await app(scope, receive, send)
    return found[0]


def gate_of(folder: Path, host: Performed, audit: Lines) -> TokenGate:
    app = control_app(host)
    app.routes.append(Route("/unknown", lambda _request: None))  # of no scope
    needs = [
        (route, Need(each.scope, each)) for route, each in zip(app.routes, OPERATIONS, strict=False)
    ]
    return TokenGate(app, needs, Token.of_run("operator"), TokenFile(folder), audit)


def path_of(operation: Operation, component: str = "local/hello") -> str:
    namespace, _, name = component.partition("/")
    path = operation.route.replace("{namespace}", namespace).replace("{name}", name)
    return path.replace("{digest}", "0").replace("{token}", "x")


@pytest.mark.anyio
@pytest.mark.parametrize(("operation", "scope"), list(itertools.product(OPERATIONS, SCOPES)))
async def test_a_scope_admits_its_operations_and_no_other(
    tmp_path: Path, operation: Operation, scope: Scope
) -> None:
    """Every operation of the table, with a token of every scope."""
    host, audit = Performed(), Lines()
    gate = gate_of(tmp_path, host, audit)
    components = ["local/hello"] if scope == "send" else []
    token = TokenFile(tmp_path).create("agent", scope, components).token
    status = await status_of(gate, operation.method, path_of(operation), token)
    is_admitted = operation.scope in INCLUDED[scope]
    assert (status in (401, 403)) == (not is_admitted)
    if not is_admitted:
        assert host.names == []
    expected = [("deny", operation.name)] if not is_admitted else []
    if is_admitted and operation.changes:
        expected = [("allow", operation.name)]
    assert [(each.outcome, each.resource) for each in audit.events] == expected


@pytest.mark.anyio
@pytest.mark.parametrize("operation", list(OPERATIONS))
async def test_without_a_token_nothing_is_admitted(tmp_path: Path, operation: Operation) -> None:
    """Nor with a wrong one, nor under another host's name; and the log is not filled by it."""
    host, audit = Performed(), Lines()
    gate, path = gate_of(tmp_path, host, audit), path_of(operation)
    assert await status_of(gate, operation.method, path, None) == 401
    assert await status_of(gate, operation.method, path, "guess") == 401
    assert await status_of(gate, operation.method, path, "operator", host="evil.example") == 403
    assert (host.names, audit.events) == ([], [])


@pytest.mark.anyio
async def test_a_token_for_a_component_is_for_no_other(tmp_path: Path) -> None:
    """However its name is written in the path."""
    host, audit = Performed(), Lines()
    gate = gate_of(tmp_path, host, audit)
    token = TokenFile(tmp_path).create("agent", "send", ["local/hello", "shop/orders"]).token
    send = OPERATIONS["send"]
    for component, status in (("shop/orders", 409), ("local/other", 403), ("shop/hello", 403)):
        assert await status_of(gate, "POST", path_of(send, component), token) == status
    for _ in range(5):
        assert await status_of(gate, "POST", path_of(send, "local/other"), token) == 403
    assert [each.outcome for each in audit.events] == ["allow", "deny"]  # one line a minute


@pytest.mark.anyio
async def test_a_route_without_a_scope_needs_all(tmp_path: Path) -> None:
    """A new one is closed until it says what it needs; one that is none is not found."""
    gate = gate_of(tmp_path, Performed(), Lines())
    tokens = TokenFile(tmp_path)
    for scope in ("monitoring", "read"):
        token = tokens.create(scope, scope).token
        assert await status_of(gate, "GET", "/unknown", token) == 403
        assert await status_of(gate, "GET", "/nowhere", token) == 404


def test_an_operation_cannot_be_without_a_scope() -> None:
    """And the scope fits what it does."""
    name = Parameter("name", "path", Component(), "The component.")
    path = "/v1/components/{name}/pause"
    with pytest.raises(TypeError, match="scope"):
        Operation("pause", "POST", path, "Pause it.", Nothing(), (name,))  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="changes the host"):
        Operation("pause", "POST", path, "Pause.", Nothing(), (name,), changes=True, scope="read")
    with pytest.raises(ValueError, match="needs a component"):
        Operation("call", "POST", "/v1/call", "Call.", Nothing(), changes=True, scope="send")


def test_the_openapi_document_has_the_scope_of_each_operation() -> None:
    """A client sees which token it needs."""
    paths: Any = openapi_document(OPERATIONS)["paths"]
    for each in OPERATIONS:
        assert paths[each.route][each.method.lower()]["security"] == [{}, {"token": [each.scope]}]


def test_the_file_has_hashes_and_no_secret(tmp_path: Path) -> None:
    """Readable by the owner alone; and another reader sees a change."""
    tokens, other = TokenFile(tmp_path), TokenFile(tmp_path)
    made = tokens.create("agent", "read")
    path = tmp_path / "control-tokens.json"
    assert made.token not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = other.find(made.token)
    assert found is not None
    assert (found.name, found.scope) == ("agent", "read")
    assert other.find(made.token[:-1]) is None
    tokens.revoke("agent")
    assert other.find(made.token) is None


def test_what_cannot_be_a_token_is_refused(tmp_path: Path) -> None:
    """With a typed error, and nothing written."""
    tokens = TokenFile(tmp_path)
    for name, scope, components in (
        ("Agent", "read", ()), ("", "read", ()), ("a", "write", ()), ("a", "send", ()),
        ("a", "read", ("local/hello",)),
    ):  # fmt: skip
        with pytest.raises(TokenMalformed):
            tokens.create(name, scope, components)  # type: ignore[arg-type]
    with pytest.raises(NoSuchToken):
        tokens.revoke("agent")
    assert tokens.tokens() == ()
    tokens.create("agent", "read")
    with pytest.raises(TokenExists):
        tokens.create("agent", "all")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"format": 2, "tokens": []}', "\xff"])
@pytest.mark.anyio
async def test_a_damaged_file_admits_only_the_operator(tmp_path: Path, content: str) -> None:
    """It says what is wrong, and the token of this run goes on."""
    gate = gate_of(tmp_path, Performed(), Lines())
    (tmp_path / "control-tokens.json").write_text(content, encoding="latin-1")
    with pytest.raises(TokenFileUnreadable):
        TokenFile(tmp_path).tokens()
    assert await status_of(gate, "GET", "/v1/status", "anything") == 503
    assert await status_of(gate, "POST", "/v1/components/a/b/start", "operator") not in (401, 403)


@pytest.mark.anyio
async def test_a_running_host_takes_tokens_and_forgets_them(tmp_path: Path) -> None:
    """Over real TCP: metrics and health for one, a revoked one at once for nothing."""
    async with System(tmp_path / "home") as system, serve(system, port=0) as listening:
        host = LocalHost(system)
        made = await host.create_token("prometheus", "monitoring")
        assert [each["name"] for each in await host.tokens()] == ["prometheus"]
        secret = str(made["token"])

        def ask(path: str) -> int:
            request = urllib.request.Request(
                f"{listening.address}{path}", headers={"Authorization": f"Bearer {secret}"}
            )
            try:
                with urllib.request.urlopen(request, timeout=30) as response:
                    return int(response.status)
            except urllib.error.HTTPError as error:
                with error:
                    code = json.load(error)["error"]["code"]
                return {"E0012": 401, "E0044": 403}[code]

        async def status(path: str) -> int:
            return await anyio.to_thread.run_sync(ask, path)

        for path in ("/metrics", "/livez", "/readyz", "/healthz", "/snapshot", "/v1/host"):
            assert await status(path) == 200
        assert await status("/v1/status") == 403
        await host.revoke_token("prometheus")
        assert await status("/metrics") == 401
        lines = list(read_audit(system.home.audit_folder / "audit.jsonl"))
        told = [
            (line["kind"], line["resource"])
            for line in lines
            if line["kind"] in ("token", "control")
        ]
        assert told == [("token", "prometheus"), ("control", "status"), ("token", "prometheus")]
