from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from airswasm.actor import MessageTooLarge
from airswasm.runtime import FuelExhausted
from airswasm.sdk import ArtifactMissing, ComponentRefused, build_project
from airswasm.sdk.testing import (
    ComponentHarness,
    Published,
    ScheduledSend,
    SentMessage,
    assert_fuel_below,
    run_component,
)

MISBEHAVING = """\
#include "airswasm.h"

static volatile uint32_t sink;

static airswasm_reply handle(airswasm_text sender, const airswasm_text *topic,
                             airswasm_bytes payload) {
    (void)sender, (void)topic;
    airswasm_text word = airswasm_as_text(payload);
    if (airswasm_equal(word, AIRSWASM_TEXT("spin"))) {
        for (;;) sink++;
    }
    if (airswasm_equal(word, AIRSWASM_TEXT("deny"))) {
        airswasm_written done = airswasm_set(AIRSWASM_TEXT("secret"), payload);
        if (!done.failed) return airswasm_acknowledge();
        return airswasm_refuse(airswasm_write_reason(&done.error));
    }
    if (airswasm_equal(word, AIRSWASM_TEXT("call"))) {
        airswasm_lookup answer = airswasm_call(AIRSWASM_TEXT("local/other"), payload, 0);
        return answer.failed ? airswasm_refuse(answer.error.text) : airswasm_answer(answer.value);
    }
    return airswasm_answer(payload);
}

AIRSWASM_HANDLER(handle)
"""


