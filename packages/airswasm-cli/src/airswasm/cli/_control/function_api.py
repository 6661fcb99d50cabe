"""The rows of the table that deal with the functions that components export."""

from __future__ import annotations

from .operation import Bytes, Component, Json, Number, Operation, Parameter, Text

__all__ = ("FUNCTION_OPERATIONS", "MOST_ARGUMENT_BYTES")

MOST_ARGUMENT_BYTES = 4 * 2**20
"""They become Python values, and JSON is read in one go."""
_ANSWERS = "airswasm.cli._control.function_answers"
_COMPONENT = "/v1/components/{name}"
_NAME = Parameter("name", "path", Component(), "The component.")

FUNCTION_OPERATIONS = (
    Operation(
        "functions", "GET", f"{_COMPONENT}/functions",
        "List the functions that a component exports of its own.",
        Json("functions/1", f"{_ANSWERS}:FunctionDocument", "functions", is_list=True), (_NAME,),
        scope="send",
    ),
    Operation(
        "call", "POST", f"{_COMPONENT}/calls",
        "Call a function that a component exports, and wait for its value.",
        Json("call/1", f"{_ANSWERS}:CallDocument"),
        (
            _NAME,
            Parameter(
                "function", "query", Text(),
                "Its path, or as much of the end as is unique: `transform.run`.",
            ),
            Parameter(
                "arguments", "body", Bytes(MOST_ARGUMENT_BYTES, "application/json"),
                "A JSON array with a value for each parameter; docs/embedding.md has their forms.",
            ),
            Parameter("timeout", "query", Number(), "Seconds to wait for the value.", 30.0),
            Parameter(
                "correlation", "query", Text(), "The id of the conversation that it belongs to.", ""
            ),
            Parameter("traceparent", "query", Text(), "The W3C trace context.", ""),
        ),
        changes=True,
        detail="The call waits in the component's mailbox, in turn with messages. The `err` of a "
        "`result` is a value like any other. A function that takes or gives a resource is refused.",
        scope="send",
    ),
)  # fmt: skip
