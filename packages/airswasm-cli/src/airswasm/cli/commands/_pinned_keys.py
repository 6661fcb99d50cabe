"""Find the names that a change of trust leaves with fewer keys than must sign them."""

from __future__ import annotations

from collections.abc import Mapping

from .._control.document import Document, items, number
from .._session.session import Session

__all__ = ("keys_without", "warn_of_few")


def keys_without(
    found: Document, fingerprint: str = "", *, owner_of: str = ""
) -> dict[str, frozenset[str]]:
    """Return the keys of each pinned name that count: neither revoked, nor the ones to leave out.

    Args:
        found: The trusted keys.
        fingerprint: The key to leave out, or its first digits; empty for none.
        owner_of: The name whose owner's key to leave out.
    """
    gone = tuple(str(each["fingerprint"]) for each in items(found["revoked"]))
    gone += (fingerprint.strip().lower(),) if fingerprint else ()
    return {
        str(pin["name"]): frozenset(
            str(each["fingerprint"])
            for each in (*([] if pin["name"] == owner_of else [pin]), *items(pin["cosigners"]))
            if not str(each["fingerprint"]).startswith(gone)
        )
        for pin in items(found["components"])
    }


def warn_of_few(session: Session, found: Document, left: Mapping[str, frozenset[str]]) -> bool:
    """Warn of names that keep fewer keys than must sign; return whether there is one.

    Args:
        session: The verb's.
        found: The trusted keys, before the change.
        left: The keys that each name keeps.
    """
    pins = items(found["components"])
    needed = {str(each["name"]): int(number(each["needed"])) for each in pins}
    few = {name: len(keys) for name, keys in left.items() if len(keys) < needed[name] > 1}
    for name, count in few.items() if not session.terminal.as_json else ():
        session.terminal.warn(
            f"{name} keeps {count} of the {needed[name]} keys that must sign it; after that, no "
            f"update comes in before: airswasm trust add {name} KEY --cosigner"
        )
    return bool(few)
