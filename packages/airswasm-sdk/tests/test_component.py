"""The library with which components in Python are written, without WebAssembly."""

from __future__ import annotations

import ast
import dataclasses
import enum
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import airswasm.component as library
import pytest
from airswasm.component import (
    Codec,
    DefinitionError,
    HostError,
    JsonCodec,
    Message,
    NoHost,
    PayloadError,
    Peer,
    State,
    StateMap,
    Topic,
    component,
    definition_of,
    errors,
    every,
    find_definition,
    on,
    on_message,
    on_start,
)
from airswasm.component.guest import NAME_VARIABLE
from airswasm.component.testing import Refusal, run
from airswasm.component.world import world_text
from airswasm.lifecycle import NAME_VARIABLE as NAME_VARIABLE_OF_THE_HOST
from airswasm.security import Pattern
from airswasm.wit import contract, model
from hypothesis import example, given
from hypothesis import strategies as st

FOLDER = Path(library.__file__).parent


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Line:
    item: str
    price: float = 0.0
    colour: Colour = Colour.RED


@dataclasses.dataclass
class Basket:
    lines: list[Line]
    notes: dict[str, str | None] = dataclasses.field(default_factory=dict)
    ends: tuple[int, int] = (0, 0)
    kind: Literal["a", "b"] = "a"
    raw: bytes = b""


LINES = st.builds(
    Line, st.text(), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(Colour)
)
BASKETS = st.builds(
    Basket,
    st.lists(LINES, max_size=3),
    st.dictionaries(st.text(), st.none() | st.text(), max_size=3),
    st.tuples(st.integers(), st.integers()),
    st.sampled_from(["a", "b"]),
    st.binary(),
)


@given(basket=BASKETS, is_prefixed=st.booleans())
def test_what_is_written_is_read_again(basket: Basket, is_prefixed: bool) -> None:
    """Dataclasses, collections, unions, enums, literals and bytes; with the codec's number too."""
    codec = JsonCodec(is_prefixed=is_prefixed)
    assert codec.decode(codec.encode(basket), Basket) == basket


@pytest.mark.parametrize(
    ("plain", "problem"),
    [
        ([], "expected an object, not a list"),
        ({}, "Basket needs lines"),
        ({"lines": [{}]}, r"lines\[0\]: Line needs item"),
        ({"lines": [{"item": 1}]}, r"lines\[0\].item: expected str, not a number"),
        ({"lines": [{"item": "x", "price": True}]}, "price: expected float, not true or false"),
        ({"lines": [{"item": "x", "colour": "green"}]}, "colour: expected one of 'red', 'blue'"),
        ({"lines": [], "notes": {"x": 1}}, r"notes\['x'\]: expected str, not a number"),
        ({"lines": [], "ends": [1]}, "ends: expected 2 items, not 1"),
        ({"lines": [], "kind": "c"}, "kind: expected one of 'a', 'b'"),
        ({"lines": [], "raw": "*"}, "raw: expected bytes, as base64"),
        ({"lines": None}, "lines: expected .*, not null"),
        ({"lines": [], "more": 1}, "Basket has no more"),
    ],
)
def test_what_does_not_fit_is_an_error_with_its_place(plain: object, problem: str) -> None:
    with pytest.raises(PayloadError, match=problem):
        JsonCodec().convert(plain, Basket)


@pytest.mark.parametrize("payload", [b"NaN", b"{", b"[" * 5_000, b"\xff", b"1 2"])
def test_what_is_no_json_is_a_payload_error(payload: bytes) -> None:
    with pytest.raises(PayloadError):
        JsonCodec().read(payload)


def test_a_codec_brings_its_own_types() -> None:
    """With `convert` and `plain`: here complex numbers, elsewhere pydantic or msgspec."""

    class Complex(JsonCodec):
        def convert(self, plain: object, annotation: object) -> object:
            if annotation is complex and isinstance(plain, list):
                return complex(*plain)
            return super().convert(plain, annotation)

        def plain(self, value: object) -> object:
            return [value.real, value.imag] if isinstance(value, complex) else super().plain(value)

    @component(codec=Complex())
    class Turn:
        last = State[complex]("last", default=0j)

        @on_message
        def turn(self, value: complex) -> complex:
            self.last = value * 1j
            return self.last

    with run(Turn) as running:
        assert json.loads(running.send("[1,2]").text) == [-2, 1]
        assert running.stored("last") == b"[-2.0,1.0]"


def test_functions_of_a_module_are_a_component() -> None:
    """Without a class: declarations and handlers stand in the module."""
    module = ModuleType("counting")
    sys.modules["counting"] = module
    source = """
from airswasm.component import State, Topic, on, on_message
count = State[int]("count", default=0)
counts = Topic[int]("counts")
@on_message
def add(number: int) -> int:
    count.set(count.get() + number)
    counts.publish(count.get())
    return count.get()
@on("reset")
def reset() -> None:
    count.delete()
"""
    exec(source, vars(module))
    try:
        with run(module) as running:
            assert running.send("5").text == "5"
            assert running.send('{"type":"add","number":2}').text == "7"
            assert running.published[-1].payload == b"7"
            running.publish("reset")
            assert running.send("1").text == "1"
        assert find_definition(module).imports == ("logging", "messaging", "storage")
    finally:
        del sys.modules["counting"]


