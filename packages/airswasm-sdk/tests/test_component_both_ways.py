"""One suite for a component in Python: its class over the double, and what is built of it.

What holds here for both is what the double promises: a test of a class is a test of the component.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from airswasm.component import (
    Failed,
    MailboxFull,
    QuotaExceeded,
    TimedOut,
    Unavailable,
    definition_of,
)
from airswasm.component.testing import run
from airswasm.lifecycle import Manifest
from airswasm.sdk import build_project
from airswasm.sdk.testing import (
    Published,
    Refusal,
    SentMessage,
    assert_denied,
    assert_logged,
    assert_nothing_denied,
    assert_published,
    assert_sent,
    run_component,
)
from airswasm.wit import wit_folder

SOURCES = Path(__file__).parent / "shop"
Start = Callable[..., AbstractContextManager[Any]]


def load_app() -> ModuleType:
    spec = importlib.util.spec_from_file_location("shop_app", SOURCES / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["shop_app"] = module
    spec.loader.exec_module(module)
    return module


APP = load_app()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built once: 12 s of processor time, and as much for compiling it."""
    pytest.importorskip("componentize_py")
    folder = Path(shutil.copytree(SOURCES, tmp_path_factory.mktemp("built") / "shop"))
    shutil.copytree(wit_folder(), folder / "wit" / "deps" / "airswasm-component")
    report = build_project(folder).report
    host = {name for name in report.imports if name.startswith("airswasm:")}
    assert host == {f"airswasm:component/{each}@0.1.0" for each in definition_of(APP.Shop).imports}
    return folder


def test_functions_of_its_own_wit_are_exported_beside_it(built: Path) -> None:
    """Its world is included in the one that is found; both are one component."""
    with run_component(built) as shop:
        lines = [{"item": "tea", "amount": 2}, {"item": "milk", "amount": 1}]
        assert shop.call("shop:front/prices@1.0.0#total", lines) == 10
        assert ask(shop, "Order", item="tea") == 1


def test_its_name_is_that_of_the_host(built: Path, tmp_path: Path) -> None:
    """A swap may give a build another name than it was built with: its timers follow."""
    renamed = Path(shutil.copytree(built, tmp_path / "renamed"))
    manifest = renamed / "Component.toml"
    manifest.write_text(manifest.read_text().replace("shop/front", "shop/other"))
    with run_component(renamed, cache_folder=built / "build" / ".compiled") as shop:
        assert {each.target for each in shop.timers} == {"shop/other"}
        shop.advance(60)
        assert_logged(shop, "tick")


@pytest.fixture(params=["class", "built"])
def start(request: pytest.FixtureRequest) -> Start:
    if request.param == "class":
        return lambda **options: run(APP.Shop, **options)
    project = request.getfixturevalue("built")

    def started(config: dict[str, object] | None = None, **options: Any) -> Any:
        text = None if config is None else json.dumps(config)
        return run_component(project, config=text, **options)

    return started


@pytest.fixture
def shop(start: Start) -> Iterator[Any]:
    with start(replies={"shop/stock": b"7"}) as component:
        yield component


def ask(component: Any, kind: str, **members: object) -> Any:
    answer = component.send(json.dumps({"type": kind, **members})).payload
    return None if answer is None else json.loads(answer)


