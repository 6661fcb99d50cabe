"""The parts that a provider of WASI interfaces builds on: pollables, streams, http's types.

A block that replaces a denied interface (files, sockets, http) hands out
objects that the built-in `wasi:io` understands. They are these.

`_io` has pollables and streams, on which everything else builds; `_state` is what one instance has
of WASI. One module stands for each package of WASI: `_cli`, `_clocks`, `_filesystem`, `_http`,
`_random`, `_sockets`; `_stdio` writes what guests print to a log. `_builtin` puts them together.
"""

from ._builtin import WASI_VERSION, interfaces_with_effects, wit_files
from ._clocks import as_datetime
from ._filesystem import error_code as filesystem_error_code
from ._http import (
    Fields,
    FutureIncomingResponse,
    IncomingResponse,
    OutgoingRequest,
    RequestOptions,
    field_problem,
)
from ._io import (
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
from ._sockets import Network
from ._state import WasiConfig
from ._stdio import LineLimits, LogSink, escape

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
    "interfaces_with_effects",
    "methods",
    "wit_files",
)
