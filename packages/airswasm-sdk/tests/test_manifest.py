"""Component.toml as a program writes it, and as editors check it."""

from __future__ import annotations

import json
import pickle
import tomllib
from pathlib import Path

import pytest
from airswasm.lifecycle import Manifest, ManifestInvalid, manifest_schema
from airswasm.sdk import (
    ComponentManifest,
    FolderNotWritable,
    find_template,
    init_project,
    templates,
)
from airswasm.sdk.schema import schema_text
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

CHECKOUT = Path(__file__).parents[3]
WHOLE = (
    ComponentManifest("shop/orders", "1.2.3", 'Takes "orders".')
    .component(authors=["Ada"], needs=["shop/stock"])
    .build("rust", artifact="build/orders.wasm", include=["data/prices.csv"])
    .limits(memory="4 MiB", timeout=10, rates={"messages": 50})
    .allow("storage.write", "orders/**", reason="to keep the orders")
    .allow("messaging.publish", "orders.*")
    .deny("storage.write", "orders/secret/**")
    .supervision(restart="transient", backoff={"growth": "linear"})
    .delivery(mode="durable")
    .codecs(accepts=["json"])
    .health(interval="30 s")
    .environment(TZ="UTC")
    .config(currency="€", rates=[1, 2.5], nested={"a": {"b": True}})
)


def test_what_is_built_is_what_is_read() -> None:
    """Every section, with the units of the file."""
    manifest = Manifest.parse(WHOLE.text())
    assert (manifest.name, manifest.version) == ("shop/orders", "1.2.3")
    assert manifest.component.description == 'Takes "orders".'
    assert manifest.component.authors == ("Ada",)
    assert manifest.component.needs == ("shop/stock",)
    assert manifest.limits.memory == 4 * 2**20
    assert (manifest.limits.timeout, manifest.limits.rates.messages) == (10.0, 50)
    assert manifest.capabilities["deny.storage.write"] == ("orders/secret/**",)
    assert manifest.reasons == {"storage.write": "to keep the orders"}
    assert manifest.supervision.backoff.growth == "linear"
    assert manifest.config == {"currency": "€", "rates": [1, 2.5], "nested": {"a": {"b": True}}}
    assert (manifest.environment, manifest.build.include) == ({"TZ": "UTC"}, ("data/prices.csv",))


def test_each_section_of_the_file_has_a_method() -> None:
    """A manifest that can be written by hand can be built."""
    sections = set(json.loads(schema_text())["properties"]) - {"capabilities"}  # `allow`, `deny`
    assert {each for each in sections if not hasattr(ComponentManifest, each)} == set()


def test_each_step_leaves_the_one_before_it_as_it_was() -> None:
    """A builder can be the beginning of two manifests."""
    start = ComponentManifest("a/b", "1.0.0").limits(memory="1 MiB")
    other = start.limits(timeout=1)
    assert "timeout" not in start.text()
    assert "memory" in other.text()


@pytest.mark.parametrize(
    "wrong",
    [
        ComponentManifest("no namespace", "1.0.0"),
        ComponentManifest("a/b", "1"),
        ComponentManifest("a/b", "1.0.0").limits(memroy="1 MiB"),
        ComponentManifest("a/b", "1.0.0").allow("storage.raed", "x"),
    ],
)
def test_what_is_wrong_is_not_written(wrong: ComponentManifest, tmp_path: Path) -> None:
    """The error is the reader's own, with the line."""
    with pytest.raises(ManifestInvalid):
        wrong.write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_it_is_written_whole_over_the_one_that_is_there(tmp_path: Path) -> None:
    """Or not at all."""
    ComponentManifest("a/b", "1.0.0").write(tmp_path)
    path = WHOLE.write(tmp_path)
    assert Manifest.load(path).name == "shop/orders"
    assert [each.name for each in tmp_path.iterdir()] == ["Component.toml"]
    with pytest.raises(FolderNotWritable) as caught:
        WHOLE.write(tmp_path / "nowhere")
    assert pickle.loads(pickle.dumps(caught.value)).folder == tmp_path / "nowhere"


@given(
    st.dictionaries(st.text(min_size=1), st.text() | st.integers(-(2**60), 2**60) | st.booleans())
)
def test_any_config_comes_back_as_it_was(config: dict[str, object]) -> None:
    """Whatever characters are in it."""
    text = ComponentManifest("a/b", "1.0.0").config(**config).text()
    assert tomllib.loads(text)["config"] == {
        name: value for name, value in config.items() if value != ""
    }


VALIDATOR = Draft202012Validator(manifest_schema())


def wrong_in(text: str) -> list[str]:
    return [each.message for each in VALIDATOR.iter_errors(tomllib.loads(text))]


@pytest.mark.parametrize("template", templates(), ids=lambda each: f"{each.language}-{each.name}")
def test_the_schema_accepts_every_template(template: object, tmp_path: Path) -> None:
    """And lies beside it, where the file says that it does."""
    language, name = getattr(template, "language"), getattr(template, "name")  # noqa: B009
    assert find_template(language, name) is template
    init_project(tmp_path / "made", "hello", language, name)
    assert wrong_in((tmp_path / "made" / "Component.toml").read_text("utf-8")) == []
    assert (tmp_path / "made" / "component.schema.json").read_text("utf-8") == schema_text()


def test_the_schema_accepts_what_the_builder_writes() -> None:
    """Every section has a place in it."""
    assert wrong_in(WHOLE.text()) == []


@pytest.mark.skipif(not (CHECKOUT / "docs").is_dir(), reason="only in a checkout")
def test_the_schema_accepts_every_example_and_is_published() -> None:
    """Of the documentation, and of the tests of other blocks."""
    examples = [*CHECKOUT.glob("docs/**/Component.toml")]
    assert examples
    for each in examples:
        assert wrong_in(each.read_text("utf-8")) == [], each
    published = CHECKOUT / "docs" / "component.schema.json"
    assert published.read_text("utf-8") == schema_text(), "python -m airswasm.sdk.schema > docs/…"


@pytest.mark.parametrize(
    "text",
    [
        "",
        '[component]\nname = "a/b"\n',
        '[component]\nname = "a/b"\nversion = "1.0.0"\nnmae = 1\n',
        '[component]\nname = "a/b"\nversion = "1.0.0"\n[limits]\nmemory = true\n',
        '[component]\nname = "a/b"\nversion = "1.0.0"\n[build]\nlanguage = "cobol"\n',
        '[component]\nname = "a/b"\nversion = "1.0.0"\n[capabilities]\nstorage.read = 1\n',
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(text: str) -> None:
    """Where one place of the file is enough to tell."""
    assert wrong_in(text)
    with pytest.raises(ManifestInvalid):
        Manifest.parse(text)