def test_messages_go_to_the_handler_that_they_name(shop: Any) -> None:
    """By the dataclass it takes, or by its own name; state and topics are as they were declared."""
    assert ask(shop, "Order", item="tea", amount=2) == 2
    assert ask(shop, "Order", item="milk") == 3
    assert shop.stored("total") == b"3"
    assert json.loads(shop.stored("orders/milk")) == {"item": "milk", "amount": 1}
    assert ask(shop, "listing") == {"milk": 1, "tea": 2}
    assert assert_published(shop, "shop.sold") == Published(
        "shop.sold", b'{"item":"milk","amount":1}'
    )
    assert_logged(shop, "host ordered milk", level="info")
    assert shop.send('{"type": "greet", "name": "\u00e4"}').text == "Good morning, \u00e4!"
    assert ask(shop, "forget", item="tea") is None
    assert shop.stored("orders/tea") is None
    assert_nothing_denied(shop)


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ('{"type":"Order","item":"tea","amount":0}', "order one at least"),
        ('{"type":"Order"}', "Order needs item"),
        ('{"type":"Order","item":"tea","amount":"x"}', "amount: expected int, not a text"),
        ('{"type":"greet","name":3}', "name: expected str, not a number"),
        ('{"type":"greet","name":"x","more":1}', "greet has no more"),
        ('{"type":"divide","by":0}', "ZeroDivisionError: division by zero"),
        ('{"type":"forget","item":"never"}', "KeyError: 'never'"),
        ("hello", "expected an object whose type is one of: 'Order', 'greet'"),
        ("[" * 5_000, "expected an object whose type is one of"),
        ('{"type":' * 5_000, "expected an object whose type is one of"),
        (b"\xff\xfe", "expected an object whose type is one of"),
    ],
)
def test_what_a_handler_cannot_take_is_refused_and_ends_nothing(
    shop: Any, payload: bytes | str, text: str
) -> None:
    """With the reason; the incarnation goes on, and its memory is as it was."""
    with pytest.raises(Refusal) as refused:
        shop.send(payload)
    assert text in refused.value.text
    assert ask(shop, "Order", item="tea") == 1
    assert sum(each.message == "ready" for each in shop.logs) == 1


def test_an_exception_has_its_traceback_in_the_log(shop: Any) -> None:
    """With the line of the component's source, and without the frames of the library."""
    with pytest.raises(Refusal):
        ask(shop, "divide", by=0)
    line = assert_logged(shop, "ZeroDivisionError", level="error").message
    assert "in divide\n    return 1 / by" in line
    assert "_service.py" not in line


def test_a_denial_is_an_error_that_a_component_can_handle(shop: Any) -> None:
    """And the refusal of a message if it does not; both have the line that grants it."""
    assert "storage.read on 'secret' is denied" in shop.send('{"type":"reveal"}').text
    with pytest.raises(Refusal, match=r'storage\.read = \["total", "last", "orders/\*\*", "secr'):
        ask(shop, "blab")
    assert_denied(shop, "storage.read", "secret")


def test_another_component_is_called_by_its_methods(start: Start) -> None:
    """It gets what its own class would take; the answer has the declared type."""
    seen: list[bytes] = []

    def stock(payload: bytes) -> bytes:
        seen.append(payload)
        return b"5"

    with start(replies={"shop/stock": stock}) as shop:
        assert ask(shop, "reserve", item="tea") == 5
        ask(shop, "warn")
        assert json.loads(seen[0]) == {"type": "reserve", "item": "tea", "amount": 2}
        assert assert_sent(shop, "shop/stock") == SentMessage(
            "send", "shop/stock", b'{"type":"count"}'
        )


@pytest.mark.parametrize(
    ("reply", "line"),
    [
        (b"7", "stock has 7"),
        (MailboxFull("full"), "stock: MailboxFull"),
        (TimedOut(), "stock: TimedOut"),
        (ValueError("broken"), "stock: Failed"),
    ],
)
def test_the_outcome_of_a_request_is_a_call_of_its_own(start: Start, reply: Any, line: str) -> None:
    """After the message that made it: an answer, or the host's error by its class."""
    with start(replies={"shop/stock": reply}) as shop:
        ask(shop, "ask")
        assert_logged(shop, line)


def test_an_unknown_component_is_an_error(start: Start) -> None:
    with start() as shop, pytest.raises(Refusal, match="shop/stock is not among"):
        ask(shop, "reserve", item="tea")


def test_time_passes_when_the_test_says_so(shop: Any) -> None:
    """Intervals and reminders, in their order; a restart ends those of before."""
    ask(shop, "remind", text="tea is ready")
    shop.advance(9.9)
    assert not [each for each in shop.logs if "reminder" in each.message]
    shop.advance(120)
    lines = [each.message for each in shop.logs]
    assert lines == ["ready", "reminder: tea is ready", "tick", "tick"]
    ask(shop, "remind", text="never")
    shop.restart()
    shop.advance(59)
    assert [each.message for each in shop.logs][4:] == ["closing", "ready"]


