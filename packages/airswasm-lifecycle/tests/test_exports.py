"""The functions that an installed component exports of its own, called through its mailbox."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.actor import (
    ActorFailed,
    AskTimeout,
    FunctionMissing,
    MailboxFull,
    MessageTooLarge,
    Receipt,
    UnfitPayload,
)
from airswasm.lifecycle import (
    HostOffline,
    InstalledComponent,
    NotInstalled,
    NotRunning,
    System,
)
from airswasm.runtime import Case, Err, FuelExhausted, GuestResource, Ok, Trapped
from airswasm.wit import read_component
from airswasm.wit.proxy import python_proxy

from .conftest import Workshop

pytestmark = pytest.mark.anyio

NAME = "acme/plugin"
COUNT = "acme:plugin/transform@1.0.0#count"
Yes = Callable[[Any], bool]
JOB = {"text": "ab", "times": 2, "tags": ["x", "y"], "note": "z"}


@asynccontextmanager
async def hosting(
    home: Path, workshop: Workshop, wasm: bytes | None = None, **package: Any
) -> AsyncIterator[tuple[System, InstalledComponent]]:
    made = workshop.package(name=NAME, wasm=wasm or workshop.plugin(), capabilities="", **package)
    async with System(home) as system:
        await system.install(made, approve=lambda _plan: True)
        yield system, system.component(NAME)


async def test_every_kind_of_value_crosses(tmp_path: Path, workshop: Workshop) -> None:
    """Records, variants, options, results, lists, flags and resources, as the runtime has them."""
    async with hosting(tmp_path, workshop) as (_, plugin):
        transform, counters = plugin.exports.transform, plugin.exports.counters
        assert await plugin.exports.version() == "1.0.0"
        with pytest.raises(AttributeError, match=r"no 'transfrom'; it has .*transform, version"):
            _ = plugin.exports.transfrom
        with pytest.raises(AttributeError, match=r"no 'runs'; it has .*run"):
            _ = transform.runs
        assert await transform.run(JOB) == Ok("abab #x #y: z")
        assert await transform.run(job={**JOB, "times": 0}) == Err("nothing to do")
        assert await transform.area(Case("circle", 2.0)) == 12.0
        assert await transform.area(Case("named", "square")) is None
        assert await transform.sum([2**62, -1, -(2**62)]) == -1
        assert await transform.mirror(b"\x00\xffa") == b"a\xff\x00"
        mixed = await transform.mix("red", {"read"}, (1, "a"))
        assert mixed == ("green", frozenset({"write"}), "b")
        one, other = await counters.new_counter(5), await counters.new_counter(1)
        assert isinstance(one, GuestResource)
        assert await counters.counter_bump(one) == 6
        assert await counters.total(one, other) == 7


async def test_the_methods_have_names_types_and_help(tmp_path: Path, workshop: Workshop) -> None:
    """They are the runtime's, without what the contract has the host call."""
    wasm = workshop.plugin("HANDLER", world="plugin-with-handler")
    async with hosting(tmp_path, workshop, wasm) as (system, plugin):
        assert dir(plugin.exports) == ["counters", "transform", "version"]
        method = type(plugin.exports.transform).sum
        assert str(inspect.signature(method).parameters["numbers"].annotation) == "list[int]"
        assert await system.send(NAME, b"hi") == b"hi"
        for path in ("airswasm:component/handler@0.1.0#handle-message", "x:y/z#f", ""):
            with pytest.raises(FunctionMissing, match=r"has acme:plugin/transform@1\.0\.0#run"):
                await plugin.call(path)