def test_a_function_is_a_component() -> None:
    @component
    def shout(text: str) -> str:
        return text.upper()

    with run(shout) as running:
        assert running.send("hey").text == "HEY"
    assert definition_of(shout).imports == ("logging",)


def no_annotation(self: Any, name) -> None: ...  # type: ignore[no-untyped-def]
def any_number(self: Any, *names: str) -> None: ...
async def waits(self: Any) -> None: ...


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: {"a": on_message(no_annotation)}, "the parameter name needs an annotation"),
        (lambda: {"a": on_message(any_number)}, "has no place in a message"),
        (lambda: {"a": on_message(waits)}, "a handler is a plain function"),
        (dict, "it handles nothing"),
        (lambda: {"a": on_message(takes_line), "b": on_message(takes_line_too)}, "handle 'Line'"),
        (lambda: {"a": on_start(starts), "b": on_start(waits_not)}, "several functions for start"),
    ],
)
def test_a_class_that_cannot_be_a_component_is_an_error_of_its_import(
    make: Callable[[], dict[str, object]], problem: str
) -> None:
    """With the place, before anything runs; and it survives pickle."""
    with pytest.raises(DefinitionError, match=problem) as caught:
        component(type("Wrong", (), make()))
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.place) == (str(caught.value), caught.value.place)


def takes_line(self: Any, line: Line) -> None: ...
def takes_line_too(self: Any, line: Line) -> None: ...
def starts(self: Any) -> None: ...
def waits_not(self: Any) -> None: ...


def test_a_module_without_or_with_several_components_is_none() -> None:
    module = ModuleType("several")
    with pytest.raises(DefinitionError, match="no component"):
        find_definition(module)
    for name in ("One", "Two"):

        @on_message
        def go(self: Any) -> None: ...

        setattr(module, name, component(type(name, (), {"go": go, "__module__": "several"})))
    with pytest.raises(DefinitionError, match="One and Two"):
        find_definition(module)
    with pytest.raises(DefinitionError, match="put @component"):
        definition_of(int)


class Shelf:
    def take(self, item: str, number: int = 1) -> bool: ...


@component
class All:
    count = State[int]("count", default=0)
    lines = StateMap[Line]("lines/")
    topic = Topic[str]("all.things")
    shelf = Peer(Shelf, "shop/shelf")

    @on_message
    def go(self) -> None: ...

    @on("orders.*")
    def heard(self, message: Message) -> None: ...

    @every(5)
    def tick(self) -> None: ...


def test_the_world_is_what_the_class_uses() -> None:
    """Exactly: an import less is an error of the build, one more needs a block installed."""
    text = world_text(definition_of(All), "0.1.0")
    used = ("logging", "messaging", "storage", "timers")
    assert [line.split("/")[1] for line in text.splitlines() if "import" in line] == [
        f"{each}@0.1.0;" for each in used
    ]
    assert definition_of(All).exports == ("handler", "lifecycle")
    assert definition_of(All).capabilities == {
        "storage.read": ["count", "lines/**"],
        "storage.write": ["count", "lines/**"],
        "messaging.publish": ["all.things"],
        "messaging.request": ["shop/shelf"],
        "messaging.subscribe": ["orders.*"],
        "messaging.schedule": ["{name}"],
    }


def test_outside_of_a_handler_there_is_no_host() -> None:
    """An error that says where to go, and not an old value."""
    with pytest.raises(NoHost, match="inside of a handler"):
        _ = All().count
    with run(All) as running, pytest.raises(NoHost):
        _ = running.instance.count  # type: ignore[attr-defined]


def test_two_components_of_one_test_do_not_meet() -> None:
    with run(All, name="a/a") as one, run(All, name="b/b") as other:
        one.store("count", b"1")
        assert other.stored("count") is None
        assert {each.target for each in one.timers} == {"a/a"}


PATTERNS = st.lists(st.sampled_from(["a", "b", "*", "**", "a*"]), min_size=1, max_size=4)
SEGMENTS = st.lists(st.sampled_from(["a", "b", "ab", "c"]), min_size=1, max_size=4)


@given(pattern=PATTERNS, resource=SEGMENTS)
def test_the_double_reads_patterns_as_the_guard_does(
    pattern: list[str], resource: list[str]
) -> None:
    """`*`, `**` and a wildcard within a segment."""
    from airswasm.component._service import matches

    text, name = "/".join(pattern), "/".join(resource)
    assert matches(text, name, "/") == Pattern(text).matches(name)


@given(grant=PATTERNS, wanted=PATTERNS)
@example(grant=["a", "*", "**"], wanted=["a", "**"])
def test_the_double_allows_no_subscription_that_the_guard_denies(
    grant: list[str], wanted: list[str]
) -> None:
    """For patterns whose wildcards are whole segments."""
    from airswasm.component._memory_host import _covers_pattern

    if "a*" in grant + wanted:
        return
    one, other = ".".join(grant), ".".join(wanted)
    assert _covers_pattern(one, other, ".") == Pattern(one, ".").covers_pattern(Pattern(other, "."))


