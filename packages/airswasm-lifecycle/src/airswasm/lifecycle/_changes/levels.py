"""Trust levels: how much a package's origin decides before an operator does.

- *trusted*: a key that the operator listed signed it, or it came from a place that config.toml
  lists (`source`). What it asks for is granted at once, within the host's policy.
- *development*: the host is in development mode, and the package is unsigned or signed by a key of
  this home. It may use everything but the forbidden list.
- *unknown*: anything else. An operator reviews it.

Rejected: the development level for every package of a development host. A stranger's package would
get everything on the machine of the one who only wants to try it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from airswasm.security import (
    PublicKey,
    SecurityError,
    TrustSettings,
    TrustStore,
    covers_source,
    load_public_key,
)

from .._packages.package import Package
from .._registry.plan import TrustLevel

__all__ = ("Levels",)


class Levels:
    """Tells the trust level of a package.

    Args:
        store: The keys that the operator trusts.
        settings: Those of config.toml.
        keys_folder: Where the home's own keys are.
        is_development: Whether the host is in development mode.
    """

    def __init__(
        self, store: TrustStore, settings: TrustSettings, keys_folder: Path, *, is_development: bool
    ) -> None:
        self._store, self._settings = store, settings
        self._keys_folder, self._is_development = keys_folder, is_development

    def hold_to(self, settings: TrustSettings) -> None:
        """Trust the places of other settings, from the next package on."""
        self._settings = settings

    def trusts_source(self, source: str) -> bool:
        """Return whether packages from a place are trusted."""
        return covers_source(self._settings.sources, source)

    def of(self, package: Package) -> TrustLevel:
        """Return the level of a package whose signers were not revoked.

        Where several keys must sign, as many must be of the level: the approval of a package pins
        all of its signers, and one trusted key must not bring the others in without a question.
        """
        if self.trusts_source(package.origin):
            return "source"
        if package.signer is None:
            return "development" if self._is_development else "unknown"
        signers = (package.signer, *package.cosigners)
        needed = self._store.needed(package.name)
        if _are_enough(signers, lambda key: self._store.trusts(key.fingerprint), needed):
            return "trusted"
        if self._is_development:
            own = self._own_keys()
            if _are_enough(signers, lambda key: key.fingerprint in own, needed):
                return "development"
        return "unknown"

    def _own_keys(self) -> frozenset[str]:
        found: set[str] = set()
        for file in sorted(self._keys_folder.glob("*.pub")):
            try:
                found.add(load_public_key(file).fingerprint)
            except (SecurityError, OSError):
                continue  # it is no key
        return frozenset(found)


def _are_enough(
    signers: Sequence[PublicKey], is_good: Callable[[PublicKey], bool], needed: int
) -> bool:
    """Return whether the owner's key is good, and so many in all."""
    return is_good(signers[0]) and sum(map(is_good, signers)) >= needed
