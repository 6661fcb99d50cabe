"""What a block may declare, and what is read from it: sections, metrics, findings and parts."""

from __future__ import annotations

import pytest
from airswasm.wit import (
    BlockPartUnusable,
    Check,
    Finding,
    Metric,
    Section,
    WasmToolsFailed,
    load_part,
)
from airswasm.wit._component_types import _only_section
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("reads", "key", "reason"),
    [
        ("start", "port", "the host reads [alarm] when it starts"),
        ("start", "folder", "it is opened then"),
        ("reload", "port", None),
        ("reload", "folder", "it is opened then"),
        ("use", "port", None),
        ("use", "folder", None),
    ],
)
def test_a_key_waits_for_a_start_or_does_not(reads: str, key: str, reason: str | None) -> None:
    """As its section is read, but for the keys that the section names."""
    section = Section(
        "alarm", "acme.alarm:Settings", "Alarms.", reads=reads,  # type: ignore[arg-type]
        at_start={"folder": "it is opened then"},
    )  # fmt: skip
    assert section.reason_to_wait(key) == reason


@pytest.mark.parametrize("label", ["component", "Upper", "with space", "1st"])
def test_a_label_has_a_name_that_is_free(label: str) -> None:
    """Prometheus takes no other, and every metric has a component."""
    with pytest.raises(ValueError, match="label"):
        Metric("alarms_total", "Alarms.", label=label)
    assert Metric("alarms_total", "Alarms.", label="kind").label == "kind"


@pytest.mark.parametrize("state", ["", "OK", "error", "fine"])
def test_a_finding_has_one_of_four_states(state: str) -> None:
    """Else `doctor` would not know whether to fail."""
    with pytest.raises(ValueError, match="ok, note, warning, problem"):
        Finding("engine", state, "text")  # type: ignore[arg-type]


def test_a_part_is_a_function_or_its_path() -> None:
    """A block in a test may give the function itself; anything else is refused where it stands."""
    assert load_part(len) is len
    assert load_part("builtins:len") is len
    assert load_part("os:path.join", object) is not None
    with pytest.raises(BlockPartUnusable, match="expected int"):
        load_part(len, int)
    with pytest.raises(ValueError, match="function or its path"):
        Check("engine", 7)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="is named package"):
        Check("engine", "no path")


def leb128(number: int) -> bytes:
    """Return a number as WebAssembly has it."""
    text = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        text.append(low | (0x80 if number else 0))
        if not number:
            return bytes(text)


def section(kind: int, name: str, content: bytes) -> bytes:
    """Return a section of a module; only custom ones (0) have a name."""
    text = name.encode()
    body = (leb128(len(text)) + text if kind == 0 else b"") + content
    return bytes((kind,)) + leb128(len(body)) + body


SECTIONS = st.lists(
    st.tuples(st.integers(0, 12), st.text("abné", max_size=200), st.binary(max_size=300)),
    max_size=5,
)


@given(before=SECTIONS, after=SECTIONS, content=st.binary(max_size=200), name=st.text("xyz"))
@settings(max_examples=40)
def test_the_types_of_a_module_are_found_among_its_sections(
    before: list[tuple[int, str, bytes]],
    after: list[tuple[int, str, bytes]],
    content: bytes,
    name: str,
) -> None:
    """However many and long they are; a module without any is an error of the tool that made it."""
    head = b"\0asm\x01\0\0\0" + b"".join(section(*each) for each in before)
    rest = b"".join(section(*each) for each in after)
    assert _only_section(head + section(0, f"component-type:{name}", content) + rest) == content
    with pytest.raises(WasmToolsFailed, match="component-type"):
        _only_section(head + rest)
