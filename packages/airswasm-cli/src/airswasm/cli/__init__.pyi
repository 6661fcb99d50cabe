from ._connection import full_name, open_host
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
from ._session import Session, verb
from ._settings import CliSettings

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
    "Parameter",
    "Raw",
    "Session",
    "Stream",
    "Table",
    "Text",
    "all_operations",
    "full_name",
    "main",
    "open_host",
    "verb",
)