def test_values_expire_and_pages_follow_each_other() -> None:
    @component
    class Cache:
        values = StateMap[int]("v/")

        @on_message
        def fill(self, number: int) -> list[str]:
            for each in range(number):
                self.values.set(f"{each:04}", each, ttl=10)
            return [key for key, _ in self.values.items(reverse=True)]

        @on_message
        def count(self) -> int:
            return len(list(self.values))

    with run(Cache) as running:
        keys = json.loads(running.send('{"type":"fill","number":250}').text)
        assert keys == [f"{each:04}" for each in reversed(range(250))]
        assert running.send('{"type":"count"}').text == "250"
        running.advance(10)
        assert running.send('{"type":"count"}').text == "0"


def test_an_error_of_the_host_has_the_class_of_its_case() -> None:
    """For each case of the contract's variants; each error survives pickle."""
    cases: set[str] = set()
    errors_of = (("messaging", "messaging-error"), ("storage", "storage-error"),
                 ("storage", "write-error"))  # fmt: skip
    for interface, variant in errors_of:
        types = contract().interfaces[f"airswasm:component/{interface}@0.1.0"].types
        kind = types[variant]
        assert isinstance(kind, model.Variant)
        cases |= {each.name for each in kind.cases}
    assert len(cases) > 12
    for case in cases:
        made = errors.host_error(case, "why")
        assert type(made) is not HostError, case
        again = pickle.loads(pickle.dumps(made))
        assert (type(again), again.text) == (type(made), "why")


def test_it_needs_the_standard_library_only() -> None:
    """A guest has nothing else; what the build generates is named as text."""
    used: set[str] = set()
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                used |= {each.name.partition(".")[0] for each in node.names}
            if isinstance(node, ast.ImportFrom) and not node.level:
                used.add((node.module or "").partition(".")[0])
    assert used - set(sys.stdlib_module_names) == set()


def test_it_runs_where_nothing_else_of_the_namespace_can_be_read(tmp_path: Path) -> None:
    """As in a confined build: by the path of its folder, isolated from what is installed."""
    project = tmp_path / "with a space \u00e4"
    (project / "wit" / "deps").mkdir(parents=True)
    (project / "Component.toml").write_text('[component]\nname = "local/x"\n')
    (project / "app.py").write_text(
        "from airswasm.component import on_message\n@on_message\ndef f() -> None: ...\n"
    )
    command = [sys.executable, "-I", "-S", str(FOLDER), str(project), str(tmp_path / "into")]
    subprocess.run([*command, "--contract", "0.1.0"], check=True)
    world = (tmp_path / "into" / "wit" / "world.wit").read_text()
    assert "export airswasm:component/handler@0.1.0" in world
    assert (tmp_path / "into" / "entry" / "airswasm" / "component" / "guest.py").is_file()
    assert not list(project.rglob("__pycache__"))


def test_a_world_of_the_project_is_included(tmp_path: Path) -> None:
    from airswasm.component.world import _own_world

    (tmp_path / "wit").mkdir()
    (tmp_path / "wit" / "own.wit").write_text(
        "package acme:plugin@1.0.0;\ninterface sums { add: func(l: u32) -> u32; }\n"
        "world plugin { export sums; }\n"
    )
    own = _own_world(tmp_path / "wit", tmp_path / "into")
    assert own == "acme:plugin/plugin@1.0.0"
    assert f"include {own};" in world_text(definition_of(All), "0.1.0", own)
    assert (tmp_path / "into" / "own.wit").is_file()


def test_the_host_and_the_guest_agree_about_the_name() -> None:
    assert NAME_VARIABLE == NAME_VARIABLE_OF_THE_HOST


def test_a_codec_of_another_format_derives_from_codec() -> None:
    class Reversed(Codec):
        prefix = b"\x55"

        def load(self, content: bytes) -> object:
            return content[::-1].decode()

        def dump(self, plain: object) -> bytes:
            return str(plain).encode()[::-1]

    @component(codec=Reversed())
    class Mirror:
        @on_message
        def show(self, text: str) -> str:
            return text + "!"

    with run(Mirror) as running:
        assert running.send(b"\x55olleh").payload == b"\x55!olleh"
        with pytest.raises(Refusal, match="another codec"):
            running.send("hello")


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf"), "60 s", None, lambda: None])
def test_an_interval_is_a_number_above_0(wrong: Any) -> None:
    """Also a bare `@every`, which would leave the method out without a word."""
    with pytest.raises(DefinitionError, match=r"@every\(60\)"):
        every(wrong)


@pytest.mark.parametrize("wrong", [3, None, lambda: None])
def test_a_subscription_names_its_topic(wrong: Any) -> None:
    with pytest.raises(DefinitionError, match=r'@on\("orders'):
        on(wrong)


def test_a_handler_may_be_marked_with_an_empty_pair_of_parentheses() -> None:
    @component
    class It:
        @on_message()
        def greet(self, name: str) -> str:
            return f"Hello, {name}!"

    with run(It) as running:
        assert running.send("you").text == "Hello, you!"