async def test_a_generated_proxy_takes_it_for_an_instance(
    tmp_path: Path, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that type checkers know the calls of an installed component too."""
    source = python_proxy(read_component(workshop.plugin()), name="Plugin")
    (tmp_path / "generated_plugin.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("generated_plugin")
    monkeypatch.delitem(sys.modules, "generated_plugin")
    async with hosting(tmp_path / "home", workshop) as (_, component):
        plugin = module.Plugin(component)
        assert await plugin.transform.sum([1, 2]) == 3
        job = module.Job(text="a", times=1, tags=[], note=None)
        assert await plugin.transform.run(job) == Ok("a")


async def test_a_component_without_a_handler_refuses_messages(
    tmp_path: Path, workshop: Workshop
) -> None:
    """It goes on, and says why it takes none."""
    async with hosting(tmp_path, workshop) as (system, plugin):
        with pytest.raises(UnfitPayload, match="called by its functions"):
            await system.send(NAME, b"hi")
        assert await plugin.call(COUNT) == 0
        assert system.component_status(NAME).restarts == 0


async def test_calls_and_messages_are_handled_in_the_order_of_their_sending(
    tmp_path: Path, workshop: Workshop
) -> None:
    """One mailbox holds both."""
    wasm = workshop.plugin("HANDLER", world="plugin-with-handler")
    receipts: list[Receipt] = []
    async with hosting(tmp_path, workshop, wasm) as (system, plugin):
        listening = system.receipts.listen(receipts.append)
        ref = system._actors.broker.resolve(NAME)
        ref.pause()
        async with anyio.create_task_group() as group:
            for number in range(6):
                if number % 2:
                    group.start_soon(system.send, NAME, b"x" * number)
                else:
                    group.start_soon(plugin.exports.transform.mirror, b"x" * number)
                await anyio.wait_all_tasks_blocked()
            assert system.component_status(NAME).mailbox == 6
            ref.resume()
        listening.cancel()
        assert [each.bytes_in for each in receipts] == [0, 1, 2, 3, 4, 5]


async def test_a_trap_in_a_call_is_a_crash(tmp_path: Path, workshop: Workshop) -> None:
    """The caller has the evidence, the supervisor restarts it, a letter says which call it was."""
    async with hosting(tmp_path, workshop) as (system, plugin):
        assert await plugin.exports.transform.sum([1]) == 1
        with pytest.raises(ActorFailed) as caught:
            await plugin.exports.transform.trap()
        assert isinstance(caught.value.cause, Trapped)
        with pytest.raises(ActorFailed) as caught:
            await plugin.exports.transform.spin()
        assert isinstance(caught.value.cause, FuelExhausted)
        assert await plugin.exports.transform.count() == 0  # of a new incarnation
        assert system.component_status(NAME).restarts == 2
        letters = [each async for each in system.dead_letters.list(NAME)]
        assert [each.reason for each in letters] == ["crashed", "crashed"]
        assert "transform@1.0.0#trap" in letters[0].unkept


async def test_the_last_crash_gives_it_up(tmp_path: Path, workshop: Workshop) -> None:
    """Calls count as messages do; after that there is nothing to call."""
    async with hosting(tmp_path, workshop, extra="intensity = 1") as (system, plugin):
        for _ in range(2):
            with pytest.raises(ActorFailed):
                await plugin.exports.transform.trap()
        while system.component_status(NAME).state != "given up":
            await anyio.lowlevel.checkpoint()
        with pytest.raises(NotRunning, match="given up"):
            await plugin.exports.transform.count()


async def test_wrong_arguments_do_not_reach_the_guest(tmp_path: Path, workshop: Workshop) -> None:
    """The error names the parameter; nothing restarts."""
    async with hosting(tmp_path, workshop) as (system, plugin):
        transform = plugin.exports.transform
        with pytest.raises(UnfitPayload, match=r"run\.job\.times: expected u32"):
            await transform.run({**JOB, "times": -1})
        with pytest.raises(TypeError):
            await transform.run()
        with pytest.raises(UnfitPayload, match="1 arguments, got 0 arguments"):
            await plugin.call("acme:plugin/transform@1.0.0#run")
        assert await transform.count() == 0
        assert system.component_status(NAME).restarts == 0


class Raising:
    """An object of a caller's that fails when it is looked at, as a lazy record of a database."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> object:
        raise self._error

    def __len__(self) -> int:
        raise self._error

    __iter__ = __index__ = __float__ = __len__


@pytest.mark.parametrize("error", [RuntimeError("gone"), LookupError("gone"), MemoryError()])
async def test_an_argument_that_raises_is_the_caller_s_fault(
    tmp_path: Path, workshop: Workshop, error: Exception
) -> None:
    """At any place of any type; the component does not crash for it."""
    async with hosting(tmp_path, workshop) as (system, plugin):
        transform, value = plugin.exports.transform, Raising(error)
        with pytest.raises(UnfitPayload, match="job"):
            await transform.run(value)
        for call in (
            transform.run({**JOB, "text": value}),
            transform.run({**JOB, "tags": [value]}),
            transform.sum(value),
            transform.sum([value]),
            transform.mirror(value),
            transform.area(Case("circle", value)),
            transform.mix("red", value, (1, "a")),
        ):
            with pytest.raises(UnfitPayload):
                await call
        assert await transform.sum([1, 2]) == 3
        assert system.component_status(NAME).restarts == 0


async def test_an_argument_without_an_end_is_too_large(tmp_path: Path, workshop: Workshop) -> None:
    """A list in itself, and one of lists that are there many times; the host goes on."""
    endless: list[object] = []
    endless.append(endless)
    bomb: list[object] = [1]
    for _ in range(60):
        bomb = [bomb, bomb]
    async with hosting(tmp_path, workshop) as (system, plugin):
        for value in (endless, bomb, [{"a": endless}], Case("circle", bomb)):
            with pytest.raises(MessageTooLarge):
                await plugin.exports.transform.sum(value)
        assert system.component_status(NAME).restarts == 0


async def test_an_argument_has_the_bounds_of_a_message(tmp_path: Path, workshop: Workshop) -> None:
    """Of the largest message, and of the mailbox in messages and in bytes."""
    limits = 'memory = "1 MiB"\nmessage_bytes = 1000\nmailbox = 2\nmailbox_bytes = 1500'
    async with hosting(tmp_path, workshop, limits=limits) as (system, plugin):
        transform = plugin.exports.transform
        assert await transform.mirror(bytes(990)) == bytes(990)
        for argument in (bytes(1001), b"x" * 5000):
            with pytest.raises(MessageTooLarge):
                await transform.mirror(argument)
        with pytest.raises(MessageTooLarge):
            await transform.sum([1] * 200)
        ref = system._actors.broker.resolve(NAME)
        ref.pause()
        async with anyio.create_task_group() as group:
            group.start_soon(transform.mirror, bytes(900))
            await anyio.wait_all_tasks_blocked()
            assert system.component_status(NAME).mailbox_bytes == 900
            with pytest.raises(MailboxFull):
                await transform.mirror(bytes(900))
            group.start_soon(transform.count)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(MailboxFull):
                await transform.count()
            ref.resume()
        assert system.component_status(NAME).restarts == 0


async def test_a_call_that_waits_too_long_is_not_made(tmp_path: Path, workshop: Workshop) -> None:
    """Its timeout is its deadline, the time in the mailbox included."""
    async with hosting(tmp_path, workshop) as (system, plugin):
        ref = system._actors.broker.resolve(NAME)
        ref.pause()
        with pytest.raises(AskTimeout):
            await plugin.calling(timeout=0.01).exports.transform.sum([1])
        ref.resume()
        assert await plugin.exports.transform.count() == 0


async def test_a_cancelled_caller_leaves_the_component_alone(
    tmp_path: Path, workshop: Workshop
) -> None:
    """As a cancelled `send` does."""
    async with hosting(tmp_path, workshop) as (system, plugin):
        ref = system._actors.broker.resolve(NAME)
        ref.pause()
        with anyio.move_on_after(0.01):
            await plugin.exports.transform.sum([1])
        ref.resume()
        assert await plugin.exports.version() == "1.0.0"
        assert system.component_status(NAME).restarts == 0


async def test_each_call_makes_a_receipt(tmp_path: Path, workshop: Workshop) -> None:
    """With its function, its fuel and the bytes of its arguments."""
    async with hosting(tmp_path, workshop) as (system, plugin):
        receipts: list[Receipt] = []
        listening = system.receipts.listen(receipts.append)
        await plugin.exports.transform.mirror(b"0123456789")
        with pytest.raises(ActorFailed):
            await plugin.exports.transform.trap()
        listening.cancel()
        first, second = receipts
        assert first.receiver == NAME
        assert (first.outcome, first.bytes_in) == ("replied", 10)
        assert first.use is not None
        assert first.use.function == "acme:plugin/transform@1.0.0#mirror"
        assert first.use.fuel > 0
        assert (second.outcome, second.error) == ("trapped", "Trapped")


async def test_resources_are_dropped_in_turn_and_end_with_their_incarnation(
    tmp_path: Path, workshop: Workshop
) -> None:
    """A drop is a call, too; of an incarnation that has ended, nothing is left to drop."""
    async with hosting(tmp_path, workshop) as (system, plugin):
        counters = plugin.exports.counters
        async with await counters.new_counter(1) as one, await counters.new_counter(2):
            ref = system._actors.broker.resolve(NAME)
            ref.pause()
            async with anyio.create_task_group() as group:
                group.start_soon(counters.counter_bump, one)
                await anyio.wait_all_tasks_blocked()
                group.start_soon(one.drop)
                await anyio.wait_all_tasks_blocked()
                assert system.component_status(NAME).mailbox == 2
                ref.resume()
            assert not one.is_held
        assert await counters.dropped() == 2
        old = await counters.new_counter(3)
        with pytest.raises(ActorFailed):
            await plugin.exports.transform.trap()
        with pytest.raises(UnfitPayload, match="has ended"):
            await counters.total(old, old)
        await old.drop()
        assert not old.is_held
        assert system.component_status(NAME).restarts == 1


async def test_an_update_answers_what_waits_by_the_version_that_runs_then(
    tmp_path: Path, workshop: Workshop
) -> None:
    """Of each call one version gives the value; an interface of a compatible version serves."""
    second = workshop.plugin('VERSION="2.0.0"', interface="1.1.0")
    async with hosting(tmp_path, workshop) as (system, plugin):
        before = plugin.exports
        answers: list[object] = []

        async def ask_all() -> None:
            for _ in range(40):
                answers.append(await before.version())
                assert await before.transform.sum([1, 2]) == 3

        update = workshop.package("0.2.0", name=NAME, wasm=second, capabilities="")
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(ask_all)
            await system.update(update, approve=lambda _plan: True)
            ref = system._actors.broker.resolve(NAME)
            ref.pause()
            group.start_soon(ask_all)
            await anyio.wait_all_tasks_blocked()
            ref.resume()
        assert len(answers) == 200
        assert set(answers) <= {"1.0.0", "2.0.0"}
        assert answers[-1] == "2.0.0"
        assert plugin.functions[0].path == "acme:plugin/transform@1.1.0#run"


async def test_a_function_that_an_update_took_away_is_a_typed_error(
    tmp_path: Path, workshop: Workshop
) -> None:
    """Also for a call that was waiting; the component goes on."""
    incompatible = workshop.plugin('VERSION="2.0.0"', interface="2.0.0")
    async with hosting(tmp_path, workshop) as (system, plugin):
        before = plugin.exports
        ref = system._actors.broker.resolve(NAME)
        update = workshop.package("0.2.0", name=NAME, wasm=incompatible, capabilities="")
        ref.pause()
        waiting: list[Exception] = []

        async def call() -> None:
            with pytest.raises(FunctionMissing) as caught:
                await before.transform.count()
            waiting.append(caught.value)

        async with anyio.create_task_group() as group:
            group.start_soon(call)
            await anyio.wait_all_tasks_blocked()
            await system.update(update, approve=lambda _plan: True)
        (error,) = waiting
        assert isinstance(error, FunctionMissing)
        assert (error.function, error.version) == (COUNT, "0.2.0")
        assert "acme:plugin/transform@2.0.0#count" in str(error)
        assert await plugin.exports.transform.count() == 0
        await system.rollback(NAME)
        assert await before.transform.count() == 0
        assert system.component_status(NAME).restarts == 0


async def test_what_cannot_be_called_says_so(tmp_path: Path, workshop: Workshop) -> None:
    """Unknown, stopped, uninstalled, and a home without a host."""
    async with hosting(tmp_path, workshop) as (system, plugin):
        with pytest.raises(NotInstalled):
            system.component("acme/other")
        await system.stop(NAME)
        with pytest.raises(NotRunning, match="stopped"):
            await plugin.exports.transform.count()
        await system.start(NAME)
        assert await plugin.exports.transform.count() == 0
        await system.uninstall(NAME)
        with pytest.raises(NotInstalled):
            await plugin.call(COUNT)
        with pytest.raises(NotInstalled):
            assert plugin.exports
    async with System(tmp_path, mode="offline") as system:
        with pytest.raises(HostOffline):
            system.component(NAME)


async def test_a_revoked_key_s_component_is_not_called(tmp_path: Path, workshop: Workshop) -> None:
    """Quarantine ends calls as it ends messages; a version of another key goes on."""
    async with hosting(tmp_path, workshop) as (system, plugin):
        await system.trust.revoke(workshop.key.public.fingerprint, reason="test")
        with pytest.raises(NotRunning, match="quarantined"):
            await plugin.exports.transform.count()


async def test_a_durable_component_is_called_in_memory(tmp_path: Path, workshop: Workshop) -> None:
    """Arguments are Python values; the messages that wait on the disk keep their order."""
    wasm = workshop.plugin("HANDLER", world="plugin-with-handler")
    extra = '[delivery]\nmode = "durable"'
    async with hosting(tmp_path, workshop, wasm, extra=extra) as (system, plugin):
        assert await system.send(NAME, b"x") == b"x"
        assert await plugin.exports.transform.count() == 1
        await system.stop(NAME)
        with pytest.raises(NotRunning):
            await plugin.exports.transform.count()


async def test_texts_name_functions_as_far_as_they_are_unique(
    tmp_path: Path, workshop: Workshop
) -> None:
    """By the whole path or its end; what means several lists them."""
    async with hosting(tmp_path, workshop) as (_, plugin):
        path = "acme:plugin/transform@1.0.0#run"
        spellings = (
            path, "run", "transform.run", "transform#run", "acme:plugin/transform#run", "#run",
        )  # fmt: skip
        assert {plugin.function(each).path for each in spellings} == {path}
        assert plugin.function("#version").path == "#version"
        for text in ("", "ru", "plugin.run", "transform", "transform.", "#"):
            with pytest.raises(FunctionMissing, match="no function"):
                plugin.function(text)
