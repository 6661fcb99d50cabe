from ._block import BLOCK
from ._settings import MonitoringSettings
from .application import monitoring_app
from .health import Finding, HealthReport, Severity, Thresholds, assess
from .history import ComponentHistory, History
from .metrics import OTHER, Metrics
from .monitor import Metered, Monitor, observe
from .snapshot import ComponentSample, Snapshot

__all__ = (
    "MonitoringSettings",
    "BLOCK",
    "OTHER",
    "ComponentHistory",
    "ComponentSample",
    "Finding",
    "HealthReport",
    "History",
    "Metered",
    "Metrics",
    "Monitor",
    "Severity",
    "Snapshot",
    "Thresholds",
    "assess",
    "monitoring_app",
    "observe",
)
