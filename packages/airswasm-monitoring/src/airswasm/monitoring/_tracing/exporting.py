"""Send spans to a collector, by OTLP over HTTP.

Spans wait in a bounded queue; one task sends them in batches. What finds no room, and what the
collector does not take, is counted and dropped: no component waits for a collector. A collector may
hang, answer anything at any speed and in any length: each request has one deadline, and of an
answer 64 KiB are read.

Own code and not OpenTelemetry's SDK: its exporter has a thread of its own, which a collector that
sends a byte now and then holds for ever, and its spans are objects that are open while a message is
handled. The messages are its own, from `opentelemetry-proto`.
"""

from __future__ import annotations

import importlib
import random
import ssl
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from time import time
from typing import TYPE_CHECKING

import anyio
from airswasm.actor import Receipt
from airswasm.runtime import Finding, Health
from anyio import to_thread

from ..errors import CollectorFailed, ExporterMissing
from .making import number_of_spans, size_of_spans, spans_of
from .settings import TracingSettings
from .span import Span

if TYPE_CHECKING:
    import httpx

__all__ = ("ExportCounts", "Exporter", "resource_of")

_MOST_ANSWER_BYTES = 64 * 1024
_MOST_REASON = 200
_LATER = frozenset((429, 502, 503, 504))
"""Answers after which the same request may be sent again, by OTLP's specification."""
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0
_LAST_SECONDS = 2.0
"""For the last batch, when the host stops."""


@dataclass(slots=True)
class ExportCounts:
    """The numbers of spans since the host started, by what became of them.

    Attributes:
        exported: The collector took them.
        dropped: There was no room in the queue.
        failed: The collector did not take them.
        rejected: It took the request, and refused them.
        retries: Requests that were sent again.
    """

    exported: int = 0
    dropped: int = 0
    failed: int = 0
    rejected: int = 0
    retries: int = 0

    def numbers(self, made: int) -> dict[str, int]:
        """Return how many spans were made, and what became of those for a collector."""
        numbers = asdict(self)
        del numbers["retries"]
        return {"made": made, **numbers}


