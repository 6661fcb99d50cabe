"""Blocks: found, put together, and refused where they do not fit."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from airswasm.wit import (
    Block,
    BlockPartUnusable,
    Blocks,
    BlocksInvalid,
    Capability,
    ErrorCode,
    Finding,
    Interpreter,
    Metric,
    Section,
    Verb,
    WitError,
    contract,
    load_part,
)
from airswasm.wit.model import Function

ALARM_WIT = """package acme:alarm@1.0.0;

/// Wakes components.
///
/// @offered-by acme-alarm
interface alarm {
    /// Sets one; does not wait.
    ///
    /// @requires alarm:set(name)
    set: func(name: string, seconds: u32);

    /// @requires nothing "it is harmless"
    count: func() -> u32;
}
"""
SET = Capability("alarm.set", "set the alarms {patterns}")
ALARM = "acme:alarm/alarm@1.0.0"

Install = Callable[..., str]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that distributions can be installed into."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.fixture
def install(site: Path) -> Iterator[Install]:
    """Lay out an installed distribution: its module, its WIT and its entry point."""
    names: list[str] = []

    def lay_out(distribution: str, source: str, *, wit: str = "", value: str = "") -> str:
        module = distribution.replace("-", "_")
        names.append(module)
        package = site / module
        package.mkdir()
        (package / "__init__.py").write_text(source)
        if wit:
            (package / "wit").mkdir()
            (package / "wit" / "own.wit").write_text(wit)
        info = site / f"{module}-1.5.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.5.0\n"
        )
        entry = f"[airswasm.blocks]\nown = {value or f'{module}:BLOCK'}\n"
        (info / "entry_points.txt").write_text(entry)
        return module

    yield lay_out
    for name in [each for each in sys.modules if each.partition(".")[0] in names]:
        del sys.modules[name]


def declaration(fields: str) -> str:
    return (
        "from airswasm.wit import Block, Capability, ErrorCode, Metric, Section, Verb\n"
        f"BLOCK = Block(summary='One.', {fields})\n"
    )


def reasons(blocks: Blocks) -> list[str]:
    return [str(problem) for problem in blocks.problems]


def problems_of(blocks: Blocks) -> str:
    """What a host would say that refuses to open."""
    with pytest.raises(BlocksInvalid) as caught:
        blocks.raise_for_problems()
    assert caught.value.problems == blocks.problems
    return str(caught.value)


# Finding


def test_what_is_installed_is_found_with_its_distribution(install: Install) -> None:
    """One entry point is all that a package needs."""
    install("acme-alarm", declaration("name='alarm', capabilities=(Capability('alarm.set', 'x'),)"))
    blocks = Blocks.find()
    (ours,) = (each for each in blocks if each.block.name == "alarm")
    assert (ours.distribution, ours.version) == ("acme-alarm", "1.5.0")
    assert blocks.capabilities["alarm.set"].annotation == "alarm:set"
    assert not [each for each in blocks.problems if each.distribution == "acme-alarm"]
    assert "wit" in {each.block.name for each in blocks}


@pytest.mark.parametrize(
    ("source", "value", "reason"),
    [
        ("raise RuntimeError('no licence')", "", "RuntimeError: no licence"),
        ("import sys; sys.exit(3)", "", "SystemExit: 3"),
        ("import no_such_module", "", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("BLOCK = None", "", "TypeError: expected a Block, not NoneType"),
        ("x = 1", "", "AttributeError: module 'acme_bad' has no attribute 'BLOCK'"),
        (declaration("name='No Name'"), "", "ValueError: 'No Name': a block is named"),
        ("BLOCK = 1 +", "", "SyntaxError: "),
        ("x = 1", "acme_bad:", "its declaration acme_bad: fails: "),
        (
            "class E(Exception):\n    def __str__(self): raise ValueError\nraise E",
            "",
            "E: <E, whose text cannot be made: ValueError>",
        ),
    ],
)
def test_a_declaration_that_fails_is_a_problem_of_its_package_alone(
    source: str, value: str, reason: str, install: Install
) -> None:
    """The other blocks are there; who opens a host is told which package to remove."""
    install("acme-bad", source, value=value)
    install("acme-good", declaration("name='good'"))
    blocks = Blocks.find()
    assert "good" in {each.block.name for each in blocks}
    (problem,) = (each for each in blocks.problems if each.distribution == "acme-bad")
    assert reason in str(problem)
    assert str(problem) in problems_of(blocks)


@pytest.mark.parametrize("left", ["", "Metadata-Version: 2.1\n", None])
def test_what_an_uninstall_left_behind_harms_nothing(
    left: str | None, install: Install, site: Path
) -> None:
    """A distribution without a name or version goes by the name of its entry point."""
    install("acme-alarm", declaration("name='alarm'"))
    metadata = site / "acme_alarm-1.5.0.dist-info" / "METADATA"
    if left is None:
        metadata.unlink()
    else:
        metadata.write_text(left)
    blocks = Blocks.find()
    (ours,) = (each for each in blocks if each.block.name == "alarm")
    assert (ours.distribution, ours.version) == ("own", "")


def test_finding_loads_nothing_heavy() -> None:
    """Declarations are read at every start of the command: they load no engine and no store."""
    code = (
        "import sys\nfrom airswasm.wit import Blocks\nblocks = Blocks.find()\n"
        "assert list(blocks) and not blocks.problems, blocks.problems\n"
        "tables = (blocks.verbs, blocks.sections, blocks.capabilities, blocks.interfaces)\n"
        "heavy = ('wasmtime', 'rocksdict', 'pydantic', 'cryptography', 'anyio', 'typer', 'rich')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


# Putting together


@pytest.mark.parametrize(
    ("kind", "table", "claim"),
    [
        ("capability", "capabilities", {"capabilities": (Capability("x.do", "do {patterns}"),)}),
        ("section", "sections", {"sections": (Section("x.do"[:1], "acme:X", "One."),)}),
        ("verb", "verbs", {"verbs": (Verb("x", "Tools", "Do.", "acme:x"),)}),
        ("metric", "metrics", {"metrics": (Metric("x_total", "Times."),)}),
        ("interface", "interfaces", {"interfaces": ("a:b/x@1.0.0",), "provide": "acme:provide"}),
    ],
)
def test_what_two_blocks_claim_is_neithers(
    kind: str, table: str, claim: dict[str, tuple[object, ...]]
) -> None:
    """An order of loading must not decide; the problem names both packages."""
    one, other, third = (
        Block(name=name, summary="One.", **claim if name != "third" else {})  # type: ignore[arg-type]
        for name in ("one", "other", "third")
    )
    alone = Blocks.of(one, third)
    (name,) = getattr(alone, table)
    assert reasons(alone) == []
    for both in (Blocks.of(one, other, third), Blocks.of(third, other, one)):
        assert name not in getattr(both, table)
        reason = f"the {kind} {name} comes from one and other: remove one"
        assert sorted(reasons(both)) == [f"one: {reason}", f"other: {reason}"]
        assert reason in problems_of(both)
        assert both.owner("x") is None


def test_a_verb_has_an_owner() -> None:
    """The help says which package brings a verb."""
    verb = Verb("ring", "Tools", "Ring.", "acme:ring")
    blocks = Blocks.of(Block(name="alarm", summary="One.", verbs=(verb,)))
    assert blocks.owner("ring") == "alarm"
    assert blocks.owner("nothing") is None
    assert dict(blocks.verbs) == {"ring": verb}


def test_two_blocks_of_one_name_are_refused() -> None:
    """The name is what people and settings call a block by."""
    blocks = Blocks.of(Block(name="a", summary="One."), Block(name="a", summary="Two."))
    assert "the block a comes from" in problems_of(blocks)


def test_a_block_may_take_the_place_of_what_is_answered_anyway() -> None:
    """WASI interfaces are the engine's until one block offers them."""
    name = "wasi:filesystem/types@0.2.12"
    engine = Block(name="engine", summary="One.", interfaces=(name, "wasi:io/poll@0.2.12"))
    files = Block(name="files", summary="Two.", interfaces=(name,), provide="acme:provide")
    blocks = Blocks.of(engine, files)
    assert blocks.interfaces == {name: "files", "wasi:io/poll@0.2.12": "engine"}
    blocks.raise_for_problems()


