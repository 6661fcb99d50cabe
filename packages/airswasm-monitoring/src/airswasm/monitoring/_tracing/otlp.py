"""Write spans as OTLP, the protocol of OpenTelemetry's collectors, and read their answers.

This module needs the extra `airswasm-monitoring[otlp]`.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanProto

from .span import Attribute, Span

__all__ = ("read_rejected", "write_request")

_KINDS = {
    "internal": SpanProto.SPAN_KIND_INTERNAL,
    "server": SpanProto.SPAN_KIND_SERVER,
    "client": SpanProto.SPAN_KIND_CLIENT,
    "producer": SpanProto.SPAN_KIND_PRODUCER,
    "consumer": SpanProto.SPAN_KIND_CONSUMER,
}
_SAMPLED = 1


def write_request(spans: Iterable[Span], resource: Mapping[str, str], version: str) -> bytes:
    """Return the body of an export request, compressed with gzip.

    Args:
        spans: The spans.
        resource: The attributes of the host.
        version: The version of this block.
    """
    scope = ScopeSpans(
        scope=InstrumentationScope(name="airswasm.monitoring", version=version),
        spans=[_span(each) for each in spans],
    )
    described = Resource(attributes=_attributes(resource.items()))
    request = ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=described, scope_spans=[scope])]
    )
    return gzip.compress(request.SerializeToString(), compresslevel=1)


def read_rejected(body: bytes) -> tuple[int, str]:
    """Return how many spans a collector has refused of a request that it took, and why."""
    response = ExportTraceServiceResponse()
    try:
        response.ParseFromString(body)
    except DecodeError:
        return 0, ""
    return response.partial_success.rejected_spans, response.partial_success.error_message


def _span(span: Span) -> SpanProto:
    return SpanProto(
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=bytes.fromhex(span.parent_id),
        flags=_SAMPLED,
        name=_text(span.name),
        kind=_KINDS[span.kind],
        start_time_unix_nano=_nanoseconds(span.began_at),
        end_time_unix_nano=_nanoseconds(span.ended_at),
        attributes=_attributes(span.attributes),
        events=[
            SpanProto.Event(
                time_unix_nano=_nanoseconds(each.time),
                name=_text(each.name),
                attributes=_attributes(each.attributes),
            )
            for each in span.events
        ],
        links=[
            SpanProto.Link(trace_id=bytes.fromhex(trace), span_id=bytes.fromhex(other))
            for trace, other in span.links
        ],
        dropped_attributes_count=span.dropped,
        status=_status(span.error),
    )


def _status(error: str) -> Status | None:
    return Status(code=Status.STATUS_CODE_ERROR, message=_text(error)) if error else None


def _attributes(attributes: Iterable[tuple[str, Attribute]]) -> list[KeyValue]:
    return [KeyValue(key=_text(key), value=_value(value)) for key, value in attributes]


def _value(value: Attribute) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=min(value, 2**63 - 1))
        case float():
            return AnyValue(double_value=value)
        case _:
            return AnyValue(string_value=_text(value))


def _text(text: str) -> str:
    """Return a text that can be encoded: names of actors in Python may have surrogates in them."""
    return text.encode("utf-8", "replace").decode()


def _nanoseconds(seconds: float) -> int:
    return max(0, int(seconds * 1e9))
