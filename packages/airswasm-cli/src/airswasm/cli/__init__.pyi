from .connection import full_name, open_host
from .control_api import OPERATIONS, all_operations
from .entry import main
from .operation import (
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
from .session import Session, verb
from .settings import CliSettings

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
