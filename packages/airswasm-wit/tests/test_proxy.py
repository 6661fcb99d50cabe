"""A component imported as typed async Python."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from airswasm.wit import names, read_component, read_wit, read_wit_text, wit_folder
from airswasm.wit.proxy import main, python_proxy, python_stub

runtime = pytest.importorskip("airswasm.runtime", reason="pip install airswasm-runtime")
pytest.importorskip("mypy", reason="pip install mypy")

USE = """\
from airswasm.runtime import Caller, Component, Err, Instance, Ok
from hello import Hello, MessagingErrorTimedOut


async def main(instance: Instance) -> bytes:
    hello = Hello(instance)
    reply = await hello.handle_message({arguments})
    await hello.handle_callback(7, {outcome})
    match reply:
        case Ok(value):
            return value or b""
        case Err(reason):
            return reason.{method}()
"""
GOOD = {
    "arguments": '"host", None, b"hi"',
    "outcome": "Err(MessagingErrorTimedOut())",
    "method": "encode",
}


WRONG = {
    "payload": ({"arguments": '"host", None, "hi"'}, 'incompatible type "str"; expected "bytes"'),
    "missing": ({"arguments": '"host", None'}, 'Missing positional argument "payload"'),
    "outcome": ({"outcome": 'Err("timed-out")'}, "incompatible type"),
    "reason": ({"method": "decode"}, '"str" has no attribute "decode"'),
}


def write_uses(folder: Path) -> list[str]:
    (folder / "right.py").write_text(USE.format(**GOOD))
    for name, (change, _) in WRONG.items():
        (folder / f"{name}.py").write_text(USE.format(**{**GOOD, **change}))
    return ["right.py", *(f"{name}.py" for name in WRONG)]


@pytest.mark.parametrize("write", [python_proxy, python_stub])
def test_mypy_catches_a_wrong_use(
    tmp_path: Path, write: Callable[..., str], checked: Callable[..., str]
) -> None:
    """A right use passes --strict, the module or stub itself too; each wrong one is named."""
    world = read_wit(wit_folder()).main.worlds["full"]
    name = "hello.py" if write is python_proxy else "hello.pyi"
    (tmp_path / name).write_text(write(world, name="Hello"))
    said = checked(tmp_path, name, *write_uses(tmp_path))
    assert "hello" not in {line.partition(".py")[0] for line in said.split("\n")}
    assert "right.py" not in said
    for file, (_, complaint) in WRONG.items():
        errors = [line for line in said.split("\n") if line.startswith(f"{file}.py:")]
        assert any(complaint in line for line in errors), said


SHAPES = """\
package acme:shapes@1.0.0;
interface plane {
    record point { x: f64, y: f64 }
    enum color { red, dark-blue }
    flags style { bold, thin }
    /// What can be drawn. Even \\"\\"\\" and \\\\ in docs do no harm: \"\"\"
    variant shape { dot, circle(tuple<point, f64>), polygon(list<point>), group(list<u8>) }
    record layer { name: string, shapes: list<shape>, class: option<color> }
    resource canvas { constructor(size: point); draw: func(what: shape) -> bool; }
    draw: func(layer: layer, styles: style) -> result<layer, shape>;
    nested: func(o: option<option<shape>>) -> option<option<shape>>;
    maybe: func(o: option<shape>, value: list<u16>) -> tuple<option<shape>, list<u16>>;
    new-canvas: func() -> canvas;
}
interface other { record point { z: u8 } draw: func(at: point) -> point; }
world art { export plane; export other; export sum: func(%from: list<u32>) -> u64; }
"""


class Echo:
    """Stands where an instance would: notes what goes down and answers what it was told."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.answer: object = None

    async def call(self, function: str, /, *arguments: object) -> object:
        self.calls.append((function, *arguments))
        return self.answer


