"""The rows of the table that say what components may do, and what they use."""

from __future__ import annotations

from .operation import Component, Json, JsonLines, Operation, Parameter, Text

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
    Operation(
        "learn", "POST", "/v1/components/{name}/learn",
        "Show what a component uses, and let it use what only its grants lack.",
        JsonLines("use/1", "airswasm.security:Use"), (_NAME,), changes=True,
        detail="In development mode only. The component learns until the connection ends; nothing "
        "is kept. The forbidden list, the policy, roles and denials hold meanwhile.",
        scope="all",
    ),
)  # fmt: skip
