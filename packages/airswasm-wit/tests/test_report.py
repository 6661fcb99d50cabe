"""Checking components against the contract.

The broken components are what a toolchain makes of a WIT text: `dummy` builds one whose functions
all trap, which is all that a check looks at. The texts and the messages are those of the guide.
"""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from airswasm.wit import (
    Contract,
    ContractViolation,
    NotAComponent,
    ToolLimits,
    check_component,
    contract,
    names,
    read_component,
    read_wit_text,
    wit_folder,
)
from airswasm.wit._tool import run_wasm_tools
from hypothesis import given, settings
from hypothesis import strategies as st

LOGGING = "airswasm:component/logging@0.1.0"
MESSAGING = "airswasm:component/messaging@0.1.0"
STORAGE = "airswasm:component/storage@0.1.0"
TIMERS = "airswasm:component/timers@0.1.0"
INSTALLED = (LOGGING, MESSAGING, TIMERS, STORAGE, "airswasm:component/capabilities@0.1.0")
HANDLER = "export airswasm:component/handler@0.1.0;"
GUIDE = Path(__file__).parents[3] / "docs" / "wit" / "guide.md"


def packed(source: Path, world: str, folder: Path) -> bytes:
    core, component = folder / "core.wasm", folder / "component.wasm"
    embedded = ["component", "embed", str(source), "--world", world, "--dummy", "-o", str(core)]
    for command in (embedded, ["component", "new", str(core), "-o", str(component)]):
        made = run_wasm_tools(command)
        assert made.exit_code == 0, made.stderr
    return component.read_bytes()


@pytest.fixture
def dummy(tmp_path: Path) -> Callable[..., bytes]:
    """Builds a component from the items of its world, with the contract at hand."""

    def build(
        items: str, *, rest: str = "", edit: Callable[[str], str] = lambda text: text
    ) -> bytes:
        contract = tmp_path / "wit" / "deps" / "contract"
        contract.mkdir(parents=True, exist_ok=True)
        for file in wit_folder().glob("*.wit"):
            (contract / file.name).write_text(edit(file.read_text("utf-8")))
        source = f"package acme:thing@1.0.0;\n{rest}\nworld broken {{ {items} }}\n"
        (tmp_path / "wit" / "thing.wit").write_text(source)
        return packed(tmp_path / "wit", "broken", tmp_path)

    return build


