"""All files for Prometheus and Grafana, into one folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from .._alerts.rules import AlertRule
from ..errors import DashboardUnwritable
from .boards import DASHBOARDS
from .panels import grafana_document
from .prometheus import rule_file, scrape_file

__all__ = ("write_dashboards",)

_RULES = "airswasm-rules.yml"


def write_dashboards(
    folder: Path,
    rules: Iterable[AlertRule],
    *,
    targets: Sequence[str] = ("127.0.0.1:9464",),
    token_file: str = "airswasm.token",  # noqa: S107 - a path
    interval_seconds: float = 15.0,
) -> Sequence[Path]:
    """Write dashboards for Grafana, and rules and a configuration for Prometheus.

    Files of an earlier call are replaced, each at once. The file of the token is not written.

    Args:
        folder: Where; it is made if it is not there.
        rules: The rules of the host.
        targets: The addresses of hosts, `host:port`.
        token_file: The file with a token of the scope `monitoring`, for Prometheus to read.
        interval_seconds: Between two evaluations of the rules.

    Returns:
        The files.

    Raises:
        DashboardUnwritable: One cannot be written.
    """
    files = {
        **{
            f"{each.uid}.json": json.dumps(grafana_document(each), indent=2) + "\n"
            for each in DASHBOARDS
        },
        _RULES: rule_file(rules, interval_seconds=interval_seconds),
        "prometheus.yml": scrape_file(targets, token_file=token_file, rules=_RULES),
    }
    written: list[Path] = []
    for name, content in files.items():
        path = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            fresh = folder / f".{name}.new"
            fresh.write_text(content, encoding="utf-8")
            fresh.replace(path)
        except OSError as error:
            raise DashboardUnwritable(str(path), error.strerror or str(error)) from error
        written.append(path)
    return written
