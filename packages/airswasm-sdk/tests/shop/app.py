"""A component that uses all of `airswasm.component`; see test_component_both_ways.py."""

import logging
from dataclasses import dataclass

from airswasm.component import (
    Denied,
    HostError,
    Message,
    Outcome,
    Peer,
    Refuse,
    Setting,
    State,
    StateMap,
    Topic,
    after,
    component,
    every,
    on,
    on_health_check,
    on_message,
    on_migration,
    on_reply,
    on_start,
    on_stop,
    on_timer,
    request,
    tell,
)

log = logging.getLogger(__name__)


@dataclass
class Order:
    item: str
    amount: int = 1


class Stock:
    def reserve(self, item: str, amount: int) -> int: ...

    def count(self) -> int: ...


class Prices:
    """The interface `shop:front/prices` of the project's own WIT."""

    def total(self, lines: list[Order]) -> int:
        return sum(len(line.item) * line.amount for line in lines)


@component
class Shop:
    total = State[int]("total", default=0)
    last = State[Order | None]("last", default=None)
    secret = State[str]("secret")
    orders = StateMap[Order]("orders/")
    sold = Topic[Order]("shop.sold")
    greeting = Setting[str]("greeting", default="Hello")
    stock = Peer(Stock, "shop/stock")

    @on_start
    def begin(self) -> None:
        self.starts = self.orders.get("starts")
        log.info("ready")

    @on_stop
    def end(self) -> None:
        log.warning("closing")

    @on_message
    def order(self, order: Order, message: Message) -> int:
        if order.amount < 1:
            raise Refuse("order one at least")
        self.total += order.amount
        self.last = order
        self.orders[order.item] = order
        self.sold.publish(order)
        log.info("%s ordered %s", message.sender, order.item)
        return self.total

    @on_message
    def greet(self, name: str, times: int = 1) -> str:
        if not 0 < times <= 10:
            raise Refuse("that is too often")
        return " ".join([f"{self.greeting}, {name}!"] * times)

    @on_message
    def listing(self) -> dict[str, int]:
        return {item: order.amount for item, order in self.orders.items()}

    @on_message
    def forget(self, item: str) -> None:
        del self.orders[item]

    @on_message
    def reveal(self) -> str:
        try:
            return self.secret
        except Denied as denied:
            return f"denied: {denied.text}"

    @on_message
    def blab(self) -> str:
        return self.secret

    @on_message
    def divide(self, by: int) -> float:
        return 1 / by

    @on_message
    def reserve(self, item: str) -> int:
        return self.stock.reserve(item, amount=2)

    @on_message
    def warn(self) -> None:
        tell(self.stock.count)

    @on_message
    def ask(self) -> None:
        request(self.stock.count, self.counted)

    @on_reply
    def counted(self, outcome: Outcome[int]) -> None:
        try:
            log.info("stock has %d", outcome.get())
        except HostError as error:
            log.error("stock: %s", type(error).__name__)

    @on_message
    def remind(self, text: str) -> None:
        after(10, self.reminder, text)

    @on_timer
    def reminder(self, text: str) -> None:
        log.info("reminder: %s", text)

    @every(60)
    def tick(self) -> None:
        log.info("tick")

    @on("prices.*")
    def priced(self, price: float, message: Message) -> None:
        log.info("%s is %.1f", message.topic, price)

    @on_health_check
    def well(self) -> None:
        if self.total > 100:
            raise Refuse("sold out")

    @on_migration
    def take_over(self, from_version: str) -> None:
        if from_version == "9.0.0":
            raise Refuse("that is newer")
        log.info("from %s", from_version)
