"""The registry by type."""

from __future__ import annotations

import pytest
from airswasm.runtime import ServiceMissing, Services


class Store:
    pass


def test_a_service_is_found_by_its_type():
    """What was added is what is given, and a later one replaces it."""
    services = Services()
    first, second = Store(), Store()
    services.add(Store, first)
    assert services.get(Store) is first
    services.add(Store, second)
    assert services.get(Store) is second
    assert services.has(Store)
    assert not services.has(int)


def test_a_missing_service_names_who_offers_it():
    """The error names the type and the distribution it comes from."""
    from airswasm.runtime import Engine

    with pytest.raises(ServiceMissing) as caught:
        Services().get(Engine)
    assert caught.value.service == "Engine"
    assert caught.value.offered_by == "airswasm-runtime"
    with pytest.raises(LookupError):
        Services().get(Store)
