from ._alerts.alerts import Alerts, StoredAlerts
from ._alerts.book import Silence
from ._alerts.reporting import AlertReport, AlertsReport, RuleReport
from ._alerts.rules import AlertRule
from ._alerts.settings import AlertSettings, Webhook
from ._application import monitoring_app
from ._block import BLOCK
from ._dashboards.writing import write_dashboards
from ._health import HealthReport, Thresholds, assess
from ._history import ComponentHistory, History
from ._metrics import Metrics
from ._monitor import Monitor, observe
from ._page.serving import PAGE_HEADERS, page_routes
from ._series import OTHER
from ._settings import MonitoringSettings
from ._snapshot import ComponentSample, HostCallSample, Snapshot, Times
from ._tracing.exporting import ExportCounts
from ._tracing.guests import GuestTracing, provide
from ._tracing.recent import RecentTraces, TraceRecord
from ._tracing.settings import TracingSettings
from ._tracing.span import Span, SpanEvent
from ._tracing.traces import Traces
from ._watching.frames import PARTS, Frame, Part
from ._watching.watching import Watching
from .errors import CollectorFailed, ExporterMissing, MonitoringError, TraceNotKept

__all__ = (
    "AlertReport",
    "AlertRule",
    "AlertSettings",
    "Alerts",
    "AlertsReport",
    "RuleReport",
    "Silence",
    "StoredAlerts",
    "Webhook",
    "MonitoringSettings",
    "BLOCK",
    "OTHER",
    "CollectorFailed",
    "ComponentHistory",
    "ComponentSample",
    "ExportCounts",
    "ExporterMissing",
    "GuestTracing",
    "PAGE_HEADERS",
    "PARTS",
    "Frame",
    "HealthReport",
    "HostCallSample",
    "History",
    "Metrics",
    "Monitor",
    "MonitoringError",
    "RecentTraces",
    "Part",
    "Snapshot",
    "Span",
    "SpanEvent",
    "Thresholds",
    "Times",
    "TraceNotKept",
    "TraceRecord",
    "Traces",
    "TracingSettings",
    "assess",
    "monitoring_app",
    "observe",
    "write_dashboards",
    "provide",
    "Watching",
    "page_routes",
)
