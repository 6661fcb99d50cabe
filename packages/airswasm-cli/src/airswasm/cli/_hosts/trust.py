"""Operations on trusted keys, by a `System` of this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .._control.document import Document
from .stored_host import to_document

if TYPE_CHECKING:
    from airswasm.lifecycle import System
    from airswasm.security import PublicKey, TrustedComponent

__all__ = ("TrustHost", "LocalTrust")


class TrustHost(Protocol):
    """The keys that a home trusts."""

    async def trust(self) -> Document:
        """Return the pinned names and the revoked keys."""
        ...

    async def trust_add(self, name: str, key: str, label: str = "") -> Document:
        """Pin a component to its owner's key."""
        ...

    async def trust_remove(self, name: str) -> bool:
        """Forget a component's pin; return whether there was one."""
        ...

    async def trust_add_cosigner(self, name: str, key: str) -> Document:
        """Pin a key beside the owner's."""
        ...

    async def trust_remove_cosigner(self, name: str, fingerprint: str) -> Document:
        """Count a key for a name no longer."""
        ...

    async def trust_threshold(self, name: str, needed: int) -> int:
        """Set how many pinned keys must sign a name; return the number that holds."""
        ...

    async def trust_transfer(self, name: str, key: str, label: str = "") -> Document:
        """Give a component to another key, because the operator says so."""
        ...

    async def trust_allow(self, fingerprint: str, label: str = "") -> Document:
        """Grant what the packages of a key ask for, without a question."""
        ...

    async def trust_disallow(self, fingerprint: str) -> Document:
        """Trust a key no longer, and take away what was granted for it."""
        ...

    async def trust_rotate(self, statement: bytes) -> Document:
        """Give a component to a new key by a statement that both keys signed."""
        ...

    async def trust_revoke(self, fingerprint: str, reason: str = "compromised") -> Document:
        """Refuse a key for good, and quarantine the components that it signed."""
        ...


class LocalTrust:
    """The trust of a `System`, in documents."""

    def __init__(self, system: System) -> None:
        self._system = system

    async def trust(self) -> Document:
        """See `TrustHost`."""
        from airswasm.security import TrustSettings, TrustStore

        from .._control.trust_answers import (
            AllowedKey,
            RevokedKey,
            Threshold,
            Trust,
            TrustedName,
        )

        settings = self._system.configuration.get(TrustSettings)
        path = self._system.home.trust_folder / "trust.json"
        store = TrustStore(path, threshold=settings.threshold)
        components = tuple(
            TrustedName.of(each, store.needed(each.name)) for each in store.components()
        )
        more = tuple(Threshold(name, number) for name, number in store.thresholds().items())
        keys = (
            *(AllowedKey(each, "config.toml", 0.0) for each in settings.keys),
            *(AllowedKey(k.fingerprint, k.label, k.since) for k in store.trusted_keys()),
        )
        revoked = tuple(map(RevokedKey.of, store.revocations()))
        return to_document(Trust(components, revoked, keys, settings.threshold, more))

    async def trust_allow(self, fingerprint: str, label: str = "") -> Document:
        """See `TrustHost`."""
        from .._control.trust_answers import AllowedKey

        key = await self._system.trust.allow(fingerprint, label=label)
        return to_document(AllowedKey(key.fingerprint, key.label, key.since))

    async def trust_disallow(self, fingerprint: str) -> Document:
        """See `TrustHost`."""
        from .._control.trust_answers import Disallowed

        return to_document(Disallowed(fingerprint, await self._system.trust.disallow(fingerprint)))

    async def trust_add(self, name: str, key: str, label: str = "") -> Document:
        """See `TrustHost`."""
        return self._pin(await self._system.trust.add(name, _key(key), label=label))

    async def trust_add_cosigner(self, name: str, key: str) -> Document:
        """See `TrustHost`."""
        return self._pin(await self._system.trust.add_cosigner(name, _key(key)))

    async def trust_remove_cosigner(self, name: str, fingerprint: str) -> Document:
        """See `TrustHost`."""
        return self._pin(await self._system.trust.remove_cosigner(name, fingerprint))

    async def trust_threshold(self, name: str, needed: int) -> int:
        """See `TrustHost`."""
        return await self._system.trust.set_threshold(name, int(needed))

    async def trust_remove(self, name: str) -> bool:
        """See `TrustHost`."""
        return await self._system.trust.remove(name)

    async def trust_transfer(self, name: str, key: str, label: str = "") -> Document:
        """See `TrustHost`."""
        return self._pin(await self._system.trust.transfer(name, _key(key), label=label))

    async def trust_rotate(self, statement: bytes) -> Document:
        """See `TrustHost`."""
        return self._pin(await self._system.trust.rotate(statement))

    async def trust_revoke(self, fingerprint: str, reason: str = "compromised") -> Document:
        """See `TrustHost`."""
        from .._control.trust_answers import Revoked

        report = await self._system.trust.revoke(fingerprint, reason)
        return to_document(Revoked(report.fingerprint, report.quarantined))

    def _pin(self, pin: TrustedComponent) -> Document:
        from .._control.trust_answers import TrustedName

        return to_document(TrustedName.of(pin, self._system.trust.needed(pin.name)))


def _key(text: str) -> PublicKey:
    from airswasm.security import PublicKey

    return PublicKey.from_text(text)
