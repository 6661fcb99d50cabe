"""Errors of this block, with one class for each condition."""

from __future__ import annotations

from airswasm.wit import AirswasmError, ErrorCode, ExitStatus

__all__ = ("CollectorFailed", "ExporterMissing", "MonitoringError", "TraceNotKept")


class MonitoringError(AirswasmError):
    """Root of this block's errors."""

    explanation = ErrorCode(
        "E0855",
        "monitoring problem",
        "A part of the monitoring failed without a code of its own.",
        "read the message",
    )


class ExporterMissing(MonitoringError):
    """Spans are to be sent to a collector, and the package that writes them is not installed.

    Attributes:
        missing: The module that could not be imported.
    """

    explanation = ErrorCode(
        "E0850",
        "OTLP not installed",
        "Spans are to be sent to a collector, and the packages for that are not installed.",
        "pip install 'airswasm-monitoring[otlp]', or unset tracing.endpoint",
        ExitStatus.USAGE,
    )

    def __init__(self, missing: str) -> None:
        self.missing = missing
        super().__init__(f"spans cannot be sent to a collector: {missing} is not installed")


class CollectorFailed(MonitoringError):
    """A collector has not taken a batch of spans.

    Attributes:
        endpoint: Its URL.
        reason: What it answered, or did not.
        may_retry: Whether it may take the same batch later.
        retry_after: Seconds after which, if it said so.
    """

    explanation = ErrorCode(
        "E0851",
        "collector failed",
        "The collector that spans are sent to does not take them. Components are not disturbed.",
        "see that it runs and that tracing.endpoint and tracing.headers are as it wants them; "
        "its path usually ends in /v1/traces",
    )

    def __init__(
        self, endpoint: str, reason: str, *, may_retry: bool, retry_after: float | None = None
    ) -> None:
        self.endpoint, self.reason = endpoint, reason
        self.may_retry, self.retry_after = may_retry, retry_after
        super().__init__(f"the collector {endpoint} has not taken spans: {reason}")


class TraceNotKept(MonitoringError):
    """A trace is not among those that are kept in memory.

    Attributes:
        trace_id: As it was asked for.
        is_tracing: Whether messages are traced at all.
    """

    explanation = ErrorCode(
        "E0852",
        "trace not kept",
        "The host keeps the newest traces in memory, and this one is not among them.",
        "airswasm traces lists those that are kept; tracing.kept and tracing.sample decide which",
        ExitStatus.NOT_FOUND,
    )

    def __init__(self, trace_id: str, *, is_tracing: bool = True) -> None:
        self.trace_id, self.is_tracing = trace_id, is_tracing
        more = "" if is_tracing else ": tracing.traces is off"
        super().__init__(f"no trace {trace_id} is kept{more}")
