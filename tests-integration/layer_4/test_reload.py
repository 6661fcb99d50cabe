"""Every key of every section: each that says that it is reloaded is seen to hold, and no other."""

from __future__ import annotations

import dataclasses
import gc
import math
import typing
from collections.abc import Callable, Mapping
from typing import Any, cast

import certifi
import pytest
from airswasm.actor import ActorSystem
from airswasm.lifecycle import System, write_toml
from airswasm.messaging import (
    DeadLetterStore,
    DurableDelivery,
    MessagingPolicy,
    RetainedTopics,
    Schedule,
    SendingQuota,
)
from airswasm.monitoring import Alerts, Monitor
from airswasm.osl._files.filesystem import Filesystem
from airswasm.osl._http.http import HttpClient
from airswasm.osl._http.wasi import WasiHttp
from airswasm.osl._network.tcp import Tcp
from airswasm.osl._network.udp import Udp
from airswasm.osl._processes.process import Processes
from airswasm.osl._wasi_files.filesystem import WasiFilesystem
from airswasm.runtime import HostMemory
from airswasm.security import Guard
from airswasm.storage import StorageQuotas, Store
from airswasm.wit import Blocks, Section, load_part

pytestmark = pytest.mark.anyio

SPECIAL: Mapping[str, object] = {
    "acl.entries": [
        {"who": "component:a/b", "effect": "deny", "permissions": ["storage.write"],
         "resources": ["**"]}
    ],
    "alerts.internal_networks": ["10.0.0.0/8"],
    "alerts.interval_seconds": 20.0,
    "alerts.off": ["DiskFull"],
    "alerts.rules": [{"name": "Mine", "when": "airswasm_components > 1"}],
    "alerts.webhooks": [{"name": "pager", "url": "https://pager.example/in"}],
    "audit.files": 3,
    "audit.sinks": ["stdout"],
    "durable.components": ["shop/*"],
    "durable.retained": ["**.state"],
    "durable.topics": ["orders.**"],
    "engine.host_slice": 0.001,
    "filesystem.folders": {"shop/web": "/srv/web"},
    "filesystem.forbidden_folders": ["/proc"],
    "filesystem.mounts": [{"name": "photos", "path": "/srv/photos"}],
    "host.mode": "development",
    "limits.quotas": {"shop/orders": {"storage": 5, "storage_keys": 6}},
    "logs.age": 3600.0,
    "logs.file_age": 60.0,
    "logs.sinks": ["stdout"],
    "monitoring.mailbox_fill": 0.5,
    "monitoring.quota_fill": 0.5,
    "http.listen": "127.0.0.1:0",
    "http.routes": [{"path": "/a", "component": "a/b"}],
    "network.ca_file": certifi.where(),
    "network.internal_networks": ["10.0.0.0/8"],
    "network.reserved_ports": [9999],
    "process.environment": {"ONLY": "this"},
    "process.readable": ["/opt/tools"],
    "process.variables": ["TZ"],
    "replay.record": ["shop/*"],
    "replay.redact": ["password"],
    "roles.define": {
        "clerk": {"members": ["component:a/b"], "allow": {"storage": {"read": ["k"]}}}
    },
    "roles.file": "roles.toml",
    "security.allow": {"storage": {"read": ["everything"]}},
    "security.deny": {"storage": {"write": ["secret"]}},
    "security.forbidden": {"storage": {"write": ["secret"]}},
    "sources.ca_file": "ca.pem",
    "sources.internal_networks": ["10.0.0.0/8"],
    "sources.kinds": ["path"],
    "sources.token_hosts": ["auth.example"],
    "storage.engine": "sqlite",
    "tracing.attributes": {"deployment.environment.name": "test"},
    "tracing.endpoint": "http://127.0.0.1:9/v1/traces",
    "tracing.headers": {"Authorization": "Bearer me"},
    "trust.keys": ["a" * 64],
    "trust.sources": ["/srv/**"],
    "trust.threshold": 2,
    "updates.off": ["health"],
    "updates.rollback_block": ["interface"],
    "updates.timeouts": {"health": 5.0},
    "updates.warn": ["health"],
}  # fmt: skip
BESIDE = {
    "http.tls_certificate": 'tls_key = "other"\n',
    "http.tls_key": 'tls_certificate = "other"\n',
    "roles.define": "enforce = true\n",
}
"""What a key needs beside it."""