def test_two_places_of_one_block_do_not_clash_with_others() -> None:
    """A block that repeats itself is told so, by its own name."""
    twice = Block(name="one", summary="One.", capabilities=(SET, SET))
    assert reasons(Blocks.of(twice)) == ["one: the capability alarm.set comes from one: remove one"]


# Error codes

CODES = """
from airswasm.wit import AirswasmError, ErrorCode
{rest}
class AlarmError(AirswasmError):
    explanation = ErrorCode("ALARM01", {title!r}, "It rang.", "wake up")
class Late(AlarmError):
    explanation = AlarmError.explanation
"""


def coded(install: Install, distribution: str, title: str = "rang", rest: str = "") -> Block:
    module = install(distribution, CODES.format(title=title, rest=rest))
    return Block(name=distribution, summary="One.", errors=(module,))


def test_error_codes_are_read_off_the_classes(install: Install) -> None:
    """A code is listed once, whichever classes have it, and the base has one too."""
    blocks = Blocks.of(coded(install, "acme-one"))
    codes = blocks.error_codes()
    assert list(codes) == ["ALARM01", "E0006"]
    assert codes["ALARM01"].title == "rang"
    assert reasons(blocks) == []


@pytest.mark.parametrize("title", ["rang", "other"])
def test_a_code_has_one_owner(install: Install, title: str) -> None:
    """Declared twice it is no explanation, even while both say the same: one would change."""
    blocks = Blocks.of(coded(install, "acme-one"), coded(install, "acme-two", title))
    assert list(blocks.error_codes()) == ["E0006"]
    reason = "the error code ALARM01 is declared more than once, in acme-one and acme-two"
    assert reasons(blocks) == [f"acme-one: {reason}", f"acme-two: {reason}"]


