"""Names that are taken for each other: found at the install, of other owners only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airswasm.lifecycle import InstallPlan, System
from airswasm.lifecycle._registry.lookalikes import are_alike
from airswasm.security import generate_key
from hypothesis import given
from hypothesis import strategies as st

Workshop = Any  # tests/conftest.py, which nothing can import
Approve = Callable[[InstallPlan], bool]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-"
NAMES = st.from_regex(r"[a-z][a-z0-9-]{2,12}/[a-z][a-z0-9-]{2,12}", fullmatch=True)


@pytest.mark.parametrize(
    "other",
    ["acme/ech0", "acme/echoo", "acme/eho", "acme/ehco", "acrne/echo", "ac-me/echo", "acme/scho"],
)
def test_these_are_alike(other: str) -> None:
    assert are_alike("acme/echo", other)
    assert are_alike(other, "acme/echo")


@pytest.mark.parametrize("other", ["acme/echo", "acme/orders", "shop/echo", "acme/echoes", "a/b"])
def test_these_are_not(other: str) -> None:
    assert not are_alike("acme/echo", other)


@given(NAMES, st.integers(0, 30), st.sampled_from(LETTERS))
def test_one_character_is_always_found(name: str, place: int, letter: str) -> None:
    """Changed, added or dropped, at any place; a name is never like itself."""
    place %= len(name)
    changed = (
        f"{name[:place]}{letter}{name[place + 1 :]}",
        f"{name[:place]}{letter}{name[place:]}",
        f"{name[:place]}{name[place + 1 :]}",
    )
    for other in changed:
        assert are_alike(name, other) == (name != other)


@pytest.mark.anyio
async def test_the_plan_names_those_of_other_owners(
    tmp_path: Path, workshop: Workshop, yes: Approve
) -> None:
    """Installed or only pinned; a publisher's own names may be as alike as they like."""
    stranger = generate_key()
    async with System(tmp_path) as system:
        await system.install(workshop.package(name="acme/echo"), approve=yes)
        await system.trust.add("acme/pinned", workshop.key.public)
        owner = workshop.key.public.fingerprint
        for name, meant in (("acme/ech0", "acme/echo"), ("acme/pined", "acme/pinned")):
            plan = await system.plan(workshop.package(name=name, key=stranger))
            assert [(each.name, each.owner) for each in plan.lookalikes] == [(meant, owner)]
        assert (await system.plan(workshop.package(name="acme/ech0"))).lookalikes == ()
