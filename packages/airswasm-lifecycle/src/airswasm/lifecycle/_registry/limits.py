"""The limits that hold for a component: its manifest's, and the host's where that says nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airswasm.messaging import Acceptance, Delivery, DurableSettings, Rate
from airswasm.runtime import Limits

from .._packages.manifest import LimitsSection, Manifest, RatesSection

if TYPE_CHECKING:
    from .._home.policy import LimitPolicy

__all__ = (
    "acceptance_of",
    "delivery_of",
    "limits_in_force",
    "limits_of",
    "sending_rate",
    "storage_in_force",
)


def limits_of(manifest: Manifest) -> Limits:
    """Return the engine's limits for a manifest."""
    asked = manifest.limits
    default = Limits()
    return Limits(
        memory_bytes=asked.memory,
        memories=asked.memories,
        tables=asked.tables,
        table_elements=asked.table_elements,
        instances=asked.instances,
        host_call_bytes=asked.host_call,
        fuel=asked.fuel if asked.fuel is not None else default.fuel,
        timeout=asked.timeout,
        host_memory_bytes=asked.host_memory or max(asked.memory, default.host_memory_bytes),
        message_bytes=asked.message_bytes,
        source="Component.toml",
    )


def storage_in_force(
    name: str, asked: LimitsSection | None, policy: LimitPolicy
) -> tuple[int, int]:
    """Return the most bytes and keys that a name may store.

    An operator's quota for the name wins over what its manifest asks for; without both, the
    policy's holds.
    """
    own = policy.quotas.get(name)
    most_bytes, most_keys = (None, None) if own is None else (own.storage, own.storage_keys)
    if asked is not None:
        most_bytes = asked.storage if most_bytes is None else most_bytes
        most_keys = asked.storage_keys if most_keys is None else most_keys
    return (
        policy.storage if most_bytes is None else most_bytes,
        policy.storage_keys if most_keys is None else most_keys,
    )


def limits_in_force(name: str, manifest: Manifest, policy: LimitPolicy) -> LimitsSection:
    """Return `[limits]` with the host's value for every key that it decides.

    `message_bytes` is the most that it can be: where the manifest leaves it open, a component that
    starts with much memory takes less.
    """
    asked, engine = manifest.limits, limits_of(manifest)
    rates, default = asked.rates, round(Rate().per_second)
    most_bytes = policy.sent_bytes if rates.bytes is None else rates.bytes
    storage, storage_keys = storage_in_force(name, asked, policy)
    return replace(
        asked,
        fuel=engine.fuel,
        host_memory=engine.host_memory_bytes,
        message_bytes=min(engine.most_message_bytes(), policy.message_bytes),
        storage=storage,
        storage_keys=storage_keys,
        rates=replace(
            rates,
            messages=default if rates.messages is None else rates.messages,
            bytes=most_bytes,
        ),
    )


def sending_rate(manifest: Manifest | None, policy: LimitPolicy) -> Rate:
    """Return the rate at which a component may send; it bounds what its manifest asks for."""
    asked = RatesSection() if manifest is None else manifest.limits.rates
    messages = round(Rate().per_second) if asked.messages is None else asked.messages
    most_bytes = policy.sent_bytes if asked.bytes is None else asked.bytes
    return Rate.of(min(messages, policy.messages), min(most_bytes, policy.sent_bytes))


def acceptance_of(manifest: Manifest) -> Acceptance:
    """Return the codecs of the messages that a component reads."""
    codecs = manifest.codecs
    return Acceptance(manifest.name, codecs.accepts, codecs.preferred)


def delivery_of(manifest: Manifest, settings: DurableSettings) -> Delivery | None:
    """Return the terms of delivery that a component asks for; None for memory."""
    asked, default = manifest.delivery, settings.terms
    if asked.mode == "memory":
        return None
    return Delivery(
        asked.attempts or default.attempts,
        asked.messages or default.messages,
        asked.size or default.size_bytes,
        asked.age or default.age_seconds,
    )
