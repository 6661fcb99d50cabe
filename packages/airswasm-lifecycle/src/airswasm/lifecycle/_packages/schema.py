"""The JSON Schema of Component.toml, for editors.

pydantic writes it from the manifest's own classes, so that it cannot lag behind them. It accepts
all that the reader accepts in one place; what several places have to agree on, and the spelling of
capabilities, the reader alone judges. The descriptions are the texts below the fields in the
source, read here rather than at each import.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from typing import cast

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from .._toml.quantities import parse_bytes, parse_seconds
from . import manifest
from .manifest import Manifest

__all__ = ("manifest_schema",)

_ADDRESS = "https://json-schema.org/draft/2020-12/schema"
_SIZE = {"type": ["integer", "string"], "minimum": 0, "examples": ["4 MiB"]}
_DURATION = {"type": ["number", "string"], "minimum": 0, "examples": ["30 s", "500 ms"]}
_PATTERNS: dict[str, object] = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
}
_CAPABILITY: dict[str, object] = {
    "description": "Patterns, or a table of patterns and a reason, or capabilities by their verbs.",
    "anyOf": [
        *cast("list[object]", _PATTERNS["anyOf"]),
        {
            "type": "object",
            "properties": {"patterns": _PATTERNS, "reason": {"type": "string", "maxLength": 200}},
            "required": ["patterns"],
            "additionalProperties": False,
        },
        {"type": "object", "additionalProperties": {"$ref": "#/$defs/Capability"}},
    ],
}


def manifest_schema() -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of Component.toml."""
    schema = TypeAdapter(Manifest).json_schema(schema_generator=_Schema, mode="validation")
    _describe(schema)
    properties = schema["properties"]
    del properties["reasons"]  # they stand with the capabilities
    properties["capabilities"] = {
        "type": "object",
        "description": properties["capabilities"].get("description", ""),
        "additionalProperties": {"$ref": "#/$defs/Capability"},
    }
    schema["$defs"]["Capability"] = _CAPABILITY
    return {"$schema": _ADDRESS, **schema, "title": manifest.MANIFEST_NAME}


class _Schema(GenerateJsonSchema):
    """Writes what the author may write, where a validator turns it into something else."""

    def function_before_schema(
        self, schema: core_schema.BeforeValidatorFunctionSchema
    ) -> JsonSchemaValue:
        function = cast("Callable[..., object]", schema["function"]["function"])
        if function is parse_bytes:
            return dict(_SIZE)
        if function is parse_seconds:
            return dict(_DURATION)
        inner = self.generate_inner(schema["schema"])
        if {"type": "number"} in inner.get("anyOf", ()):  # a duration, or a word
            others = [each for each in inner["anyOf"] if each != {"type": "number"}]
            return {"anyOf": [dict(_DURATION), *others]}
        return {"anyOf": [{"type": "string"}, inner]}  # one, or many


def _describe(schema: JsonSchemaValue) -> None:
    texts = dict(_texts())
    for name, part in {Manifest.__name__: schema, **schema.get("$defs", {})}.items():
        for key, described in part.get("properties", {}).items():
            text = texts.get((name, key))
            if text is not None:
                described["description"] = text


def _texts() -> Iterator[tuple[tuple[str, str], str]]:
    """Yield the text below each field of each class."""
    for item in ast.parse(inspect.getsource(manifest)).body:
        if isinstance(item, ast.ClassDef):
            for one, below in zip(item.body, item.body[1:], strict=False):
                if (
                    isinstance(one, ast.AnnAssign)
                    and isinstance(one.target, ast.Name)
                    and isinstance(below, ast.Expr)
                    and isinstance(below.value, ast.Constant)
                    and isinstance(below.value.value, str)
                ):
                    yield (item.name, one.target.id), inspect.cleandoc(below.value.value)
