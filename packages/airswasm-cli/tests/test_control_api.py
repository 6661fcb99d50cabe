"""The control API: one table, and everything else made from it."""

from __future__ import annotations

import base64
import inspect
import io
import json
import socket
import sys
import types
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from airswasm.actor import ActorSystem, DeathReason, Message
from airswasm.cli import connect
from airswasm.cli._control.api import OPERATIONS
from airswasm.cli._control.endpoint import endpoint_of
from airswasm.cli._control.openapi import openapi_document
from airswasm.cli._control.operation import Component, Json, Operation, Parameter
from airswasm.cli._control.server import control_app
from airswasm.cli._control.unix_http import UnixClient
from airswasm.cli._hosts.host import Host, LocalHost
from airswasm.cli._hosts.remote_host import RemoteHost, host_behind
from airswasm.cli._hosts.serving import serve
from airswasm.cli.control_page import control_page
from airswasm.cli.errors import HostGone, HostNotRunning, RemoteFailure
from airswasm.lifecycle import Package, System, archive_of, check_backup
from airswasm.runtime import Services
from airswasm.security import Statement, generate_key, read_audit
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

PAGE = Path(__file__).parents[3] / "docs" / "control-api.md"
NAME = "local/hello"
Document = Mapping[str, Any]
Serving = Callable[[], AbstractAsyncContextManager[tuple[System, Host]]]

unix_only = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no Unix sockets")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # uvicorn's


@pytest.fixture
def serving(tmp_path: Path) -> Serving:
    """A host of this process, and what talks to it over its socket."""

    @asynccontextmanager
    async def start() -> AsyncIterator[tuple[System, Host]]:
        async with System(tmp_path / "home") as system:
            async with serve(system) as listening:
                yield system, host_behind(listening.socket)

    return start


@pytest.fixture(scope="module")
def key() -> Any:
    return generate_key()


@pytest.fixture
def signed(built: Path, key: Any) -> Callable[..., Package]:
    """The built counter, signed, in any version and with any further lines."""

    def make(version: str = "0.1.0", extra: str = "", sequence: int = 1) -> Package:
        files = dict(Package.read(built, signature="ignored").files)
        manifest = files["Component.toml"].decode().replace("0.1.0", version)
        files["Component.toml"] = f"{manifest}\n{extra}\n".encode()
        return Package.from_files(files).sign(key, sequence=sequence)

    return make


async def install(host: Host, package: Package, change: Any = "install") -> Document:
    plan = await host.plan(package.to_archive(), source="hello", change=change)
    return await host.approve(str(plan["digest"]))


# -- one table ------------------------------------------------------------------------------------


def methods_of(cls: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(found)
        for name, found in inspect.getmembers(cls, inspect.iscoroutinefunction)
        if not name.startswith("_") and name != "perform"
    }


@pytest.mark.parametrize("cls", [Host, LocalHost])
def test_a_host_has_the_table_s_operations_and_no_other(cls: type) -> None:
    """By name, with the same parameters in the same order, and the same defaults."""
    methods = methods_of(cls)
    assert set(methods) == {each.name for each in OPERATIONS}
    for operation in OPERATIONS:
        own = list(methods[operation.name].parameters.values())[1:]
        wanted = operation.signature().parameters.values()
        assert [(p.name, p.default) for p in own] == [(p.name, p.default) for p in wanted]


def test_the_remote_host_has_them_too_and_no_other(tmp_path: Path) -> None:
    """Made from the table: a method that it defines itself would be another spelling."""
    remote = RemoteHost(UnixClient(tmp_path / "s"))
    assert methods_of(RemoteHost) == {}
    assert all(callable(getattr(remote, each.name)) for each in OPERATIONS)
    with pytest.raises(AttributeError, match="no operation 'reboot'"):
        remote.reboot  # noqa: B018


def test_the_server_has_a_route_for_each_row(tmp_path: Path) -> None:
    """Nothing is served that the table does not have."""
    app = control_app(cast("Any", None))
    served = {(next(iter(each.methods - {"HEAD"})), each.path) for each in cast("Any", app.routes)}
    assert served == {(each.method, each.route) for each in OPERATIONS}


@pytest.mark.skipif(not PAGE.exists(), reason="outside the repository there is no page")
def test_the_page_is_what_the_table_says() -> None:
    """`python -m airswasm.cli.control_page > docs/control-api.md` was run after the last change."""
    assert PAGE.read_text(encoding="utf-8") == control_page()


