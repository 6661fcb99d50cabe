"""The host's policy bounds every number of a manifest."""

from __future__ import annotations

import dataclasses
import math
import pickle
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path

import anyio.lowlevel
import pytest
from airswasm.lifecycle import (
    Configuration,
    HealthPolicy,
    HostPolicy,
    LimitAbovePolicy,
    LimitPolicy,
    Manifest,
    SupervisionPolicy,
    System,
)
from airswasm.lifecycle._home.caps import CAPS, Cap
from airswasm.wit import Blocks
from hypothesis import given
from hypothesis import strategies as st

HEAD = '[component]\nname = "local/hello"\nversion = "0.1.0"\n'
LEAST = f"{HEAD}[limits]\n"
Workshop = typing.Any  # tests/conftest.py, which nothing can import

HARMLESS = {
    "limits.memories": "multiplied by memory, whose bound holds for all of them",
    "limits.tables": "multiplied by table_elements, whose bound holds for all of them",
    "limits.instances": "at most 256, of some kilobytes each, and their memories are bounded",
    "health.failures": "restarts are bounded by intensity and period",
    **{
        f"delivery.{each}": "a component gets no more than [durable] allows"
        for each in ("attempts", "messages", "size", "age")
    },
    "supervision.backoff.jitter": "from 0 to 1, and it only shortens a delay that is bounded",
}
"""Numbers that no key of the policy bounds, with the reason."""
EXAMPLES = {cap.key: cap for cap in CAPS}


def policy_of(text: str) -> HostPolicy:
    return HostPolicy.of(Configuration.parse(text, Blocks.find()))


def numbers(model: type, path: str = "") -> Iterator[str]:
    """The keys of all numbers below a section's class, whatever else they may be."""
    for name, hint in typing.get_type_hints(model).items():
        key = f"{path}{name}"
        for kind in alternatives(hint):
            if kind in (int, float):
                yield key
            elif dataclasses.is_dataclass(kind):
                yield from numbers(typing.cast("type", kind), f"{key}.")


