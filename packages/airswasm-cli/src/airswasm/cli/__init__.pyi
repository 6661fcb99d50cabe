from ._app import command_of
from ._connection import ask, full_name, open_host
from ._control_api import OPERATIONS, all_operations
from ._entry import main
from ._operation import (
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
from ._options import Option, Word
from ._section import CliSettings
from ._session import Session, verb

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
    "full_name",
    "main",
    "open_host",
    "verb",
)
