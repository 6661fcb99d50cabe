"""Errors of this block, with one class for each condition."""

from __future__ import annotations

from airswasm.wit import AirswasmError, ErrorCode, ExitStatus

__all__ = (
    "AlertUnknown",
    "AlertsOff",
    "CollectorFailed",
    "ConditionInvalid",
    "DashboardUnwritable",
    "ExporterMissing",
    "MonitoringError",
    "NotificationFailed",
    "TraceNotKept",
    "WebhookKeyUnreadable",
)


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
        "`airswasm traces` lists those that are kept; `airswasm config set tracing.kept 1000` "
        "keeps more, and `airswasm config set tracing.sample 1` traces every message",
        ExitStatus.NOT_FOUND,
    )

    def __init__(self, trace_id: str, *, is_tracing: bool = True) -> None:
        self.trace_id, self.is_tracing = trace_id, is_tracing
        more = "" if is_tracing else ": tracing.traces is off"
        super().__init__(f"no trace {trace_id} is kept{more}")


class ConditionInvalid(MonitoringError, ValueError):
    """The condition of an alert cannot be read."""

    explanation = ErrorCode(
        "E0856",
        "condition not readable",
        "The condition of an alert is not in the form that the host evaluates, a part of PromQL.",
        "the error shows the place; docs/alerts.md has the form and examples",
        ExitStatus.USAGE,
    )

    def __init__(self, text: str, position: int, reason: str, *, rule: str = "") -> None:
        self.text = text
        self.position = position
        self.reason = reason
        self.rule = rule
        start, end = max(0, position - 40), position + 40
        before = f"{'…' if start else ''}{text[start:position]}"
        after = f"{text[position:end]}{'…' if end < len(text) else ''}"
        where = f"{rule}: character" if rule else "character"
        super().__init__(f"{where} {position + 1}, at {f'{before}⟨here⟩{after}'!r}: {reason}")


class AlertUnknown(MonitoringError):
    """There is no rule of a name."""

    explanation = ErrorCode(
        "E0857",
        "no such alert",
        "The host has no alert rule of that name.",
        "`airswasm alerts list --all` shows the rules",
        ExitStatus.NOT_FOUND,
    )

    def __init__(self, name: str, suggestion: str = "") -> None:
        self.name = name
        self.suggestion = suggestion
        super().__init__(f"there is no alert rule {name[:64]!a}{suggestion}")


class AlertsOff(MonitoringError):
    """The host evaluates no alerts."""

    explanation = ErrorCode(
        "E0858",
        "alerts are off",
        "The host evaluates no alert rules.",
        "`airswasm config set alerts.evaluate on`",
        ExitStatus.REFUSED,
    )

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted
        super().__init__(f"{wanted} needs alerts, and they are off")


class NotificationFailed(MonitoringError):
    """A webhook did not take a notification."""

    explanation = ErrorCode(
        "E0859",
        "webhook failed",
        "The receiver of alerts could not be reached, or did not accept them.",
        "the host tries again, later each time; check the address, the certificate and the "
        "receiver's log",
    )

    def __init__(self, receiver: str, reason: str, *, is_final: bool = False) -> None:
        self.receiver = receiver
        self.reason = reason
        self.is_final = is_final
        super().__init__(f"{receiver}: {reason}")


class WebhookKeyUnreadable(MonitoringError):
    """The key that signs notifications cannot be read."""

    explanation = ErrorCode(
        "E0860",
        "webhook key not readable",
        "The file with the secret or the key that signs notifications cannot be read, or holds "
        "none.",
        "`secret_file` holds `whsec_` and base64 of 24 to 64 bytes; `key_file` a PEM as "
        "`airswasm keygen` writes it",
    )

    def __init__(self, receiver: str, path: str, reason: str) -> None:
        self.receiver = receiver
        self.path = path
        self.reason = reason
        super().__init__(f"{receiver}: {path}: {reason}")


class DashboardUnwritable(MonitoringError):
    """A dashboard cannot be written."""

    explanation = ErrorCode(
        "E0861",
        "dashboard not written",
        "A file of the dashboards cannot be written.",
        "name a folder that you may write to",
    )

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}")
