"""The interface that components see."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import anyio
import pytest
from airswasm.runtime import Caller, Case, Err, HostFunction, Ok, Pending, Services
from airswasm.security import Grants, Guard, Kinds
from airswasm.storage import (
    BLOCK,
    ENTRY_BYTES,
    STORAGE_INTERFACE,
    BatchTooLarge,
    Durability,
    DurabilityPolicy,
    FixedQuota,
    InvalidKey,
    InvalidLifetime,
    InvalidNamespace,
    KeyValueStore,
    LogFull,
    QuotaExceeded,
    StorageClosed,
    StorageCorrupted,
    StorageError,
    StorageQuotas,
    StorageReadOnly,
    StorageUnavailable,
    StoreLimits,
    ValueTooLarge,
    provide,
    storage_interface,
)
from airswasm.storage._guest_answers import refusal, write_refusal
from airswasm.storage.testing import MemoryDisk, MemoryStore
from airswasm.wit import contract

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def offered(
    quota: int = 1_000, disk: MemoryDisk | None = None, durability: str = "os"
) -> AsyncIterator[dict[str, HostFunction]]:
    limits = StoreLimits(value_bytes=100)
    async with MemoryStore(disk, limits=limits, durability=durability) as store:  # type: ignore[arg-type]
        yield dict(storage_interface(store, FixedQuota(quota)).functions)


def case_of(outcome: object) -> str:
    match outcome:
        case Err(Case(name, str() | Mapping())):
            return name
    pytest.fail(f"no refusal: {outcome}")


async def test_it_offers_what_the_contract_declares() -> None:
    """Every function of the WIT interface, and nothing else."""
    async with offered() as functions:
        assert functions.keys() == contract().interfaces[STORAGE_INTERFACE].functions.keys()


async def test_a_component_reads_what_it_wrote() -> None:
    """Values as WIT has them: results, options, records with snake_case fields."""
    async with offered() as call:
        caller = Caller("local/hello")
        assert call["get"](caller, "k") == Ok(None)
        assert call["set"](caller, "k", b"1") == Ok(None)
        assert call["get"](caller, "k") == Ok(b"1")
        assert call["exists"](caller, "k") == Ok(True)
        usage = call["usage"](caller).value
        assert (usage.used_bytes, usage.keys, usage.quota_bytes) == (2 + ENTRY_BYTES, 1, 1_000)
        page = call["scan-prefix"](caller, "", None, 0).value
        assert [(entry.key, entry.value) for entry in page["entries"]] == [("k", b"1")]
        assert page["next"] is None
        assert call["delete"](caller, "k") == Ok(True)
        assert call["delete"](caller, "k") == Ok(False)


async def test_an_answer_is_no_larger_than_the_component_has_room_for() -> None:
    """A value beyond that is `too-large`, also at the head of a page; pages are as small."""
    async with offered() as call:
        caller = Caller("local/hello")
        for key, size in (("a", 10), ("b", 10), ("c", 31), ("d", 30)):
            assert call["set"](caller, key, bytes(size)) == Ok(None)
        caller.message_bytes = 30
        assert call["get"](caller, "d") == Ok(bytes(30))
        assert case_of(call["get"](caller, "c")) == "too-large"
        page = call["scan-prefix"](caller, "", None, 0).value
        assert ([entry.key for entry in page["entries"]], page["next"]) == (["a", "b"], "b")
        assert case_of(call["scan-prefix"](caller, "", "b", 0)) == "too-large"
        page = call["scan-prefix"](caller, "", "c", 0).value
        assert [entry.key for entry in page["entries"]] == ["d"]


async def test_components_do_not_see_each_other() -> None:
    """The namespace is the caller's name; no argument can name another's."""
    async with offered() as call:
        call["set"](Caller("local/hello"), "k", b"1")
        assert call["get"](Caller("local/other"), "k") == Ok(None)
        assert call["get"](Caller("local/hello"), "k") == Ok(b"1")


async def test_refusals_have_their_cases() -> None:
    """A component decides by the case; the text tells people."""
    async with offered(quota=50 + ENTRY_BYTES) as call:
        caller = Caller("local/hello")
        for key in ("", "x" * 1_025):
            assert case_of(call["get"](caller, key)) == "invalid-key"
            assert case_of(call["set"](caller, key, b"")) == "invalid-key"
            assert case_of(call["delete"](caller, key)) == "invalid-key"
            assert case_of(call["exists"](caller, key)) == "invalid-key"
        assert case_of(call["scan-prefix"](caller, "x" * 1_025, None, 0)) == "invalid-key"
        assert case_of(call["set"](caller, "k", bytes(101))) == "too-large"
        quota = {"used_bytes": 0, "needed_bytes": 61 + ENTRY_BYTES, "quota_bytes": 50 + ENTRY_BYTES,
                 "used_keys": 0, "needed_keys": 1, "quota_keys": None}  # fmt: skip
        assert call["set"](caller, "k", bytes(60)) == Err(Case("quota-exceeded", quota))


async def test_a_write_completes_when_it_is_durable() -> None:
    """The guest waits in a pending result; no task waits for it."""
    async with offered(durability="sync") as call:
        pending = call["set"](Caller("local/hello"), "k", b"1")
        assert isinstance(pending, Pending)
        assert not pending.is_done
        with anyio.fail_after(30):
            while not pending.is_done:
                await anyio.lowlevel.checkpoint()


async def test_a_full_disk_is_unavailable_and_heals() -> None:
    """A guest that tries again gets through once the disk takes writes again."""
    disk = MemoryDisk()
    async with offered(disk=disk) as call:
        caller = Caller("local/hello")
        disk.is_full = True
        refused = call["set"](caller, "k", b"1")
        assert case_of(refused) == "unavailable"
        assert ":memory:" not in str(refused), "where the host keeps its data is nothing for guests"
        disk.is_full = False
        with anyio.fail_after(30):
            while call["set"](caller, "k", b"1") != Ok(None):  # noqa: ASYNC110
                await anyio.sleep(0.01)
        assert call["get"](caller, "k") == Ok(b"1")


async def test_it_is_provided_from_services() -> None:
    """The entry point takes the store and, where there is one, the host's quotas."""
    services = Services()
    async with MemoryStore() as store:
        services.add(KeyValueStore, store)  # type: ignore[type-abstract]
        (interface,) = provide(services)
        assert interface.functions["usage"](Caller("a/b")).value.quota_bytes == 64 * 1024 * 1024
        services.add(StorageQuotas, FixedQuota(7))  # type: ignore[type-abstract]
        (interface,) = provide(services)
        assert interface.functions["usage"](Caller("a/b")).value.quota_bytes == 7