Observe = Callable[[System, str], object]


KEYS = [
    (section, field.name)
    for section in Blocks.find().sections.values()
    for field in dataclasses.fields(cast("Any", load_part(section.model)))
]


def other_value(section: Section, key: str) -> object:
    """Return a valid value of a key that is not its default."""
    name = f"{section.name}.{key}"
    if name in SPECIAL:
        return SPECIAL[name]
    model = cast("Any", load_part(section.model))
    default = getattr(model(), key)
    choices = typing.get_args(typing.get_type_hints(model)[key])
    if choices and all(isinstance(each, str) for each in choices):
        return next(each for each in choices if each != default)
    if isinstance(default, bool):
        return not default
    if isinstance(default, int):
        return default // 2 or 1_000_000
    if isinstance(default, float):
        return default / 2 if 0 < default < math.inf else 100.0
    return "other"


def held_by(system: System, *kinds: type) -> list[Any]:
    """Return the parts of these kinds that a host has."""
    guard = system.services.get(Guard)
    found = [each for each in gc.get_objects() if isinstance(each, kinds)]
    mine = [each for each in found if _guard_of(each) in (None, guard)]
    assert {type(each) for each in mine} == set(kinds)
    return mine


def _guard_of(part: Any) -> Guard | None:
    door = getattr(part, "_doorman", part)
    return cast("Guard | None", getattr(door, "_guard", None))


def one_of(values: list[object]) -> object:
    assert all(each == values[0] for each in values), values
    return values[0]


def of_policy(section: str) -> Observe:
    return lambda system, key: getattr(getattr(system.policy, section), key)


def of_limits(system: System, key: str) -> object:
    if key != "quotas":
        return getattr(system.policy.limits, key)
    quotas = system.services.get(StorageQuotas)  # type: ignore[type-abstract]
    name = "shop/orders"
    if name not in system.policy.limits.quotas:
        return {}
    held = {"storage": quotas.quota_bytes(name), "storage_keys": quotas.quota_keys(name)}
    return {name: held}


def of_network(system: System, key: str) -> object:
    parts = held_by(system, Tcp, Udp, HttpClient, WasiHttp)
    networks = [each._network for each in parts if hasattr(each, "_network")]
    parts = [each for each in parts if not hasattr(each, "_network")]
    if key == "internal_networks":
        doors = [each._doorman for each in parts if hasattr(each, "_doorman")]
        doors += [each.doorman for each in networks]
        return one_of([tuple(map(str, each._internal)) for each in doors])
    parts += [each for one in networks for each in (one, one.gate, one.ledger)]
    return one_of([getattr(each.policy, key) for each in parts])


def of_serving(system: System, key: str) -> object:
    server: Any = system.observers["osl"]
    found = getattr(server._desk.policy, key)
    if key != "routes":
        return found
    assert list(found) == server._desk.routing._routes
    return [{"path": each.path, "component": each.component} for each in found]


def of_files(attribute: str) -> Observe:
    return lambda system, key: one_of(
        [
            getattr(getattr(each.policy, attribute), key)
            for each in held_by(system, Filesystem, Processes, WasiFilesystem)
            if each.policy.files_folder is not None
            and each.policy.files_folder.is_relative_to(system.home.folder)
        ]
    )


def of_messaging(system: System, key: str) -> object:
    limits = system.services.get(MessagingPolicy).limits  # type: ignore[type-abstract]
    quota: Any = system.services.get(SendingQuota)
    match key:
        case "hops":
            return system.services.get(ActorSystem).dispatcher.most_hops
        case "payload_bytes":
            assert quota._most_bytes == limits.payload_bytes
        case "total_messages" | "total_bytes":
            kind = key.removeprefix("total_")
            pools = quota._total._pools if quota._total else []
            return next((pool.rate for pool in pools if pool.of == kind), math.inf)
    if key.startswith("retained"):
        retained: Any = system.services.get(RetainedTopics)  # type: ignore[type-abstract]
        return getattr(retained._values.limits, key)
    return getattr(limits, key)


