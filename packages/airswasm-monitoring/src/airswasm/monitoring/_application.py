"""The figures and the health of a host as an ASGI application, to mount in any HTTP server.

It answers from memory, so a probe gets its answer while guests compute. It does not check access:
the program that mounts it does (airswasm-cli: a Unix socket, 0600).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from airswasm.runtime import Health
from anyio import to_thread
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.openmetrics import exposition as openmetrics
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ._health import HealthReport
from ._monitor import Monitor
from ._snapshot import Snapshot

__all__ = ("monitoring_app",)

_METRICS_OFF = "metrics are off: airswasm config set monitoring.metrics on, and restart the host\n"


def monitoring_app(monitor: Monitor) -> Starlette:
    """Return the application over one monitor: `/metrics`, `/snapshot` and three probes.

    `/livez` answers 200 as long as the event loop runs, `/readyz` 200 once the host should get
    traffic, and `/healthz` 200 while the host works, with its findings. Otherwise they answer 503.
    """

    async def metrics(request: Request) -> Response:
        if not monitor.is_measuring:
            return Response(_METRICS_OFF, 404, media_type="text/plain")
        is_openmetrics = _wants_openmetrics(request.headers.get("accept", ""))
        page = await monitor.metrics.scrape(is_openmetrics=is_openmetrics)
        media_type = openmetrics.CONTENT_TYPE_LATEST if is_openmetrics else CONTENT_TYPE_LATEST
        return Response(page, media_type=media_type, headers={"Vary": "Accept"})

    async def livez(_request: Request) -> Response:
        return JSONResponse({"schema": "airswasm.liveness/1", "status": "alive"})

    async def readyz(_request: Request) -> Response:
        report = await monitor.look_at_health()
        return JSONResponse(_readiness_document(report), 200 if report.is_ready else 503)

    async def healthz(_request: Request) -> Response:
        report = await monitor.look_at_health()
        status_code = 503 if report.health is Health.UNHEALTHY else 200
        return JSONResponse(_health_document(report), status_code)

    async def snapshot(_request: Request) -> Response:
        return await to_thread.run_sync(_snapshot_response, await monitor.look())

    return Starlette(
        routes=[
            Route("/metrics", metrics),
            Route("/livez", livez),
            Route("/readyz", readyz),
            Route("/healthz", healthz),
            Route("/snapshot", snapshot),
        ]
    )


def _wants_openmetrics(accept: str) -> bool:
    """Return whether a scraper prefers OpenMetrics to Prometheus' text format."""
    openmetrics_weight, text_weight = 0.0, 0.0
    for each in accept.split(","):
        media_type, *parameters = (part.strip() for part in each.split(";"))
        weight = _weight(parameters)
        if media_type == "application/openmetrics-text":
            openmetrics_weight = max(openmetrics_weight, weight)
        elif media_type in ("text/plain", "text/*", "*/*"):
            text_weight = max(text_weight, weight)
    return openmetrics_weight > 0 and openmetrics_weight >= text_weight


def _weight(parameters: Iterable[str]) -> float:
    for each in parameters:
        name, _, value = each.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0


def _snapshot_response(snapshot: Snapshot) -> Response:
    return JSONResponse({"schema": "airswasm.snapshot/1", **asdict(snapshot)})


def _readiness_document(report: HealthReport) -> dict[str, object]:
    is_failing = report.health is Health.UNHEALTHY
    reasons = [
        f"{each.subject}: {each.text}"
        for each in report.findings
        if each.is_unready or (is_failing and each.health is Health.UNHEALTHY)
    ]
    return {
        "schema": "airswasm.readiness/1",
        "status": "ready" if report.is_ready else "not ready",
        "reasons": reasons,
    }


def _health_document(report: HealthReport) -> dict[str, object]:
    return {
        "schema": "airswasm.health/1",
        "status": report.health.name.lower(),
        "is_ready": report.is_ready,
        "parts": {part: health.name.lower() for part, health in report.parts.items()},
        "components": {each.name.lower(): report.components.get(each, 0) for each in Health},
        "total": report.total,
        "findings": [
            {**asdict(finding), "health": finding.health.name.lower()}
            for finding in report.findings
        ],
    }
