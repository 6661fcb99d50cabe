"""The host's policy bounds what a manifest can get."""

from pathlib import Path

import pytest
from airswasm.lifecycle import HostPolicy, HostPolicyInvalid, LimitAbovePolicy, Manifest

LEAST = '[component]\nname = "local/hello"\nversion = "0.1.0"\n[limits]\n'


def test_a_home_without_a_file_has_the_defaults(tmp_path: Path) -> None:
    """Unsigned packages are refused unless somebody writes otherwise."""
    policy = HostPolicy.load(tmp_path / "config.toml")
    assert policy == HostPolicy()
    assert policy.install.unsigned is False


def test_what_is_above_is_refused_with_the_line_that_would_allow_it() -> None:
    """The message has both sides, and the policy line works as written."""
    policy = HostPolicy.parse('[limits]\nmemory = "4 MiB"\n')
    manifest = Manifest.parse(f'{LEAST}memory = "64 MiB"\n')
    with pytest.raises(LimitAbovePolicy) as caught:
        policy.check(manifest)
    assert "allows 4 MiB" in str(caught.value)
    HostPolicy.parse(f"[limits]\n{caught.value.policy_line}\n").check(manifest)


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


def test_a_mistake_in_it_is_an_error_with_its_line() -> None:
    """As in a manifest: a typo must not pass as 'not set'."""
    with pytest.raises(HostPolicyInvalid) as caught:
        HostPolicy.parse("[install]\nunsined = true\nretain = 0\n")
    assert [str(problem) for problem in caught.value.problems] == [
        "config.toml:2: install.unsined: unknown key; did you mean `unsigned`?",
        "config.toml:3: install.retain: expected greater than or equal to 1, not 0",
    ]


def test_the_commands_own_table_is_left_alone() -> None:
    """`[cli]` belongs to the command."""
    assert HostPolicy.parse('[cli]\ncolor = "never"\n').cli == {"color": "never"}
