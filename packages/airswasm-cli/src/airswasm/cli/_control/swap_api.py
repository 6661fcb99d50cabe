"""The row of the table that swaps a development build in."""

from __future__ import annotations

from .operation import Bytes, Component, Json, Operation, Parameter, Text

__all__ = ("SWAP_OPERATIONS",)

_MOST_BYTES = 256 * 2**20

SWAP_OPERATIONS = (
    Operation(
        "swap", "POST", "/v1/components/{name}/swaps",
        "Swap a development build in, in a host in development mode.",
        Json("component/1", "airswasm.lifecycle:ComponentInfo"),
        (
            Parameter("name", "path", Component(), "The component."),
            Parameter(
                "build", "body", Bytes(_MOST_BYTES, "application/zip"),
                "The bytes of a `.airswasm` file, whose signature is not read; or of a component "
                "alone, which replaces that of the installed version.",
            ),
            Parameter(
                "state", "query", Text(("keep", "reset")), "What becomes of its data.", "keep"
            ),
            Parameter(
                "source", "query", Text(), "Where the build came from, for the record.", ""
            ),
        ),
        changes=True,
        detail="Nothing is asked and no version is compared: the build may use everything but the "
        "forbidden list. A name that is not installed is installed; a name that a key owns is "
        "refused. If the build does not come up, the earlier one goes on.",
        scope="all",
    ),
)  # fmt: skip
