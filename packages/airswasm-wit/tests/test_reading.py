"""Reading WIT from text and components, and what bad input does."""

import time
from pathlib import Path

import pytest
from airswasm.wit import (
    Place,
    ToolLimits,
    WitError,
    WitSyntaxError,
    WitTooComplex,
    read_component,
    read_wit,
    read_wit_text,
    wit_folder,
)
from airswasm.wit._tool import run_wasm_tools
from airswasm.wit.model import (
    Alias,
    Borrow,
    Enum,
    Flags,
    ListOf,
    OptionOf,
    Own,
    Primitive,
    Record,
    Resource,
    ResultOf,
    TupleOf,
    Variant,
)

EVERYTHING = """\
package acme:shop@1.2.3;
/// Things to buy.
interface goods {
    /// A shelf.
    resource shelf {
        constructor(name: string);
        /// Puts something on it.
        put: func(what: item) -> result<_, string>;
        first: static func() -> option<shelf>;
    }
    /// One thing.
    record item {
        /// Its name.
        name: string,
        price: tuple<u32, color>,
    }
    enum color { red, green }
    flags marks { sold, %new }
    variant choice { all, %list(list<item>), fixed(list<u8, 4>) }
    type items = list<item>;
    // look: func() in a comment is none
    /* { nor: func() */
    look: func(at: borrow<shelf>, how: marks) -> items;
    %interface: async func(c: choice);
}
interface users {
    use goods.{item as thing, shelf};
    give: func(what: thing, from-shelf: shelf);
}
world shop {
    import goods;
    import log: func(line: string);
    export users;
    export run: func() -> bool;
    export inline: interface { go: func(); }
}
"""


def test_everything_that_wit_has_is_in_the_model() -> None:
    """Each kind of type, function and world item comes out as it was written."""
    package = read_wit_text(EVERYTHING, name="shop.wit").main
    assert package.name == "acme:shop@1.2.3"
    assert package.version == "1.2.3"
    goods = package.interfaces["goods"]
    assert goods.name == "acme:shop/goods@1.2.3"
    assert goods.docs == "Things to buy."
    shelf, item, color = goods.types["shelf"], goods.types["item"], goods.types["color"]
    assert isinstance(shelf, Resource)
    assert shelf.docs == "A shelf."
    assert isinstance(item, Record)
    assert item.fields[0].docs == "Its name."
    assert item.fields[1].type == TupleOf((Primitive("u32"), color))  # type: ignore[arg-type]
    assert isinstance(color, Enum)
    assert [case.name for case in color.cases] == ["red", "green"]
    marks, choice = goods.types["marks"], goods.types["choice"]
    assert isinstance(marks, Flags)
    assert marks.spelled_out() == "flags marks { sold, new }"
    assert isinstance(choice, Variant)
    assert choice.cases[2].type == ListOf(Primitive("u8"), 4)
    assert goods.types["items"] == Alias("items", ListOf(item))
    signatures = {name: function.signature for name, function in goods.functions.items()}
    assert signatures == {
        "[constructor]shelf": "constructor(name: string);",
        "[method]shelf.put": "put: func(what: item) -> result<_, string>;",
        "[static]shelf.first": "first: static func() -> option<shelf>;",
        "look": "look: func(at: borrow<shelf>, how: marks) -> list<item>;",
        "interface": "interface: async func(c: choice);",
    }
    look = goods.functions["look"]
    assert look.parameters[0].type == Borrow(shelf)
    assert goods.functions["[static]shelf.first"].result == OptionOf(Own(shelf))
    assert goods.functions["[method]shelf.put"].resource_name == "shelf"
    assert goods.functions["[method]shelf.put"].result == ResultOf(None, Primitive("string"))


def test_worlds_have_interfaces_and_functions() -> None:
    """Named, inline, and functions outside any interface, each on its side."""
    world = read_wit_text(EVERYTHING).main.worlds["shop"]
    assert list(world.imports) == ["acme:shop/goods@1.2.3"]
    assert list(world.imported_functions) == ["log"]
    assert list(world.exports) == ["acme:shop/users@1.2.3", "inline"]
    assert list(world.exported_functions) == ["run"]
    give = world.exports["acme:shop/users@1.2.3"].functions["give"]
    assert give.signature == "give: func(what: item, from-shelf: shelf);"


def test_functions_know_their_places() -> None:
    """Comments and braces in them do not confuse the scan; keywords with % keep their name."""
    goods = read_wit_text(EVERYTHING, name="shop.wit").main.interfaces["goods"]
    places = {name: function.place for name, function in goods.functions.items()}
    assert places == {
        "[constructor]shelf": Place("shop.wit", 6, 9),
        "[method]shelf.put": Place("shop.wit", 8, 9),
        "[static]shelf.first": Place("shop.wit", 9, 9),
        "look": Place("shop.wit", 23, 5),
        "interface": Place("shop.wit", 24, 5),
    }


def test_types_are_equal_by_structure_not_by_name_or_docs() -> None:
    """Types are equal when the component model holds them for equal."""

    def record(text: str) -> object:
        found = read_wit_text(f"package a:b;\ninterface i {{ {text} }}").main.interfaces["i"]
        return next(iter(found.types.values()))

    assert record("record one { a: u8 }") == record("/// Docs.\nrecord two { a: u8 }")
    assert record("record one { a: u8 }") != record("record one { b: u8 }")
    assert record("record one { a: u8 }") != record("record one { a: u16 }")
    assert record("enum one { a, b }") != record("enum one { b, a }")
    assert record("resource one;") != record("resource two;")


def test_a_package_with_dependencies_is_the_main_one(tmp_path: Path) -> None:
    """The folder's own package is `main`, whatever lies in deps."""
    deps = tmp_path / "deps" / "contract"
    deps.mkdir(parents=True)
    for file in wit_folder().glob("*.wit"):
        (deps / file.name).write_text(file.read_text("utf-8"))
    (tmp_path / "a.wit").write_text(
        "package aaa:aaa;\nworld w { include airswasm:component/minimal@0.1.0; }\n"
    )
    document = read_wit(tmp_path)
    assert document.main.name == "aaa:aaa"
    assert set(document.packages) == {"aaa:aaa", "airswasm:component@0.1.0"}
    assert list(document.main.worlds["w"].exports) == ["airswasm:component/handler@0.1.0"]


@pytest.mark.parametrize(
    ("body", "line", "column", "reason", "shown"),
    [
        ("interface x {\n  f func();\n}", 3, 5, "expected ':'", "  f func();"),
        ("interface x {\n  f: func(a: strin);\n}", 3, 14, "`strin` does not exist", "strin"),
        (
            "interface x {\n record a { b: b }\n record b { a: a }\n}",
            3,
            16,
            "depends on itself",
            "",
        ),
        ("interface x { use x.{a}; }", 2, 11, "depends on itself", "interface x"),
        ("interface x { use nope.{a}; }", 2, 19, "`nope` does not exist", "use nope"),
        ("world w { import nope; }", 2, 18, "`nope` does not exist", "import nope"),
        ("interface x {", 3, 1, "expected", ""),
        ("interface x { f: func(); f: func(); }", 2, 26, "duplicate name `f`", "f: func"),
    ],
)
def test_syntax_errors_have_file_line_column_and_the_line(
    body: str, line: int, column: int, reason: str, shown: str
) -> None:
    """The author sees where and what, in the words of the tool."""
    with pytest.raises(WitSyntaxError) as caught:
        read_wit_text(f"package a:b;\n{body}\n", name="mine.wit")
    error = caught.value
    assert error.file == "mine.wit"
    assert reason in error.reason
    assert shown in error.shown
    assert str(error).startswith(f"mine.wit:{error.line}:{error.column}: ")
    assert (error.line, error.column) == (line, column)