class Policy:
    """A host's policy that changes while components run."""

    def __init__(self) -> None:
        self.quota = 10 + ENTRY_BYTES
        self.keys: int | None = None

    def quota_bytes(self, component: str) -> int:
        return self.quota

    def quota_keys(self, component: str) -> int | None:
        return self.keys

    def durability(self, component: str) -> Durability | None:
        return "os" if component == "local/fast" else None


async def test_a_changed_quota_holds_at_once() -> None:
    """Raised and lowered under a running instance, which keeps its handle."""
    policy = Policy()
    async with MemoryStore() as store:
        call = storage_interface(store, policy).functions
        caller = Caller("local/hello")
        assert case_of(call["set"](caller, "k", bytes(20))) == "quota-exceeded"
        policy.quota = 50 + ENTRY_BYTES
        assert call["set"](caller, "k", bytes(20)) == Ok(None)
        policy.quota = 10 + ENTRY_BYTES
        assert call["usage"](caller).value.quota_bytes == 10 + ENTRY_BYTES
        assert case_of(call["set"](caller, "l", b"")) == "quota-exceeded"
        assert call["delete"](caller, "k") == Ok(True)
        policy.quota, policy.keys = 1_000, 1
        assert call["set"](caller, "k", b"") == Ok(None)
        assert case_of(call["set"](caller, "l", b"")) == "quota-exceeded"
        policy.keys = 2
        assert call["set"](caller, "l", b"") == Ok(None)


async def test_a_component_may_have_a_durability_of_its_own() -> None:
    """One waits for the disk, the other does not, in one store; the host's policy decides."""
    services, policy = Services(), Policy()
    async with MemoryStore(durability="sync") as store:
        services.add(KeyValueStore, store)  # type: ignore[type-abstract]
        services.add(DurabilityPolicy, policy)  # type: ignore[type-abstract]
        (interface,) = provide(services)
        assert interface.functions["set"](Caller("local/fast"), "k", b"1") == Ok(None)
        pending = interface.functions["set"](Caller("local/safe"), "k", b"1")
        assert isinstance(pending, Pending)
        with anyio.fail_after(30):
            while not pending.is_done:
                await anyio.lowlevel.checkpoint()


