"""Errors as values, and texts of objects that have none."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

import pytest
from airswasm.wit import AirswasmError, ErrorCode, ExitStatus, safe_repr, safe_text
from hypothesis import given
from hypothesis import strategies as st


class Plain(AirswasmError):
    """Builds its message, so that `type(error)(*error.args)` cannot work."""

    def __init__(self, name: str, *, size: int) -> None:
        self.name, self.size = name, size
        super().__init__(f"{name} is {size} bytes")


class Missing(Plain, KeyError):
    """Its text is that of a KeyError: the quoted argument."""


class DiskFull(AirswasmError, OSError):
    """The number and the path of an OSError are not in its `__dict__`."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(28, "No space left", path)


class Several(AirswasmError, ExceptionGroup[Exception]):
    """A group takes its parts where it is made, not where it is set up."""


class Foreign(Exception):
    """An exception of another library that can be pickled and not be unpickled."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one}{two}")


class Holding(AirswasmError):
    """Holds one object, in a field and among its arguments."""

    def __init__(self, held: object) -> None:
        self.held = held
        super().__init__("it holds something", held)


class RefusesToLeave:
    def __reduce__(self) -> NoReturn:
        raise SystemError("not me")

    def __repr__(self) -> str:
        return "<the one that stays>"


def noted(error: AirswasmError) -> AirswasmError:
    error.add_note("while reading orders.toml")
    error.add_note("line 3")
    return error


def examples() -> list[AirswasmError]:
    return [
        noted(Plain("a", size=3)),
        Missing("k", size=0),
        DiskFull("/data"),
        Several("two things", [ValueError("one"), Plain("b", size=1)]),
        Holding(Plain("inner", size=2)),
        Holding([{"deep": (b"1", None, 2.5)}]),
        Holding(ExitStatus.REFUSED),
    ]


def told(error: BaseException) -> dict[str, object]:
    """All that one can see of an error; errors among its fields are told in the same way."""

    def plain(value: object) -> object:
        if isinstance(value, list | tuple):
            return [plain(each) for each in value]
        return told(value) if isinstance(value, BaseException) else value

    return {
        "type": type(error),
        "text": str(error),
        "shown": repr(error),
        "arguments": plain(error.args),
        "fields": {name: plain(value) for name, value in vars(error).items()},
        "errno": getattr(error, "errno", None),
        "parts": plain(getattr(error, "exceptions", ())),
    }


@pytest.mark.parametrize("error", examples(), ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("way", ["pickle", "copy", "deepcopy", "twice"])
def test_an_error_is_the_same_on_the_other_side(error: AirswasmError, way: str) -> None:
    """Type, text, arguments, fields and notes survive; built-in bases keep their state."""
    ways = {
        "pickle": lambda e: pickle.loads(pickle.dumps(e)),
        "copy": copy.copy,
        "deepcopy": copy.deepcopy,
        "twice": lambda e: pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(e)))),
    }
    assert told(ways[way](error)) == told(error)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_of_pickle_will_do(protocol: int) -> None:
    """Pools and queues choose it themselves."""
    error = noted(Plain("a", size=3))
    assert told(pickle.loads(pickle.dumps(error, protocol))) == told(error)


words = st.text() | st.integers() | st.binary() | st.none() | st.floats(allow_nan=False)


@given(st.recursive(words, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_any_data_in_a_field_survives(held: object) -> None:
    """A field is what it was, whatever it is made of."""
    error = Holding(held)
    assert told(pickle.loads(pickle.dumps(error))) == told(error)
    assert told(copy.deepcopy(error)) == told(error)


def test_a_note_on_a_copy_is_the_copys_alone() -> None:
    """The list of notes is not shared, by any way of copying."""
    error = noted(Plain("a", size=3))
    for made in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
        made.add_note("only here")
    assert error.__notes__ == ["while reading orders.toml", "line 3"]


def test_a_copy_shares_its_fields_and_a_deep_copy_does_not() -> None:
    """As for every object; what cannot be copied, such as a lock, is shared by both."""
    held: list[object] = [threading.Lock(), []]
    error = Holding(held)
    assert copy.copy(error).held is held
    deep = Holding([[]])
    assert copy.deepcopy(deep).held is not deep.held
    assert copy.deepcopy(error).held is held


def test_an_error_that_holds_itself_can_be_copied_and_sent() -> None:
    """A deep copy leads back to itself; what is sent has a text where the circle would close."""
    error = Holding(None)
    error.held = [error]
    made = copy.deepcopy(error)
    assert made.held[0] is made
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize(
    ("held", "text"),
    [
        (threading.Lock(), "<unlocked _thread.lock object"),
        ((n for n in ()), "<generator object"),
        (lambda: None, "<function <lambda>"),
        (RefusesToLeave(), "<the one that stays>"),
        (Foreign("a", "b"), "Foreign('ab')"),
        ([Foreign("a", "b")], "[Foreign('ab')]"),
    ],
    ids=["lock", "generator", "lambda", "refuses", "foreign", "list-of-foreign"],
)
def test_a_field_that_cannot_travel_arrives_as_its_text(held: object, text: str) -> None:
    """Also one that can be pickled and not be unpickled; the error itself always arrives."""
    error = Holding(held)
    arrived = pickle.loads(pickle.dumps(error))
    assert type(arrived) is Holding
    assert arrived.held.startswith(text)
    assert arrived.args == ("it holds something", arrived.held)


def test_nested_errors_are_pickled_once_each() -> None:
    """Twenty errors, one in another, take a pickle of some kilobytes and not of 2**20 parts."""
    error = Holding(None)
    for _ in range(20):
        error = Holding(error)
    pickled = pickle.dumps(error)
    assert len(pickled) < 2**20
    depth = 0
    inner: object = pickle.loads(pickled)
    while isinstance(inner, Holding):
        inner, depth = inner.held, depth + 1
    assert depth == 21


POOLS = """
import concurrent.futures, multiprocessing, threading
from airswasm.wit import WitTooComplex, WitError


