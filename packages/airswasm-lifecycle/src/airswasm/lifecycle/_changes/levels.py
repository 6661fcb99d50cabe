"""Trust levels: how much a package's origin decides before an operator does.

- *trusted*: a key that the operator listed signed it. What it asks for is granted at once, within
  the host's policy.
- *development*: the host is in development mode, and the package is unsigned or signed by a key of
  this home. It may use everything but the forbidden list.
- *unknown*: anything else. An operator reviews it.

Rejected: the development level for every package of a development host. A stranger's package would
get everything on the machine of the one who only wants to try it.
"""

from __future__ import annotations

from pathlib import Path

from airswasm.security import SecurityError, TrustSettings, TrustStore, load_public_key

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

    def of(self, package: Package) -> TrustLevel:
        """Return the level of a package whose signers were not revoked."""
        signer = package.signer
        if signer is not None and (
            signer.fingerprint in self._settings.keys or self._store.trusts(signer)
        ):
            return "trusted"
        if self._is_development and (signer is None or signer.fingerprint in self._own_keys()):
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