def of_audit(system: System, key: str) -> object:
    inside: Any = system
    log, lines, auditing = inside._audit, inside._guard._lines, inside._auditing
    effects = inside._effects
    return {
        "allowed_lines": lines._allowed,
        "burst": lines._burst,
        "lines_per_second": lines._per_second,
        "effects": effects._chosen,
        "effects_burst": effects._burst,
        "effects_per_second": effects._per_second,
        "file_bytes": log._max_bytes,
        "files": log._retiring.keep_files or 0,
        "head_lines": auditing._memories[0]._lines,
        "head_seconds": auditing._memories[0]._seconds,
        "sinks": tuple(each._name for each in auditing.sinks._feeds),
        "sink_lines": auditing._settings.sink_lines,
    }[key]


def of_security(system: System, key: str) -> object:
    """Return what the guard answers, as the table that gives that answer."""
    guard = system.services.get(Guard)
    if key == "forbidden":
        found = guard.forbids("a/b", "storage:write", "secret")
        return SPECIAL["security.forbidden"] if found is not None else {}
    table = guard.policy.allow if key == "allow" else guard.policy.deny
    nested: dict[str, dict[str, tuple[str, ...]]] = {}
    for capability, patterns in table.items():
        domain, verb = capability.split(":")
        nested.setdefault(domain, {})[verb] = patterns
    return nested


def of_roles(system: System, key: str) -> object:
    """Return the rules of the guard's layer that a key makes."""
    guard: Any = system.services.get(Guard)
    layer: Any = next((each for each in guard.layers if each.name == "roles"), None)
    match key:
        case "enforce":
            return layer is not None and layer._must_allow
        case "define":
            names = [rule.name for rule in layer._rules] if layer else []
            return SPECIAL["roles.define"] if "the role clerk" in names else {}
        case "file":
            names = [rule.name for rule in layer._rules] if layer else []
            return "roles.toml" if "the role from-file" in names else ""
    return SPECIAL["acl.entries"] if layer and "entry 1" in layer._rules[0].name else []


def of_trust(system: System, key: str) -> object:
    inside: Any = system
    return {
        "keys": tuple(inside._trust._keys),
        "threshold": inside._trust._threshold,
        "sources": inside._levels._settings.sources,
    }[key]


def of_monitoring(system: System, key: str) -> object:
    monitor: Any = next(each for each in system.observers.values() if isinstance(each, Monitor))
    match key:
        case "series":
            return monitor.metrics._families._series.limit
        case "histograms":
            return monitor.metrics._families._times.limit
        case "preset":
            return {30.0: "default", 300.0: "relaxed"}[monitor.thresholds.oldest_message]
        case "page":
            return "on" if monitor.has_page else "off"
    return getattr(monitor.thresholds, key)


def of_alerts(system: System, key: str) -> object:
    alerts: Any = system.services.get(Alerts)
    match key:
        case "rules":
            return [{"name": each.name, "when": each.when} for each in alerts.list() if each.is_own]
        case "off":
            return [each.name for each in alerts.list() if not each.is_on]
        case "webhooks":
            found = [each.webhook for each in alerts._receivers._receivers]
            return [{"name": each.name, "url": each.url} for each in found]
        case "internal_networks":
            return [str(each) for each in alerts._receivers._sender._internal]
        case "ca_file":
            return alerts._receivers._sender._ca_file.rpartition("/")[2]
        case "evaluate":
            return "on" if any(each.is_on for each in alerts.list()) else "off"
    return getattr(alerts.settings, key)


def of_tracing(system: System, key: str) -> object:
    monitor: Any = next(each for each in system.observers.values() if isinstance(each, Monitor))
    traces = monitor.traces
    match key:
        case "traces":
            return "on" if system.services.get(ActorSystem).tracing.is_on else "off"
        case "sample":
            return system.services.get(ActorSystem).tracing.ratio
        case "kept":
            return traces.recent.most
        case "kept_bytes":
            return traces.recent.most_bytes
    settings = traces._settings if traces._exporter is None else traces._exporter._settings
    return getattr(settings, key)


