"""Tests of isolation, with generated names and keys that try to reach each other."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .._store import Store
from ._suite import HOSTILE, OpenStore, Suite

pieces = st.sampled_from([*HOSTILE[:-1], "\x01", "e", "x", "g", "t", "l", "c", "p", "\0" * 8])
texts = st.one_of(
    st.lists(pieces, min_size=1, max_size=3).map("".join),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6),
)
names = st.lists(texts.filter(lambda text: len(text.encode()) <= 255), min_size=2, max_size=4)
keys = st.lists(texts, min_size=1, max_size=4)
DESTRUCTIONS = ["clear", "purge", "prefix", "delete", "load", "copy", "restore", "expire", "log"]


class IsolationTests(Suite):
    """No name and no key reaches what another name holds."""

    def test_no_name_or_key_reaches_another_s_data(self, open_store: OpenStore) -> None:
        """Whatever one namespace suffers, the others read, count, scan and list as before."""

        @settings(
            max_examples=self.examples,
            deadline=None,
            suppress_health_check=[HealthCheck.function_scoped_fixture],
        )
        @given(names.map(lambda found: list(dict.fromkeys(found))), keys,
               st.sampled_from(DESTRUCTIONS), texts)  # fmt: skip
        def attack(spaces: list[str], used: list[str], kind: str, prefix: str) -> None:
            anyio.run(self._attack, open_store, spaces, used, kind, prefix)

        attack()

    async def _attack(
        self, open_store: OpenStore, names: list[str], keys: list[str], kind: str, prefix: str
    ) -> None:
        async with open_store() as store:
            for name in {*store.namespaces(), *names}:
                await store.purge(name)
            for name in names:
                values = {key: f"{name}|{key}".encode() for key in keys}
                await store.namespace(name).batch(values, ttls={keys[0]: 3_600})
                await store.namespace(name).checkpoints.create(prefix[:60])
            await destroy(store, names[0], kind, prefix)
            for name in names[1:]:
                space = store.namespace(name)
                found = [(entry.key, entry.value) async for entry in space.entries()]
                assert found == [
                    (key, f"{name}|{key}".encode()) for key in sorted(set(keys), key=str.encode)
                ]
                assert [e.key async for e in space.entries(prefix)] == [
                    key for key, _ in found if key.startswith(prefix)
                ]
                assert await space.usage() == await space.recount()
                assert [each.label for each in space.checkpoints.list()] == [prefix[:60]]
                assert [each async for each in space.checkpoints.diff(prefix[:60])] == []
            assert set(names[1:]) <= set(store.namespaces()) <= set(names)


async def destroy(store: Store, name: str, kind: str, prefix: str) -> None:
    """Do the worst to one namespace."""
    space = store.namespace(name)
    match kind:
        case "clear":
            await space.clear()
        case "purge":
            await store.purge(name)
        case "prefix":
            await space.delete_prefix(prefix)
        case "delete":
            for entry in [entry async for entry in space.entries()]:
                await space.delete(entry.key)
        case "load":
            await space.load(store.namespace(f"{name[:50]}!").export(), replace=True, any_name=True)
        case "copy":
            await space.copy_from(store.namespace(f"{name[:50]}!"))
        case "restore":
            await space.clear()
            await space.checkpoints.restore(prefix[:60])
            await space.checkpoints.drop(prefix[:60])
        case "expire":
            for entry in [entry async for entry in space.entries()]:
                await space.expire(entry.key, 1e-9)
            await store.sweep_expired()
        case "log":
            log = store.log(name)
            await log.consumer(prefix[:60])
            await log.append(b"")
            await log.delete()
        case _:
            pytest.fail(kind)