def test_errors_in_a_folder_name_the_file(tmp_path: Path) -> None:
    """Also when the file is one of a dependency."""
    (tmp_path / "good.wit").write_text("package a:b;\n")
    (tmp_path / "bad.wit").write_text("interface x {\n  use nope:nope/x.{y};\n}\n")
    with pytest.raises(WitSyntaxError) as caught:
        read_wit(tmp_path)
    assert caught.value.file == str(tmp_path / "bad.wit")
    assert caught.value.line == 2
    (tmp_path / "bad.wit").unlink()
    (tmp_path / "deps").mkdir()
    (tmp_path / "deps" / "dep.wit").write_text("package c:d;\ninterface from {\n")
    with pytest.raises(WitSyntaxError) as caught:
        read_wit(tmp_path)
    assert caught.value.file == str(tmp_path / "deps" / "dep.wit")


BOMBS = {
    "deep": "type t = " + "list<" * 50_000 + "u8" + ">" * 50_000 + ";",
    "deep by names": "type t0 = u8;\n"
    + "\n".join(f"type t{i} = option<t{i - 1}>;" for i in range(1, 3000)),
    "doubling": "type t0 = u8;\n"
    + "\n".join(f"type t{i} = tuple<t{i - 1}, t{i - 1}>;" for i in range(1, 60)),
    "wide record": f"record r {{ {', '.join(f'g{i}x: string' for i in range(9_000))} }}",
    "doubling in records": "record r0 { a: u8 }\n"
    + "\n".join(f"record r{i} {{ a: r{i - 1}, b: r{i - 1} }}" for i in range(1, 60)),
    "long name": f"type {'a' * 200_000} = u8;",
    "unclosed comment": "/* " * 50_000,
    "not text": "\0\x01\x02",
}


@pytest.mark.parametrize("kind", BOMBS)
def test_hostile_text_is_refused_in_bounded_time(kind: str) -> None:
    """An answer or a typed error; nothing recurses or unfolds without end.

    The tool has a limit of its own; what is held here is the processor time of the reader.
    """
    before = time.thread_time()
    text = f"package a:b;\ninterface i {{\n{BOMBS[kind]}\n}}\n"
    if kind in ("wide record", "long name"):
        assert read_wit_text(text).main.interfaces["i"].types
    else:
        with pytest.raises(WitError) as caught:
            read_wit_text(text)
        assert len(str(caught.value)) < 2000
    assert time.thread_time() - before < 15


@pytest.mark.parametrize("kind", ["deep by names", "doubling", "doubling in records"])
def test_types_that_unfold_without_end_are_told(kind: str) -> None:
    """A few hundred bytes may not stand for 2**60 parts."""
    with pytest.raises(WitTooComplex):
        read_wit_text(f"package a:b;\ninterface i {{\n{BOMBS[kind]}\n}}\n")


def test_the_unfolding_of_a_component_is_bounded_too(tmp_path: Path) -> None:
    """In binary form types are shared by index, so no name is needed to double."""
    types = "\n".join(
        f"(type $t{i} (tuple $t{i - 1} $t{i - 1}))" if i else "(type $t0 (tuple u8 u8))"
        for i in range(18)
    )
    source = tmp_path / "bomb.wat"
    source.write_text(f'(component {types} (import "f" (func (param "a" $t17))))')
    assert run_wasm_tools(["parse", str(source), "-o", str(tmp_path / "b.wasm")]).exit_code == 0
    with pytest.raises(WitError):
        read_component(tmp_path / "b.wasm")


def test_limits_hold_in_the_child(tmp_path: Path) -> None:
    """Time, memory and output each end the child, and the error says which and what to do."""
    fields = ", ".join(f"g{i}x: string" for i in range(200_000))
    wide = f"package a:b;\ninterface i {{ record r {{ {fields} }} }}"
    with pytest.raises(WitTooComplex, match="memory"):
        read_wit_text(wide, limits=ToolLimits(memory_bytes=48 * 1024 * 1024))
    with pytest.raises(WitTooComplex, match="512 bytes"):
        read_wit(wit_folder(), limits=ToolLimits(output_bytes=512))
    with pytest.raises(WitTooComplex, match=r"0\.001 s"):  # a text that takes a second or more
        read_wit_text(wide, limits=ToolLimits(seconds=0.001))


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    """Not a fault of the WIT."""
    with pytest.raises(FileNotFoundError):
        read_wit(tmp_path / "none.wit")
    with pytest.raises(FileNotFoundError):
        read_component(tmp_path / "none.wasm")
