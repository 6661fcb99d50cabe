"""Dashboards as data, and their form in Grafana's JSON model.

The model is the one that Grafana documents for import
(https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/),
with a variable for the data source, so that a dashboard belongs to no installation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ("Dashboard", "Panel", "Row", "grafana_document")

_WIDTH = 24
_HEIGHTS = {"stat": 4, "timeseries": 8, "table": 8}
_SCHEMA = 39
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Attributes:
        title: Its title.
        unit: Grafana's name of the unit: `s`, `bytes`, `ops`, `short`, `percentunit`.
        queries: Each a query in PromQL and the legend of its series.
        kind: Its form.
        description: A sentence for people; empty for none.
    """

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: Literal["timeseries", "stat", "table"] = "timeseries"
    description: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Panels side by side, of equal width."""

    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard.

    Attributes:
        uid: Its id in Grafana, and the name of its file.
        title: Its title.
        description: A sentence for people.
        rows: Its panels.
        variables: Labels to choose by, each with the metric that has its values.
    """

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[tuple[str, str], ...] = ()


def grafana_document(dashboard: Dashboard) -> dict[str, object]:
    """Return a dashboard in Grafana's JSON model."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["airswasm"],
        "schemaVersion": _SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "annotations": {"list": []},
        "links": [],
        "templating": {"list": [_source_variable(), *map(_variable, dashboard.variables)]},
        "panels": _panels(dashboard.rows),
    }


def _panels(rows: Sequence[Row]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    y = 0
    for row in rows:
        width = _WIDTH // len(row.panels)
        height = max(_HEIGHTS[each.kind] for each in row.panels)
        for place, panel in enumerate(row.panels):
            position = {"h": height, "w": width, "x": place * width, "y": y}
            found.append(_panel(panel, len(found) + 1, position))
        y += height
    return found


def _panel(panel: Panel, number: int, position: Mapping[str, int]) -> dict[str, object]:
    is_table = panel.kind == "table"
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "gridPos": dict(position),
        "datasource": _SOURCE,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0 if panel.kind == "timeseries" else None},
            "overrides": [],
        },
        "options": _OPTIONS[panel.kind],
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": _SOURCE,
                "expr": query,
                "legendFormat": legend,
                "instant": is_table or panel.kind == "stat",
                "range": panel.kind == "timeseries",
                "format": "table" if is_table else "time_series",
            }
            for place, (query, legend) in enumerate(panel.queries)
        ],
    }


_OPTIONS: Mapping[str, Mapping[str, object]] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "area",
        "textMode": "auto",
    },
    "table": {"showHeader": True, "cellHeight": "sm"},
}


def _source_variable() -> dict[str, object]:
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "hide": 0,
        "multi": False,
        "includeAll": False,
    }


def _variable(variable: tuple[str, str]) -> dict[str, object]:
    label, metric = variable
    query = f"label_values({metric}, {label})"
    return {
        "name": label,
        "label": label.capitalize(),
        "type": "query",
        "datasource": _SOURCE,
        "definition": query,
        "query": {"query": query, "refId": label},
        "refresh": 2,
        "sort": 1,
        "hide": 0,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }
