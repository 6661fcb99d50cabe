"""Values of every WIT type, through a real guest and back.

One core module echoes lists of anything: a `list<T>` crosses as address and
length whatever T is, and its elements are already laid out in the guest's
memory. So `echo: func(values: list<T>) -> list<T>` is the same few
instructions for every T, and the whole of a type's lowering and lifting is
exercised in both directions, for exports and for host functions.
"""

from __future__ import annotations

import struct

import anyio
import pytest
from airswasm.runtime import (
    Caller,
    Case,
    Engine,
    EngineConfig,
    Err,
    HostInterface,
    Ok,
    Some,
    ValueMismatch,
    ValueType,
)
from airswasm.wit import Case as TypeCase
from airswasm.wit import (
    Enum,
    Field,
    Flags,
    ListOf,
    OptionOf,
    Primitive,
    Record,
    ResultOf,
    TupleOf,
    Variant,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

U8 = Primitive("u8")
INTEGERS = {
    f"{sign}{bits}": (
        (0, 2**bits - 1) if sign == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    )
    for sign in "us"
    for bits in (8, 16, 32, 64)
}
PRIMITIVES = [*INTEGERS, "f32", "f64", "bool", "char", "string"]


def echo_world(types: list[str], declarations: list[str]) -> str:
    """A world whose guest echoes lists of each type, itself and by asking its host."""
    lists = [f"list<{type_}>" for type_ in types]
    functions = "\n".join(f"f{i}: func(v: {t}) -> {t};" for i, t in enumerate(lists))
    body = "\n".join([*declarations, functions])
    return (
        f"package test:echo;\ninterface types {{\n{body}\n}}\n"
        f"interface inner {{\n{body}\n}}\ninterface outer {{\n{body}\n}}\n"
        "world echo { import inner; export outer; export types; }"
    )


def echo_core(count: int) -> str:
    """`types` is answered by the guest, `outer` by asking `inner`."""
    imports = "\n".join(
        f'(import "test:echo/inner" "f{i}" (func $inner{i} (param i32 i32 i32)))'
        for i in range(count)
    )
    own = "\n".join(
        f'(func (export "test:echo/types#f{i}") (param i32 i32) (result i32)'
        " (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1))"
        " i32.const 16)"
        f'(func (export "test:echo/outer#f{i}") (param i32 i32) (result i32)'
        f" (call $inner{i} (local.get 0) (local.get 1) (i32.const 16)) i32.const 16)"
        for i in range(count)
    )
    return f"""(module {imports}
      (memory (export "memory") 32)
      (global $top (mut i32) (i32.const 1024))
      (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (global.set $top (i32.and
          (i32.add (global.get $top) (i32.sub (local.get 2) (i32.const 1)))
          (i32.sub (i32.const 0) (local.get 2))))
        (global.get $top)
        (global.set $top (i32.add (global.get $top) (local.get 3))))
      {own})"""


class Declared:
    """A generated type: its shape, how WIT writes it, and what must be declared before."""

    def __init__(self, shape: ValueType, text: str, declarations: tuple[str, ...] = ()) -> None:
        self.shape = shape
        self.text = text
        self.declarations = declarations

    def __repr__(self) -> str:
        return " ".join((*self.declarations, self.text))


def _named(kind: str, body: str, shape: ValueType, parts: list[Declared]) -> Declared:
    before = tuple(line for part in parts for line in part.declarations)
    name = f"t{abs(hash((kind, body, before))):x}"
    return Declared(shape, name, (*before, f"{kind} {name} {{ {body} }}"))


def _wrap(text: str, shape: ValueType, *parts: Declared) -> Declared:
    return Declared(shape, text, tuple(line for part in parts for line in part.declarations))


def _record(parts: list[Declared]) -> Declared:
    fields = tuple(Field(f"field-{i}", part.shape) for i, part in enumerate(parts))
    body = ", ".join(f"field-{i}: {part.text}" for i, part in enumerate(parts))
    return _named("record", body, Record("", fields), parts)


def _variant(parts: list[Declared | None]) -> Declared:
    cases = tuple(TypeCase(f"case-{i}", part and part.shape) for i, part in enumerate(parts))
    body = ", ".join(f"case-{i}" + (f"({p.text})" if p else "") for i, p in enumerate(parts))
    return _named("variant", body, Variant("", cases), [part for part in parts if part])


def _result(ok: Declared | None, err: Declared | None) -> Declared:
    text = f"result<{ok.text if ok else '_'}{f', {err.text}' if err else ''}>"
    shape = ResultOf(ok and ok.shape, err and err.shape)
    if ok is None and err is None:
        text = "result"
    return _wrap(text, shape, *(part for part in (ok, err) if part))


leaves = st.one_of(
    st.sampled_from(PRIMITIVES).map(lambda name: Declared(Primitive(name), name)),
    st.integers(1, 5).map(
        lambda n: _named(
            "enum",
            ", ".join(f"e{i}" for i in range(n)),
            Enum("", tuple(TypeCase(f"e{i}") for i in range(n))),
            [],
        )
    ),
    st.integers(1, 32).map(
        lambda n: _named(
            "flags",
            ", ".join(f"g{i}" for i in range(n)),
            Flags("", tuple(TypeCase(f"g{i}") for i in range(n))),
            [],
        )
    ),
)
types = st.recursive(
    leaves,
    lambda inner: st.one_of(
        inner.map(lambda t: _wrap(f"list<{t.text}>", ListOf(t.shape), t)),
        inner.map(lambda t: _wrap(f"option<{t.text}>", OptionOf(t.shape), t)),
        st.lists(inner, min_size=1, max_size=4).map(
            lambda ts: _wrap(
                f"tuple<{', '.join(t.text for t in ts)}>",
                TupleOf(tuple(t.shape for t in ts)),
                *ts,
            )
        ),
        st.builds(_result, st.none() | inner, st.none() | inner),
        st.lists(inner, min_size=1, max_size=4).map(_record),
        st.lists(st.none() | inner, min_size=1, max_size=4).map(_variant),
    ),
    max_leaves=8,
)
characters = st.characters(exclude_categories=["Cs"])


def values_of(type_: ValueType) -> st.SearchStrategy[object]:
    match type_:
        case Primitive("f32"):
            return st.floats(width=32, allow_nan=False)
        case Primitive("f64"):
            return st.floats(allow_nan=False)
        case Primitive("bool"):
            return st.booleans()
        case Primitive("char"):
            return characters
        case Primitive("string"):
            return st.text(characters, max_size=20)
        case Primitive(name):
            return st.integers(*INTEGERS[name])
        case ListOf(Primitive("u8")):
            return st.binary(max_size=40)
        case ListOf(element):
            return st.lists(values_of(element), max_size=4)
        case TupleOf(elements):
            return st.tuples(*map(values_of, elements))
        case OptionOf(OptionOf() as some):
            return st.none() | st.builds(Some, values_of(some))
        case OptionOf(some):
            return st.none() | values_of(some)
        case ResultOf(ok, err):
            return st.one_of(
                st.builds(Ok, values_of(ok) if ok else st.none()),
                st.builds(Err, values_of(err) if err else st.none()),
            )
        case Record(_, fields):
            return st.fixed_dictionaries(
                {f.name.replace("-", "_"): values_of(f.type) for f in fields}
            )
        case Variant(_, cases):
            return st.one_of(
                *(
                    st.builds(Case, st.just(c.name), values_of(c.type) if c.type else st.none())
                    for c in cases
                )
            )
        case Enum(_, cases):
            return st.sampled_from([case.name for case in cases])
        case Flags(_, cases):
            return st.frozensets(st.sampled_from([case.name for case in cases]))
    raise AssertionError(type_)


def plain(value: object) -> object:
    """A value with its records as dictionaries, for comparing."""
    match value:
        case Ok(inner):
            return Ok(plain(inner))
        case Err(inner):
            return Err(plain(inner))
        case Some(inner):
            return Some(plain(inner))
        case Case(name, inner):
            return Case(name, plain(inner))
        case list():
            return [plain(item) for item in value]
        case tuple():
            return tuple(plain(item) for item in value)
        case dict():
            return {key: plain(item) for key, item in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return value


async def round_trip(
    config: EngineConfig, wasm: bytes, values: list[list[object]]
) -> tuple[list[object], list[object], list[object]]:
    """What the guest echoes, what it echoes through the host, and what the host saw."""
    seen: list[object] = []

    def echo(_caller: Caller, value: object) -> object:
        seen.append(value)
        return value

    async with Engine(config) as engine:
        component = await engine.load(wasm)
        names = [f"f{i}" for i in range(len(values))]
        host = HostInterface("test:echo/inner", dict.fromkeys(names, echo))
        instance = await component.link([host]).instantiate(caller=Caller("test/echo"))
        own = [
            await instance.call(f"test:echo/types#f{i}", value) for i, value in enumerate(values)
        ]
        through = [
            await instance.call(f"test:echo/outer#f{i}", value) for i, value in enumerate(values)
        ]
    return own, through, seen


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_every_value_survives_the_guest_and_the_host(data, build, config):
    """Any value of any type comes back as it was sent, from exports and host functions."""
    chosen = data.draw(st.lists(types, min_size=1, max_size=6), label="types")
    declarations = list(dict.fromkeys(line for t in chosen for line in t.declarations))
    wasm = build(echo_world([t.text for t in chosen], declarations), echo_core(len(chosen)))
    values = [data.draw(values_of(ListOf(t.shape)), label=t.text) for t in chosen]
    own, through, seen = anyio.run(round_trip, config, wasm, values)
    expected = [plain(value) for value in values]
    assert [plain(value) for value in own] == expected
    assert [plain(value) for value in seen] == expected
    assert [plain(value) for value in through] == expected


@pytest.fixture
def echo_all(build) -> bytes:
    """Echoes lists of each primitive, in the order of PRIMITIVES."""
    return build(echo_world(PRIMITIVES, []), echo_core(len(PRIMITIVES)))


async def _echo(engine: Engine, wasm: bytes):
    names = [f"f{i}" for i in range(len(PRIMITIVES))]
    host = HostInterface("test:echo/inner", dict.fromkeys(names, lambda _c, value: value))
    component = await engine.load(wasm)
    return await component.link([host]).instantiate(caller=Caller("test/echo"))


def path_of(name: str) -> str:
    return f"test:echo/types#f{PRIMITIVES.index(name)}"


@pytest.mark.anyio
async def test_integers_out_of_range_are_refused_before_the_guest_runs(engine, echo_all):
    """One below and one above each integer type's range is a ValueMismatch that names it."""
    instance = await _echo(engine, echo_all)
    for name, (low, high) in INTEGERS.items():
        if name == "u8":
            assert await instance.call(path_of(name), bytes([low, high])) == bytes([low, high])
            continue
        assert await instance.call(path_of(name), [low, high]) == [low, high]
        for outside in (low - 1, high + 1):
            with pytest.raises(ValueMismatch) as caught:
                await instance.call(path_of(name), [0, outside])
            assert caught.value.where.endswith(".v[1]")
            assert caught.value.expected == name
    assert not instance.is_closed


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("string", "\ud800"),
        ("char", "\udfff"),
        ("char", "ab"),
        ("char", ""),
        ("bool", 1),
        ("f32", 1e39),
        ("f64", "1"),
        ("u32", 1.5),
        ("u64", None),
        ("string", b"x"),
    ],
)
async def test_values_that_would_crash_the_engine_are_refused(engine, echo_all, name, value):
    """Surrogates, impossible chars and wrong types never reach the engine."""
    instance = await _echo(engine, echo_all)
    with pytest.raises(ValueMismatch) as caught:
        await instance.call(path_of(name), [value])
    assert caught.value.where == f"f{PRIMITIVES.index(name)}.v[0]"
    assert not instance.is_closed


@pytest.mark.anyio
async def test_a_host_function_cannot_return_a_value_outside_its_type(engine, echo_all):
    """A host function's wrong value is a host bug, with the mismatch as its cause."""
    from airswasm.runtime import HostFunctionFailed

    names = [f"f{i}" for i in range(len(PRIMITIVES))]
    host = HostInterface("test:echo/inner", dict.fromkeys(names, lambda _c, _v: [2**40]))
    component = await engine.load(echo_all)
    instance = await component.link([host]).instantiate(caller=Caller("test/echo"))
    outer = f"test:echo/outer#f{PRIMITIVES.index('u32')}"
    with pytest.raises(HostFunctionFailed) as caught:
        await instance.call(outer, [1])
    assert isinstance(caught.value.__cause__, ValueMismatch)


@pytest.mark.anyio
async def test_float_values_keep_their_bits(engine, echo_all):
    """NaN and infinities cross; a NaN stays a NaN."""
    instance = await _echo(engine, echo_all)
    back = await instance.call(path_of("f64"), [float("inf"), float("-inf"), float("nan"), -0.0])
    assert back[:2] == [float("inf"), float("-inf")]
    assert back[2] != back[2]
    assert struct.pack("<d", back[3]) == struct.pack("<d", -0.0)