def alternatives(hint: object) -> Iterator[object]:
    """The types of a union; the items of a collection are texts and tables of no number."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        for each in typing.get_args(hint):
            yield from alternatives(each)
    else:
        yield hint


def written(key: str, value: float) -> str:
    """A manifest that sets one key."""
    number = f"{value:_}" if isinstance(value, int) else repr(value)
    section, _, name = key.partition(".")
    needed = "interval = 60\n" if key == "health.timeout" else ""
    return f"{HEAD}[{section}]\n{needed}{name} = {number}\n"


def setting_of(cap: Cap, value: float) -> str:
    section, _, name = cap.setting.partition(".")
    return f"[{section}]\n{name} = {value!r}\n"


def test_a_home_without_settings_has_the_defaults() -> None:
    """Unsigned packages are refused unless the operator writes otherwise."""
    assert policy_of("") == HostPolicy()
    assert HostPolicy().install.unsigned is False


def test_every_number_of_a_manifest_is_bounded_or_cannot_hurt() -> None:
    """A key that is added to the manifest needs a row in the table, or a reason here."""
    known = [*EXAMPLES, *HARMLESS]
    assert sorted(numbers(Manifest)) == sorted(known)
    assert len(set(known)) == len(known)


def test_the_default_manifest_is_within_the_default_policy() -> None:
    """A component that asks for nothing is never refused."""
    HostPolicy().check(Manifest.parse(HEAD))


@pytest.mark.parametrize("key", EXAMPLES)
def test_what_is_beyond_is_refused_with_the_line_that_would_allow_it(key: str) -> None:
    """The error names the key, the value, the cap and the setting, and its advice works."""
    cap = EXAMPLES[key]
    bound = getattr(getattr(HostPolicy(), cap.setting.split(".")[0]), cap.setting.split(".")[1])
    if cap.is_least and not bound:  # a least of zero excludes nothing until it is raised
        bound = 5.0
    beyond = bound / 2 if cap.is_least else bound * 2
    within = policy_of(setting_of(cap, bound))
    if key == "limits.host_call":  # the manifest's own bound is the policy's default
        bound, beyond = 2**20, 2**21
        within = policy_of(setting_of(cap, bound))
    if key == "limits.table_elements":  # 16 tables by default
        beyond = bound // 8
    manifest = Manifest.parse(written(key, beyond))
    with pytest.raises(LimitAbovePolicy) as caught:
        within.check(manifest)
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.key, error.setting, error.is_least) == (key, cap.setting, cap.is_least)
    for said in (error.key, error.wanted, error.allowed, "config.toml"):
        assert said in str(error)
    section, _, name = error.setting.partition(".")
    assert f"`{name} = {error.wanted}` under [{section}]" in str(error)
    policy_of(f"[{section}]\n{name} = {error.wanted}\n").check(manifest)


def test_an_endless_shutdown_is_beyond_every_number_of_seconds() -> None:
    """Only a policy without a bound allows it."""
    manifest = Manifest.parse(f'{HEAD}[supervision]\nshutdown = "infinity"\n')
    with pytest.raises(LimitAbovePolicy, match="shutdown = inf") as caught:
        HostPolicy().check(manifest)
    policy_of(f"[supervision]\nshutdown = {caught.value.wanted}\n").check(manifest)
    held, _ = HostPolicy().hold(manifest)
    assert held.supervision.shutdown == HostPolicy().supervision.shutdown


def test_a_least_delay_refuses_restarts_without_one() -> None:
    """`immediate` is a delay of zero."""
    manifest = Manifest.parse(f'{HEAD}[supervision]\nbackoff.growth = "immediate"\n')
    HostPolicy().check(manifest)
    policy = HostPolicy(supervision=SupervisionPolicy(backoff=0.5))
    with pytest.raises(LimitAbovePolicy, match=r"backoff\.initial = 0"):
        policy.check(manifest)
    held, _ = policy.hold(manifest)
    assert (held.supervision.backoff.growth, held.supervision.backoff.initial) == ("linear", 0.5)


def test_memories_and_tables_count_together() -> None:
    """Sixteen memories of a bounded size are sixteen times as much."""
    policy = HostPolicy(limits=LimitPolicy(memory=8 * 2**20, table_elements=1000))
    manifest = Manifest.parse(f'{LEAST}memory = "4 MiB"\nmemories = 4\ntables = 4\n')
    with pytest.raises(LimitAbovePolicy, match=r"asks for limits\.memory"):
        policy.check(manifest)
    held, excesses = policy.hold(manifest)
    assert (held.limits.memory, held.limits.table_elements) == (2 * 2**20, 250)
    assert {each.key for each in excesses} == {"limits.memory", "limits.table_elements"}


def test_the_policy_bounds_the_engines_defaults_too() -> None:
    """A component that leaves its fuel to the engine gets no more than one that asks."""
    policy = HostPolicy(limits=LimitPolicy(fuel=1000, host_memory=2**20, messages=7))
    manifest = Manifest.parse(HEAD)
    policy.check(manifest)
    held, excesses = policy.hold(manifest)
    assert (held.limits.fuel, held.limits.host_memory, excesses) == (1000, 2**20, ())
    assert held.limits.rates.messages == 7


POLICIES = st.builds(
    HostPolicy,
    limits=st.builds(
        LimitPolicy,
        memory=st.integers(2**19, 2**30),
        host_memory=st.integers(2**16, 2**30),
        table_elements=st.integers(256, 10**7),
        timeout=st.floats(0.01, 1e3),
        fuel=st.integers(1, 10**12),
        weight=st.floats(0.01, 100),
        **{
            name: st.integers(1, 2**30)
            for name in ("storage", "storage_keys", "mailbox", "mailbox_bytes", "message_bytes",
                         "host_call", "messages", "logs")
        },
    ),
    supervision=st.builds(
        SupervisionPolicy,
        intensity=st.integers(0, 10**6),
        period=st.floats(1, 1e6),
        backoff=st.floats(0, 100),
        longest_backoff=st.floats(100, 1e6),
        shutdown=st.floats(0, 1e6),
        revive=st.floats(1, 1e6),
    ),
    health=st.builds(
        HealthPolicy, interval=st.floats(0.001, 1e6), timeout=st.floats(0.001, 1e6)
    ),
)  # fmt: skip
BOUNDS = {
    "limits.memories": (1, 16), "limits.tables": (1, 256), "limits.memory": (2**19, 2**32),
    "limits.host_call": (1, 2**26), "limits.table_elements": (1, 10**6),
    "limits.host_memory": (2**16, 2**40), "supervision.intensity": (0, 10**6),
}  # fmt: skip

TIMES = {
    "limits.weight": (0.01, 1000), "supervision.period": (0.001, 1e8),
    "supervision.revive": (0.001, 1e8), "health.interval": (0.001, 1e8),
    "health.timeout": (0.001, 1e8),
}  # fmt: skip


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    """Manifests that ask for any numbers that a manifest may have."""
    lines: dict[str, list[str]] = {}
    wholes = {"limits.mailbox", "limits.fuel", "limits.rates.messages", "limits.rates.logs",
              "limits.rates.bytes",
              "limits.storage", "limits.storage_keys", "limits.mailbox_bytes",
              "limits.message_bytes", *BOUNDS}  # fmt: skip
    for key in (*EXAMPLES, "limits.memories", "limits.tables"):
        if draw(st.booleans()):
            continue
        if key in wholes:
            value: float = draw(st.integers(*BOUNDS.get(key, (1, 2**50))))
        else:
            value = draw(st.floats(*TIMES.get(key, (1e-9, 1e8))))
        section, _, name = key.partition(".")
        lines.setdefault(section, []).append(f"{name} = {value!r}")
    checks = lines.get("health", [])
    if checks and not checks[0].startswith("interval"):
        checks.append("interval = 60")
    tables = (f"[{section}]\n" + "\n".join(keys) for section, keys in lines.items())
    return Manifest.parse(HEAD + "\n".join(tables))


@given(manifest=manifests(), policy=POLICIES)
def test_a_held_manifest_is_within_the_policy(manifest: Manifest, policy: HostPolicy) -> None:
    """Whatever it asks for; and one that was within is left as it is."""
    held, excesses = policy.hold(manifest)
    policy.check(held)
    assert policy.hold(held) == (held, ())
    if not excesses:
        policy.check(manifest)
    else:
        with pytest.raises(LimitAbovePolicy) as caught:
            policy.check(manifest)
        assert caught.value.key == excesses[0].key


@given(manifest=manifests())
def test_the_lines_that_the_refusals_offer_allow_what_was_asked(manifest: Manifest) -> None:
    """Written into config.toml one after the other, whatever the number: none is offered twice."""
    offered: dict[str, str] = {}
    while refused := refusal_of(manifest, offered):
        assert refused.setting not in offered, (offered[refused.setting], refused.wanted)
        offered[refused.setting] = refused.wanted


def refusal_of(manifest: Manifest, offered: Mapping[str, str]) -> LimitAbovePolicy | None:
    text = "".join(f"{setting} = {value}\n" for setting, value in offered.items())
    try:
        policy_of(text).check(manifest)
    except LimitAbovePolicy as refused:
        return refused
    return None


@pytest.mark.parametrize(
    "line",
    ["[limits]\nmemory = 1", "[limits]\nfuel = 0", "[limits]\nweight = nan",
     "[supervision]\nperiod = 0", "[supervision]\nshutdown = -1", "[health]\ninterval = 0"],
)  # fmt: skip
def test_a_policy_that_bounds_nothing_is_refused(line: str) -> None:
    """Not a number, and what no component could live with."""
    with pytest.raises(Exception, match=r"must be|expected|finite"):
        policy_of(line)


@pytest.mark.anyio
async def test_an_installed_component_is_held_to_a_policy_that_was_tightened(
    tmp_path: Path, workshop: Workshop
) -> None:
    """At its next start, with a word in its log and in the status; its manifest stays."""
    extra = 'intensity = 50\n[health]\ninterval = "2 s"'
    async with System(tmp_path) as system:
        await system.install(workshop.package(extra=extra), approve=lambda _plan: True)
        assert system.component_status("local/hello").held == ()
    tighter = Configuration.of(
        LimitPolicy(fuel=40_000_000, logs=3),
        SupervisionPolicy(intensity=0),
        HealthPolicy(interval=60.0),
    )
    async with System(tmp_path, configuration=tighter) as system:
        held = system.component_status("local/hello").held
        assert [each.partition(" ")[0] for each in held] == [
            "limits.fuel", "limits.rates.logs", "supervision.intensity", "health.interval",
        ]  # fmt: skip
        assert "supervision.intensity in config.toml is the most" in held[2]
        assert system.info("local/hello").held == held
        assert system.info("local/hello").manifest.supervision.intensity == 50
        assert system.info("local/hello").limits.fuel == 40_000_000
        log = [each.message for each in system.logs.recent("local/hello")]
        assert sum(line.startswith("held to the policy: ") for line in log) == 4
        with pytest.raises(Exception, match="failed"):
            await system.send("local/hello", b"trap")
        with anyio.fail_after(60):
            while system.component_status("local/hello").state != "given up":  # with no restart
                await anyio.lowlevel.checkpoint()


def test_infinity_is_more_than_any_number() -> None:
    """The words of a shutdown are numbers, too."""
    policy = HostPolicy(supervision=SupervisionPolicy(shutdown=math.inf))
    policy.check(Manifest.parse(f'{HEAD}[supervision]\nshutdown = "infinity"\n'))
    policy = HostPolicy(supervision=SupervisionPolicy(shutdown=0.0))
    policy.check(Manifest.parse(f'{HEAD}[supervision]\nshutdown = "brutal_kill"\n'))
