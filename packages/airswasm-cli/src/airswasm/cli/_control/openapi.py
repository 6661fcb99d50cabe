"""Generate the OpenAPI document of the control API from the table of operations.

The schemas come from the dataclasses of the answers, so the document describes what a host really
sends.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TypeAlias

from pydantic import TypeAdapter

from .operation import (
    SCOPES,
    Answer,
    Bytes,
    Component,
    Flag,
    Json,
    JsonLines,
    Kind,
    Nothing,
    Number,
    Operation,
    Parameter,
    Stream,
    Table,
)

__all__ = ("openapi_document",)

Node: TypeAlias = dict[str, object]

_VERSION = "3.1.0"
_REFERENCE = "#/components/schemas/{model}"
_SEGMENTS = {"namespace": "The component's namespace.", "name": "The component's name within it."}
_BYTES = "application/octet-stream"
_ERROR: Node = {
    "type": "object",
    "required": ["schema", "error"],
    "properties": {
        "schema": {"const": "airswasm.error/1"},
        "error": {
            "type": "object",
            "required": ["code", "message", "hint", "exit_code", "details"],
            "properties": {
                "code": {"type": "string", "description": "See `airswasm explain CODE`."},
                "message": {"type": "string"},
                "hint": {"type": "string", "description": "The next step to take."},
                "exit_code": {"type": "integer", "description": "The exit code of the command."},
                "details": {"type": "array", "items": {"type": "string"}},
            },
        },
    },
}


def openapi_document(operations: Table) -> Mapping[str, object]:
    """Return the OpenAPI document of these operations."""
    schemas: Node = {"Error": _ERROR}
    paths: dict[str, Node] = {}
    for each in operations:
        paths.setdefault(each.route, {})[each.method.lower()] = _operation(each, schemas)
    error = {"description": "The host refused.", "content": _json({"$ref": _reference("Error")})}
    security: list[Node] = [{}, {"token": ["all"]}]
    return {
        "openapi": _VERSION,
        "info": {
            "title": "airswasm control API",
            "version": "1",
            "description": "HTTP on the host's Unix socket, without a token; and, where the host "
            "listens there, on 127.0.0.1 with one.",
        },
        "servers": [{"url": "http://localhost"}],
        "security": security,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {"Error": error},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Each operation names the scope that a token needs: "
                    f"{', '.join(SCOPES)}. `read` includes `monitoring`, and `all` every scope.",
                }
            },
        },
    }


def _operation(operation: Operation, schemas: Node) -> Node:
    described: Node = {"operationId": operation.name, "summary": operation.summary}
    if operation.detail:
        described["description"] = operation.detail
    parameters = [
        node for each in operation.parameters if each.place != "body" for node in _parameter(each)
    ]
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        described["requestBody"] = _body(operation.body)
    described["security"] = [{}, {"token": [operation.scope]}]
    described["responses"] = {
        **_responses(operation.answer, schemas),
        "default": {"$ref": "#/components/responses/Error"},
    }
    return described


def _parameter(parameter: Parameter) -> list[Node]:
    if isinstance(parameter.kind, Component) and parameter.place == "path":
        return [
            {"name": name, "in": "path", "required": True, "description": meaning,
             "schema": {"type": "string"}}
            for name, meaning in _SEGMENTS.items()
        ]  # fmt: skip
    schema = _schema_of(parameter.kind)
    if not parameter.is_required and parameter.default is not None:
        is_flag = isinstance(parameter.kind, Flag)
        schema["default"] = int(bool(parameter.default)) if is_flag else parameter.default
    node: Node = {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.is_required,
        "description": parameter.meaning,
        "schema": schema,
    }
    return [node]


def _schema_of(kind: Kind) -> Node:
    if isinstance(kind, Number):
        name = "integer" if kind.is_whole else "number"
        return {"type": name, "minimum": kind.least, "maximum": kind.most}
    if isinstance(kind, Flag):
        return {"type": "integer", "enum": [0, 1]}
    choices = getattr(kind, "choices", ())
    return {"type": "string", "enum": list(choices)} if choices else {"type": "string"}


def _body(parameter: Parameter) -> Node:
    kind = parameter.kind
    media_type = kind.media_type if isinstance(kind, Bytes | Stream) else _BYTES
    return {"description": parameter.meaning, "required": True, "content": {media_type: {}}}


def _responses(answer: Answer, schemas: Node) -> Node:
    if isinstance(answer, Nothing):
        return {"204": {"description": "The host carried it out."}}
    if isinstance(answer, Json):
        schema = _tagged(answer.schema, _content_of(answer, schemas))
        return {"200": {"description": "The document.", "content": _json(schema)}}
    if isinstance(answer, JsonLines):
        schema = _tagged(answer.schema, _model(answer.model, schemas))
        lines = {"application/x-ndjson": {"schema": schema}}
        return {"200": {"description": "One document on each line.", "content": lines}}
    found: Node = {"200": {"description": "The bytes.", "content": {_BYTES: {}}}}
    if not answer.is_streamed:
        found["204"] = {"description": "There are none."}
    return found


def _content_of(answer: Json, schemas: Node) -> Node:
    one = _model(answer.model, schemas)
    if not answer.member:
        return one
    found: Node = {"type": "array", "items": one} if answer.is_list else one
    return {"type": "object", "required": [answer.member], "properties": {answer.member: found}}


def _tagged(schema: str, content: Node) -> Node:
    """Return the schema of a document that names its own version."""
    if not schema:
        return {"type": "object", **content}
    tag: Node = {
        "type": "object",
        "required": ["schema"],
        "properties": {"schema": {"const": f"airswasm.{schema}"}},
    }
    return {"allOf": [tag, content]}


def _model(path: str, schemas: Node) -> Node:
    """Return a reference to a dataclass's schema, and add its parts to `schemas`."""
    if not path:
        return {}
    module, _, name = path.partition(":")
    if name not in schemas:
        model: type[object] = getattr(importlib.import_module(module), name)
        made = TypeAdapter(model).json_schema(mode="serialization", ref_template=_REFERENCE)
        schemas.update(made.pop("$defs", {}))
        schemas[name] = made
    return {"$ref": _reference(name)}


def _reference(name: str) -> str:
    return _REFERENCE.format(model=name)


def _json(schema: Node) -> Node:
    return {"application/json": {"schema": schema}}
