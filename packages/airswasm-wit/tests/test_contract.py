"""The contract that is shipped."""

import json

from airswasm.wit import CONTRACT_VERSION, Nothing, contract, names, read_wit, wit_folder
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
    named = {*names.GUEST_INTERFACES, *names.HOST_INTERFACES, names.OS_ERRORS}
    assert named == set(interfaces)
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
    """The error for a missing block can always name it."""
    for name in names.HOST_INTERFACES:
        assert contract().provider_of(name) in names.PROVIDERS.values()
    assert contract().provider_of("airswasm:component/tcp@9.0.0") == "airswasm-osl"
    assert contract().provider_of("acme:thing/other@0.1.0") is None
    assert contract().provider_of("nonsense") is None


def test_every_host_function_says_what_it_requires() -> None:
    """The contract holds itself to its own rule."""
    for interface in contract().host_interfaces.values():
        for function in interface.functions.values():
            assert function.requires is not None
            if isinstance(function.requires, Nothing):
                assert function.requires.reason
