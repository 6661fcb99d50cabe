"""A class under `@component` is built for the shared interpreter as it stands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from airswasm.lifecycle import SourceIndex
from airswasm.sdk import BuildFailed
from airswasm.sdk.errors import NotShareable
from airswasm.sdk.testing import Refusal, run_component

MakeProject = Callable[..., Path]
APP = """
import logging
from dataclasses import dataclass

import prices
from airswasm.component import Message, State, StateMap, Topic, component, every, on_message

log = logging.getLogger(__name__)


@dataclass
class Order:
    item: str
    amount: int = 1


@component
class Shop:
    total = State[int]("total", default=0)
    orders = StateMap[Order]("orders/")
    sold = Topic[Order]("shop.sold")

    @on_message
    def order(self, order: Order, message: Message) -> int:
        self.total += prices.price(order.item) * order.amount
        self.orders[order.item] = order
        self.sold.publish(order)
        log.info("%s ordered %s", message.sender, order.item)
        return self.total

    @on_message
    def divide(self, by: int) -> float:
        return 1 / by

    @every(60)
    def tick(self) -> None:
        log.info("tick")
"""
PRICES = "def price(item: str) -> int:\n    return len(item)\n"
CAPABILITIES = 'messaging.publish = ["shop.sold"]\nmessaging.schedule = ["local/shop"]\n'


def test_a_class_runs_in_the_shared_interpreter(project: MakeProject, compiled: Path) -> None:
    """Handlers, state, topics, timers, log and traceback are those of a standalone build."""
    folder = project(APP, name="shop", more=CAPABILITIES, **{"prices.py": PRICES})
    index = SourceIndex.parse((folder / "build" / "shop.json").read_bytes(), "index")
    assert {"app.py", "prices.py", "airswasm/component/guest.py"} <= set(index.files)
    used = ("logging", "messaging", "storage", "timers")
    assert set(index.imports) == {f"airswasm:component/{each}@0.1.0" for each in used}
    with run_component(folder, cache_folder=compiled) as shop:
        assert shop.send('{"type":"Order","item":"tea","amount":2}').text == "6"
        assert json.loads(shop.stored("orders/tea") or b"") == {"item": "tea", "amount": 2}
        assert shop.published[-1].topic == "shop.sold"
        with pytest.raises(Refusal, match="ZeroDivisionError: division by zero"):
            shop.send('{"type":"divide","by":0}')
        assert any("return 1 / by" in each.message for each in shop.logs)
        shop.advance(60)
        assert shop.logs[-1].message == "tick"
        shop.restart()
        assert shop.send('{"type":"Order","item":"tea"}').text == "9"


def test_a_mistake_in_the_class_is_an_error_of_the_build(project: MakeProject) -> None:
    """With its line in the source."""
    with pytest.raises(BuildFailed, match="needs an annotation") as caught:
        project("from airswasm.component import on_message\n@on_message\ndef go(name): ...\n")
    assert caught.value.diagnostics


def test_a_wit_of_its_own_needs_an_interpreter_of_its_own(project: MakeProject) -> None:
    """The error has the line to write."""
    wit = "package a:b;\ninterface c { d: func(); }\nworld e { export c; }\n"
    with pytest.raises(NotShareable, match="a:b/e") as caught:
        project(APP, **{"prices.py": PRICES, "wit/own.wit": wit})
    assert 'mode = "standalone"' in caught.value.hint