class Exporter:
    """Sends the spans of one host.

    Attributes:
        counts: What became of spans.
        failure: Why the last request failed; None if it did not.
    """

    def __init__(
        self, settings: TracingSettings, resource: Mapping[str, str], counts: ExportCounts
    ) -> None:
        self.counts = counts
        self.failure: CollectorFailed | ExporterMissing | None = None
        self._settings = settings
        self._waiting: deque[Receipt] = deque()
        self._waiting_spans = 0
        self._waiting_bytes = 0
        self._news = anyio.Event()
        self._resource = resource

    def __len__(self) -> int:
        return self._waiting_spans

    def offer(self, receipt: Receipt, spans: int) -> None:
        """Queue the spans of a message, which are so many; neither wait nor raise."""
        settings = self._settings
        size_bytes = size_of_spans(receipt, spans)
        if (
            self._waiting_spans + spans > settings.queue
            or self._waiting_bytes + size_bytes > settings.queue_bytes
        ):
            self.counts.dropped += spans
            return
        self._waiting.append(receipt)
        self._waiting_spans += spans
        self._waiting_bytes += size_bytes
        if self._waiting_spans >= settings.batch:
            self._news.set()

    async def run(self) -> None:
        """Send what comes until cancelled; then send the last batch, if that is quick."""
        try:
            write, read = _load()
            client = self._client()
        except ExporterMissing as error:
            self.failure = error
            return
        except (OSError, ssl.SSLError) as error:
            self.failure = self._failed(error)
            return
        async with client:
            try:
                while True:
                    with anyio.move_on_after(self._settings.interval):
                        await self._news.wait()
                    self._news = anyio.Event()
                    while self._waiting:
                        await self._send(client, self._take(), write, read)
                        if self._waiting_spans < self._settings.batch:
                            break
            finally:
                with anyio.CancelScope(shield=True), anyio.move_on_after(_LAST_SECONDS):
                    while self._waiting:
                        await self._send(client, self._take(), write, read, is_last=True)
                self.counts.failed += self._waiting_spans
                self._waiting.clear()

    def findings(self) -> list[Finding]:
        """Return what is wrong with the collector."""
        if self.failure is None:
            return []
        return [
            Finding(Health.DEGRADED, "traces", str(self.failure), self.failure.explanation.hint)
        ]

    def _client(self) -> httpx.AsyncClient:
        import httpx

        settings = self._settings
        verify = ssl.create_default_context(cafile=settings.ca_file or None)
        headers = {
            "content-type": "application/x-protobuf",
            "content-encoding": "gzip",
            "user-agent": f"airswasm-monitoring/{version('airswasm-monitoring')}",
            **settings.headers,
        }
        return httpx.AsyncClient(
            verify=verify, headers=headers, timeout=settings.timeout, trust_env=False
        )

    def _take(self) -> list[Receipt]:
        """Return the receipts of about as many spans as a batch has."""
        batch: list[Receipt] = []
        spans = size_bytes = 0
        while self._waiting and spans < self._settings.batch:
            receipt = self._waiting.popleft()
            batch.append(receipt)
            number = number_of_spans(receipt)
            spans += number
            size_bytes += size_of_spans(receipt, number)
        self._waiting_spans -= spans
        self._waiting_bytes -= size_bytes
        return batch

    async def _send(
        self,
        client: httpx.AsyncClient,
        batch: Sequence[Receipt],
        write: Write,
        read: Read,
        *,
        is_last: bool = False,
    ) -> None:
        """Send a batch, again and again where that may help."""
        is_taken = False
        spans = sum(map(number_of_spans, batch))
        try:
            body = await to_thread.run_sync(self._written, batch, write)
            until = anyio.current_time() + self._settings.retry_seconds
            pause = _FIRST_PAUSE
            while True:
                try:
                    rejected, reason = read(await self._post(client, body))
                except CollectorFailed as error:
                    self.failure = error
                    wait = error.retry_after if error.retry_after is not None else pause
                    wait *= random.uniform(1.0, 1.2)  # noqa: S311 - jitter, no secret
                    if is_last or not error.may_retry or anyio.current_time() + wait > until:
                        return
                    await anyio.sleep(wait)
                    pause = min(2 * pause, _LONGEST_PAUSE)
                    self.counts.retries += 1
                else:
                    is_taken = True
                    self._note_taken(spans, rejected, reason)
                    return
        except Exception as error:  # whatever is in a span: the host goes on without it
            self.failure = self._failed(error)
        finally:
            if not is_taken:
                self.counts.failed += spans

    def _written(self, batch: Sequence[Receipt], write: Write) -> bytes:
        spans = [span for receipt in batch for span in spans_of(receipt)]
        return write(spans, self._resource, version("airswasm-monitoring"))

    def _note_taken(self, sent: int, rejected: int, reason: str) -> None:
        rejected = min(max(0, rejected), sent)
        self.counts.rejected += rejected
        self.counts.exported += sent - rejected
        text = f"it refused {rejected} of {sent}: {_shown(reason)}"
        self.failure = (
            CollectorFailed(self._settings.endpoint, text, may_retry=False) if rejected else None
        )

    def _failed(self, error: Exception) -> CollectorFailed:
        reason = _shown(f"{type(error).__name__}: {error}")
        return CollectorFailed(self._settings.endpoint, reason, may_retry=True)

    async def _post(self, client: httpx.AsyncClient, body: bytes) -> bytes:
        """Send one request and return the answer's body.

        Raises:
            CollectorFailed: It was not taken.
        """
        import httpx

        endpoint = self._settings.endpoint
        try:
            with anyio.fail_after(self._settings.timeout):
                async with client.stream("POST", endpoint, content=body) as response:
                    answer = await _beginning(response)
        except TimeoutError as error:
            reason = f"it did not answer within {self._settings.timeout:g} s"
            raise CollectorFailed(endpoint, reason, may_retry=True) from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise self._failed(error) from error
        if response.is_success:
            return answer
        raise CollectorFailed(
            endpoint,
            f"it answered {response.status_code}",
            may_retry=response.status_code in _LATER,
            retry_after=_retry_after(response.headers.get("retry-after", "")),
        )


Write = Callable[[Sequence[Span], Mapping[str, str], str], bytes]
Read = Callable[[bytes], tuple[int, str]]


async def _beginning(response: httpx.Response) -> bytes:
    """Return as much of an answer as is read of it."""
    answer = bytearray()
    with anyio.CancelScope() as rest:  # and no `break`, which would leave httpx's iterators open
        async for part in response.aiter_raw():
            answer += part
            if len(answer) > _MOST_ANSWER_BYTES:
                rest.cancel()
    return bytes(answer[:_MOST_ANSWER_BYTES])


def resource_of(settings: TracingSettings, instance_id: str) -> dict[str, str]:
    """Return the attributes of a host, by the semantic conventions."""
    return {
        **settings.attributes,
        "service.name": settings.service_name,
        "service.version": version("airswasm-runtime"),
        "service.instance.id": instance_id,
        "telemetry.sdk.name": "airswasm",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": version("airswasm-monitoring"),
    }


def _load() -> tuple[Write, Read]:
    """Return the functions that write requests and read answers.

    Raises:
        ExporterMissing: The extra is not installed.
    """
    try:
        importlib.import_module("httpx")
        from .otlp import read_rejected, write_request
    except ImportError as error:
        raise ExporterMissing(error.name or "opentelemetry-proto") from error
    return write_request, read_rejected


def _retry_after(text: str) -> float | None:
    """Return the seconds of a `Retry-After`, a minute at most; None for one that says nothing."""
    seconds: float | None = None
    with suppress(ValueError, OverflowError):
        seconds = float(text) if text.isdecimal() else None
    if seconds is None:
        with suppress(ValueError, TypeError, OverflowError):
            at = parsedate_to_datetime(text)
            seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - time()
    return None if seconds is None else min(max(0.0, seconds), 60.0)


def _shown(text: str) -> str:
    """Return a foreign text in one short line."""
    return "".join(each if each.isprintable() else "?" for each in text[:_MOST_REASON])
