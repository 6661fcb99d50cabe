"""What a component is told about itself."""

from airswasm.runtime import Caller, Services
from airswasm.security import CAPABILITIES_INTERFACE, PLAIN, Grants, Guard, Kinds, provide
from airswasm.wit import contract

KINDS = Kinds.of(storage_read=PLAIN, messaging_send=PLAIN)


def offered(guard: Guard) -> dict[str, object]:
    services = Services()
    services.add(Guard, guard)
    (interface,) = provide(services)
    return dict(interface.functions)


def test_a_component_sees_its_own_grants_only() -> None:
    """`check` and `list` answer for the caller's name."""
    guard = Guard(
        KINDS,
        {"local/a": Grants({"storage:read": ("**",), "messaging:send": ("local/*", "x/y")})},
    )
    functions = offered(guard)
    check, listed = functions["check"], functions["list"]
    assert callable(check)
    assert callable(listed)
    assert check(Caller("local/a"), "storage:read", "k")
    assert not check(Caller("local/b"), "storage:read", "k")
    for unknown in ("nonsense", "storage:reed", "", "*"):
        assert not check(Caller("local/a"), unknown, "k")
    assert listed(Caller("local/a")) == [
        {"capability": "messaging:send", "pattern": "local/*"},
        {"capability": "messaging:send", "pattern": "x/y"},
        {"capability": "storage:read", "pattern": "**"},
    ]
    assert listed(Caller("local/b")) == []


def test_it_offers_what_the_contract_declares() -> None:
    """Every function, under its name in the contract, and the guard can wrap it."""
    declared = contract().interfaces[CAPABILITIES_INTERFACE]
    assert offered(Guard(KINDS)).keys() == declared.functions.keys()
    services = Services()
    services.add(Guard, Guard(KINDS))
    for interface in provide(services):
        Guard(KINDS).guarded(interface, contract())
