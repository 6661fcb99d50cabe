"""A monitor over a real actor system, and what it serves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from airswasm.actor import (
    ActorFailed,
    ActorSystem,
    Backoff,
    ChildSpec,
    ComponentActor,
    Context,
    MailboxSpec,
    Message,
    SupervisorNode,
    SupervisorSpec,
)
from airswasm.monitoring import (
    BLOCK,
    AlertSettings,
    Monitor,
    MonitoringSettings,
    Snapshot,
    TracingSettings,
    monitoring_app,
    observe,
)
from airswasm.runtime import (
    Account,
    Engine,
    Finding,
    Health,
    HealthSources,
    HostMemory,
    HostSettings,
    Limits,
    Meters,
    Services,
)
from airswasm.storage import FixedQuota
from airswasm.storage.testing import MemoryStore
from airswasm.wit import Blocks, Metric, load_part
from trio.testing import MockClock
from wasmtime import wat2wasm

pytestmark = pytest.mark.anyio
ECHO = Path(__file__).parent / "echo.wat"


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    async with Engine() as engine:
        yield engine


class Fussy:
    """Answers, and crashes at the word."""

    def receive(self, message: Message, _context: Context) -> object:
        if message.payload == "crash":
            raise RuntimeError("as it was told")
        return message.payload


async def get(monitor: Monitor, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(monitoring_app(monitor))
    async with httpx.AsyncClient(transport=transport, base_url="http://host") as client:
        return await client.get(path)


async def test_a_crash_shows_in_snapshot_health_and_metrics() -> None:
    """A supervised actor that crashed and was restarted is degraded for a while, with its error."""
    async with ActorSystem() as system:
        monitor = Monitor(system)
        spec = SupervisorSpec(children=(ChildSpec("a/fussy", Fussy),))
        await SupervisorNode(system, spec).start()
        assert await system.broker.ask("a/fussy", 1, timeout=5) == 1
        with pytest.raises(ActorFailed):
            await system.broker.ask("a/fussy", "crash", timeout=5)
        assert await system.broker.ask("a/fussy", 2, timeout=5) == 2
        (sample,) = monitor.snapshot().components
        assert (sample.name, sample.state, sample.restarts, sample.failures) == (
            "a/fussy", "running", 1, 1,
        )  # fmt: skip
        assert sample.last_error == "RuntimeError: as it was told"
        assert monitor.health().health is Health.DEGRADED
        assert (
            'airswasm_dead_letters_total{reason="crashed"} 1.0' in monitor.metrics.render().decode()
        )


class StandIn(Fussy):
    monitored_state = "quarantined"


async def test_what_stands_for_another_does_not_count_as_it() -> None:
    """An actor that holds the place of a component is ready; the component does not run."""
    async with ActorSystem() as system:
        monitor = Monitor(system)
        spec = SupervisorSpec(children=(ChildSpec("a/held", StandIn),))
        await SupervisorNode(system, spec).start()
        (sample,) = monitor.snapshot().components
        assert sample.state == "quarantined"
        said = monitor.metrics.render()
        assert b'airswasm_component_running{component="a/held"} 0.0' in said


async def test_what_waits_is_seen() -> None:
    """Size and capacity of a mailbox are read at the moment of asking."""
    async with ActorSystem() as system:
        monitor = Monitor(system)
        mailbox = MailboxSpec(capacity=3, capacity_bytes=100)
        ref = system.spawn(Fussy(), name="a/slow", mailbox=mailbox, is_paused=True)
        for number in range(3):
            ref.tell(b"%d" % number)
        (sample,) = monitor.snapshot().components
        assert (sample.mailbox_size, sample.mailbox_capacity) == (3, 3)
        assert sample.mailbox_capacity_bytes == 100
        assert sample.mailbox_bytes == 3
        assert "3 of 3 messages" in monitor.health().findings[0].text


async def test_others_have_turns_while_many_components_are_looked_at() -> None:
    """A scrape of ten thousand components would otherwise hold all of them up."""
    async with ActorSystem() as system:
        monitor = Monitor(system)
        for number in range(1_000):
            system.spawn(Fussy(), name=f"a/n{number}", is_paused=True)
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(count)
            await anyio.lowlevel.checkpoint()
            before = turns
            snapshot = await monitor.look()
            tasks.cancel_scope.cancel()
        assert len(snapshot.components) == 1_000
        assert turns - before >= 8


async def test_figures_that_are_read_during_a_scrape_are_counted_once() -> None:
    """The scrape must not add up its older look after the newer one of `render`."""
    async with ActorSystem() as system:
        monitor = Monitor(system, series_limit=0)
        system.spawn(Fussy(), name="a/b")
        looks = 0
        look = monitor.metrics._look
        assert look is not None

        async def disturbed() -> Snapshot:
            nonlocal looks
            looks += 1
            snapshot = await look()
            if looks == 1:
                assert await system.broker.ask("a/b", 1, timeout=5) == 1
                monitor.metrics.render()
            return snapshot

        monitor.metrics._look = disturbed
        page = (await monitor.metrics.scrape()).decode()
        handled = 'airswasm_component_messages_total{component="_other",outcome="handled"} 1.0'
        assert handled in page
        assert handled in monitor.metrics.render().decode()
        assert looks == 2


async def test_served_documents() -> None:
    """Status codes, content types and schemas of the three paths."""
    async with ActorSystem() as system:
        monitor = Monitor(system)
        system.spawn(Fussy(), name="a/b")
        metrics = await get(monitor, "/metrics")
        assert metrics.headers["content-type"].startswith("text/plain")
        assert "airswasm_component_running" in metrics.text
        health: dict[str, Any] = (await get(monitor, "/healthz")).json()
        assert (health["schema"], health["status"]) == ("airswasm.health/1", "healthy")
        assert health["components"] == {
            "healthy": 1, "unknown": 0, "degraded": 0, "unhealthy": 0,
        }  # fmt: skip
        assert (await get(monitor, "/livez")).json()["status"] == "alive"
        snapshot = (await get(monitor, "/snapshot")).json()
        assert [each["name"] for each in snapshot["components"]] == ["a/b"]


async def test_probes_tell_a_start_from_a_failure() -> None:
    """A host that starts gets no traffic; a host that cannot work says so to both probes."""
    async with ActorSystem() as system:
        said: list[Finding] = []
        sources = HealthSources()
        sources.add("host", lambda: said)
        monitor = Monitor(system, sources=sources)

        async def codes() -> list[int]:
            paths = ("/livez", "/readyz", "/healthz")
            return [(await get(monitor, path)).status_code for path in paths]

        assert await codes() == [200, 200, 200]
        said[:] = [Finding(Health.UNKNOWN, "host", "7 have not started yet", is_unready=True)]
        assert await codes() == [200, 503, 200]
        assert (await get(monitor, "/readyz")).json()["reasons"] == ["host: 7 have not started yet"]
        said[:] = [Finding(Health.DEGRADED, "host", "slow", "wait")]
        assert await codes() == [200, 200, 200]
        said[:] = [Finding(Health.UNHEALTHY, "host", "broken", "mend it")]
        assert await codes() == [200, 503, 503]
        assert (await get(monitor, "/readyz")).json()["reasons"] == ["host: broken"]


async def test_a_host_composes_it_from_its_services() -> None:
    """Only the actor system is needed; the rest is watched when it is there."""
    async with ActorSystem() as system:
        services = Services()
        services.add(ActorSystem, system)
        monitor = observe(services)
        assert monitor.snapshot().audit_lines is None
        monitor.close()
        assert not system.events.has_listeners


async def test_it_watches_by_the_settings_and_the_meters_of_the_host() -> None:
    """What config.toml says holds, and what blocks count is served."""
    async with ActorSystem() as system:
        services, meters = Services(), Meters([Metric("alarms_open", "Open.", "gauge")])
        services.add(ActorSystem, system)
        services.add(Meters, meters)
        services.add(
            MonitoringSettings, MonitoringSettings(oldest_message=1.5, series=1, histograms=2)
        )
        monitor = observe(services)
        assert monitor.thresholds.oldest_message == 1.5
        for name in ("a/b", "a/c"):
            meters.set("alarms_open", name, 2)
        text = (await get(monitor, "/metrics")).text
        assert 'airswasm_alarms_open{component="a/b"} 2.0' in text
        assert 'airswasm_alarms_open{component="a/c"}' not in text


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_block_is_found() -> None:
    """One entry point is all that the package has."""
    (found,) = (each for each in Blocks.find() if each.distribution == "airswasm-monitoring")
    assert found.block is BLOCK
    assert load_part(BLOCK.observe) is observe
    models = [load_part(section.model) for section in BLOCK.sections]
    assert models == [MonitoringSettings, TracingSettings, AlertSettings]


async def test_counters_go_on_over_restarts_and_updates(engine: Engine) -> None:
    """Fuel, processor time and outcomes of a component never fall; each update is one."""
    linked = (await engine.load(bytes(wat2wasm(ECHO.read_text())), name="echo")).link([])

    def make() -> ComponentActor:
        return ComponentActor(linked, "a/b", limits=Limits(fuel=5_000))

    async with ActorSystem() as system:
        monitor = Monitor(system)
        spec = SupervisorSpec(
            intensity=9, children=(ChildSpec("a/b", make),), backoff=Backoff("immediate")
        )
        node = SupervisorNode(system, spec)
        await node.start()
        fuel = cpu = 0.0
        for step in ("message", "crash", "message", "update", "message", "update", "message"):
            if step == "update":
                await node.update_child(ChildSpec("a/b", make))
            elif step == "message":
                assert await system.broker.ask("a/b", b"hello", timeout=5) == b"hello"
            else:
                with pytest.raises(ActorFailed):
                    await system.broker.ask("a/b", bytes(4_000), timeout=5)
                await anyio.wait_all_tasks_blocked()
            (sample,) = monitor.snapshot().components
            assert sample.fuel_used >= fuel
            assert sample.cpu >= cpu
            fuel, cpu = sample.fuel_used, sample.cpu
        assert (sample.restarts, sample.updates, sample.failures) == (1, 2, 1)
        assert {each: n for each, n in sample.outcomes.items() if n} == {"replied": 4, "limited": 1}
        assert (sample.received_bytes, sample.replied_bytes) == (4 * 5 + 4_000, 4 * 5)
        assert sample.memory_peak == 65_536
        page = monitor.metrics.render().decode()
        assert 'airswasm_component_messages_total{component="a/b",outcome="limited"} 1.0' in page
        assert f'airswasm_component_fuel_total{{component="a/b"}} {fuel!r}' in page


async def test_what_is_off_costs_nothing(engine: Engine) -> None:
    """No message is measured, and /metrics says how to turn it on; there is still health."""
    linked = (await engine.load(bytes(wat2wasm(ECHO.read_text())), name="echo")).link([])
    async with ActorSystem() as system:
        services = Services()
        services.add(ActorSystem, system)
        services.add(MonitoringSettings, MonitoringSettings(metrics="off"))
        services.add(TracingSettings, TracingSettings(traces="off"))
        monitor = observe(services)
        ref = system.spawn(ComponentActor(linked, "a/b"), name="a/b")
        await system.started(ref)
        await ref.ask(b"hello")
        assert system.receipts.of("a/b") is None
        answer = await get(monitor, "/metrics")
        assert (answer.status_code, "monitoring.metrics on" in answer.text) == (404, True)
        assert (await get(monitor, "/healthz")).status_code == 200


class TestLag:
    """How late the event loop is; on a clock that is never late."""

    @pytest.fixture
    def anyio_backend(self) -> object:
        return ("trio", {"clock": MockClock(autojump_threshold=0)})

    async def test_it_is_measured_once_a_second(self) -> None:
        """As long as the task of the host runs."""
        async with ActorSystem() as system, anyio.create_task_group() as group:
            monitor = Monitor(system)
            group.start_soon(monitor.run)
            await anyio.sleep(3.5)
            group.cancel_scope.cancel()
            lag = monitor.snapshot().event_loop_lag
        assert lag is not None
        assert sum(lag.counts) == 3

    @pytest.mark.parametrize("jump", [-3600.0, 3600.0])
    async def test_a_clock_that_was_set_is_a_finding_for_a_while(self, jump: float) -> None:
        """Expiry times and audit lines depend on the wall clock; a small correction is no jump."""
        set_by = 0.0

        def wall_clock() -> float:
            return monotonic() + set_by

        async with ActorSystem() as system, anyio.create_task_group() as group:
            monitor = Monitor(system, wall_clock=wall_clock)
            group.start_soon(monitor.run)
            await anyio.sleep(1.5)
            set_by = 1.0
            await anyio.sleep(1)
            assert monitor.health().total == 0
            set_by += jump
            await anyio.sleep(1)
            (finding,) = monitor.health().findings
            assert (finding.subject, finding.health) == ("clock", Health.DEGRADED)
            assert "3,6" in finding.text
            await anyio.sleep(61)
            assert monitor.health().total == 0
            group.cancel_scope.cancel()


async def test_two_systems_are_told_apart() -> None:
    """A monitor sees its own system only."""
    async with ActorSystem() as first, ActorSystem() as second:
        mine, other = Monitor(first), Monitor(second)
        first.spawn(Fussy(), name="a/b")
        assert [each.name for each in mine.snapshot().components] == ["a/b"]
        assert other.snapshot().components == ()


async def test_the_hosts_budget_is_served() -> None:
    """An alert needs what is taken and what may be: the ratio says how near the host is."""
    settings = HostSettings(memory_bytes=1_000, descriptors=50)
    async with ActorSystem() as system:
        services, memory = Services(), HostMemory(settings)
        memory.guest_bytes = 300
        services.add(ActorSystem, system)
        services.add(HostMemory, memory)
        held = Account(1_000, memory).hold(100, descriptors=2)
        text = (await get(observe(services), "/metrics")).text
        assert held.size_bytes == 100
    for line in (
        "airswasm_host_memory_bytes 400.0",
        "airswasm_host_memory_most_bytes 1000.0",
        "airswasm_host_descriptors 2.0",
        "airswasm_host_descriptors_most 50.0",
    ):
        assert line in text


async def test_the_stored_bytes_of_a_component_stand_beside_its_quota() -> None:
    """Read when they are asked for; a store that refuses costs no figure of another kind."""
    async with ActorSystem() as system, MemoryStore() as store:
        monitor = Monitor(system, store=store, quotas=FixedQuota(1_000))
        spec = SupervisorSpec(children=(ChildSpec("a/fussy", Fussy),))
        await SupervisorNode(system, spec).start()
        await store.namespace("a/fussy").set("key", bytes(100))
        used = (await store.namespace("a/fussy").usage()).used_bytes
        text = (await get(monitor, "/metrics")).text
        assert f'airswasm_component_storage_bytes{{component="a/fussy"}} {used:.1f}' in text
        assert 'airswasm_component_storage_quota_bytes{component="a/fussy"} 1000.0' in text
        await store.aclose()
        assert [each.storage_bytes for each in monitor.snapshot().components] == [0]
