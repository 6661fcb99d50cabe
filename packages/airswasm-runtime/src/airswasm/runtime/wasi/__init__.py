"""The parts that a provider of WASI interfaces builds on: pollables, streams, http's types.

A block that replaces a denied interface (files, sockets, http) hands out
objects that the built-in `wasi:io` understands. They are these.

`_io` has pollables and streams, on which everything else builds; `_state` is what one instance has
of WASI. One module stands for each package of WASI: `_cli`, `_clocks`, `_filesystem`, `_http`,
`_random`, `_sockets`; `_stdio` writes what guests print to a log. The values that `_http` passes
are in `_http_fields`, `_http_messages`, and the two ends of a body in `_http_outgoing` and
`_http_incoming`, which wait by `_watching`. `_builtin` puts all of it together.
"""

from ._builtin import WASI_VERSION, interfaces_with_effects, wit_files
from ._clocks import as_datetime
from ._filesystem import error_code as filesystem_error_code
from ._http_fields import FORBIDDEN_FIELDS, Fields, field_problem
from ._http_incoming import IncomingBody
from ._http_messages import (
    FutureIncomingResponse,
    IncomingRequest,
    IncomingResponse,
    OutgoingRequest,
    OutgoingResponse,
    RequestOptions,
    ResponseOutparam,
)
from ._http_outgoing import BodyAbandoned, OutgoingBody
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
    "BodyAbandoned",
    "BytesInput",
    "CLOSED_ON_DROP",
    "FORBIDDEN_FIELDS",
    "Fields",
    "FutureIncomingResponse",
    "IncomingBody",
    "IncomingRequest",
    "IncomingResponse",
    "InputStream",
    "IoError",
    "LineLimits",
    "LogSink",
    "Network",
    "OutgoingBody",
    "OutgoingRequest",
    "OutgoingResponse",
    "OutputStream",
    "Pollable",
    "RequestOptions",
    "ResponseOutparam",
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