@pytest.fixture(scope="session")
def misbehaving(counter: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(shutil.copytree(counter, tmp_path_factory.mktemp("misbehaving") / "hello"))
    (folder / "src" / "hello.c").write_text(MISBEHAVING)
    manifest = folder / "Component.toml"
    text = manifest.read_text().replace("[limits]", "[limits]\nfuel = 1000000")
    granted = 'messaging.send = ["local/*"]\nmessaging.request = ["local/*"]\n#'
    manifest.write_text(text.replace("messaging.publish", granted))
    build_project(folder)
    return folder


@pytest.mark.anyio
async def test_the_counter_counts_across_incarnations(counter: Path) -> None:
    """What is stored survives a restart; what was published and logged is recorded."""
    async with ComponentHarness(counter) as component:
        assert (await component.send("world")).text == "Hello, world! You are number 1."
        await component.restart()
        assert (await component.send("moon")).text == "Hello, moon! You are number 2."
        assert await component.storage.get("count") == b"2"
    assert component.published == [
        Published("greetings", b"world was greeted"),
        Published("greetings", b"moon was greeted"),
    ]
    assert [line.message for line in component.logs][:2] == ["ready", "message 1 from host"]
    assert component.denials == []


@pytest.mark.anyio
async def test_the_listener_counts_what_it_hears(listener: Path) -> None:
    """It subscribes at every start, counts events, and answers with the count."""
    async with ComponentHarness(listener) as component:
        assert component.subscriptions == ["greetings"]
        assert (await component.publish("greetings", "one")).payload is None
        await component.publish("greetings", "two")
        assert (await component.send("how many?")).text == "I have seen 2 greetings."


def test_without_async_it_is_the_same(counter: Path) -> None:
    """`run_component` is the harness for ordinary tests."""
    with run_component(counter) as component:
        component.store("count", b"41")
        assert component.send("you").text == "Hello, you! You are number 42."
        assert component.stored("count") == b"42"


def test_fuel_is_the_same_every_time_and_can_be_bounded(counter: Path) -> None:
    """The same message in the same state costs the same fuel, so a bound does not flicker."""
    costs = set()
    for _ in range(2):
        with run_component(counter) as component:
            answer = component.send("world")
            costs.add(answer.fuel)
    assert len(costs) == 1
    assert_fuel_below(answer, answer.fuel + 1)
    with pytest.raises(AssertionError, match="expected less than"):
        assert_fuel_below(answer, answer.fuel)


def test_an_answer_has_its_receipt(counter: Path) -> None:
    """The calls of the host are in it, at the same fuel every time; a failed bound shows them."""
    items = []
    for _ in range(2):
        with run_component(counter) as component:
            answer = component.send("world")
            assert answer.use is not None
            items.append([(each.function, each.calls, each.fuel) for each in answer.use.host_calls])
    assert items[0] == items[1]
    fuel = {function.rpartition("/")[2]: fuel for function, _, fuel in items[0]}
    assert {"storage@0.1.0#get", "storage@0.1.0#set", "messaging@0.1.0#publish"} <= fuel.keys()
    assert answer.fuel == answer.use.fuel > sum(fuel.values()) > 0
    assert answer.use.memory_bytes
    with pytest.raises(AssertionError, match=r"storage@0\.1\.0#get: 1 calls"):
        assert_fuel_below(answer, 1)


def test_a_capability_that_the_manifest_lacks_is_denied_as_on_a_host(misbehaving: Path) -> None:
    """The real guard answers, with the line that would grant it; the denial is recorded."""
    with run_component(misbehaving) as component:
        with pytest.raises(ComponentRefused, match=r"storage\.write = \[.*\"secret\"\]"):
            component.send("deny")
        assert [event.resource for event in component.denials] == ["secret"]


def test_the_limits_of_the_manifest_hold(misbehaving: Path) -> None:
    """A loop ends at the manifest's fuel; a new incarnation goes on."""
    with run_component(misbehaving) as component:
        with pytest.raises(FuelExhausted):
            component.send("spin")
        component.restart()
        assert component.send("echo").text == "echo"


def test_after_a_fault_the_next_message_goes_to_a_new_incarnation(misbehaving: Path) -> None:
    """As on a host: nothing has to be restarted, and what is stored stays."""
    with run_component(misbehaving) as component:
        component.store("count", b"41")
        for _ in range(20):
            with pytest.raises(FuelExhausted):
                component.send("spin")
            assert component.send("echo").text == "echo"
        assert component.stored("count") == b"41"


def test_a_reply_beyond_the_memory_is_too_large_as_on_a_host(misbehaving: Path) -> None:
    """The component learns it from the call, and goes on."""
    sizes = iter((2**20, 10_000))
    with run_component(
        misbehaving, replies={"local/other": lambda _: bytes(next(sizes))}
    ) as component:
        with pytest.raises(ComponentRefused, match="1,048,576 bytes"):
            component.send("call")
        assert component.send("call").payload == bytes(10_000)


def test_a_message_beyond_the_memory_is_refused_as_on_a_host(misbehaving: Path) -> None:
    """Before delivery, to the byte; the incarnation goes on."""
    most = (2**20 - 2**17) // 8  # of 1 MiB, of which a C component starts with 128 KiB
    with run_component(misbehaving) as component:
        assert component.send(bytes(most)).payload == bytes(most)
        for size in (most + 1, 2**20, 2_000_000):
            with pytest.raises(MessageTooLarge, match=f"message_bytes is {most:,}"):
                component.send(bytes(size))


def test_calls_are_recorded_and_answered_from_replies(misbehaving: Path) -> None:
    """A target with a reply answers; others are unknown."""
    with run_component(misbehaving, replies={"local/other": bytes.upper}) as component:
        assert component.send("call").text == "CALL"
        assert component.sent == [SentMessage("call", "local/other", b"call")]
    with run_component(misbehaving) as component, pytest.raises(ComponentRefused, match="replies"):
        component.send("call")


REQUESTING = """\
#include "airswasm.h"

static airswasm_reply handle(airswasm_text sender, const airswasm_text *topic,
                             airswasm_bytes payload) {
    (void)sender, (void)topic;
    airswasm_bytes first = {payload.data, payload.length / 2};
    airswasm_bytes second = {payload.data + payload.length / 2, payload.length / 2};
    airswasm_id given = airswasm_request(AIRSWASM_TEXT("local/other"), first, 0);
    airswasm_request(AIRSWASM_TEXT("local/absent"), first, 0);
    airswasm_request(AIRSWASM_TEXT("local/other"), second, 0);
    if (payload.data[0] == 'c') airswasm_cancel(given.value);
    if (payload.data[0] == 'r') return airswasm_refuse(AIRSWASM_TEXT("refused"));
    return airswasm_acknowledge();
}
AIRSWASM_HANDLER(handle)

static void answered(uint64_t id, const airswasm_outcome *outcome) {
    (void)id;
    airswasm_bytes none = airswasm_as_bytes(AIRSWASM_TEXT("failed"));
    airswasm_publish(AIRSWASM_TEXT("answers"), outcome->failed ? none : outcome->value);
}
AIRSWASM_CALLBACKS(answered)
"""


@pytest.fixture(scope="session")
def requesting(counter: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(shutil.copytree(counter, tmp_path_factory.mktemp("requesting") / "hello"))
    (folder / "src" / "hello.c").write_text(REQUESTING)
    manifest = folder / "Component.toml"
    granted = 'messaging.request = ["local/*"]\nmessaging.publish = ["answers"]\n#'
    manifest.write_text(manifest.read_text().replace("messaging.publish", granted))
    build_project(folder)
    return folder


@pytest.mark.parametrize(
    ("payload", "answers"),
    [
        ("aabb", ["AA", "failed", "BB"]),
        ("ccdd", ["failed", "DD"]),
        ("rrss", ["RR", "failed", "SS"]),
    ],
)
def test_answers_to_requests_come_in_order_and_not_after_a_cancel(
    requesting: Path, payload: str, answers: list[str]
) -> None:
    """Each is a call of its own after the message, of a message that was refused too."""
    with run_component(requesting, replies={"local/other": bytes.upper}) as component:
        if payload.startswith("r"):
            with pytest.raises(ComponentRefused):
                component.send(payload)
        else:
            component.send(payload)
        assert [each.payload.decode() for each in component.published] == answers


OWN_WAYS = """\
#include "airswasm.h"

static airswasm_reply handle(airswasm_text sender, const airswasm_text *topic,
                             airswasm_bytes payload) {
    (void)sender, (void)topic;
    airswasm_text word = airswasm_as_text(payload);
    if (airswasm_equal(word, AIRSWASM_TEXT("leave"))) {
        airswasm_unsubscribe(AIRSWASM_TEXT("greetings"));
        airswasm_unsubscribe(AIRSWASM_TEXT("never"));
    } else if (airswasm_equal(word, AIRSWASM_TEXT("ask"))) {
        airswasm_request(AIRSWASM_TEXT("local/other"), payload, 0);
    } else {
        airswasm_send(AIRSWASM_TEXT("local/other"), payload);
    }
    return airswasm_acknowledge();
}
AIRSWASM_HANDLER(handle)

static airswasm_verdict init(airswasm_text config) {
    if (airswasm_equal(config, AIRSWASM_TEXT("no"))) return airswasm_fail(AIRSWASM_TEXT("not so"));
    airswasm_subscribe(AIRSWASM_TEXT("greetings"));
    return airswasm_ok();
}
static void shutdown(void) { airswasm_log(AIRSWASM_INFO, AIRSWASM_TEXT("good-bye")); }
AIRSWASM_LIFECYCLE(init, shutdown)

static airswasm_verdict migrate(airswasm_text from) {
    if (airswasm_equal(from, AIRSWASM_TEXT("9.0.0"))) return airswasm_fail(AIRSWASM_TEXT("newer"));
    airswasm_log(AIRSWASM_INFO, from);
    return airswasm_ok();
}
AIRSWASM_MIGRATION(migrate)
"""


@pytest.fixture(scope="session")
def own_ways(listener: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(shutil.copytree(listener, tmp_path_factory.mktemp("own") / "listener"))
    (source,) = (folder / "src").glob("*.c")
    source.write_text(OWN_WAYS)
    manifest = folder / "Component.toml"
    granted = 'messaging.send = ["local/*"]\nmessaging.request = ["local/*"]\nmessaging.subscribe'
    manifest.write_text(manifest.read_text().replace("messaging.subscribe", granted))
    build_project(folder)
    return folder


def test_an_init_that_refuses_ends_the_harness(own_ways: Path) -> None:
    """Its text is in the error; another one with another configuration starts."""
    with (
        pytest.raises(ComponentRefused, match="not so"),
        run_component(own_ways, config="no"),
    ):
        pytest.fail("it started")
    with run_component(own_ways, config="yes") as component:
        assert component.subscriptions == ["greetings"]


def test_a_migration_is_called_with_the_old_version(own_ways: Path, counter: Path) -> None:
    """What it refuses is raised; a component without one has nothing to migrate."""
    with run_component(own_ways) as component:
        component.migrate("0.9.0")
        assert [line.message for line in component.logs] == ["0.9.0"]
        with pytest.raises(ComponentRefused, match="newer"):
            component.migrate("9.0.0")
    with run_component(counter) as component:
        component.migrate("0.9.0")


def test_sent_messages_and_ended_subscriptions_are_recorded(own_ways: Path) -> None:
    """To end a subscription that there never was is no error; `shutdown` is called at the end."""
    with run_component(own_ways) as component:
        component.send("to all")
        assert component.sent == [SentMessage("send", "local/other", b"to all")]
        component.send("leave")
        assert component.subscriptions == []
        component.publish("greetings", "still delivered")
    assert component.logs[-1].message == "good-bye"


def test_an_answer_for_a_component_without_callbacks_is_dropped(own_ways: Path) -> None:
    """As on a host, and it does not stay for the next message."""
    with run_component(own_ways, replies={"local/other": None}) as component:
        component.send("ask")
        component.send("leave")
        assert [each.kind for each in component.sent] == ["request"]


def test_a_failing_test_is_not_shut_down(own_ways: Path) -> None:
    """The error of the test is what is seen, and no error of a `shutdown` after it."""
    with pytest.raises(ZeroDivisionError), run_component(own_ways) as component:
        _ = 1 // 0
    assert component.logs == []


def test_a_project_that_is_not_built_is_refused(counter: Path, tmp_path: Path) -> None:
    """With the file that is missing."""
    folder = Path(shutil.copytree(counter, tmp_path / "hello"))
    (folder / "build" / "hello.wasm").unlink()
    with pytest.raises(ArtifactMissing, match=r"hello\.wasm"):
        ComponentHarness(folder)


TIMING = """\
#include "airswasm.h"

static uint64_t last;

static airswasm_reply handle(airswasm_text sender, const airswasm_text *topic,
                             airswasm_bytes payload) {
    (void)sender, (void)topic;
    airswasm_text self = AIRSWASM_TEXT("local/hello");
    if (payload.data[0] == 'l') last = airswasm_send_later(self, payload, 50, true).value;
    if (payload.data[0] == 'e') last = airswasm_send_every(self, payload, 60000, false).value;
    if (payload.data[0] == 'c') airswasm_cancel_timer(last);
    return airswasm_acknowledge();
}
AIRSWASM_HANDLER(handle)
"""


def test_timers_are_recorded_until_they_are_cancelled(counter: Path, tmp_path: Path) -> None:
    """No time passes in a test: it looks at them, and sends itself what is due."""
    folder = Path(shutil.copytree(counter, tmp_path / "hello"))
    (folder / "src" / "hello.c").write_text(TIMING)
    manifest = folder / "Component.toml"
    granted = 'messaging.schedule = ["local/*"]\n#'
    manifest.write_text(manifest.read_text().replace("messaging.publish", granted))
    build_project(folder)
    with run_component(folder) as component:
        component.send("later")
        component.send("every")
        assert component.timers == [
            ScheduledSend(1, "local/hello", b"later", 50, repeats=False, is_durable=True),
            ScheduledSend(2, "local/hello", b"every", 60_000, repeats=True, is_durable=False),
        ]
        component.send("cancel")
        assert [each.id for each in component.timers] == [1]
