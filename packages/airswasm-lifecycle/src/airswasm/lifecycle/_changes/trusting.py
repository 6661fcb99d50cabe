"""Change whom the host trusts, and end at once what it trusts no longer.

Each change is one line of the audit log and one write of the trust file; what follows from it for
the components that run happens before the call returns. So no operator has to remember which of
them a key had signed.

`TrustStore` holds the rules of keys. This module adds what only a host knows: which component a key
has already brought here, so that removing a pin and adding another does not replace an owner.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import anyio
from airswasm.security import (
    AuditEvent,
    AuditLog,
    FingerprintUnknown,
    KeyRevoked,
    PublicKey,
    Revocation,
    SecurityError,
    TrustedComponent,
    TrustedKey,
    TrustStore,
    is_fingerprint,
    verify_rotation,
)

from .._hosting.running import Running
from .._registry.history import HistoryEntry
from .._registry.ledger import Ledger
from .._registry.registry import Registry
from ..errors import KeyNotTrusted
from .granting import Granting

__all__ = ("RevocationReport", "Trusting")

T = TypeVar("T")
_FEWEST_DIGITS = 16
"""Of a fingerprint, so that none is found by chance or by trial."""


@dataclass(frozen=True, slots=True)
class RevocationReport:
    """The effect of a revocation.

    Attributes:
        fingerprint: Of the revoked key.
        quarantined: The components whose active version it had signed, and that no other
            revocation had stopped. Their code has ended, and does not start again.
    """

    fingerprint: str
    quarantined: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trusting:
    """Changes the trusted keys of a host; `System.trust`."""

    registry: Registry
    ledger: Ledger
    store: TrustStore
    audit: AuditLog
    running: Running
    granting: Granting

    def components(self) -> tuple[TrustedComponent, ...]:
        """Return every pin, sorted by name."""
        return self.store.components()

    def revocations(self) -> tuple[Revocation, ...]:
        """Return every revoked key, oldest first."""
        return self.store.revocations()

    def trusted_keys(self) -> tuple[TrustedKey, ...]:
        """Return every key whose packages are granted what they ask for, oldest first."""
        return self.store.trusted_keys()

    async def allow(self, fingerprint: str, *, label: str = "") -> TrustedKey:
        """Trust a key: its packages are granted what they ask for, whatever their name.

        The host's policy and the forbidden list still hold, and a name that another key owns stays
        that key's.

        Args:
            fingerprint: Of the key; its first 16 digits are enough where the host knows the key.
            label: The publisher's name, for people.

        Raises:
            FingerprintUnknown: The digits belong to no key that this host knows, or to several.
            KeyRevoked: The key was revoked.
        """
        full = self._full(fingerprint)
        return await self._change(
            "allow", "", {"key": full, "label": label},
            lambda: self.store.allow(full, label=label),
        )  # fmt: skip

    async def disallow(self, fingerprint: str) -> tuple[str, ...]:
        """Trust a key no longer, and take away what its packages were granted for it.

        Returns:
            The components that lost their grants; they go on without.

        Raises:
            FingerprintUnknown: The digits belong to no key that this host knows, or to several.
            KeyNotTrusted: The key is not trusted.
        """
        full = self._full(fingerprint)
        is_trusted = any(each.fingerprint == full for each in self.store.trusted_keys())
        lost: tuple[str, ...] = ()
        with anyio.CancelScope(shield=True):
            if is_trusted:
                await self._change("disallow", "", {"key": full}, lambda: self.store.disallow(full))
            lost = await self.granting.withdraw(full)  # what a crash may have left, too
        if not is_trusted and not lost:
            raise KeyNotTrusted(full)
        return lost

    async def add(self, name: str, key: PublicKey, *, label: str = "") -> TrustedComponent:
        """Pin a component to its owner's key before the install.

        Args:
            name: The name in the package.
            key: The owner's key.
            label: The publisher's name, for people.

        Raises:
            KeyRevoked: The key was revoked.
            KeyMismatch: The name is pinned to another key, or a component of another owner is
                installed.
        """
        return await self._change(
            "add", name, {"key": key.fingerprint, "label": label},
            lambda: self.ledger.pin(name, key, label=label),
        )  # fmt: skip

    async def add_cosigner(self, name: str, key: PublicKey) -> TrustedComponent:
        """Count a further key for a name, where more than one must sign.

        Raises:
            KeyRevoked: The key was revoked.
            CosignerRefused: The name has no owner, this key already, or too many.
        """
        return await self._change(
            "add-cosigner", name, {"key": key.fingerprint},
            lambda: self.store.add_cosigner(name, key),
        )  # fmt: skip

    async def remove_cosigner(self, name: str, fingerprint: str) -> TrustedComponent:
        """Count a key for a name no longer; how many keys must sign stays.

        Raises:
            FingerprintUnknown: The digits belong to no key that this host knows, or to several.
            CosignerRefused: It is no co-signer's.
        """
        full = self._full(fingerprint)
        return await self._change(
            "remove-cosigner", name, {"key": full},
            lambda: self.store.remove_cosigner(name, full),
        )  # fmt: skip

    def needed(self, name: str) -> int:
        """Return how many different pinned keys must sign a package of this name."""
        return self.store.needed(name)

    async def set_threshold(self, name: str, needed: int) -> int:
        """Set how many pinned keys must sign a name's packages and statements.

        What is installed goes on. The number stays when the pin is removed.

        Args:
            name: The name in the package.
            needed: The number, 1 to 8.

        Returns:
            The number that holds: `[trust] threshold` where that is higher.

        Raises:
            CosignerRefused: It is not within 1 to 8.
        """
        detail = {"from": str(self.store.needed(name)), "to": str(needed)}
        return await self._change(
            "threshold", name, detail, lambda: self.store.set_threshold(name, needed)
        )

    async def remove(self, name: str) -> bool:
        """Forget a component's pin; the next install or update asks for approval again.

        An installed version keeps running, and its owner stays the only one who may update it.

        Returns:
            Whether it was pinned.
        """
        pin = self.store.get(name)
        if pin is not None:  # a crash may have kept a transfer from the records
            await self.ledger.hand_over(pin)
        return await self._change("remove", name, {}, lambda: self.store.unpin(name))

    async def rotate(self, statement: bytes) -> TrustedComponent:
        """Replace a key of a component by a statement that the old and the new key signed.

        Raises:
            InvalidSignature, InvalidStatement: It is not such a statement.
            RotationRefused: It does not continue from a pinned key and the sequence.
            StatementExpired: It has ended, by this host's clock.
            SignersMissing: Fewer pinned keys have signed it than the name needs.
            KeyRevoked: One of the keys was revoked.
        """
        rotation = verify_rotation(statement)
        detail = {"from": rotation.old.fingerprint, "to": rotation.new.fingerprint}
        after = await self._change(
            "rotate", rotation.name, detail, lambda: self.store.rotate(statement)
        )
        await self.ledger.hand_over(after)
        return after

    async def transfer(self, name: str, key: PublicKey, *, label: str = "") -> TrustedComponent:
        """Give a component to another key because the operator says so.

        For a new owner, and for an owner whose key is lost or revoked. The versions that are
        installed stay what they are: unless their key was revoked they go on, and updates need the
        new key.

        Raises:
            RotationRefused: No key owns this name, or this one does already.
            KeyRevoked: The new key was revoked.
        """
        before = self.store.get(name)

        def carry_out() -> TrustedComponent:
            if self.store.get(name) is None and self.ledger.owner_of(name) not in (None, key):
                accepted = self.ledger.accepted(name)  # its pin was removed
                return self.store.pin(name, key, label=label, accepted=accepted)
            return self.store.transfer(name, key, label=label)

        known = before.key.fingerprint if before is not None else ""
        after = await self._change(
            "transfer", name, {"from": known, "to": key.fingerprint, "label": label}, carry_out
        )
        await self.ledger.hand_over(after)
        return after

    async def revoke(self, fingerprint: str, reason: str) -> RevocationReport:
        """Refuse a key for good, and quarantine every component that runs on its signature.

        What was granted because of the key ends as with `disallow`.

        The message that such a component handles goes to the dead letters. Messages that wait, and
        those that come, stay in its mailbox for the next version: give the name to another key
        (`transfer`) and update it.

        Args:
            fingerprint: Of the key; its first 16 digits are enough where the host knows the key.
            reason: For people.

        Raises:
            FingerprintUnknown: The digits belong to no key that this host knows, or to several.
        """
        full = self._full(fingerprint)
        before = frozenset(each.fingerprint for each in self.store.revocations())
        ended: tuple[str, ...] = ()
        with anyio.CancelScope(shield=True):  # a caller that leaves must not keep the code running
            revocation = await self._change(
                "revoke", "", {"key": full, "reason": reason},
                lambda: self.store.revoke(full, reason),
            )  # fmt: skip
            error = KeyRevoked(full, revocation.reason)
            ended = await self.running.quarantine_signed_by(error, before)
            await self.granting.withdraw(full)
        return RevocationReport(full, ended)

    def _full(self, fingerprint: str) -> str:
        """Return the whole fingerprint of its first digits, if only one known key has them."""
        digits = fingerprint.strip().lower()
        known = {
            each.fingerprint
            for pin in self.store.components()
            for each in (*pin.keys, *(former.key for former in pin.former))
        }
        signers = {version.signer for record in self.registry for version in record.versions}
        known |= {each.fingerprint for each in self.store.trusted_keys()}
        known |= {each.fingerprint for each in self.store.revocations()}
        known |= {PublicKey.from_text(each).fingerprint for each in signers if each is not None}
        found = [each for each in known if each.startswith(digits)]
        if len(digits) >= _FEWEST_DIGITS and len(found) == 1:
            return found[0]
        if is_fingerprint(digits):
            return digits
        raise FingerprintUnknown(digits, len(found), _FEWEST_DIGITS)

    async def _change(
        self, act: str, name: str, detail: Mapping[str, str], carry_out: Callable[[], T]
    ) -> T:
        """Write the audit line, then the trust file; a refusal gets another line instead."""

        def write() -> T:
            event = AuditEvent("trust", name, "done", detail={"act": act, **detail})
            is_recorded = False

            def record() -> None:
                nonlocal is_recorded
                self.audit.record(event)
                self.audit.sync()
                is_recorded = True

            try:
                with self.store.before_write(record):
                    done = carry_out()
            except SecurityError as error:
                self.audit.record(replace(event, outcome="failed", reason=str(error)))
                raise
            if not is_recorded:  # all was as wished already
                record()
            return done

        told = HistoryEntry(name, "trust", detail={"act": act, **detail})
        return await self.ledger.change_trust(write, told)