def of_host(system: System, key: str) -> object:
    memory: Any = system.services.get(HostMemory)
    return {
        "memory_bytes": memory.most_bytes,
        "descriptors": memory.most_descriptors,
        "component_descriptors": memory._each_descriptors,
    }[key]


def of_durable(system: System, key: str) -> object:
    delivery: Any = system.services.get(DurableDelivery)
    if key == "topics":
        return tuple(each.text for each in delivery._topics)
    if key == "retained":
        retained: Any = system.services.get(RetainedTopics)  # type: ignore[type-abstract]
        return tuple(each.text for each in retained._kept)
    return getattr(delivery.settings, key)


def of_dead_letters(system: System, key: str) -> object:
    store: Any = system.services.get(DeadLetterStore)
    return {
        "letters": store._shares._most_items,
        "size": store._shares._most_bytes,
        "age": store._settings.age,
    }[key]


def of_updates(system: System, key: str) -> object:
    """Return what the gates have in hand, wherever they keep it."""
    inside: Any = system
    gates: Any = inside._updating.switching.gates
    if key == "health_checks":
        return next(each.judge.checks for each in gates.standing if each.gate.name == "health")
    return inside._data.checkpoints if key == "checkpoints" else getattr(gates.settings, key)


def of_private(attribute: str) -> Observe:
    def look(system: System, key: str) -> object:
        part: Any = system
        for name in attribute.split("."):
            part = getattr(part, name)
        return getattr(part, key)

    return look


OBSERVERS: Mapping[str, Observe] = {
    "acl": of_roles,
    "audit": of_audit,
    "dead-letters": of_dead_letters,
    "durable": of_durable,
    "filesystem": of_files("folders"),
    "health": of_policy("health"),
    "history": of_private("_history.settings"),
    "host": of_host,
    "http": of_serving,
    "install": of_policy("install"),
    "limits": of_limits,
    "logs": of_private("logs._files.limits"),
    "messaging": of_messaging,
    "alerts": of_alerts,
    "monitoring": of_monitoring,
    "network": of_network,
    "process": of_files("processes"),
    "replay": of_private("_recordings.settings"),
    "roles": of_roles,
    "security": of_security,
    "sources": of_private("sources._settings"),
    "storage": lambda system, key: getattr(system.services.get(Store).limits, key),
    "supervision": of_policy("supervision"),
    "timers": lambda system, key: getattr(system.services.get(Schedule).settings, key),
    "tracing": of_tracing,
    "trust": of_trust,
    "updates": of_updates,
}
"""What a part of a running host has in hand, for the sections that are reloaded."""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> Any:
    home = tmp_path_factory.mktemp("home") / "home"
    async with System(home) as system:
        (home / "roles.toml").write_text(
            '[roles]\nenforce = true\n[roles.define.from-file]\nmembers = ["component:a/b"]\n'
            'allow.storage.read = ["k"]\n'
        )
        yield system


@pytest.mark.parametrize(
    ("section", "key"), KEYS, ids=[f"{section.name}.{key}" for section, key in KEYS]
)
async def test_each_key(system: System, section: Section, key: str) -> None:
    """A key that is reloaded is seen in the part that works with it, and no other changes."""
    name, wanted = f"{section.name}.{key}", other_value(section, key)
    system.home.config_file.write_text(
        f"[{section.name}]\n{key} = {write_toml(wanted)}\n{BESIDE.get(name, '')}"
    )
    reason = section.reason_to_wait(key)
    observe = OBSERVERS.get(section.name)
    before = observe(system, key) if observe is not None and reason is None else None
    change = next(each for each in (await system.reload()).changes if each.name == name)
    assert change.state == ("applied" if reason is None else "waiting")
    assert change.reason == (reason or "")
    if reason is None and section.reads == "reload":
        assert observe is not None
        found = observe(system, key)
        assert found != before
        assert listed(found) == wanted
    system.home.config_file.write_text("")
    await system.reload()
    if observe is not None and reason is None:
        assert observe(system, key) == before


def listed(value: object) -> object:
    """Return a value of a model as config.toml has it: its tuples are lists."""
    if isinstance(value, Mapping):
        return {key: listed(each) for key, each in value.items()}
    return [listed(each) for each in value] if isinstance(value, tuple | list) else value
