"""Resources: the host's in a guest, a guest's in the host."""

from __future__ import annotations

import pytest
from airswasm.runtime import (
    Caller,
    GuestResource,
    HostFunctionFailed,
    HostInterface,
    HostResource,
    Limits,
    ResourcesExhausted,
    ValueMismatch,
)

pytestmark = pytest.mark.anyio
COUNTERS = "test:res/counters#"


class File:
    def __init__(self, name: str) -> None:
        self.name = name


class Files:
    """A host interface of files that notes which were dropped."""

    def __init__(self) -> None:
        self.dropped: list[str] = []

    async def open_later(self, _caller: Caller, name: str) -> File:
        return File(name)

    def interface(self) -> HostInterface:
        return HostInterface(
            "test:res/files",
            {
                "[constructor]file": lambda _caller, name: File(name),
                "[method]file.read": lambda _caller, file: file.name,
                "[static]file.open": self.open_later,
                "close": lambda _caller, file: f"closed {file.name}",
                "same": lambda _caller, one, other: one is other,
            },
            {"file": HostResource(drop=lambda file: self.dropped.append(file.name))},
        )


@pytest.fixture
def files() -> Files:
    return Files()


@pytest.fixture
async def linked(engine, resources_wasm, files):
    component = await engine.load(resources_wasm, name="resources")
    return component.link([files.interface()])


@pytest.fixture
async def instance(linked):
    return await linked.instantiate(caller=Caller("test/resources"))


async def test_a_guest_makes_uses_and_drops_a_host_resource(instance, files):
    """Constructor, method and drop reach the host's object; nothing stays behind."""
    assert await instance.call("#use-file", "a") == "a"
    assert files.dropped == ["a"]
    assert len(instance._handles) == 0


async def test_an_async_host_function_returns_a_resource(instance, files):
    """A resource may come from an `async` function and outlive the call."""
    await instance.call("#keep", "b")
    assert files.dropped == []
    await instance.call("#drop-kept")
    assert files.dropped == ["b"]


async def test_an_owned_handle_given_back_is_not_dropped(instance, files):
    """Passing ownership to the host hands it the object; the guest's drop never comes."""
    await instance.call("#keep", "c")
    assert await instance.call("#close-kept") == "closed c"
    assert files.dropped == []
    assert len(instance._handles) == 0


async def test_two_borrows_of_one_handle_are_one_object(instance):
    """Both borrows are lifted, each once: the engine would trap otherwise."""
    assert await instance.call("#twice", "d") is True


async def test_a_guest_returns_and_takes_host_resources(instance, files):
    """Host objects cross exports: returned to the host, owned or lent to the guest."""
    made = await instance.call("#make", "e")
    assert isinstance(made, File)
    assert await instance.call("#accept", made) == "e"
    assert files.dropped == ["e"]
    assert await instance.call("#look", File("lent")) == "lent"
    assert files.dropped == ["e"]
    assert len(instance._handles) == 0


async def test_what_a_guest_still_holds_is_dropped_with_it(instance, files):
    """Closing an instance drops every host resource that it holds, once."""
    await instance.call("#keep", "last")
    instance.close()
    instance.close()
    assert files.dropped == ["last"]


async def test_a_guests_own_resource_goes_round(instance):
    """The host holds it, calls its methods and gives it back, once."""
    counter = await instance.call(f"{COUNTERS}[constructor]counter", 5)
    assert isinstance(counter, GuestResource)
    assert await instance.call(f"{COUNTERS}[method]counter.bump", counter) == 6
    assert await instance.call(f"{COUNTERS}take", counter) == 6
    assert await instance.call(f"{COUNTERS}dropped") == 1
    with pytest.raises(ValueMismatch):
        await instance.call(f"{COUNTERS}take", counter)


async def test_a_resource_of_another_instance_is_refused(instance, linked):
    """Handles belong to one instance, even when numbers would coincide."""
    other = await linked.instantiate(caller=Caller("test/other"))
    mine = await instance.call(f"{COUNTERS}[constructor]counter", 1)
    await other.call(f"{COUNTERS}[constructor]counter", 2)
    with pytest.raises(ValueMismatch):
        await other.call(f"{COUNTERS}take", mine)
    assert await instance.call(f"{COUNTERS}take", mine) == 1


async def test_resources_are_limited(linked):
    """A guest that hoards handles is stopped by `limits.resources`."""
    hoarder = await linked.instantiate(caller=Caller("test/hoarder"), limits=Limits(resources=2))
    for name in "ab":
        await hoarder.call("#keep", name)
    with pytest.raises(ResourcesExhausted) as caught:
        await hoarder.call("#keep", "c")
    assert (caught.value.limit, caught.value.value) == ("resources", 2)
    assert hoarder.is_closed


async def test_a_failing_drop_is_the_hosts_bug(engine, resources_wasm, files):
    """An exception in a destructor reaches the caller of that guest, and nothing else."""

    def refuse(_file: object) -> None:
        raise LookupError("no such file")

    broken = files.interface()
    component = await engine.load(resources_wasm, name="resources")
    linked = component.link(
        [HostInterface(broken.name, broken.functions, {"file": HostResource(drop=refuse)})]
    )
    instance = await linked.instantiate(caller=Caller("test/broken"))
    with pytest.raises(HostFunctionFailed) as caught:
        await instance.call("#use-file", "a")
    assert isinstance(caught.value.__cause__, LookupError)
