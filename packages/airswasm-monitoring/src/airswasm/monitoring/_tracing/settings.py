"""The section `[tracing]` of config.toml."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

__all__ = ("TracingSettings",)

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_HEADER_VALUE = re.compile(r"[ -~]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class TracingSettings:
    """`[tracing]`: which messages are traced, and where their spans go.

    Attributes:
        traces: `off` traces nothing: contexts are carried on as they came.
        sample: The share of chains of messages that are traced, from 0 to 1. A message that comes
            in a trace is traced if its caller has sampled it.
        kept: Traces that are kept in memory, for `airswasm traces`; the newest ones.
        kept_bytes: Bytes that they may take.
        endpoint: The URL of a collector that takes OTLP over HTTP, such as
            `http://127.0.0.1:4318/v1/traces`. Empty sends spans nowhere.
        headers: Headers of each request to it, such as `Authorization`.
        ca_file: The certificate authorities that it is checked by; empty for the usual ones.
        service_name: The name of the service in the spans, `service.name`.
        attributes: Further attributes of the host in the spans, such as
            `deployment.environment.name`.
        queue: Spans that may wait for the collector; more are dropped, and counted.
        queue_bytes: Bytes of them.
        batch: Spans in one request.
        interval: Seconds between two requests, if a batch is not full before.
        timeout: Seconds that one request may take.
        retry_seconds: Seconds for which a batch that the collector has no time for is sent again.
    """

    traces: Literal["on", "off"] = "on"
    sample: float = 0.001
    kept: int = 100
    kept_bytes: int = 8 * 2**20
    endpoint: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    ca_file: str = ""
    service_name: str = "airswasm"
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])
    queue: int = 4096
    queue_bytes: int = 8 * 2**20
    batch: int = 512
    interval: float = 5.0
    timeout: float = 10.0
    retry_seconds: float = 60.0

    def __post_init__(self) -> None:
        if not 0 <= self.sample <= 1:
            raise ValueError("sample must be from 0 to 1")
        for name in ("kept", "kept_bytes", "retry_seconds"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative")
        for name in ("queue", "queue_bytes", "batch", "interval", "timeout"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0")
        if self.endpoint:
            _check_url(self.endpoint)
        for name, value in self.headers.items():
            if not (_HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(value)):
                raise ValueError(f"headers: {name!r} is no header with printable ASCII characters")


def _check_url(endpoint: str) -> None:
    url = urlsplit(endpoint)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError("endpoint must be a URL such as http://127.0.0.1:4318/v1/traces")
    if url.username is not None:
        raise ValueError("endpoint must not have a user's name in it: use headers")
    _ = url.port  # raises for one that is none