def test_another_package_may_refer_to_a_code(install: Install) -> None:
    """Errors of a family share the code of the class that declares it."""
    first = coded(install, "acme-one")
    (module,) = first.errors
    reference = f"""
from {module} import AlarmError
from airswasm.wit import AirswasmError
class Late(AirswasmError):
    explanation = AlarmError.explanation
"""
    second = Block(name="two", summary="x", errors=(install("acme-two", reference),))
    blocks = Blocks.of(first, second)
    assert "ALARM01" in blocks.error_codes()
    assert reasons(blocks) == []


def test_no_block_takes_a_code_of_the_base(install: Install) -> None:
    """E0006 is what every error without a code of its own has."""
    rest = 'OURS = ErrorCode("E0006", "mine", "x", "y")'
    blocks = Blocks.of(Block(name="wit", summary="x", errors=("airswasm.wit._fault",)))
    assert blocks.error_codes()["E0006"].title == "an error without a code"
    clash = Blocks.of(coded(install, "acme-one", rest=rest))
    assert clash.error_codes()["E0006"].title == "an error without a code"
    reason = "the error code E0006 is declared more than once, in acme-one and airswasm-wit"
    assert f"acme-one: {reason}" in reasons(clash)


def test_errors_that_cannot_be_imported_are_a_problem(install: Install) -> None:
    """The codes of all others can still be explained."""
    broken = coded(install, "acme-broken", rest="raise RuntimeError('no licence')")
    blocks = Blocks.of(broken, coded(install, "acme-one"))
    assert "ALARM01" in blocks.error_codes()
    assert reasons(blocks) == ["acme-broken: its errors acme_broken cannot be read: no licence"]


# WIT of its own


def alarm(module: str, **fields: object) -> Block:
    given: dict[str, object] = {
        "wit": f"{module}:wit",
        "interfaces": (ALARM,),
        "provide": f"{module}:provide",
        "capabilities": (SET,),
        **fields,
    }
    return Block(name="alarm", summary="Alarms.", **given)  # type: ignore[arg-type]