def test_the_openapi_document_is_a_valid_one() -> None:
    """By a public validator; every row is an operation in it."""
    document = openapi_document(OPERATIONS)
    validate(cast("Any", document))
    paths = cast("dict[str, dict[str, Document]]", document["paths"])
    listed = {each["operationId"] for path in paths.values() for each in path.values()}
    assert listed == {each.name for each in OPERATIONS}


# -- over the socket ------------------------------------------------------------------------------


def checker(document: Document, schema: Document) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": document["components"]})


def schema_of(document: Document, name: str) -> Document:
    (operation,) = [
        each
        for path in document["paths"].values()
        for each in path.values()
        if each["operationId"] == name
    ]
    (content,) = operation["responses"]["200"]["content"].values()
    return cast("Document", content["schema"])


@pytest.mark.anyio
@unix_only
async def test_a_program_reaches_the_host_by_its_home(serving: Serving) -> None:
    """A program names the home, as `--home` does, and learns at once that no host runs there."""
    async with serving() as (system, host):
        home = system.home.folder
        assert await connect(home).about() == await host.about()
    with pytest.raises(HostNotRunning):
        connect(home)


@unix_only
@pytest.mark.anyio
async def test_answers_are_what_the_openapi_document_says(
    serving: Serving, signed: Callable[..., Package]
) -> None:
    """Raw answers of a real host, each against its schema; the host serves the document itself."""
    async with serving() as (system, host):
        document = await host.openapi()
        validate(cast("Any", document))
        client = UnixClient(endpoint_of(system.home.folder).path)

        async def check(name: str, method: str, path: str, content: bytes = b"") -> Document:
            async with client.stream(method, path, content=content) as response:
                answer = await response.read()
            assert answer.status == 200, answer.content
            lines = [json.loads(line) for line in answer.content.splitlines()]
            for line in lines:
                checker(document, schema_of(document, name)).validate(line)
            return cast("Document", lines[-1])

        archive = signed(extra='[environment]\nCOLOUR = "red"').to_archive()
        plan = await check("plan", "POST", "/v1/plans", archive)
        await check("approve", "POST", f"/v1/plans/{plan['digest']}")
        await host.send(NAME, b"x")
        for name in ("about", "status", "list", "all_logs"):
            path = {"about": "host", "list": "components", "all_logs": "logs"}.get(name, name)
            await check(name, "GET", f"/v1/{path}")
        await check("publish", "POST", "/v1/publications?topic=a.b&retain=1", b"on")
        for word in (b"x", b""):
            await check("deliver", "POST", f"/v1/components/{NAME}/receipts", word)
        paths = {"info": "", "logs": "/logs", "entries": "/storage", "profile": "/profile"}
        for name, path in paths.items():
            await check(name, "GET", f"/v1/components/{NAME}{path}")
        checkpoints = f"/v1/components/{NAME}/storage/checkpoints"
        await check("create_checkpoint", "POST", f"{checkpoints}?label=one")
        await check("checkpoints", "GET", checkpoints)
        await host.write_value(NAME, "k", b"v")
        await check("diff_checkpoint", "GET", f"{checkpoints}/diff?label=one")
        await check("delete_prefix", "DELETE", f"/v1/components/{NAME}/storage/keys?prefix=k")
        await check("stores", "GET", "/v1/storage")
        await check("grants", "GET", "/v1/grants")
        await check("grants_of", "GET", f"/v1/grants/{NAME}")
        denial = "change=deny&capability=storage.write&patterns=a%0Ab&until=99999999999&reason=x"
        await check("change_grants", "POST", f"/v1/grants/{NAME}?{denial}")
        await check("verify_storage", "GET", "/v1/storage/verify")
        await system.stop(NAME, kill=True)
        await system.start(NAME)
        system.services.get(ActorSystem).dead_letters.add(
            Message(b"x"), NAME, DeathReason.CRASHED, 0.0, cause=ValueError("why")
        )
        letter = (await check("dead_letters", "GET", "/v1/dead-letters"))["id"]
        await check("dead_letter", "GET", f"/v1/dead-letters/{letter}")
        await check("replay_letter", "POST", f"/v1/dead-letters/{letter}/replays")
        await check("drop_letters", "DELETE", f"/v1/dead-letters?name={NAME}")
        async with client.stream("GET", "/v1/components/local/absent") as response:
            refusal = (await response.read()).json()
        checker(document, document["components"]["schemas"]["Error"]).validate(refusal)


