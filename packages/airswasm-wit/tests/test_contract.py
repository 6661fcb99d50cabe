"""The contract that is shipped."""

import json

from airswasm.wit import (
    CONTRACT_VERSION,
    Contract,
    Nothing,
    contract,
    names,
    read_wit,
    read_wit_text,
    wit_folder,
)
from airswasm.wit.update import parsed_contract


def test_the_parsed_copy_is_current() -> None:
    """contract.json says what wit/ says; `python -m airswasm.wit.update` makes it so."""
    from airswasm.wit._contract import PARSED

    assert json.loads(PARSED.read_text("utf-8")) == json.loads(parsed_contract())


def test_the_model_of_the_copy_equals_the_model_of_the_text() -> None:
    """Reading the WIT gives what `contract()` gives, docs included."""
    fresh = read_wit(wit_folder()).main
    shipped = contract().package
    assert fresh == shipped
    assert [f.docs for _, f in fresh.functions()] == [f.docs for _, f in shipped.functions()]


def test_the_names_are_those_of_the_contract() -> None:
    """Every constant names an interface or function that exists, and none is left out."""
    interfaces = contract().interfaces
    hosts = contract().host_interfaces
    types = {name for name, interface in interfaces.items() if interface.is_types_only}
    assert {*names.GUEST_INTERFACES, *hosts} | types == set(interfaces)
    assert not set(names.GUEST_INTERFACES) & set(hosts)
    for path in (
        names.HANDLE_MESSAGE,
        names.INIT,
        names.SHUTDOWN,
        names.HANDLE_CALLBACK,
        names.HEALTH_CHECK,
        names.MIGRATE,
    ):
        interface, _, function = path.partition("#")
        assert function in interfaces[interface].functions
    assert contract().version == CONTRACT_VERSION


def test_every_host_interface_has_a_provider() -> None:
    """The error for a missing block can always name it: each doc comment has `@offered-by`."""
    for name, interface in contract().host_interfaces.items():
        assert (interface.provider or "").startswith("airswasm-"), name
        assert contract().provider_of(name) == interface.provider
    assert contract().provider_of("airswasm:component/tcp@9.0.0") == "airswasm-osl"
    assert contract().provider_of("airswasm:component/handler@0.1.0") is None
    assert contract().provider_of("acme:thing/other@0.1.0") is None
    assert contract().provider_of("nonsense") is None


ALARM = """package acme:alarm@1.0.0;
/// Wakes components.
///
/// @offered-by acme-alarm
interface alarm {
    /// @requires alarm:set(name)
    set: func(name: string);
}
"""


def test_a_composed_contract_has_the_packages_of_blocks() -> None:
    """Interfaces of other packages stand beside the contract's own, with their providers."""
    composed = Contract(contract().package, (read_wit_text(ALARM).main,))
    assert set(composed.host_interfaces) == {*contract().host_interfaces, "acme:alarm/alarm@1.0.0"}
    assert composed.guest_interfaces == contract().guest_interfaces
    assert composed.version == contract().version
    assert (
        composed.interface("acme:alarm/alarm@1.4.0")
        is composed.interfaces["acme:alarm/alarm@1.0.0"]
    )
    assert composed.interface("alarm") is None  # short names are the contract's
    assert composed.provider_of("acme:alarm/alarm@3.0.0") == "acme-alarm"
    assert composed.has_package_of("acme:alarm/other@9.0.0")
    assert not contract().has_package_of("acme:alarm/alarm@1.0.0")


def test_every_host_function_says_what_it_requires() -> None:
    """The contract holds itself to its own rule."""
    for interface in contract().host_interfaces.values():
        for function in interface.functions.values():
            assert function.requirements
            if isinstance(function.requirements, Nothing):
                assert function.requirements.reason
