"""What a provider of WASI interfaces builds on: pollables, streams, http's types.

A block that replaces a denied interface (files, sockets, http) hands out
objects that the built-in `wasi:io` understands. They are these.
"""

from ._wasi import WASI_VERSION
from ._wasi_clocks import as_datetime
from ._wasi_filesystem import error_code as filesystem_error_code
from ._wasi_http import (
    Fields,
    FutureIncomingResponse,
    IncomingResponse,
    OutgoingRequest,
    RequestOptions,
    field_problem,
)
from ._wasi_io import (
    CLOSED_ON_DROP,
    WRITE_PERMIT_BYTES,
    Always,
    BytesInput,
    InputStream,
    IoError,
    OutputStream,
    Pollable,
    Signal,
    StreamClosed,
    StreamFailed,
    methods,
)
from ._wasi_sockets import Network
from ._wasi_state import WasiConfig
from ._wasi_stdio import LineLimits, LogSink, escape

__all__ = (
    "Always",
    "BytesInput",
    "CLOSED_ON_DROP",
    "Fields",
    "FutureIncomingResponse",
    "IncomingResponse",
    "InputStream",
    "IoError",
    "LineLimits",
    "LogSink",
    "Network",
    "OutgoingRequest",
    "OutputStream",
    "Pollable",
    "RequestOptions",
    "Signal",
    "StreamClosed",
    "StreamFailed",
    "WASI_VERSION",
    "WRITE_PERMIT_BYTES",
    "WasiConfig",
    "as_datetime",
    "escape",
    "field_problem",
    "filesystem_error_code",
    "methods",
)