@unix_only
@pytest.mark.anyio
async def test_every_operation_works_over_the_socket(
    serving: Serving, signed: Callable[..., Package]
) -> None:
    """The remote host answers as the local one does."""
    async with serving() as (system, host):
        local = LocalHost(system)
        assert (await install(host, signed()))["version"] == "0.1.0"
        assert await host.send(NAME, b"you") == b"Hello, you! You are number 1."
        report = await host.deliver(NAME, b"me")
        assert base64.b64decode(report["reply"]) == b"Hello, me! You are number 2."
        assert (report["error"], report["receipt"]["outcome"]) == (None, "replied")
        assert report["receipt"]["use"]["fuel"] > 0
        assert report["receipt"]["use"]["host_calls"]
        assert await host.list() == await local.list()
        assert await host.info(NAME) == await local.info(NAME)
        exported = [chunk async for chunk in await host.export(NAME)]
        stored = [each async for each in await host.entries(NAME, prefix="c")]
        assert [each["key"] for each in stored] == ["count"]

        async def chunks() -> AsyncIterator[bytes]:
            for chunk in exported:
                yield chunk

        assert await host.load(NAME, chunks(), replace=True) == 1
        await host.write_value(NAME, "k", b"\0", ttl=60.0)
        assert await host.read_value(NAME, "k") == b"\0"
        await host.delete_value(NAME, "k")
        with pytest.raises(RemoteFailure):
            await host.read_value(NAME, "k")
        await host.write_value(NAME, "k", b"")
        assert await host.read_value(NAME, "k") == b""
        assert await host.stores() == await local.stores()
        assert (await host.verify_storage())["engine"] == "rocksdb"
        made = await host.create_checkpoint(NAME, "a/b")
        assert await host.checkpoints(NAME) == [made] == await local.checkpoints(NAME)
        assert await host.delete_prefix(NAME, "k") == 1
        differences = [each async for each in await host.diff_checkpoint(NAME, "a/b")]
        assert [(each["key"], each["change"]) for each in differences] == [("k", "removed")]
        assert await host.restore_checkpoint(NAME, "a/b") == made
        await host.drop_checkpoint(NAME, "a/b")
        with pytest.raises(RemoteFailure):
            await host.diff_checkpoint(NAME, "a/b")
        backup = b"".join([chunk async for chunk in await host.backup()])
        summary = await check_backup(io.BytesIO(backup), "backup")
        assert summary.components == (NAME,)
        assert not list(system.home.folder.glob("backup.partial-*"))
        denied = await host.change_grants(NAME, "deny", "storage.write", "a\nb", reason="why")
        assert denied["entries"][-1]["patterns"] == ["a", "b"]
        assert await host.grants_of(NAME) == denied == await local.grants_of(NAME)
        assert await host.grants() == [denied] == await local.grants()
        lifted = await host.change_grants(NAME, "lift", "storage.write", "a")
        assert lifted["entries"][-1]["patterns"] == ["b"]
        updated = await install(host, signed("0.2.0", sequence=2), "update")
        assert (await host.plan_rollback(NAME))["needs_approval"] is False
        assert (await host.rollback(NAME))["version"] == "0.1.0"
        assert updated["version"] == "0.2.0"
        assert (await host.stop(NAME))["state"] == "stopped"
        assert (await host.start(NAME))["state"] == "running"
        assert (await host.restart(NAME))["state"] == "running"
        lines = [line async for line in await host.logs(NAME, recent=1000)]
        assert lines == [line async for line in await host.all_logs(recent=1000)]
        dead = system.services.get(ActorSystem).dead_letters
        for payload in (b"one", b"two", {}):
            dead.add(Message(payload), NAME, DeathReason.STOPPED, 0.0)
        found = [each async for each in await host.dead_letters(NAME)]
        assert found == [each async for each in await local.dead_letters(NAME)]
        one, two, three = (str(each["id"]) for each in found)
        assert await host.dead_letter(one) == found[0] == await local.dead_letter(one)
        assert await host.dead_letter_payload(one) == b"one"
        assert await host.dead_letter_payload(three) is None
        assert (await host.replay_letter(one))["outcome"] == "replied"
        with pytest.raises(RemoteFailure) as refused:
            await host.replay_letter(one)
        assert refused.value.code == "E0635"
        with pytest.raises(RemoteFailure):
            await host.drop_letters(f"{two},{one}")
        for wrong in ({}, {"letters": two, "name": NAME}):
            with pytest.raises(RemoteFailure, match="one of the parameters letters and name"):
                await host.drop_letters(**wrong)
        assert await host.drop_letters(f"{two},{three}") == 2
        await host.uninstall(NAME, purge=True)
        assert await host.list() == []


@unix_only
@pytest.mark.anyio
async def test_a_stream_s_refusal_comes_before_its_first_line(serving: Serving) -> None:
    """With the status of the error, and not as a line of a stream that began well."""
    async with serving() as (_, host):
        for call in (host.logs, host.entries, host.export):
            with pytest.raises(RemoteFailure) as refused:
                await cast("Any", call)("local/absent")
            assert refused.value.code == "E0310"


