"""The rows of the table that say what components may do, and what they use."""

from __future__ import annotations

from .operation import Component, Json, Operation, Parameter, Text

__all__ = ("ACCESS_OPERATIONS",)

_NAME = Parameter("name", "path", Component(), "The component.")

ACCESS_OPERATIONS = (
    Operation(
        "access", "GET", "/v1/components/{name}/access",
        "Show why a component may do something, or may not.",
        Json("access/1", "airswasm.lifecycle:AccessReport"),
        (
            _NAME,
            Parameter("capability", "query", Text(), "The capability, `storage.read`."),
            Parameter("resource", "query", Text(), "The resource, as the component would give it."),
        ),
        detail="It has no effect and leaves no audit line. `layers` are the answers in the order "
        "in which they are asked; a layer without a rule for the call is absent.",
        scope="read",
    ),
)  # fmt: skip