@pytest.fixture
def wasi(tmp_path: Path) -> Callable[[str], bytes]:
    """Builds a component that imports one WASI interface."""

    def build(name: str) -> bytes:
        package, _, version = name.partition("@")
        package, _, interface = package.partition("/")
        for folder, text in {
            "contract": None,
            "proposal": f"package {package}@{version};\n"
            f"interface {interface} {{ ask: func() -> u32; }}",
        }.items():
            target = tmp_path / "wit" / "deps" / folder
            target.mkdir(parents=True)
            for file in wit_folder().glob("*.wit") if text is None else ():
                (target / file.name).write_text(file.read_text("utf-8"))
            if text is not None:
                (target / "proposal.wit").write_text(text)
        source = f"package acme:thing@1.0.0;\nworld w {{ {HANDLER} import {name}; }}\n"
        (tmp_path / "wit" / "thing.wit").write_text(source)
        return packed(tmp_path / "wit", "w", tmp_path)

    return build


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A component that fits, to be damaged."""
    return packed(wit_folder(), "full", tmp_path_factory.mktemp("whole"))


def replaced(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new)


def lines(wasm: bytes) -> list[str]:
    report = check_component(wasm, offered=INSTALLED)
    assert not report.is_satisfied
    with pytest.raises(ContractViolation) as caught:
        report.raise_for_problems()
    assert caught.value.problems == report.problems
    return str(caught.value).split("\n")


BROKEN = {
    "handler-missing": (
        {"items": "import airswasm:component/logging@0.1.0;"},
        "airswasm:component/handler@0.1.0: a component must export it, or functions of its own; "
        "this one exports nothing: add `export airswasm:component/handler@0.1.0;` to the "
        "component's world and implement it",
    ),
    "export-outside-interface": (
        {"items": "export handle-message: func(payload: list<u8>) -> list<u8>;"},
        "handle-message: it is exported by the world itself, not by the interface: write "
        "`export airswasm:component/handler@0.1.0;` in the world instead of "
        "`handle-message: func…`",
    ),
    "export-version": (
        {"items": HANDLER.replace("0.1.0", "0.2.0"), "edit": replaced("@0.1.0", "@0.2.0")},
        "airswasm:component/handler@0.2.0: this host speaks airswasm:component/handler@0.1.0: "
        "build the component against the contract 0.1.0, or install an airswasm-wit that has "
        "this version",
    ),
    "export-incomplete": (
        {
            "items": f"{HANDLER} export airswasm:component/lifecycle@0.1.0;",
            "edit": replaced("shutdown: func();", ""),
        },
        "airswasm:component/lifecycle@0.1.0#shutdown: the interface is exported without this "
        "function: implement `shutdown: func();`",
    ),
    "export-differs": (
        {"items": HANDLER, "edit": replaced("topic: option<string>", "topic: string")},
        "airswasm:component/handler@0.1.0#handle-message: parameter 2 (topic) is `string`, not "
        "`option<string>` (contract: `handle-message: func(sender: string, topic: "
        "option<string>, payload: list<u8>) -> result<option<list<u8>>, string>;`, component: "
        "`handle-message: func(sender: string, topic: string, payload: list<u8>) -> "
        "result<option<list<u8>>, string>;`): implement it as the contract has it (copy the WIT "
        "from `airswasm.wit.wit_folder()`)",
    ),
    "import-outside-interface": (
        {"items": f"{HANDLER} import now: func() -> u64;"},
        "now: the world imports it outside any interface, and a host offers interfaces only: "
        "remove it from the world, or put it into an interface that a block offers",
    ),
    "import-version": (
        {
            "items": "export airswasm:component/handler@1.0.0; "
            "import airswasm:component/storage@1.0.0;",
            "edit": replaced("@0.1.0", "@1.0.0"),
        },
        "airswasm:component/storage@1.0.0: this host speaks airswasm:component/storage@0.1.0: "
        "build the component against the contract 0.1.0, or install an airswasm-wit that has "
        "this version",
    ),
    "import-not-installed": (
        {"items": f"{HANDLER} import airswasm:component/filesystem@0.1.0;"},
        "airswasm:component/filesystem@0.1.0: no installed block offers it: "
        "pip install airswasm-osl",
    ),
    "import-unknown": (
        {
            "items": f"{HANDLER} import database;",
            "rest": "interface database { query: func(sql: string) -> string; }",
        },
        "acme:thing/database@1.0.0: neither the contract nor this host has it: remove the "
        "import, or install the package that offers it",
    ),
    "import-function-unknown": (
        {
            "items": f"{HANDLER} import airswasm:component/logging@0.1.0;",
            "edit": replaced("log: func", "flush: func();\n    log: func"),
        },
        "airswasm:component/logging@0.1.0#flush: airswasm:component/logging@0.1.0 has no such "
        "function here: it has log; a component built for a later version needs a later "
        "airswasm-lifecycle",
    ),
    "import-differs": (
        {
            "items": f"{HANDLER} import airswasm:component/storage@0.1.0;",
            "edit": replaced("invalid-key(string)", "bad-key(string)"),
        },
        "airswasm:component/storage@0.1.0#get: the result is `variant storage-error { "
        "denied(string), bad-key(string), too-large(string), "
        "unavailable(string) }`, not `variant storage-error { denied(string), "
        "invalid-key(string), too-large(string), unavailable(string) }`: "
        "call it as the contract has it (copy the WIT from `airswasm.wit.wit_folder()`)",
    ),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_component_is_refused_with_what_to_change(
    rule: str, dummy: Callable[..., bytes]
) -> None:
    """Each rule has a component that breaks it, and a line that says how to mend it."""
    built, message = BROKEN[rule]
    wasm = dummy(**built)
    assert message in lines(wasm)
    assert rule in {problem.rule for problem in check_component(wasm, offered=INSTALLED).problems}


@pytest.mark.parametrize("rule", BROKEN)
def test_the_guide_shows_the_messages(rule: str) -> None:
    """The guide shows the messages of the check, with wrapped lines."""
    if not GUIDE.exists():
        pytest.skip("only in a checkout: the guide is not in the package")
    assert BROKEN[rule][1] in re.sub(r"\n +", " ", GUIDE.read_text("utf-8"))


def test_a_good_component_passes(tmp_path: Path) -> None:
    """The contract's own full world fits, and the report says what it could use."""
    report = check_component(packed(wit_folder(), "full", tmp_path), offered=INSTALLED)
    report.raise_for_problems()
    assert report.is_satisfied
    assert report.exports == names.GUEST_INTERFACES
    assert set(report.imports) == set(INSTALLED)
    assert report.capability_interfaces == {
        MESSAGING: (
            "messaging:publish",
            "messaging:request",
            "messaging:send",
            "messaging:subscribe",
        ),
        TIMERS: ("messaging:schedule",),
        STORAGE: ("storage:delete", "storage:read", "storage:write"),
    }
    assert report.capabilities[0] == "messaging:publish"


