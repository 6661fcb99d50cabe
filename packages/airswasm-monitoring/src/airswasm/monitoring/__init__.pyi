from ._application import monitoring_app
from ._block import BLOCK
from ._health import HealthReport, Thresholds, assess
from ._history import ComponentHistory, History
from ._metrics import Metrics
from ._monitor import Monitor, observe
from ._series import OTHER
from ._settings import MonitoringSettings
from ._snapshot import ComponentSample, HostCallSample, Snapshot, Times

__all__ = (
    "MonitoringSettings",
    "BLOCK",
    "OTHER",
    "ComponentHistory",
    "ComponentSample",
    "HealthReport",
    "HostCallSample",
    "History",
    "Metrics",
    "Monitor",
    "Snapshot",
    "Thresholds",
    "Times",
    "assess",
    "monitoring_app",
    "observe",
)