async def pauses(services: Services, name: str) -> Document:
    """Carried out by a block, with what the host has."""
    return {"name": name, "home": str(services.get(System).home.folder)}


@unix_only
@pytest.mark.anyio
async def test_a_block_s_operation_works_from_its_row_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Route, request, OpenAPI and page: none of them is written for it."""
    module = types.ModuleType("stranger_pauses")
    module.pauses = pauses  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "stranger_pauses", module)
    name = Parameter("name", "path", Component(), "The component.")
    row = Operation(
        "pauses", "GET", "/v1/components/{name}/pauses", "Show its pauses.", Json("pauses/1"),
        (name,), handler="stranger_pauses:pauses", scope="read",
    )  # fmt: skip
    table = OPERATIONS.joined((row,))
    async with System(tmp_path / "home") as system:
        async with serve(system, operations=table) as listening:
            host = cast("Any", host_behind(listening.socket, operations=table))
            answer = await host.pauses("local/hello")
            assert answer == {"name": "local/hello", "home": str(tmp_path / "home")}
            assert "/v1/components/{namespace}/{name}/pauses" in (await host.openapi())["paths"]


# -- the package's way ----------------------------------------------------------------------------


@unix_only
@pytest.mark.anyio
async def test_a_package_is_uploaded_once_and_verified_once(
    serving: Serving,
    signed: Callable[..., Package],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The client judges no content; the host does, when it comes in; its first start need not."""
    verified: list[str] = []
    uploads: list[int] = []
    check, stream = Statement.check, UnixClient.stream

    def counted(self: Statement, files: Mapping[str, bytes]) -> None:
        verified.append(self.name)
        check(self, files)

    def counted_upload(self: UnixClient, method: str, path: str, **given: Any) -> Any:
        if len(given.get("content", b"")) > 1000:
            uploads.append(len(given["content"]))
        return stream(self, method, path, **given)

    folder = tmp_path / "hello"
    signed().write_archive(tmp_path / "hello.airswasm")
    for name, content in signed().files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    signed().write_signature(folder)
    async with serving() as (_, host):
        monkeypatch.setattr(Statement, "check", counted)
        monkeypatch.setattr(UnixClient, "stream", counted_upload)
        for source in (folder, tmp_path / "hello.airswasm"):
            content = archive_of(source)
            assert verified == []
            plan = await host.plan(content)
            await host.approve(str(plan["digest"]))
            assert await host.send(NAME, b"x")
            assert (verified, uploads) == ([NAME], [len(content)])
            await host.uninstall(NAME)
            verified.clear()
            uploads.clear()


@unix_only
@pytest.mark.anyio
async def test_what_was_shown_is_what_is_approved(
    serving: Serving, signed: Callable[..., Package]
) -> None:
    """A digest of another plan, of one carried out, and of one the host has outrun: refused."""
    async with serving() as (_, host):
        plan = await host.plan(signed().to_archive())
        with pytest.raises(RemoteFailure) as unknown:
            await host.approve("0" * 64)
        await host.approve(str(plan["digest"]))
        with pytest.raises(RemoteFailure) as twice:
            await host.approve(str(plan["digest"]))
        second = signed("0.2.0", sequence=2).to_archive()
        third = await host.plan(signed("0.3.0", sequence=3).to_archive(), change="update")
        await host.approve(str((await host.plan(second, change="update"))["digest"]))
        await host.approve(str(third["digest"]))  # asked for nothing more, so nothing is asked
        wider = '[environment]\nCOLOUR = "red"'
        fourth = await host.plan(signed("0.4.0", wider, 4).to_archive(), change="update")
        await host.rollback(NAME, to="0.2.0")
        with pytest.raises(RemoteFailure) as outrun:
            await host.approve(str(fourth["digest"]))
        assert {each.value.code for each in (unknown, twice, outrun)} == {"E0030"}
        assert (await host.info(NAME))["version"] == "0.2.0"


@unix_only
@pytest.mark.anyio
async def test_a_refused_plan_is_gone_and_written_down(
    serving: Serving, signed: Callable[..., Package]
) -> None:
    """Showing the plan is no answer; refusing it is one."""
    async with serving() as (system, host):
        audit = system.home.audit_folder / "audit.jsonl"
        plan = await host.plan(signed().to_archive())
        assert not [line for line in read_audit(audit) if line["kind"] == "approve"]
        await host.refuse(str(plan["digest"]))
        with pytest.raises(RemoteFailure):
            await host.approve(str(plan["digest"]))
        (line,) = [line for line in read_audit(audit) if line["kind"] == "approve"]
        assert (line["outcome"], line["detail"]["package"]) == ("deny", plan["package_digest"])


