"""Traces, from the message to a collector."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from airswasm.actor import (
    ActorSystem,
    Context,
    Envelope,
    Message,
    Outcome,
    Receipt,
    SpanNotes,
    Trace,
    TraceContext,
)
from airswasm.monitoring import (
    CollectorFailed,
    ExporterMissing,
    Monitor,
    RecentTraces,
    TraceNotKept,
    TracingSettings,
)
from airswasm.monitoring._tracing import exporting
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from .collector import Answer, collector, values

pytestmark = pytest.mark.anyio

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
QUICK = {"sample": 1.0, "interval": 0.01, "timeout": 0.3}


class Forward:
    """Sends what it gets to the next; raises where that is asked for."""

    def __init__(self, target: str = "") -> None:
        self.target = target

    def receive(self, message: Message, context: Context) -> object:
        if message.payload == b"raise":
            raise ValueError("as it was told")
        if self.target:
            context.tell(self.target, message.payload)
        return None


@asynccontextmanager
async def traced(settings: TracingSettings) -> AsyncIterator[tuple[ActorSystem, Monitor]]:
    async with ActorSystem() as system:
        monitor = Monitor(system, tracing=settings)
        system.spawn(Forward(), name="shop/stock")
        system.spawn(Forward("shop/stock"), name="shop/orders")
        async with anyio.create_task_group() as group:
            group.start_soon(monitor.run)
            yield system, monitor
            group.cancel_scope.cancel()
        monitor.close()


async def settle(system: ActorSystem) -> None:
    for name in ("shop/orders", "shop/stock"):
        if name in system.broker.routes:
            await system.broker.resolve(name).drain(10)


async def test_a_collector_gets_the_spans_with_their_resource() -> None:
    """By the semantic conventions; parents and kinds are those of the messages."""
    async with collector() as receiver:
        settings = TracingSettings(
            endpoint=receiver.url,
            headers={"Authorization": "Bearer me"},
            service_name="shop",
            attributes={"deployment.environment.name": "test"},
            **QUICK,
        )
        async with traced(settings) as (system, _monitor):
            before = time.time_ns()
            system.broker.tell("shop/orders", b"12345", envelope=Envelope(traceparent=PARENT))
            await settle(system)
            await receiver.wait_for(lambda: len(receiver.spans) == 3)
            after = time.time_ns()

    spans = {span.name: span for span in receiver.spans}
    orders, send, stock = (
        spans[each] for each in ("process shop/orders", "send shop/stock", "process shop/stock")
    )
    assert {span.trace_id.hex() for span in spans.values()} == {PARENT[3:35]}
    assert orders.parent_span_id.hex() == PARENT[36:52]
    assert send.parent_span_id == orders.span_id
    assert stock.parent_span_id == send.span_id
    assert [link.span_id for link in stock.links] == [send.span_id]
    assert [orders.kind, send.kind] == [5, 4]
    slack = 10**7  # the actors' wall clock is set once, and floats have 200 ns
    for span in spans.values():
        begin, end = span.start_time_unix_nano, span.end_time_unix_nano
        assert before - slack < begin <= end < after + slack
    said = values(list(orders.attributes))
    assert said["messaging.system"] == "airswasm"
    assert said["messaging.destination.name"] == "shop/orders"
    assert said["messaging.message.body.size"] == 5
    resource = values(list(receiver.requests[0].resource_spans[0].resource.attributes))
    assert resource["service.name"] == "shop"
    assert resource["deployment.environment.name"] == "test"
    assert resource["service.instance.id"]
    headers = receiver.headers[0]
    assert headers["authorization"] == "Bearer me"
    assert headers["content-type"] == "application/x-protobuf"


async def test_a_failure_is_an_error_in_its_span() -> None:
    async with collector() as receiver:
        async with traced(TracingSettings(endpoint=receiver.url, **QUICK)) as (system, _monitor):
            system.broker.tell("shop/orders", b"raise")
            await receiver.wait_for(lambda: bool(receiver.spans))

    (span,) = receiver.spans
    assert span.status.code == 2
    assert span.status.message == "ValueError"
    assert values(list(span.attributes))["error.type"] == "ValueError"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(429, (("retry-after", "0"),)),
        Answer(503, (("retry-after", "Thu, 01 Jan 1970 00:00:00 GMT"),)),
        Answer(502, (("retry-after", "0"),)),
    ],
)
async def test_a_collector_that_has_no_time_gets_the_batch_again(answer: Answer) -> None:
    async with collector(answer, answer) as receiver:
        async with traced(TracingSettings(endpoint=receiver.url, **QUICK)) as (system, monitor):
            system.broker.tell("shop/stock", b"go")
            await receiver.wait_for(lambda: bool(receiver.spans))
            while not monitor.traces.counts.exported:
                await anyio.lowlevel.checkpoint()
            assert monitor.traces.counts.retries == 2
            assert monitor.traces.counts.exported == 1
            assert not monitor.traces.findings()


@pytest.mark.parametrize(
    "answer",
    [
        Answer(400),
        Answer(401, body=b"<html>who are you?</html>"),
        Answer(301, (("location", "http://127.0.0.1:1/"),)),
        Answer(500),
        Answer(503, (("retry-after", "999999999999999999999"),)),
        Answer(429, (("retry-after", "60"),)),
        Answer(hangs=True),
        Answer(drips=True),
        Answer(404, (("x-long", "y" * 60_000),)),
        Answer(418, (("retry-after", "\x7f" * 3),)),
    ],
)
async def test_a_collector_that_fails_disturbs_no_actor(answer: Answer) -> None:
    """Its spans are counted as failed, and the health says why."""
    settings = {**QUICK, "retry_seconds": 0.0}
    async with collector(last=answer) as receiver:
        tracing = TracingSettings(endpoint=receiver.url, **settings)  # type: ignore[arg-type]
        async with traced(tracing) as (system, monitor):
            system.broker.tell("shop/stock", b"go")
            with anyio.fail_after(30):
                while not monitor.traces.counts.failed:
                    await anyio.lowlevel.checkpoint()
            await system.broker.ask("shop/stock", b"go")
            (finding,) = monitor.traces.findings()
            assert finding.subject == "traces"
            assert "has not taken spans" in finding.text
            assert "tracing.endpoint" in finding.hint


@pytest.mark.parametrize("rejected", [1, 10**15, -5])
async def test_spans_that_a_collector_refuses_are_counted(rejected: int) -> None:
    """However many it says that they were."""
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = rejected
    response.partial_success.error_message = "\x1b]52;c;…\x07" * 1000
    async with collector(last=Answer(body=response.SerializeToString())) as receiver:
        async with traced(TracingSettings(endpoint=receiver.url, **QUICK)) as (system, monitor):
            system.broker.tell("shop/stock", b"go")
            counts = monitor.traces.counts
            while not counts.exported + counts.rejected:
                await anyio.lowlevel.checkpoint()
            assert (counts.exported, counts.rejected) == ((0, 1) if rejected > 0 else (1, 0))
            for finding in monitor.traces.findings():
                assert finding.text.isprintable()
                assert len(finding.text) < 500


@pytest.mark.parametrize("body", [b"no protobuf", b"\xff" * 100, b"x" * 10**6])
async def test_an_answer_of_nonsense_is_an_answer(body: bytes) -> None:
    async with collector(last=Answer(body=body)) as receiver:
        async with traced(TracingSettings(endpoint=receiver.url, **QUICK)) as (system, monitor):
            system.broker.tell("shop/stock", b"go")
            while not monitor.traces.counts.exported:
                await anyio.lowlevel.checkpoint()


async def test_no_collector_at_all() -> None:
    settings = TracingSettings(endpoint="http://127.0.0.1:1/v1/traces", retry_seconds=0, **QUICK)
    async with traced(settings) as (system, monitor):
        system.broker.tell("shop/stock", b"go")
        while not monitor.traces.counts.failed:
            await anyio.lowlevel.checkpoint()


async def test_the_queue_is_bounded_while_a_collector_hangs() -> None:
    """What finds no room is counted; each span is somewhere."""
    settings = TracingSettings(sample=1.0, interval=0.01, timeout=60, queue=10, batch=5)
    async with collector(last=Answer(hangs=True)) as receiver:
        tracing = TracingSettings(
            **{**{f: getattr(settings, f) for f in settings.__slots__}, "endpoint": receiver.url}
        )
        async with traced(tracing) as (system, monitor):
            for _ in range(100):
                await system.broker.ask("shop/stock", b"go")
            counts = monitor.traces.counts
            assert counts.dropped >= 85
            assert monitor.traces.spans == 100
            page = monitor.metrics.render().decode()
            assert 'airswasm_trace_spans_total{outcome="made"} 100.0' in page
            assert f'spans_total{{outcome="dropped"}} {counts.dropped}.0' in page
    assert counts.dropped + counts.failed == 100


async def test_the_last_spans_are_sent_when_the_host_stops() -> None:
    async with collector() as receiver:
        settings = TracingSettings(sample=1.0, endpoint=receiver.url, interval=3600)
        async with traced(settings) as (system, _monitor):
            await system.broker.ask("shop/stock", b"go")
            await anyio.wait_all_tasks_blocked()
        assert len(receiver.spans) == 1


async def test_other_settings_hold_at_once() -> None:
    async with collector() as first, collector() as second:
        settings = TracingSettings(endpoint=first.url, **QUICK)
        async with traced(settings) as (system, monitor):
            await system.broker.ask("shop/stock", b"go")
            await first.wait_for(lambda: len(first.spans) == 1)
            monitor.traces.hold_to(TracingSettings(endpoint=second.url, **QUICK))
            await system.broker.ask("shop/stock", b"go")
            await second.wait_for(lambda: len(second.spans) == 1)
            monitor.traces.hold_to(TracingSettings(traces="off"))
            await system.broker.ask("shop/stock", b"go")
            assert monitor.traces.spans == 2
            assert not monitor.traces.is_tracing


async def test_without_the_extra_the_health_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing() -> object:
        raise ExporterMissing("opentelemetry-proto")

    monkeypatch.setattr(exporting, "_load", missing)
    settings = TracingSettings(endpoint="http://127.0.0.1:1/v1/traces", **QUICK)
    async with traced(settings) as (system, monitor):
        await system.broker.ask("shop/stock", b"go")
        await anyio.wait_all_tasks_blocked()
        (finding,) = monitor.traces.findings()
        assert "airswasm-monitoring[otlp]" in finding.hint


async def test_a_certificate_file_that_is_not_there_ends_no_host() -> None:
    settings = TracingSettings(endpoint="https://127.0.0.1:1/", ca_file="/nowhere", **QUICK)
    async with traced(settings) as (_system, monitor):
        while not monitor.traces.findings():
            await anyio.lowlevel.checkpoint()


async def test_the_last_traces_are_kept() -> None:
    async with traced(TracingSettings(sample=1.0, kept=2)) as (system, monitor):
        for number in range(3):
            system.broker.tell("shop/orders", str(number).encode())
            await settle(system)
        kept = list(monitor.traces.all())
        assert len(kept) == 2
        assert [each.root.name for each in kept] == ["process shop/orders"] * 2
        assert kept[0].components == ("shop/orders", "shop/stock")
        assert monitor.traces.get(kept[0].trace_id[:10]) == kept[0]
        assert not list(monitor.traces.all("shop/other"))
        with pytest.raises(TraceNotKept):
            monitor.traces.get("f" * 32)


def receipt(trace: int, number: int, noted: int = 0, receiver: str = "a/b") -> Receipt:
    context = TraceContext(f"{trace + 1:032x}", f"{number + 1:016x}", "", is_sampled=True)
    notes = SpanNotes(size_bytes=noted)
    return Receipt(
        number, "host", receiver, 1, "", None, None, Outcome.HANDLED, "", 0.0, 0.0, 1.0, 0, 0, None,
        Trace(context, str(number), number + 1.0, notes),
    )  # fmt: skip


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 8192)), max_size=200),
    st.integers(0, 5),
    st.integers(0, 50_000),
)
def test_what_is_kept_is_bounded(adds: list[tuple[int, int]], most: int, most_bytes: int) -> None:
    """In number and in bytes, and nothing of a dropped trace stays counted."""
    recent = RecentTraces(most, most_bytes)
    for number, (trace, noted) in enumerate(adds):
        recent.add(receipt(trace, number, noted), 1)
        assert len(recent) == len(list(recent.all())) <= most
        assert recent.size_bytes <= most_bytes
    recent.hold_to(0, 0)
    assert recent.size_bytes == 0


@given(st.lists(st.sampled_from("aaaaaaaabc"), max_size=60), st.integers(1, 20))
def test_no_component_pushes_out_the_share_of_another(owners: list[str], most: int) -> None:
    """Each keeps its newest traces: all that it has, up to its share of the places."""
    recent = RecentTraces(most, 2**30)
    for number, owner in enumerate(owners):
        recent.add(receipt(number, number, receiver=owner), 1)
    kept = [each.root for each in recent.all()]
    assert len(kept) == min(most, len(owners))
    for owner in set(owners):
        began = [number for number, each in enumerate(owners) if each == owner]
        ended_at = [each.ended_at - 1.0 for each in kept if each.component == owner]
        assert len(ended_at) >= min(len(began), most // len(set(owners)))
        assert ended_at == began[len(began) - len(ended_at) :]


def test_a_trace_without_an_end_is_bounded() -> None:
    recent = RecentTraces(10, 2**30)
    for number in range(3000):
        recent.add(receipt(0, number), 1)
    (record,) = recent.all()
    assert len(record.spans) == 1000
    assert record.left_out == 2000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sample", 1.1),
        ("sample", float("nan")),
        ("kept", -1),
        ("queue", 0),
        ("interval", 0),
        ("timeout", -1),
        ("endpoint", "localhost:4318"),
        ("endpoint", "ftp://localhost/"),
        ("endpoint", "http://me:secret@localhost/"),
        ("endpoint", "http://localhost:99999/"),
        ("headers", {"a b": "c"}),
        ("headers", {"a": "b\r\nc: d"}),
    ],
)
def test_a_setting_that_cannot_work_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=r".+") as refused:
        TracingSettings(**{name: value})  # type: ignore[arg-type]
    assert "secret" not in str(refused.value)


def test_errors_survive_pickle() -> None:
    import pickle

    for error in (
        ExporterMissing("httpx"),
        CollectorFailed("http://a/", "it slept", may_retry=True, retry_after=2.0),
        TraceNotKept("ab", is_tracing=False),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert (str(again), vars(again)) == (str(error), vars(error))
