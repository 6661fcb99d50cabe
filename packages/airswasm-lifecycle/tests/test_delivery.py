"""Durable components in a host: their messages survive what an operator does, and crashes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.actor import AskTimeout, DeathReason, NoRoute
from airswasm.lifecycle import (
    Configuration,
    HomeReader,
    InstallPlan,
    Manifest,
    ManifestInvalid,
    NotInstalled,
    System,
)
from airswasm.messaging import DurableSettings, RetainedTopics, Schedule

pytestmark = pytest.mark.anyio
NAME = "local/hello"
DURABLE = '[delivery]\nmode = "durable"\nattempts = 2'
Workshop = Any  # tests/conftest.py, which nothing can import
Approve = Callable[[InstallPlan], bool]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


async def handled(system: System) -> None:
    """Wait until no message waits for the component."""
    with anyio.fail_after(60):
        while system.component_status(NAME).durable_messages:  # noqa: ASYNC110
            await anyio.sleep(0.001)


async def count(system: System) -> int:
    """Return how often it counted, this time left out."""
    answer = await system.send(NAME, b"c")
    assert answer is not None
    return answer[0] - 1


async def test_messages_survive_what_an_operator_does(
    home: Path, workshop: Workshop, yes: Approve
) -> None:
    """Stop, start, update, rollback, restart, and the end of the host; each is handled once."""
    async with System(home) as system:
        await system.install(workshop.package(extra=DURABLE), approve=yes)
        await system.post(NAME, b"c")
        await handled(system)
        await system.stop(NAME)
        await system.post(NAME, b"c")
        with pytest.raises(AskTimeout):
            await system.send(NAME, b"c", timeout=0.001)
        status = system.component_status(NAME)
        assert (status.state, status.is_durable, status.durable_messages) == ("stopped", True, 2)
        assert status.durable_bytes > 0
        assert status.oldest_durable_age is not None
        info = system.info(NAME)
        assert (info.is_durable, info.durable_messages) == (True, 2)
        assert info.durable_bytes == status.durable_bytes
    async with System(home) as system:
        assert system.component_status(NAME).durable_messages == 2
        await system.post(NAME, b"c")
        await system.update(workshop.package("0.2.0", extra=DURABLE), approve=yes)
        await system.start(NAME)
        await handled(system)
        assert await count(system) == 4
        ref = system._actors.broker.handling(NAME)
        assert ref is not None
        ref.pause()
        await system.post(NAME, b"c")
        await system.rollback(NAME)
        await handled(system)
        assert await count(system) == 6
        ref.pause()
        await system.post(NAME, b"c")
        await system.restart(NAME)
        await handled(system)
        assert await count(system) == 8
        assert system.dead_letters.counts().noted == 0


async def test_a_message_that_crashes_it_is_tried_so_often(
    home: Path, workshop: Workshop, yes: Approve
) -> None:
    """Then it is a dead letter with its evidence, and the next message comes."""
    async with System(home) as system:
        await system.install(workshop.package(extra=DURABLE), approve=yes)
        await system.post(NAME, b"t")
        await system.post(NAME, b"c")
        await handled(system)
        (letter,) = [each async for each in system.dead_letters.list(NAME)]
        assert (letter.reason, letter.payload) == (DeathReason.EXHAUSTED, b"t")
        assert letter.envelope["attempt"] == 2
        assert letter.cause is not None
        assert letter.cause.backtrace
        assert await count(system) == 1


async def test_a_new_owner_gets_no_old_messages(
    home: Path, workshop: Workshop, yes: Approve
) -> None:
    """A purge forgets them; an uninstall keeps them for the same owner, and accepts none."""
    package = workshop.package(extra=DURABLE)
    async with System(home) as system:
        await system.install(package, approve=yes, start=False)
        await system.post(NAME, b"c")
        await system.uninstall(NAME)
        with pytest.raises(NotInstalled):
            await system.post(NAME, b"c")
        with pytest.raises(NoRoute):
            system._actors.broker.tell(NAME, b"c")
        await system.install(package, approve=yes, start=False)
        assert system.component_status(NAME).durable_messages == 1
        await system.uninstall(NAME, purge=True)
        await system.install(package, approve=yes)
        assert system.component_status(NAME).durable_messages == 0
        assert await count(system) == 0


async def test_timers_live_as_long_as_their_component(
    home: Path, workshop: Workshop, yes: Approve
) -> None:
    """Durable ones outlive the host, and fire into the log; an uninstall ends all."""
    text = 'messaging.schedule = ["local/*"]\n'
    capabilities = f'{text}storage.read = ["everything"]\nstorage.write = ["count"]'
    package = workshop.package(extra=DURABLE, capabilities=capabilities)
    async with System(home) as system:
        await system.install(package, approve=yes)
        schedule = system.services.get(Schedule)
        schedule.add(NAME, NAME, b"c", 3600, is_durable=True)
        schedule.add(NAME, NAME, b"c", 3600)
        schedule.add("not/installed", NAME, b"c", 3600, is_durable=True)
        schedule.add(NAME, NAME, b"c", 0.001, is_durable=True)
        with anyio.fail_after(60):
            while len(system.info(NAME).timers) > 2:  # noqa: ASYNC110
                await anyio.sleep(0.001)
        await handled(system)
        assert await count(system) == 1
        assert {each.is_durable for each in system.info(NAME).timers} == {True, False}
    async with System(home) as system:
        (timer,) = system.info(NAME).timers
        assert (timer.target, timer.seconds, timer.is_durable) == (NAME, 3600, True)
        assert system.services.get(Schedule).owners() == (NAME,)  # the other had no grant
        await system.uninstall(NAME)
    async with System(home) as system:
        assert system.services.get(Schedule).owners() == ()


async def test_retained_values_live_as_long_as_the_settings_say(home: Path) -> None:
    """A restart brings those back that a setting names, also to a home that runs nothing."""
    folder = anyio.Path(home)
    await folder.mkdir()
    settings = 'topics = ["orders.*"]\nretained = ["**.state"]\n'
    await (folder / "config.toml").write_text(f"[durable]\n{settings}")
    topics = ("orders.1", "a.b.state", "a.b.other")
    async with System(home) as system:
        for topic in topics:
            assert await system.publish(topic, topic.encode(), retain=True) == 0
    for mode in ("offline", "online"):
        async with System(home, mode=mode) as system:  # type: ignore[arg-type]
            kept = system.services.get(RetainedTopics)  # type: ignore[type-abstract]
            assert {each.topic: each.payload for each in kept.matching("**")} == {
                topic: topic.encode() for topic in topics[:2]
            }


@pytest.mark.parametrize(
    ("extra", "names", "terms"),
    [
        ("", (), ("memory", "default", None, None, None, None)),
        (DURABLE, (), ("durable", "manifest", 2, 50, 2**20, 60.0)),
        ("", ("local/*",), ("durable", "[durable]", 3, 50, 2**20, 60.0)),
        (DURABLE + "\nmessages = 7", ("local/*",), ("durable", "manifest", 2, 7, 2**20, 60.0)),
        (DURABLE.replace("2", "9"), (), ("durable", "manifest", 3, 50, 2**20, 60.0)),
    ],
)
async def test_info_shows_the_terms_in_force(
    home: Path, workshop: Workshop, yes: Approve, extra: str, names: tuple[str, ...],
    terms: tuple[object, ...],
) -> None:  # fmt: skip
    """The manifest's within the host's, and what says so; beside a host and without one."""
    text = f"[durable]\ncomponents = {json.dumps(names)}\n"
    text += 'attempts = 3\nmessages = 50\nsize = "1 MiB"\nage = "60 s"\n'
    await anyio.Path(home).mkdir()
    await anyio.Path(home, "config.toml").write_text(text)
    async with System(home) as system:
        await system.install(workshop.package(extra=extra), approve=yes, start=False)
        assert astuple(system.info(NAME).delivery) == terms
        if terms[0] == "durable":
            await system.post(NAME, b"c")
            oldest = system.info(NAME).oldest_durable_age
            assert oldest is not None
            assert oldest >= 0
    with HomeReader(home) as reader:
        assert astuple(reader.info(NAME).delivery) == terms


async def test_the_settings_make_components_durable(
    home: Path, workshop: Workshop, yes: Approve
) -> None:
    """By the pattern of their names; without it they are in memory again."""
    settings = Configuration.of(DurableSettings(components=("local/*",)))
    async with System(home, configuration=settings) as system:
        await system.install(workshop.package(), approve=yes)
        assert system.component_status(NAME).is_durable
        await system.stop(NAME)
        await system.post(NAME, b"c")
    async with System(home) as system:
        assert system.component_status(NAME).durable_messages == 1
        await system.start(NAME)
        await handled(system)
        assert await count(system) == 1


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('mode = "disk"', "delivery.mode"),
        ("attempts = 0", "delivery.attempts"),
        ('size = "0 B"', "delivery.size"),
        ("retries = 3", "delivery.retries"),
    ],
)
async def test_a_manifest_says_it_right(text: str, key: str) -> None:
    with pytest.raises(ManifestInvalid) as raised:
        Manifest.parse(f'[component]\nname = "a/b"\nversion = "1.0.0"\n[delivery]\n{text}')
    assert [problem.key for problem in raised.value.problems] == [key]