def payload_of(outcome: object, case: str) -> object:
    match outcome:
        case Err(Case(name, found)) if name == case:
            return found
    pytest.fail(f"not refused as {case}: {outcome}")


async def test_a_batch_is_whole_or_absent() -> None:
    """Its keys begin with its prefix; a quota names what it is, and what was needed."""
    async with offered(quota=400) as call:
        caller = Caller("local/hello")
        call["set"](caller, "p/old", b"1")
        call["set"](caller, "p/none", b"")
        assert call["delete"](caller, "p/none") == Ok(True)
        set_two = call["batch"](caller, "p/", ["a", "b"], [1, 2], b"122", ["old", "none", "a"])
        assert set_two == Ok(1)
        assert call["get"](caller, "p/b") == Ok(b"22")
        page = call["scan"](caller, "", None, 0, True).value
        assert [entry.key for entry in page["entries"]] == ["p/b", "p/a"]
        used = call["usage"](caller).value.used_bytes
        full = call["batch"](caller, "q/", ["a", "b"], [90, 90], bytes(180), [])
        quota = payload_of(full, "quota-exceeded")
        assert quota == {
            "used_bytes": used, "needed_bytes": 2 * (64 + 3 + 90), "quota_bytes": 400,
            "used_keys": 2, "needed_keys": 2, "quota_keys": None,
        }  # fmt: skip
        assert call["exists"](caller, "q/a") == Ok(False)
        many = [str(number) for number in range(1_025)]
        too_many = call["batch"](caller, "", [], [], b"", many)
        assert "too large" in str(payload_of(too_many, "too-large"))
        assert case_of(call["batch"](caller, "", [""], [0], b"", [])) == "invalid-key"
        assert case_of(call["batch"](caller, "x" * 1_024, ["a"], [0], b"", [])) == "invalid-key"
        assert case_of(call["batch"](caller, "", ["a"], [], b"", [])) == "invalid"
        assert case_of(call["batch"](caller, "", ["a"], [2], b"1", [])) == "invalid"


async def test_a_conflict_is_told_with_what_is_there() -> None:
    """So that the loser of a race need not ask again."""
    async with offered() as call:
        caller, swap = Caller("local/hello"), call["compare-and-set"]
        assert swap(caller, "k", None, b"1", None) == Ok(None)
        assert payload_of(swap(caller, "k", None, b"2", None), "conflict") == b"1"
        assert payload_of(swap(caller, "l", b"1", b"2", None), "conflict") is None
        assert swap(caller, "k", b"1", b"2", 60_000) == Ok(None)
        assert call["ttl"](caller, "k").value > 0
        assert swap(caller, "k", b"2", None, None) == Ok(None)
        assert call["get"](caller, "k") == Ok(None)
        call["set"](caller, "k", bytes(50))
        caller.message_bytes = 10
        assert case_of(swap(caller, "k", b"", b"", None)) == "too-large"


async def test_a_value_with_a_time_to_live_is_gone_after_it() -> None:
    """0 and more than a hundred years are refused; `set` makes it last again."""
    async with offered() as call:
        caller = Caller("local/hello")
        assert call["set-with-ttl"](caller, "k", b"1", 1) == Ok(None)
        with anyio.fail_after(30):
            while call["get"](caller, "k") != Ok(None):  # noqa: ASYNC110
                await anyio.sleep(0.001)
        assert call["set-with-ttl"](caller, "k", b"1", 60_000) == Ok(None)
        assert call["set"](caller, "k", b"1") == Ok(None)
        assert call["ttl"](caller, "k") == Ok(None)
        for ttl in (0, 2**63):
            assert case_of(call["set-with-ttl"](caller, "k", b"1", ttl)) == "invalid"
        assert case_of(call["set-with-ttl"](caller, "", b"1", 1)) == "invalid-key"
        assert case_of(call["ttl"](caller, "")) == "invalid-key"


