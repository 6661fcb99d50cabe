"""The host's policy bounds what a manifest can get."""

from __future__ import annotations

import pytest
from airswasm.lifecycle import Configuration, HostPolicy, LimitAbovePolicy, Manifest
from airswasm.wit import Blocks

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
