"""Report why a component may do something, or may not: the answer of each layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

from airswasm.runtime import Services
from airswasm.security import Guard, InvalidResource
from airswasm.wit import Capability, load_part, safe_text

__all__ = ("AccessReport", "LayerAnswer", "report_access")

_SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class LayerAnswer:
    """The answer of one layer.

    Attributes:
        layer: `forbidden`, `policy`, `grants`, `roles`, `acl`, that of a block, or `system`.
        is_allowed: The answer.
        rule: The rule that decided.
    """

    layer: str
    is_allowed: bool
    rule: str


@dataclass(frozen=True, slots=True)
class AccessReport:
    """The decision on one call.

    Attributes:
        component: The component.
        capability: The capability, `storage.read`.
        resource: The resource, in its one spelling if it has one.
        is_allowed: Whether the call would succeed, as far as can be told without making it.
        layers: The answers, in the order in which the layers are asked. Layers without a rule for
            the call are absent.
        line: The line of Component.toml that asks for it; empty if none would help.
        command: The command that grants it; empty if none would help.
        quarantine: Why the component is quarantined, and makes no call at all; empty if it is not.
    """

    component: str
    capability: str
    resource: str
    is_allowed: bool
    layers: tuple[LayerAnswer, ...]
    line: str = ""
    command: str = ""
    quarantine: str = ""


def report_access(
    guard: Guard, services: Services, component: str, capability: str, resource: str
) -> AccessReport:
    """Return what each layer says to a call, without an effect and without an audit line.

    Args:
        guard: Decides.
        services: Those of the host; blocks ask the operating system by them.
        component: The name of a component.
        capability: `storage.read` or `storage:read`.
        resource: The key, path, target, URL, ... as the component would give it.

    Raises:
        UnknownCapability: No installed block declares it; the error suggests the closest one.
    """
    annotation = capability.replace(".", ":", 1)
    kind = guard.kinds.kind(annotation)
    verdicts = guard.explain(component, annotation, resource)
    spelled = _spelled(guard, annotation, resource)
    answers = [LayerAnswer(each.layer, each.is_allowed, each.rule) for each in verdicts]
    if spelled is not None:
        answers += _asked(kind, services, component, spelled)
    refused = [each for each in verdicts if not each.is_allowed]
    only = refused[0] if len(refused) == 1 else None  # with several, one grant would not help
    return AccessReport(
        component=component,
        capability=kind.name,
        resource=resource if spelled is None else spelled,
        is_allowed=all(each.is_allowed for each in answers),
        layers=tuple(answers),
        line=(only.line if only is not None else None) or "",
        command=(only.command if only is not None else None) or "",
    )


def _spelled(guard: Guard, capability: str, resource: str) -> str | None:
    try:
        return guard.kinds.resource(capability, resource).text
    except InvalidResource:
        return None


def _asked(
    kind: Capability, services: Services, component: str, resource: str
) -> Iterator[LayerAnswer]:
    """Ask the operating system, where the kind of capability says how."""
    if not kind.probe:
        return
    probe = cast("Callable[[Services, str, str], str | None]", load_part(kind.probe))
    try:
        problem = probe(services, component, resource)
    except Exception as error:  # the code of any package, and what the system says
        problem = f"{type(error).__name__}: {safe_text(error)}"
    yield LayerAnswer(_SYSTEM, problem is None, problem or "the operating system has no objection")