@unix_only
@pytest.mark.anyio
async def test_an_update_s_plan_shows_every_raise(
    serving: Serving, signed: Callable[..., Package]
) -> None:
    """As a difference, and it needs an approval."""
    async with serving() as (_, host):
        await install(host, signed())
        same = await host.plan(signed("0.2.0", sequence=2).to_archive(), change="update")
        assert (same["needs_approval"], same["differences"]) == (False, [])
        extra = '[environment]\nCOLOUR = "red"\n[health]\ninterval = "1 s"'
        more = await host.plan(signed("0.2.0", extra, 2).to_archive(), change="update")
        assert more["needs_approval"]
        colour = {"key": "environment.COLOUR", "before": "not set", "after": "red"}
        health = {"key": "health.interval", "before": "not set", "after": "1.0"}
        for each in (colour, health):
            assert {**each, "is_raise": True} in more["differences"]


# -- requests that are wrong ----------------------------------------------------------------------


@unix_only
@pytest.mark.anyio
@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/v1/logs?recent=no", 400),
        ("GET", "/v1/logs?recent=1.5", 400),
        ("GET", "/v1/logs?recent=-1", 400),
        ("GET", "/v1/logs?recent=1e9", 400),
        ("GET", "/v1/logs?follow=yes", 400),
        ("GET", "/v1/logs?recnt=1", 400),
        ("GET", "/v1/logs?recent=1&recent=2", 400),
        ("GET", "/v1/logs?" + "&".join(f"a{n}=1" for n in range(40)), 400),
        ("POST", "/v1/plans?change=destroy", 400),
        ("POST", "/v1/plans", 422),
        ("POST", "/v1/components/local/hello/messages?timeout=nan", 400),
        ("GET", "/v1/components/local/hello/storage?prefix=%00", 400),
        ("GET", "/v1/components/local/hello/storage?prefix=%ff", 400),
        ("GET", "/v1/components/local/hello/storage?prefix=%ed%a0%80", 400),
        ("GET", "/v1/components/local/%F0%9F%90%99", 404),
        ("GET", "/v1/components/local/%ed%a0%80", 404),
        ("GET", "/v1/components/local/%00/logs", 400),
        ("GET", "/v1/components/local/..%2fhello", 404),
        ("POST", "/v1/plans/%00", 400),
        ("GET", "/v1/nowhere", 404),
        ("PUT", "/v1/status", 405),
    ],
)
async def test_a_wrong_request_is_a_typed_error(
    serving: Serving, method: str, target: str, status: int
) -> None:
    """Never a bug of ours: a status, a code, one sentence."""
    async with serving() as (system, _):
        async with UnixClient(endpoint_of(system.home.folder).path).stream(
            method, target
        ) as response:
            answer = await response.read()
        assert answer.status == status, answer.content
        error = cast("Document", answer.json())["error"]
        assert error["code"] not in ("E0000", "E0001")
        assert "\n" not in error["message"]
        assert error["message"].isprintable()


@unix_only
@pytest.mark.anyio
@pytest.mark.parametrize("name", ["local/\U0001f419", "local/\udcff", "local/\0", "local/a b"])
async def test_a_name_that_cannot_be_one_is_not_installed(serving: Serving, name: str) -> None:
    """Astral, not UTF-8, NUL: on the way out and in as on the disk."""
    async with serving() as (system, remote):
        for host in (remote, LocalHost(system)):
            with pytest.raises(Exception, match=r"is not installed|not a component's name"):
                await host.info(name)


@unix_only
@pytest.mark.anyio
async def test_a_body_beyond_the_bound_is_refused(serving: Serving) -> None:
    """While it comes in, and not once it is all there."""
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 2**20
            yield bytes(2**20)
            await anyio.lowlevel.checkpoint()

    async with serving() as (_, host):
        with pytest.raises((RemoteFailure, HostGone)):  # it answers, and reads no more
            await host.plan(cast("bytes", endless()))
        assert read < 300 * 2**20


@unix_only
@pytest.mark.anyio
async def test_a_refusal_in_the_middle_of_a_body_arrives(
    serving: Serving, signed: Callable[..., Package]
) -> None:
    """The sender is still writing when the host knows that it will not take it."""
    async with serving() as (_, host):
        await install(host, signed())

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(300):
                yield b"x" * 65_536 + b"\n"

        with pytest.raises(RemoteFailure) as refused:
            await host.load(NAME, chunks())
        assert refused.value.code == "E0507"
