"""The files that are made from the WIT and checked in."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from airswasm.wit import (
    c_header_folder,
    contract,
    guest_folder,
    names,
    read_wit,
    wit_folder,
)
from airswasm.wit._component_types import component_type
from airswasm.wit._decode import decode
from airswasm.wit._tool import run_wasm_tools
from airswasm.wit._typescript import typescript_declarations
from airswasm.wit.update import RUST_GENERATED, wit_digest

PACKAGE = Path(__file__).parents[1]


def embedded(content: bytes, folder: Path) -> object:
    """The world in a component-type section, whatever version of wasm-tools wrote it."""
    name = b"component-type"
    body = bytes([len(name)]) + name + content
    length = bytearray()
    rest = len(body)
    while True:
        length.append(rest & 0x7F | (0x80 if rest > 0x7F else 0))
        rest >>= 7
        if not rest:
            break
    path = folder / "module.wasm"
    path.write_bytes(b"\0asm\x01\0\0\0\0" + bytes(length) + body)
    output = run_wasm_tools(["component", "wit", "--json", str(path)])
    assert output.exit_code == 0, output.stderr
    (world,) = decode(output.stdout).main.worlds.values()
    return world.imports, world.exports


@pytest.mark.parametrize(
    "part", ["host", "handler", "lifecycle", "callbacks", "health", "migration"]
)
def test_the_c_types_are_those_of_the_contract(part: str, tmp_path: Path) -> None:
    """The bytes in airswasm_types.h mean what the contract says."""
    header = (c_header_folder() / "airswasm_types.h").read_text()
    macro = header.partition(f"#define AIRSWASM_TYPE_{part.upper()}_ ")[2].partition("#define")[0]
    numbers = ",".join(re.findall(r"\.byte ([\d,]+)", macro)).split(",")
    shipped = embedded(bytes(map(int, numbers)), tmp_path)
    if part == "host":
        host = tuple(item.short_name for item in contract().host_interfaces.values())
        fresh = component_type("host", imports=host)
    else:
        fresh = component_type(part, exports=(part,))
    assert shipped == embedded(fresh, tmp_path)


def test_the_crate_was_generated_from_the_contract() -> None:
    """A change of the WIT needs `python -m airswasm.wit.update --rust`."""
    made_of = (RUST_GENERATED / "contract.sha256").read_text().strip()
    assert made_of == wit_digest(), "run `python -m airswasm.wit.update --rust`"
    host = (RUST_GENERATED / "host.rs").read_text()
    for interface in contract().host_interfaces.values():
        for function in interface.functions:
            assert f'link_name = "{function}"' in host, function


def test_the_declarations_for_typescript_name_every_function() -> None:
    """In `camelCase`, each in its interface's module, with its documentation."""
    declared = (guest_folder("javascript") / "contract.d.ts").read_text()
    assert declared == typescript_declarations(contract())
    modules = declared.split("declare module ")
    for interface in contract().interfaces.values():
        (module,) = (each for each in modules if each.startswith(f'"{interface.name}"'))
        for function in interface.functions.values():
            first, *rest = function.plain_name.split("-")
            name = first + "".join(map(str.capitalize, rest))
            assert re.search(rf"\b_?{name}\(", module), function.name


def test_the_package_for_go_names_what_it_covers() -> None:
    """Every function of logging, messaging, storage and timers, and every guest interface."""
    sources = "".join(each.read_text() for each in guest_folder("go").glob("*.go"))
    for short_name in ("logging", "messaging", "storage", "timers"):
        interface = contract().interface(short_name)
        assert interface is not None
        for function in interface.functions.keys() - {"scan-prefix"}:  # `scan` is more
            assert f"go:wasmimport {interface.name} {function}\n" in sources, function
    for interface in contract().guest_interfaces.values():
        for function in interface.functions:
            assert f"go:wasmexport {interface.name}#{function}\n" in sources, function
    for short_name, type_name, variable in (
        ("messaging", "messaging-error", "messagingKinds"),
        ("storage", "storage-error", "storageKinds"),
        ("storage", "write-error", "writeKinds"),
    ):
        interface = contract().interface(short_name)
        assert interface is not None
        listed = re.search(rf"{variable}\s*=\s*\[\.\.\.\]Kind{{([^}}]*)}}", sources)
        assert listed is not None
        kinds = [re.search(rf'\b{each} +Kind = "([a-z-]+)"', sources)[1]
                 for each in re.findall(r"\w+", listed[1])]  # fmt: skip
        assert kinds == [case.name for case in interface.types[type_name].cases]


def test_the_header_names_every_interface_and_case() -> None:
    """A host function, error or guest interface that C cannot reach is missing from the header."""
    header = (c_header_folder() / "airswasm.h").read_text()
    source = (c_header_folder() / "airswasm.c").read_text()
    for interface in contract().host_interfaces.values():
        assert f'"{interface.name}"' in source
        for function in interface.functions:
            assert f', "{function}")' in source, function
    for name in names.GUEST_INTERFACES:
        for function in contract().interfaces[name].functions:
            assert f'("{name}#{function}"' in header, function
    for prefix, interface_name, type_name in (
        ("MESSAGING", "messaging", "messaging-error"),
        ("STORAGE", "storage", "storage-error"),
        ("WRITE", "storage", "write-error"),
        ("OS", "os-errors", "os-error"),
    ):
        interface = contract().interface(interface_name)
        assert interface is not None
        listed = re.findall(rf"^    AIRSWASM_{prefix}_(\w+),", header, re.MULTILINE)
        cases = interface.types[type_name].cases
        assert listed == [case.name.replace("-", "_").upper() for case in cases]


@pytest.mark.skipif(not (PACKAGE / "pyproject.toml").exists(), reason="only in a checkout")
def test_the_wheel_holds_the_contract_and_the_bindings(tmp_path: Path) -> None:
    """As real files, in the wheel that is built from the sdist."""
    pytest.importorskip("hatchling", reason="pip install hatchling")
    build = "import os, sys; os.chdir(sys.argv[1]); from hatchling.build import *; "
    sdist = "print(build_sdist(sys.argv[2]))"
    made = run_python(build + sdist, str(PACKAGE), str(tmp_path))
    subprocess.run(["tar", "xzf", str(tmp_path / made)], cwd=tmp_path, check=True)
    source = tmp_path / made.removesuffix(".tar.gz")
    wheel = run_python(build + "print(build_wheel(sys.argv[2]))", str(source), str(tmp_path))
    with zipfile.ZipFile(tmp_path / wheel) as archive:
        held = {info.filename: info for info in archive.infolist()}
        for path in wit_folder().glob("*.wit"):
            assert archive.read(f"airswasm/wit/contract/{path.name}") == path.read_bytes()
        archive.extractall(tmp_path / "installed")
    for name in (
        "c/airswasm.h", "c/airswasm.c", "c/airswasm_types.h", "rust/src/lib.rs",
        "rust/src/generated/host.rs", "go/abi.go", "javascript/contract.d.ts",
    ):  # fmt: skip
        assert f"airswasm/wit/bindings/{name}" in held
    assert "airswasm/__init__.py" not in held
    installed = tmp_path / "installed" / "airswasm" / "wit" / "contract"
    assert read_wit(installed).main == contract().package


def run_python(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip().split("\n")[-1]