def test_a_block_brings_its_own_wit(install: Install) -> None:
    """Its interfaces stand in the contract, annotated, and its package is not imported for it."""
    module = install("acme-alarm", "raise RuntimeError('imported')", wit=ALARM_WIT)
    blocks = Blocks.of(alarm(module))
    blocks.raise_for_problems()
    composed = blocks.contract
    assert ALARM in composed.host_interfaces
    assert set(contract().interfaces) < set(composed.interfaces)
    found = composed.interfaces[ALARM]
    assert found.provider == "acme-alarm"
    assert [str(each) for each in required(found.functions["set"])] == ["alarm:set(name)"]
    assert blocks.interfaces == {ALARM: "alarm"}
    assert module not in sys.modules


def required(function: Function) -> tuple[object, ...]:
    assert isinstance(function.requirements, tuple)
    return function.requirements


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("    /// @requires alarm:set(name)\n", "", f"{ALARM}#set: it has no annotation"),
        ("alarm:set(name)", "alarm:set(who)", "names no parameter of it; it has name, seconds"),
        ("alarm:set(name)", "alarm:set(seconds)", "only a string, or each of"),
        ("@requires alarm", "@require alarm", "unknown annotation `@require`"),
        ("alarm:set(name)", "alarm:ring(name)", f"{ALARM}#set requires alarm:ring, a capability"),
        ("set: func", "set: fun", "its WIT cannot be read: "),
        ("acme:alarm@1.0.0;", "airswasm:component@0.1.0;", "is the contract's or another block's"),
        ("acme:alarm@1.0.0;", "airswasm:component@9.0.0;", "is the contract's or another block's"),
        ("interface alarm", "interface bell", f"it offers {ALARM}, which no WIT of a block"),
    ],
)
def test_a_function_that_nothing_would_check_is_refused(
    old: str, new: str, reason: str, install: Install
) -> None:
    """No host opens with it, and the text names function and package."""
    module = install("acme-alarm", "", wit=ALARM_WIT.replace(old, new))
    text = problems_of(Blocks.of(alarm(module)))
    assert reason in text
    assert all(line.startswith(("alarm: ", " ")) for line in text.splitlines() if line)


@pytest.mark.parametrize("wit", ["no_such_package:wit", "no_such.package:wit", "{module}:gone"])
def test_a_folder_that_is_not_there_is_a_problem(wit: str, install: Install) -> None:
    """A wheel that was packed without its WIT says so when a host opens, not in a traceback."""
    module = install("acme-alarm", "", wit=ALARM_WIT)
    blocks = Blocks.of(alarm(module, wit=wit.format(module=module)))
    assert "alarm: its WIT cannot be read: " in problems_of(blocks)
    assert set(blocks.contract.interfaces) == set(contract().interfaces)


def test_no_block_replaces_an_interface_of_the_contract(install: Install) -> None:
    """Otherwise the permissions of `storage` would be what a package says that was added."""
    mine = (
        "package airswasm:component@0.1.0;\ninterface storage {\n"
        '    /// @requires nothing "trust me"\n    get: func(key: string) -> string;\n}\n'
    )
    module = install("acme-alarm", "", wit=mine)
    blocks = Blocks.of(alarm(module, interfaces=()))
    ours = "airswasm:component/storage@0.1.0"
    assert blocks.contract.interfaces[ours] is contract().interfaces[ours]
    assert "is the contract's or another block's" in problems_of(blocks)


def test_two_blocks_cannot_bring_one_package(install: Install) -> None:
    """As with every other name, neither has it."""
    one = install("acme-one", "", wit=ALARM_WIT)
    two = install("acme-two", "", wit=ALARM_WIT.replace("@1.0.0", "@2.0.0"))
    blocks = Blocks.of(
        Block(name="one", summary="x", wit=f"{one}:wit"),
        Block(name="two", summary="x", wit=f"{two}:wit"),
    )
    assert ALARM not in blocks.contract.interfaces
    assert [each.distribution for each in blocks.problems] == ["one", "two"]