class Foreign(Exception):
    def __init__(self, one, two):
        super().__init__(one + two)


def fail(how):
    error = WitTooComplex("the size", "10 parts")
    error.add_note("in a worker")
    error.held = {"plain": 1, "lock": threading.Lock(), "foreign": Foreign("a", "b")}[how]
    raise error


def show(error):
    held = error.held if isinstance(error.held, int) else type(error.held).__name__
    print(type(error).__name__, error, error.what, error.limit, error.__notes__[0], held, sep="|")


if __name__ == "__main__":
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as executor:
        for how in ("plain", "lock", "foreign"):
            show(executor.submit(fail, how).exception(timeout=60))
        assert executor.submit(abs, -1).result(timeout=60) == 1
    with spawn.Pool(1) as pool:
        for how in ("plain", "lock", "foreign"):
            try:
                pool.apply_async(fail, (how,)).get(timeout=60)
            except WitError as error:
                show(error)
        assert pool.apply_async(abs, (-1,)).get(timeout=60) == 1
"""


def test_errors_cross_processes(tmp_path: Path) -> None:
    """By a ProcessPoolExecutor and a multiprocessing.Pool, which go on working after it.

    A field that cannot be pickled, or be unpickled, arrives as its text; it breaks no pool.
    """
    script = tmp_path / "pools.py"
    script.write_text(POOLS)
    command = [sys.executable, "-W", "error", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    text = "WitTooComplex|the size exceeds 10 parts: make it smaller, or raise ToolLimits"
    shown = [f"{text}|the size|10 parts|in a worker|{held}" for held in ("1", "str", "str")]
    assert (done.stdout.splitlines(), done.stderr) == (shown * 2, "")


class SubText(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise ValueError("not my text")

    def __len__(self) -> int:
        raise ValueError("nor my length")


class Odd:
    """Both texts of an instance are what the class attribute does."""

    def __init__(self, act: Any) -> None:
        self._act = act

    def __str__(self) -> str:
        return self._act()

    def __repr__(self) -> str:
        return self._act()


def fail(error: BaseException) -> Any:
    def act() -> NoReturn:
        raise error

    return act


def recurse() -> str:
    return str(Odd(recurse))


FAILING = {
    "error": (fail(RuntimeError("no")), "<Odd, whose text cannot be made: RuntimeError>"),
    "exit": (fail(SystemExit(3)), "<Odd, whose text cannot be made: SystemExit>"),
    "generator-exit": (fail(GeneratorExit()), "<Odd, whose text cannot be made: GeneratorExit>"),
    "group": (
        fail(BaseExceptionGroup("g", [SystemExit()])),
        "<Odd, whose text cannot be made: BaseExceptionGroup>",
    ),
    "number": (lambda: 7, "<Odd, whose text cannot be made: TypeError>"),
    "nothing": (lambda: None, "<Odd, whose text cannot be made: TypeError>"),
    "bytes": (lambda: b"text", "<Odd, whose text cannot be made: TypeError>"),
    "recursion": (recurse, "<Odd, nested too deeply to be shown>"),
    "failing-failure": (
        lambda: (_ for _ in ()).throw(fail),
        "<Odd, whose text cannot be made: TypeError>",
    ),
}


@pytest.mark.parametrize("kind", FAILING)
@pytest.mark.parametrize("text_of", [safe_text, safe_repr])
def test_an_object_without_a_text_is_described(kind: str, text_of: Any) -> None:
    """Whatever its code does, the caller gets a text."""
    act, text = FAILING[kind]
    assert text_of(Odd(act)) == text


@pytest.mark.parametrize("text_of", [safe_text, safe_repr])
def test_ctrl_c_is_not_swallowed(text_of: Any) -> None:
    """A person's interrupt can come at any time and ends what is being done."""
    with pytest.raises(KeyboardInterrupt):
        text_of(Odd(fail(KeyboardInterrupt())))