def test_all_problems_are_told_at_once(dummy: Callable[..., bytes]) -> None:
    """An author mends them in one go; `missing` and `differing` sort them."""
    wasm = dummy(
        f"{HANDLER} import airswasm:component/tcp@0.1.0; import airswasm:component/http@0.1.0;",
        edit=replaced("sender: string, topic", "origin: string, topic"),
    )
    report = check_component(wasm, offered=INSTALLED)
    assert [problem.rule for problem in report.differing] == ["export-differs"]
    assert {problem.provider for problem in report.missing} == {"airswasm-osl"}
    assert len(report.problems) == 3
    assert "parameter 1 is named origin, not sender" in report.differing[0].explain()
    assert report.differing[0].explain().split("\n") == [
        "airswasm:component/handler@0.1.0#handle-message: parameter 1 is named origin, not sender",
        "  contract:  handle-message: func(sender: string, topic: option<string>, payload: "
        "list<u8>) -> result<option<list<u8>>, string>;",
        "  component: handle-message: func(origin: string, topic: option<string>, payload: "
        "list<u8>) -> result<option<list<u8>>, string>;",
        "                                  ^",
        "  implement it as the contract has it (copy the WIT from `airswasm.wit.wit_folder()`)",
    ]


def test_types_without_functions_need_no_provider(dummy: Callable[..., bytes]) -> None:
    """os-errors comes with tcp and holds one type; no host needs to offer it."""
    wasm = dummy(f"{HANDLER} import airswasm:component/udp@0.1.0;")
    assert check_component(wasm, offered=["airswasm:component/udp@0.1.0"]).is_satisfied


def test_compatible_versions_are_one_interface(dummy: Callable[..., bytes]) -> None:
    """A component built for 0.1.7 runs where 0.1.0 is offered, if it uses nothing newer."""
    wasm = dummy(
        "export airswasm:component/handler@0.1.7; import airswasm:component/storage@0.1.7;",
        edit=replaced("@0.1.0", "@0.1.7"),
    )
    report = check_component(wasm, offered=INSTALLED)
    report.raise_for_problems()
    assert report.exports == (names.GUEST_HANDLER,)


def test_wasi_is_offered_where_the_host_says_so(wasi: Callable[..., bytes]) -> None:
    """A host's WASI interfaces are among `offered`; the report tells them from the others."""
    wasm = wasi("wasi:cli/environment@0.2.6")
    report = check_component(wasm, offered=[*INSTALLED, "wasi:cli/environment@0.2.12"])
    report.raise_for_problems()
    assert report.wasi_imports == ("wasi:cli/environment@0.2.6",)
    assert report.imports == ()


@pytest.mark.parametrize(
    ("name", "offered"),
    [
        ("wasi:cli/environment@0.2.6", ()),
        ("wasi:cli/environment@0.3.0", ("wasi:cli/environment@0.2.12",)),
        ("wasi:nn/tensor@0.2.0-rc-1", ("wasi:nn/tensor@0.2.0",)),
    ],
)
def test_wasi_that_no_host_offers_is_unknown(
    name: str, offered: tuple[str, ...], wasi: Callable[..., bytes]
) -> None:
    """Nothing is assumed of WASI: another track or proposal is refused, with what to build for."""
    wasm = wasi(name)
    report = check_component(wasm, offered=[*INSTALLED, *offered])
    assert report.wasi_imports == ()
    assert [(problem.rule, problem.subject) for problem in report.problems] == [
        ("import-unknown", name)
    ]
    assert "build the component for wasip2" in report.problems[0].advice