@pytest.fixture
def shapes(tmp_path: Path) -> ModuleType:
    path = tmp_path / "shapes.py"
    path.write_text(python_proxy(read_wit_text(SHAPES).main.worlds["art"], name="Art"))
    spec = importlib.util.spec_from_file_location("shapes", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["shapes"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.anyio
async def test_values_are_converted_both_ways(shapes: ModuleType, anyio_backend: str) -> None:
    """Variants become `Case` going down and typed classes coming up, however deep they lie."""
    case, ok, err, some = runtime.Case, runtime.Ok, runtime.Err, runtime.Some
    echo = Echo()
    plane = shapes.Art(echo).plane
    point = shapes.PlanePoint(1.0, 2.0)
    layer = shapes.Layer("l", [shapes.ShapeCircle((point, 3.0)), shapes.ShapeDot()], "red")
    low = {"name": "l", "shapes": [case("circle", (point, 3.0)), case("dot")], "class_": "red"}
    echo.answer = err(case("polygon", [point]))
    assert await plane.draw(layer, frozenset({"bold"})) == err(shapes.ShapePolygon([point]))
    assert echo.calls[-1] == ("acme:shapes/plane@1.0.0#draw", low, frozenset({"bold"}))
    for down, up in ((None, None), (some(None), some(None))):
        echo.answer = up
        assert await plane.nested(down) == up
    echo.answer = some(case("dot"))
    assert await plane.nested(some(shapes.ShapeDot())) == some(shapes.ShapeDot())
    assert echo.calls[-1] == ("acme:shapes/plane@1.0.0#nested", some(case("dot")))
    echo.answer = (case("group", b"g"), [1])
    assert await plane.maybe(None, [1]) == (shapes.ShapeGroup(b"g"), [1])
    assert ok(None) == ok(None)


@pytest.mark.anyio
async def test_names_that_collide_stay_apart(shapes: ModuleType, anyio_backend: str) -> None:
    """Two `point`s, two `draw`s, a keyword, and functions of the world itself."""
    echo = Echo()
    art = shapes.Art(echo)
    assert {"PlanePoint", "OtherPoint"} <= set(shapes.__all__)
    assert hasattr(art.plane, "canvas_constructor")
    assert hasattr(art.plane, "new_canvas_")
    assert not hasattr(art, "draw")
    echo.answer = 6
    assert await art.sum([1, 2, 3]) == 6
    assert echo.calls == [("#sum", [1, 2, 3])]


MIXED = """\
package acme:mixed@1.0.0;
interface left { record point { x: u32 } }
interface right { record point { y: string } }
interface both {
    use left.{point};
    use right.{point as other};
    move: func(a: point, b: other) -> tuple<point, other>;
}
world w {
    export left; export right; export both;
    export one: interface { record point { z: u32 } f: func(p: point) -> point; }
    export two: interface { record point { w: bool } f: func(p: point) -> point; }
    record point { v: s8 }
    export f: func(p: point) -> point;
}
"""


def test_types_of_one_name_are_not_taken_for_each_other(tmp_path: Path) -> None:
    """In one signature, in interfaces that a world declares inline, and in the world itself."""
    source = python_proxy(read_wit_text(MIXED).main.worlds["w"])
    assert (
        "async def move(self, a: LeftPoint, b: RightPoint) -> tuple[LeftPoint, RightPoint]"
        in source
    )
    assert "async def f(self, p: OnePoint) -> OnePoint" in source
    assert "async def f(self, p: TwoPoint) -> TwoPoint" in source
    assert "async def f(self, p: Point_) -> Point_" in source
    for fields in ("x: int", "y: str", "z: int", "w: bool", "v: int"):
        assert source.count(f"\n    {fields}\n") == 1


def test_the_module_is_valid_python_whatever_the_names(
    tmp_path: Path, checked: Callable[..., str]
) -> None:
    """mypy accepts the hard one too."""
    (tmp_path / "hello.py").write_text(
        python_proxy(read_wit_text(SHAPES).main.worlds["art"], name="Art")
    )
    assert checked(tmp_path, "hello.py") == ""


def test_a_name_must_be_an_identifier() -> None:
    """It goes into source code."""
    world = read_wit(wit_folder()).main.worlds["minimal"]
    for name in ("class", "a b", "X:\n    import os", "", "Ok", "int", "_Hidden", "__all__"):
        with pytest.raises(ValueError, match="cannot be the name of a Python class"):
            python_proxy(world, name=name)


@pytest.mark.anyio
async def test_a_real_component_through_its_proxy(
    anyio_backend: str, build_c: Callable[[str], bytes], tmp_path: Path
) -> None:
    """Built, read, generated, imported and called."""
    wasm = build_c("echo")
    path = tmp_path / "echo.py"
    path.write_text(python_proxy(read_component(wasm), name="Echo"))
    scope: dict[str, object] = {"__name__": "echo"}
    exec(compile(path.read_text(), str(path), "exec"), scope)
    async with runtime.Engine(runtime.EngineConfig()) as engine:
        component = await engine.load(wasm)
        instance = await component.link([]).instantiate(caller=runtime.Caller("local/echo"))
        echo = scope["Echo"](instance)  # type: ignore[operator]
        assert await echo.handle_message("host", None, b"hi") == runtime.Ok(b"hi")
        assert await echo.handler.handle_message("host", None, b"") == runtime.Ok(b"")
        instance.close()


def test_the_command_prints_the_module(
    build_c: Callable[[str], bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Module or stub on stdout; an unreadable component is a message and exit code 1."""
    path = tmp_path / "echo.wasm"
    path.write_bytes(build_c("echo"))
    assert main([str(path), "--name", "Echo"]) == 0
    assert f"{names.HANDLE_MESSAGE!r}, sender, topic, payload)" in capsys.readouterr().out
    assert main([str(path), "--name", "Echo", "--stub"]) == 0
    assert "-> Ok[bytes | None] | Err[str]: ..." in capsys.readouterr().out
    path.write_bytes(b"")
    assert main([str(path)]) == 1
    assert "the file is empty" in capsys.readouterr().err
