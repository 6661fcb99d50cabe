from ._app import command_of
from ._control.api import OPERATIONS, all_operations
from ._control.operation import (
    Bytes,
    Component,
    Flag,
    Json,
    JsonLines,
    Nothing,
    Number,
    Operation,
    Parameter,
    Raw,
    Stream,
    Table,
    Text,
)
from ._entry import main
from ._hosts.opening import ask, connect, full_name, open_host
from ._session.options import Option, Word
from ._session.section import CliSettings
from ._session.session import Session, verb

__all__ = (
    "OPERATIONS",
    "Bytes",
    "CliSettings",
    "Component",
    "Flag",
    "Json",
    "JsonLines",
    "Nothing",
    "Number",
    "Operation",
    "Option",
    "Parameter",
    "Raw",
    "Session",
    "Stream",
    "Table",
    "Text",
    "Word",
    "all_operations",
    "ask",
    "command_of",
    "connect",
    "full_name",
    "main",
    "open_host",
    "verb",
)