def test_an_interface_that_a_third_block_offers_is_accepted(dummy: Callable[..., bytes]) -> None:
    """The host decides what it offers; the contract is not the only source."""
    wasm = dummy(
        f"{HANDLER} import database; export reports;",
        rest="interface database { query: func() -> string; } interface reports { all: func(); }",
    )
    report = check_component(wasm, offered=["acme:thing/database@1.2.0"])
    assert report.is_satisfied
    assert report.other_exports == ("acme:thing/reports@1.0.0",)
    assert report.imports == ("acme:thing/database@1.0.0",)


ALARM = """package acme:thing@1.0.0;
/// @offered-by acme-alarm
interface alarm {
    /// @requires alarm:set(name)
    set: func(name: string, seconds: u32);
    /// @requires nothing "it is harmless"
    count: func() -> u32;
}
"""


def composed(text: str = ALARM) -> Contract:
    return Contract(contract().package, (read_wit_text(text).main,))


@pytest.mark.parametrize(
    ("offered", "ours", "rule", "line"),
    [
        (["acme:thing/alarm@1.0.0"], ALARM, None, ""),
        (
            [],
            ALARM,
            "import-not-installed",
            "acme:thing/alarm@1.0.0: no installed block offers it: pip install acme-alarm",
        ),
        (
            ["acme:thing/alarm@1.0.0"],
            ALARM.replace("seconds: u32", "seconds: u64"),
            "import-differs",
            "parameter 2 (seconds) is `u32`, not `u64`",
        ),
        (
            ["acme:thing/alarm@1.0.0"],
            ALARM.replace("set: func", "arm: func"),
            "import-function-unknown",
            "acme:thing/alarm@1.0.0 has no such function here: it has arm, count; a component "
            "built for a later version needs a later acme-alarm",
        ),
        (
            ["acme:thing/alarm@2.0.0"],
            ALARM.replace("@1.0.0", "@2.0.0"),
            "import-version",
            "acme:thing/alarm@1.0.0: this host speaks acme:thing/alarm@2.0.0: build the component "
            "against acme:thing/alarm@2.0.0, or install another version of acme-alarm",
        ),
        (
            ["acme:thing/alarm@1.0.0"],
            ALARM.replace("interface alarm", "interface bell"),
            "import-unknown",
            "acme:thing/alarm@1.0.0: acme:thing has no such host interface: use one of bell",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_a_composed_contract_is_held_against_imports_as_the_own_one_is(
    dummy: Callable[..., bytes], offered: list[str], ours: str, rule: str | None, line: str
) -> None:
    """What a block's WIT says binds as the contract's does, and the hint names that block."""
    wasm = dummy(f"{HANDLER} import alarm;", rest=ALARM.partition("\n")[2])
    report = check_component(wasm, offered=[*INSTALLED, *offered], against=composed(ours))
    assert [problem.rule for problem in report.problems] == ([rule] if rule else [])
    assert line in "".join(map(str, report.problems))
    assert "airswasm" not in "".join(map(str, report.problems))
    if rule is None:
        assert report.capability_interfaces == {"acme:thing/alarm@1.0.0": ("alarm:set",)}


def test_a_host_interface_is_not_for_components_to_export(dummy: Callable[..., bytes]) -> None:
    """Exporting storage would look like offering it to others."""
    wasm = dummy(f"{HANDLER} export airswasm:component/logging@0.1.0;")
    assert lines(wasm) == [
        "airswasm:component/logging@0.1.0: it is for hosts to offer, not for components: "
        "remove this export from the world"
    ]


UNREADABLE = {
    "empty": (b"", "the file is empty: build the component again"),
    "core": (
        b"\0asm\x01\0\0\0",
        "this is a core WebAssembly module, not a component: wrap it with "
        "`wasm-tools component new module.wasm -o component.wasm`",
    ),
    "source": (
        b"#include <stdio.h>",
        "this is no WebAssembly: it does not start with \\0asm: pass the compiled .wasm, not its "
        "source or a package",
    ),
    "header": (b"\0asm\x0d", "the file ends within its header: copy or build it again"),
    "later": (
        b"\0asm\x0d\0\x02\0rest",
        "this is WebAssembly in a version that is not known here: build it with a toolchain for "
        "the component model (0d 00 01 00)",
    ),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_is_no_component_is_named(kind: str) -> None:
    """Common mix-ups are told from one another before any parser runs."""
    data, message = UNREADABLE[kind]
    assert lines(data) == [message]


def test_truncated_and_damaged_files_are_refused(tmp_path: Path) -> None:
    """Cut anywhere, or with a byte flipped, it is refused or still fits; it is never a crash."""
    whole = packed(wit_folder(), "minimal", tmp_path)
    for end in range(8, len(whole), max(1, len(whole) // 12)):
        report = check_component(whole[:end], offered=INSTALLED)
        assert not report.is_satisfied
    with pytest.raises(NotAComponent, match="cut short"):
        read_component(whole[: len(whole) // 2])
    for at in range(8, len(whole), max(1, len(whole) // 12)):
        damaged = whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]
        for problem in check_component(damaged, offered=INSTALLED).problems:
            assert problem.advice


@settings(max_examples=60, deadline=None)
@given(at=st.floats(0, 0.999), replacement=st.binary(min_size=1, max_size=8))
def test_no_bytes_bring_the_host_down(whole: bytes, at: float, replacement: bytes) -> None:
    """Whatever is changed in a component, the answer is a report."""
    start = int(at * len(whole))
    changed = whole[:start] + replacement + whole[start + len(replacement) :]
    report = check_component(changed, offered=INSTALLED)
    assert all(problem.advice and len(str(problem)) < 3000 for problem in report.problems)


def test_a_wit_package_is_not_a_component(tmp_path: Path) -> None:
    """`wasm-tools component wit --wasm` makes something with the same header."""
    path = tmp_path / "package.wasm"
    arguments = ["component", "wit", str(wit_folder()), "--wasm", "-o", str(path)]
    assert run_wasm_tools(arguments).exit_code == 0
    with pytest.raises(NotAComponent, match="the WIT package airswasm:component"):
        read_component(path)


def test_ten_thousand_exports_are_bounded(dummy: Callable[..., bytes]) -> None:
    """Many exports take bounded time, and long names a line of a length one can read."""
    many = "\n".join(f"g{i}x: func();" for i in range(10_000))
    wasm = dummy("export many;", rest=f"interface many {{ {many} }}")
    before = time.thread_time()
    report = check_component(wasm, offered=INSTALLED)
    assert time.thread_time() - before < 10
    assert report.other_exports == ("acme:thing/many@1.0.0",)
    long_name = "a" + "-b" * 3000
    (line,) = lines(
        dummy(f"export {long_name};", rest=f"interface {long_name} {{ type t = u32; }}")
    )
    assert "a component must export it" in line
    assert len(line) < 1000


@pytest.mark.parametrize(
    ("items", "rest"),
    [
        ("export run: func();", ""),
        ("export tools;", "interface tools { run: func(); }"),
        (
            "export tools; export airswasm:component/health@0.1.0;",
            "interface tools { resource tool { constructor(); } }",
        ),
    ],
)
def test_a_component_with_functions_of_its_own_needs_no_handler(
    items: str, rest: str, dummy: Callable[..., bytes]
) -> None:
    """A plugin is called by its functions; nothing has to be sent to it."""
    assert check_component(dummy(items, rest=rest), offered=INSTALLED).is_satisfied


@pytest.mark.parametrize(
    ("items", "rest"),
    [
        ("export tools;", "interface tools { type tool = u32; }"),
        ("export airswasm:component/lifecycle@0.1.0;", ""),
    ],
)
def test_without_a_function_of_its_own_a_component_needs_a_handler(
    items: str, rest: str, dummy: Callable[..., bytes]
) -> None:
    """Types, and what the host calls on its own behalf, are nothing that one could ask for."""
    report = check_component(dummy(items, rest=rest), offered=INSTALLED)
    assert [each.rule for each in report.problems] == ["handler-missing"]


def test_no_exports_at_all(dummy: Callable[..., bytes]) -> None:
    """An empty world is a component without a function to call."""
    (line,) = lines(dummy(""))
    assert "this one exports nothing" in line


def test_a_component_larger_than_the_limit_is_not_looked_at() -> None:
    """The size is bounded before a child process sees a byte."""
    data = b"\0asm\x0d\0\x01\0" + bytes(5000)
    report = check_component(data, offered=(), limits=ToolLimits(input_bytes=4096))
    assert [problem.rule for problem in report.problems] == ["too-complex"]
    assert "4096 bytes" in str(report.problems[0])