@pytest.mark.parametrize("text_of", [safe_text, safe_repr])
def test_a_subclass_of_str_gives_only_its_characters(text_of: Any) -> None:
    """Its methods are the object's code, and are not run again by those who show the text."""
    text = text_of(Odd(lambda: SubText("abc")))
    assert (type(text), text) == (str, "abc")


@pytest.mark.parametrize(
    "value", [Odd(lambda: "x" * 5_000), ["y" * 5_000], Odd(lambda: SubText("z" * 5_000))]
)
def test_long_texts_are_cut_and_say_so(value: object) -> None:
    """An error message has a size that a log line can have."""
    for text in (safe_text(value), safe_repr(value)):
        assert len(text) < 2_100
        assert "characters)" in text


def test_the_name_of_a_type_is_not_its_metaclass_to_tell() -> None:
    """Nor is it longer than a text may be."""

    class Meta(type):
        @property
        def __name__(cls) -> str:
            raise RuntimeError("no name")

    hidden = Meta("Hidden", (Odd,), {})(fail(ValueError()))
    assert safe_text(hidden) == "<Hidden, whose text cannot be made: ValueError>"
    endless = type("E" * 100_000, (Odd,), {})(fail(ValueError()))
    assert len(safe_text(endless)) < 2_100


@given(st.text(st.characters()) | st.text(st.characters(categories=["Cs"]), max_size=5))
def test_every_text_can_be_written(text: str) -> None:
    """A lone surrogate is escaped, because no file and no terminal takes it; nothing else is."""
    shown = safe_text(Odd(lambda: text))
    shown.encode("utf-8")
    if len(text) <= 2_000 and not any("\ud800" <= char <= "\udfff" for char in text):
        assert shown == text


def test_a_text_in_deep_recursion_is_still_a_text() -> None:
    """Formatting near the end of the stack describes the object instead of failing."""

    def deeper(left: int) -> str:
        return safe_text(ValueError("x")) if left == 0 else deeper(left - 1)

    assert deeper(sys.getrecursionlimit() // 2) == "x"
    nested: object = []
    for _ in range(sys.getrecursionlimit() * 50):
        nested = [nested]
    assert safe_repr(nested).startswith(("<list, nested too deeply", "[["))


@pytest.mark.parametrize(
    "code", ["", "E", "0312", "e0312", "E1", "E 12", "E123456", "É012", "E12\n"]
)
def test_a_code_is_letters_then_digits(code: str) -> None:
    """People type it, and programs search for it."""
    with pytest.raises(ValueError, match="is no error code"):
        ErrorCode(code, "title", "meaning", "hint")


def test_a_class_without_a_code_has_that_of_its_base() -> None:
    """Every error leads to an explanation."""
    assert Plain.explanation is AirswasmError.explanation
    assert Plain.explanation.exit_status is ExitStatus.FAILURE


class _Stopped(AirswasmError):
    explanation = ErrorCode("E0900", "stopped", "It stopped.", "run `airswasm logs NAME`")

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} stopped")
        self.name = name


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("shop/orders", "run `airswasm logs shop/orders`"),
        ("not a component", "run `airswasm logs NAME`"),
        ("a/b; rm -rf /", "run `airswasm logs NAME`"),
    ],
)
def test_a_hint_names_the_component(name: str, hint: str) -> None:
    """A command can be copied from it; what is no component's name does not get into one."""
    assert _Stopped(name).hint == hint
    assert "NAME" in _Stopped.explanation.hint


@pytest.mark.parametrize("field", ["component", "name", "target"])
def test_a_hint_finds_the_component_by_each_name_of_the_field(field: str) -> None:
    """An error between actors calls it `target`."""
    error = AirswasmError("it stopped")
    error.hint = "run `airswasm logs NAME`"
    setattr(error, field, "shop/orders")
    assert error.hint == "run `airswasm logs shop/orders`"
