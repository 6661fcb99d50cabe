"""Durable messages among the figures, whether their component runs or not."""

from pathlib import Path

import pytest
from airswasm.actor import ActorSystem
from airswasm.messaging import Delivery, DurableDelivery, Messenger
from airswasm.monitoring import Metrics, Monitor
from airswasm.storage import open_store

pytestmark = pytest.mark.anyio


async def test_what_waits_on_the_disk_is_shown(tmp_path: Path) -> None:
    """Of a component that is stopped, and of one that runs and is not routed."""
    async with open_store(tmp_path / "store") as store, ActorSystem() as actors:
        delivery = DurableDelivery(store, actors)
        delivery.open()
        for name in ("shop/running", "shop/stopped"):
            delivery.declare(name, Delivery())
        monitor = Monitor(actors, messaging=delivery.counters, delivery=delivery)
        actors.spawn(lambda *_: None, name="shop/running").pause()
        for name in ("shop/running", "shop/stopped", "shop/stopped"):
            await Messenger(actors.broker).send(name, 1)
        samples = {each.name: each for each in monitor.snapshot().components}
        assert set(samples) == {"shop/running", "shop/stopped"}
        assert samples["shop/running"].durable_messages == 1
        assert samples["shop/stopped"].durable_messages == 2
        assert samples["shop/stopped"].durable_bytes > 0
        assert samples["shop/stopped"].state == "stopped"
        text = Metrics(monitor.snapshot).render()
        assert 'durable_messages{component="shop/stopped"} 2.0' in str(text)
        delivery.close()