@pytest.mark.parametrize("limits", [StoreLimits(batch_entries=3), StoreLimits(batch_bytes=12)])
async def test_a_step_of_a_deleted_prefix_is_no_larger_than_a_batch(limits: StoreLimits) -> None:
    """Whatever the host allows in one batch, the prefix goes."""
    async with MemoryStore(limits=limits, durability="os") as store:
        call = dict(storage_interface(store, FixedQuota(10**6)).functions)
        caller = Caller("local/hello")
        for number in range(10):
            call["set"](caller, f"p/{number}", b"v")
        while (step := call["delete-prefix"](caller, "p/").value)["more"]:
            assert step["keys"] == 3
        assert call["usage"](caller).value.keys == 0


async def test_a_prefix_is_deleted_in_bounded_steps() -> None:
    """Each step is atomic, and says whether there is more."""
    async with offered(quota=10**6) as call:
        caller = Caller("local/hello")
        for start in range(0, 600, 200):
            keys = [str(number) for number in range(start, start + 200)]
            assert call["batch"](caller, "p/", keys, [0] * 200, b"", []) == Ok(0)
        call["set"](caller, "q", b"")
        steps = []
        while not steps or steps[-1]["more"]:
            steps.append(call["delete-prefix"](caller, "p/").value)
        assert sum(step["keys"] for step in steps) == 600
        assert len(steps) > 1
        assert call["usage"](caller).value.keys == 1
        assert call["delete-prefix"](caller, "").value == {"keys": 1, "more": False}
        assert case_of(call["delete-prefix"](caller, "x" * 1_025)) == "invalid-key"


ERRORS = (
    InvalidNamespace("", "it is empty"),
    InvalidKey("a/b", "", "it is empty"),
    ValueTooLarge("a/b", "k", 2, 1),
    BatchTooLarge("a/b", 2, 1, 1, 1),
    InvalidLifetime("a/b", "k", 0),
    QuotaExceeded("a/b", 1, 2, 2),
    QuotaExceeded("a/b", 1, 2, 2, 1, 1, 1),
    StorageUnavailable("/srv/home/store", "no space left on device"),
    StorageReadOnly("/srv/home/store"),
    StorageClosed("/srv/home/store"),
    StorageCorrupted("/srv/home/store", "a block differs"),
    LogFull("a", 1, 1),
)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_every_error_of_the_store_is_a_case_of_the_contract(error: StorageError) -> None:
    """With the payload that the case has, and no text names the folder of the host."""
    types = contract().interfaces[STORAGE_INTERFACE].types
    for answer, variant in ((refusal, "storage-error"), (write_refusal, "write-error")):
        match answer(error):
            case Err(Case(name, payload)):
                case = next(each for each in types[variant].cases if each.name == name)
                assert isinstance(payload, str) != (name == "quota-exceeded"), case
                assert "/srv" not in str(payload)
            case other:
                pytest.fail(f"no refusal: {other}")


DELETIONS = {
    "delete": ("k",),
    "delete-prefix": ("k",),
    "compare-and-set": ("k", b"1", None, None),
    "batch": ("", [], [], b"", ["k"]),
}


@pytest.mark.parametrize("name", DELETIONS)
async def test_no_function_deletes_without_the_capability(name: str) -> None:
    """`storage.write` is not enough, whether a function deletes always or sometimes."""
    caller = Caller("local/hello")
    writing = {"storage:read": ("everything",), "storage:write": ("everything",)}
    guard = Guard(Kinds(BLOCK.capabilities), {caller.name: Grants(writing)})
    async with MemoryStore(durability="os") as store:
        interface = storage_interface(store, FixedQuota(1_000), guard=guard)
        call = guard.guarded(interface, contract()).functions
        assert call["set"](caller, "k", b"1") == Ok(None)
        assert call["compare-and-set"](caller, "k", b"1", b"1", None) == Ok(None)
        assert call["batch"](caller, "", ["k"], [1], b"1", []) == Ok(0)
        assert case_of(call[name](caller, *DELETIONS[name])) == "denied"
        assert call["get"](caller, "k") == Ok(b"1")
        guard.grant(caller.name, Grants({**writing, "storage:delete": ("everything",)}))
        assert isinstance(call[name](caller, *DELETIONS[name]), Ok)
        assert call["get"](caller, "k") == Ok(None)
