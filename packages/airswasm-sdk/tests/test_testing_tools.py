"""What `airswasm.sdk.testing` has beside the harness: assertions, generated values, fixtures."""

from __future__ import annotations

import importlib.util
import json
import pickle
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest
from airswasm.component import component, on_message
from airswasm.component.testing import Refusal, run
from airswasm.runtime import Case, Err, Ok, Some
from airswasm.sdk import NoStrategy
from airswasm.sdk.testing import (
    arguments_of,
    assert_denied,
    assert_logged,
    assert_nothing_denied,
    assert_published,
    assert_sent,
    messages_of,
    values_of,
)
from airswasm.wit import model, read_wit_text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

WIT = """
package acme:all@1.0.0;
interface all {
    record point { x-axis: s8, y: option<option<u16>> }
    variant shape { dot, circle(f32), named(string) }
    enum colour { red, dark-blue }
    flags rights { read, write }
    resource file;
    use-all: func(a: point, b: shape, c: colour, d: rights, e: list<u8>, f: list<char>,
        g: tuple<bool, f64>, h: result<u64, string>, i: result, j: s64) -> u32;
    use-file: func(a: borrow<file>);
}
"""


def function(name: str) -> model.Function:
    (interface,) = read_wit_text(WIT).main.interfaces.values()
    return interface.functions[name]


@given(st.data())
def test_generated_values_are_what_the_runtime_takes(data: st.DataObject) -> None:
    """Of each type of WIT, within its bounds."""
    a, b, c, d, e, f, g, h, i, j = data.draw(arguments_of(function("use-all")))
    assert set(a) == {"x_axis", "y"}
    assert -128 <= a["x_axis"] < 128
    assert a["y"] is None or isinstance(a["y"], Some)
    assert isinstance(b, Case)
    assert (b.value is None) == (b.name == "dot")
    assert c in ("red", "dark-blue")
    assert d <= {"read", "write"}
    assert isinstance(e, bytes)
    assert all(len(each) == 1 for each in f)
    assert [type(each) for each in g] == [bool, float]
    assert isinstance(h, Ok | Err)
    assert i in (Ok(None), Err(None))
    assert -(2**63) <= j < 2**63


def test_what_cannot_be_generated_is_said() -> None:
    """A resource is made by its owner; the error is a value."""
    with pytest.raises(NoStrategy, match="out of nothing") as caught:
        arguments_of(function("use-file"))
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    with pytest.raises(NoStrategy, match="error-context"):
        values_of(model.Primitive("error-context"))


def load_shop() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "shop_generated", Path(__file__).parent / "shop" / "app.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["shop_generated"] = module
    spec.loader.exec_module(module)
    return module


SHOP = load_shop().Shop
DECIDED = "order one|too often|KeyError|ZeroDivisionError|denied|a key has|not among"


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(message=messages_of(SHOP))
def test_generated_messages_fit_their_handlers(message: bytes) -> None:
    """Each is handled, or refused by the handler: none is refused for its form."""
    with run(SHOP) as shop:
        with suppress(Refusal):
            shop.send(message)
            return
        with pytest.raises(Refusal, match=DECIDED):
            shop.send(message)


@component
class Quiet:
    @on_message
    def hear(self, text: str) -> None: ...


def test_a_failed_expectation_shows_what_there_was() -> None:
    """And takes what was expected by its parts."""
    with run(SHOP, replies={"shop/stock": b"1"}) as shop:
        for message in ('{"type":"Order","item":"tea"}', '{"type":"warn"}', '{"type":"reveal"}'):
            shop.send(message)
        assert_published(shop, "shop.sold", '{"item":"tea","amount":1}')
        assert_sent(shop, "shop/stock", b'{"type":"count"}')
        assert_logged(shop, "ordered tea", level="info")
        assert_denied(shop, "storage.read", "secret")
        for failing, shown in (
            (lambda: assert_published(shop, "shop.sold", "other"), "topic='shop.sold'"),
            (lambda: assert_sent(shop, "shop/other"), "target='shop/stock'"),
            (lambda: assert_logged(shop, "ordered tea", level="error"), "host ordered tea"),
            (lambda: assert_denied(shop, "storage.write"), "storage.read on 'secret'"),
            (lambda: assert_nothing_denied(shop), "storage.read on 'secret'"),
        ):
            with pytest.raises(AssertionError, match=shown):
                failing()
    with run(Quiet) as quiet, pytest.raises(AssertionError, match="nothing"):
        assert_published(quiet, "a")


TEST_OF_A_PROJECT = """
import pytest

def test_it_is_found(airswasm_component, airswasm_project):
    assert airswasm_project.name == "hello"
    assert airswasm_component.send("world").text == "Hello, world! You are number 1."

@pytest.mark.airswasm(replies={"a/b": b"1"})
def test_the_mark_has_its_arguments(airswasm_component):
    assert airswasm_component.send("world").text.startswith("Hello")
"""


def test_pytest_finds_the_fixtures_of_a_project(counter: Path, tmp_path: Path) -> None:
    """By the nearest Component.toml; a folder without one is told how to name it."""
    import shutil

    project = Path(shutil.copytree(counter, tmp_path / "hello"))
    (project / "tests" / "test_found.py").write_text(TEST_OF_A_PROJECT)
    ended = pytest_in(project / "tests", "test_found.py")
    assert "2 passed" in ended, ended
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "test_lost.py").write_text(TEST_OF_A_PROJECT)
    assert "name the project" in pytest_in(elsewhere, "test_lost.py")
    named = TEST_OF_A_PROJECT.replace("(replies=", '(project="../hello", replies=')
    (elsewhere / "test_lost.py").write_text(named)
    assert "1 passed, 1 error" in pytest_in(elsewhere, "test_lost.py")


def pytest_in(folder: Path, file: str) -> str:
    command = [sys.executable, "-I", "-m", "pytest", "-q", "--strict-markers", file]
    ended = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(folder)],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return ended.stdout + ended.stderr


def test_the_plugin_imports_nothing_of_airswasm() -> None:
    """Each pytest where the sdk is installed loads it."""
    code = (
        "import sys, airswasm.sdk.testing._plugin as plugin; "
        "print([each for each in sys.modules if each.startswith('airswasm.runtime')])"
    )
    ended = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True)
    assert json.loads(ended.stdout.decode().replace("'", '"')) == []
