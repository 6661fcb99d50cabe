"""The table of supervisors and their children: a tree, in which each row names its parent."""

from __future__ import annotations

from collections.abc import Iterable

from airswasm.actor import ActorSystem, ChildNotRunning, SupervisorNode

from .frames import Row

__all__ = ("SUPERVISOR_COLUMNS", "supervisor_rows")

SUPERVISOR_COLUMNS = (
    "parent", "kind", "name", "state", "restart", "incarnation", "failures", "strategy",
    "intensity", "period", "restarts",
)  # fmt: skip
"""The keys are paths of ids. `restarts` counts those of a supervisor that its period may hold."""


def supervisor_rows(system: ActorSystem) -> dict[str, Row]:
    """Return the supervisors of a system with their children, parents first."""
    found: dict[str, Row] = {}
    for index, node in enumerate(system.supervisors):
        if not isinstance(node, SupervisorNode):
            continue
        path = f"{index}:{node.name}"
        found[path] = _supervisor(node, "", "running" if node.is_open else "stopped")
        found.update(_below(node, path))
    return found


def _supervisor(node: SupervisorNode, parent: str, state: str) -> Row:
    spec = node.spec
    return (
        parent, "supervisor", node.name, "given_up" if node.failure else state, "", 0, 0,
        spec.strategy, spec.intensity, spec.period, len(node.restart_history),
    )  # fmt: skip


def _below(node: SupervisorNode, path: str) -> Iterable[tuple[str, Row]]:
    for child in node.status():
        own = f"{path}/{child.id}"
        supervisor = _node(node, child.id) if child.type == "supervisor" else None
        if supervisor is not None:
            yield own, _supervisor(supervisor, path, child.state)
            yield from _below(supervisor, own)
            continue
        name = child.ref.name if child.ref is not None else child.id
        yield own, (
            path, "worker", name, child.state, child.restart, child.incarnation, child.failures,
            "", 0, 0.0, 0,
        )  # fmt: skip


def _node(parent: SupervisorNode, id: str) -> SupervisorNode | None:
    try:
        child = parent.child(id)
    except ChildNotRunning:
        return None
    return child if isinstance(child, SupervisorNode) else None