def test_the_capabilities_of_another_block_will_do(install: Install) -> None:
    """A block may require what another one declares, if that is installed."""
    module = install("acme-alarm", "", wit=ALARM_WIT)
    bare = alarm(module, capabilities=())
    assert "a capability that no installed block declares" in problems_of(Blocks.of(bare))
    clock = Block(name="clock", summary="x", capabilities=(SET,))
    Blocks.of(bare, clock).raise_for_problems()


# Declarations


@pytest.mark.parametrize(
    "make",
    [
        lambda: Capability("alarm:set", "x"),
        lambda: Capability("alarm", "x"),
        lambda: Capability("Alarm.set", "x"),
        lambda: Capability("alarm.set", "x", "no path"),
        lambda: Section("Alarm", "a:b", "x"),
        lambda: Section("alarm", "a.b", "x"),
        lambda: Verb("set alarm", "Tools", "x", "a:b"),
        lambda: Verb("set", "Tools", "x", "a"),
        lambda: Metric("alarms", "x"),
        lambda: Metric("alarms_total", "x", "gauge"),
        lambda: Metric("Alarms_total", "x"),
        lambda: Block(name="Alarm", summary="x"),
        lambda: Block(name="alarm", summary="x", provide="acme"),
        lambda: Block(name="alarm", summary="x", forget="acme:1"),
        lambda: ErrorCode("alarm", "x", "y", "z"),
        lambda: Finding("alarm", "great", "x"),  # type: ignore[arg-type]
        lambda: Verb("alarm", "Alarm", "rings\x1b[31m", "acme:ring"),
        lambda: Capability("alarm.set", "set\nalarms"),
        lambda: Block(name="alarm", summary="two\nlines"),
        lambda: Block(name="alarm", summary="x", provide=5),  # type: ignore[arg-type]
        lambda: Block(name=5, summary="x"),  # type: ignore[arg-type]
    ],
)
def test_a_slip_in_a_declaration_is_found_where_it_is_made(make: Callable[[], object]) -> None:
    """At the author's, when the module is imported, and not at a user's."""
    with pytest.raises(ValueError, match=r"'|5"):
        make()


@pytest.mark.parametrize(
    "field",
    [each.name for each in dataclasses.fields(Block) if str(each.type).startswith("tuple[")],
)
@pytest.mark.parametrize("value", [None, "alarm", {"alarm": 1}, (5,), ["alarm"], (None,)])
def test_a_declaration_of_the_wrong_kind_is_found_where_it_is_made(
    field: str, value: object
) -> None:
    """In each field of several things, because no type checker reads a stranger's package."""
    with pytest.raises(ValueError, match=field):
        Block(name="alarm", summary="x", **{field: value})  # type: ignore[arg-type]


def test_a_part_is_what_its_path_names() -> None:
    """Also an attribute of a class; the error of another has the path and the reason."""
    assert load_part("airswasm.wit:WitError") is WitError
    assert load_part("airswasm.wit:Blocks.find") == Blocks.find
    for path, kind, reason in (
        ("airswasm.wit:nothing", object, "nothing"),
        ("airswasm.nothing:x", object, "No module named"),
        ("airswasm.wit:WitError", str, "expected str, found type"),
    ):
        with pytest.raises(BlockPartUnusable, match=reason) as caught:
            load_part(path, kind)
        assert caught.value.path == path


def test_interpreters_are_found_by_their_abi() -> None:
    """Two of one ABI would make it a question of order which of them runs a component."""
    one = Block(
        name="one", summary="One.", interpreters=(Interpreter("python-3.14-1", "python", "a:b"),)
    )
    two = Block(
        name="two", summary="Two.", interpreters=(Interpreter("python-3.14-2", "python", "a:b"),)
    )
    assert set(Blocks.of(one, two).interpreters) == {"python-3.14-1", "python-3.14-2"}
    both = Blocks.of(one, Block(name="too", summary="Too.", interpreters=one.interpreters))
    assert not both.interpreters
    assert "the interpreter python-3.14-1 comes from" in str(both.problems[0])
    for wrong in ("Python", "../x", "a" * 65, ""):
        with pytest.raises(ValueError, match="an ABI is named"):
            Interpreter(wrong, "python", "a:b")