def test_a_timer_s_message_of_a_stranger_calls_nothing(shop: Any) -> None:
    """Only its own name sets off its timers."""
    payload = '{"type":"airswasm.timer","name":"tick","arguments":[],"named":{}}'
    with pytest.raises(Refusal, match="expected an object"):
        shop.send(payload, sender="evil/stranger")
    shop.send(payload, sender="shop/front")
    assert_logged(shop, "tick")


def test_topics_reach_the_handlers_that_subscribed(shop: Any) -> None:
    assert shop.subscriptions == ["prices.*"]
    assert shop.publish("prices.tea", "3.5").payload is None
    shop.publish("prices.tea.green", "4")
    assert [e.message for e in shop.logs] == ["ready", "prices.tea is 3.5"]
    with pytest.raises(Refusal, match="expected float"):
        shop.publish("prices.tea", '"cheap"')


def test_health_and_migration_answer_for_the_component(shop: Any) -> None:
    shop.check()
    ask(shop, "Order", item="tea", amount=101)
    with pytest.raises(Refusal, match="sold out"):
        shop.check()
    shop.migrate("0.0.1")
    assert_logged(shop, "from 0.0.1")
    with pytest.raises(Refusal, match="that is newer"):
        shop.migrate("9.0.0")


@pytest.mark.parametrize(
    ("function", "error", "text"),
    [
        ("storage.set", QuotaExceeded("the quota is used up"), "uota"),
        ("storage.get", Unavailable("the disk is gone"), "the disk is gone"),
        ("messaging.publish", MailboxFull("they sleep"), "they sleep"),
    ],
)
def test_a_function_of_the_host_fails_on_cue(
    shop: Any, function: str, error: Exception, text: str
) -> None:
    """Until it works again."""
    shop.fail(function, error)
    with pytest.raises(Refusal, match=text):
        ask(shop, "Order", item="tea")
    shop.fail(function, None)
    assert ask(shop, "Order", item="tea") in (1, 2)


@pytest.mark.parametrize("function", ["storage.sett", "storage", "nothing.like-it", ""])
def test_a_function_that_the_host_has_not_cannot_fail(shop: Any, function: str) -> None:
    """A test that misspells it would pass without having tried anything."""
    with pytest.raises(ValueError, match="no function"):
        shop.fail(function, MailboxFull("they sleep"))


def test_settings_are_checked_at_the_start(start: Start) -> None:
    """Wrong ones are a failed start that names the key."""
    with start(config={}) as shop:
        assert shop.send('{"type":"greet","name":"x","times":2}').text == "Hello, x! Hello, x!"
    with (
        pytest.raises(Refusal, match=r"\[config\] greeting: expected str, not a number"),
        start(config={"greeting": 3}),
    ):
        pytest.fail("it started")


def test_what_is_stored_outlives_an_incarnation(shop: Any) -> None:
    ask(shop, "Order", item="tea", amount=2)
    shop.restart()
    assert ask(shop, "Order", item="tea", amount=2) == 4
    shop.store("total", b"40")
    assert ask(shop, "Order", item="tea", amount=2) == 42
    shop.store("total", b"many")
    with pytest.raises(Refusal, match="not JSON"):
        ask(shop, "Order", item="tea")


def test_the_manifest_has_what_the_class_declares() -> None:
    """The capabilities that its declarations need are those that it asks for."""
    grants = Manifest.load(SOURCES / "Component.toml").capabilities
    for capability, resources in definition_of(APP.Shop).capabilities.items():
        wanted = {each.format(name="shop/front") for each in resources} - {"secret"}
        assert wanted <= set(grants[capability])


def test_a_failing_peer_has_its_text(start: Start) -> None:
    with (
        start(replies={"shop/stock": Failed("closed today")}) as shop,
        pytest.raises(Refusal, match="closed today"),
    ):
        ask(shop, "reserve", item="tea")
