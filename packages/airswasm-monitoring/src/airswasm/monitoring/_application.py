"""`/metrics`, `/healthz` and `/snapshot` as an ASGI application, to mount in any HTTP server.

It answers from memory, so a probe gets its answer while guests compute. It does not check access:
the program that mounts it does (airswasm-cli: a Unix socket, 0600).
"""

from __future__ import annotations

from dataclasses import asdict

from anyio import to_thread
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ._health import HealthReport, Severity, assess
from ._monitor import Monitor
from ._snapshot import Snapshot

__all__ = ("monitoring_app",)

_METRICS_OFF = "metrics are off: airswasm config set monitoring.metrics on, and restart the host\n"


def monitoring_app(monitor: Monitor) -> Starlette:
    """Return the application over one monitor.

    `/healthz` answers 200 while the host works, with its findings, and 503 when it cannot work.
    """

    async def metrics(_request: Request) -> Response:
        if not monitor.is_measuring:
            return Response(_METRICS_OFF, 404, media_type="text/plain")
        page = await monitor.metrics.scrape()
        return Response(page, media_type=CONTENT_TYPE_LATEST)

    async def healthz(_request: Request) -> Response:
        report = assess(await monitor.look(), monitor.thresholds)
        return JSONResponse(_health_document(report), _status_code(report))

    async def snapshot(_request: Request) -> Response:
        return await to_thread.run_sync(_snapshot_response, await monitor.look())

    return Starlette(
        routes=[
            Route("/metrics", metrics),
            Route("/healthz", healthz),
            Route("/snapshot", snapshot),
        ]
    )


def _snapshot_response(snapshot: Snapshot) -> Response:
    return JSONResponse({"schema": "airswasm.snapshot/1", **asdict(snapshot)})


def _status_code(report: HealthReport) -> int:
    return 503 if report.severity is Severity.FAILING else 200


def _health_document(report: HealthReport) -> dict[str, object]:
    return {
        "schema": "airswasm.health/1",
        "status": report.severity.name.lower(),
        "total": report.total,
        "findings": [
            {**asdict(finding), "severity": finding.severity.name.lower()}
            for finding in report.findings
        ],
    }
