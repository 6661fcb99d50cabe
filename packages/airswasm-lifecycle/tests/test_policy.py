"""The host's policy bounds what a manifest can get."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from airswasm.lifecycle import Configuration, HostPolicy, LimitAbovePolicy, Manifest
from airswasm.wit import Blocks
from hypothesis import given
from hypothesis import strategies as st

LEAST = '[component]\nname = "local/hello"\nversion = "0.1.0"\n[limits]\n'


def policy_of(text: str) -> HostPolicy:
    return HostPolicy.of(Configuration.parse(text, Blocks.find()))


def test_a_home_without_settings_has_the_defaults() -> None:
    """Unsigned packages are refused unless the operator writes otherwise."""
    assert policy_of("") == HostPolicy()
    assert HostPolicy().install.unsigned is False


def test_what_is_above_is_refused_with_the_line_that_would_allow_it() -> None:
    """The message has both sides, and the policy line works as written."""
    policy = policy_of('[limits]\nmemory = "4 MiB"\n')
    manifest = Manifest.parse(f'{LEAST}memory = "64 MiB"\n')
    with pytest.raises(LimitAbovePolicy) as caught:
        policy.check(manifest)
    assert "allows 4 MiB" in str(caught.value)
    policy_of(f"[limits]\n{caught.value.policy_line}\n").check(manifest)


@pytest.mark.parametrize(
    "line",
    [
        "timeout = 301",
        "mailbox = 100001",
        'mailbox_bytes = "1 GiB"',
        'storage = "1 GiB"',
        "rates.messages = 200000",
    ],
)
def test_every_limit_is_bounded(line: str) -> None:
    """Not only memory."""
    with pytest.raises(LimitAbovePolicy):
        HostPolicy().check(Manifest.parse(LEAST + line))


SIZES = st.integers(2**19, 2**40)
ASKED = st.fixed_dictionaries(
    {},
    optional={
        "memory": SIZES,
        "memories": st.integers(1, 9),
        "host_memory": SIZES,
        "storage": SIZES,
        "mailbox": st.integers(1, 2**40),
        "mailbox_bytes": SIZES,
        "message_bytes": SIZES,
        "timeout": st.floats(0.001, 1e8),
        "fuel": st.integers(1, 2**62),
        "rates.messages": st.integers(1, 2**40),
    },
)


@given(ASKED)
def test_the_lines_that_the_refusals_offer_allow_what_was_asked(asked: dict[str, object]) -> None:
    """Written into config.toml one after the other, whatever the number: none is offered twice."""
    manifest = Manifest.parse(LEAST + "".join(f"{key} = {asked[key]}\n" for key in asked))
    lines: dict[str, str] = {}
    while refused := refusal_of(manifest, lines.values()):
        key = refused.policy_line.partition(" = ")[0]
        assert key not in lines, (lines[key], refused.policy_line)
        lines[key] = refused.policy_line


def refusal_of(manifest: Manifest, lines: Iterable[str]) -> LimitAbovePolicy | None:
    try:
        policy_of("\n".join(["[limits]", *lines])).check(manifest)
    except LimitAbovePolicy as refused:
        return refused
    return None
