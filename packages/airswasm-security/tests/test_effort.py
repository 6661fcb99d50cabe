"""What deciding costs is bounded, and the component that asks pays for it."""

from __future__ import annotations

import pytest
from airswasm.runtime import Caller, HostInterface, Meters
from airswasm.security import (
    PLAIN,
    AuditEvent,
    AuditUnavailable,
    Grants,
    Guard,
    InvalidPattern,
    Kinds,
)
from airswasm.security._block import BLOCK
from airswasm.security._kinds import patterns
from airswasm.security._kinds.kinds import EFFORT_AT_MOST, PATTERNS_AT_MOST
from airswasm.security._kinds.patterns import Pattern, segment_matches
from airswasm.security._kinds.spelling import Resource
from airswasm.wit import contract
from hypothesis import given
from hypothesis import strategies as st

KINDS = Kinds.of(storage_read=PLAIN)
READ = "storage:read"
STORAGE = "airswasm:component/storage@0.1.0"
segments = st.text("ab*?", min_size=1, max_size=6).filter(lambda text: "**" not in text)
rows = st.lists(st.one_of(segments, st.just("**")), min_size=1, max_size=4).map("/".join)


class Paying(Caller):
    """A caller that adds up what it is charged."""

    __slots__ = ("paid",)

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.paid = 0

    def charge(self, fuel: int) -> None:
        self.paid += fuel


class Lines:
    """An audit log in memory."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    def record(self, event: AuditEvent) -> None:
        self.events.append(event)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def door(guard: Guard) -> object:
    functions = {"get": lambda _caller, key: key}
    return guard.guarded(HostInterface(STORAGE, functions), contract()).functions["get"]


@pytest.mark.parametrize(
    "pattern",
    [
        "*" + "a" * 1_000 + "b*",
        "*" + "a" * 500 + "?" + "a" * 500 + "b*",
        "*" + "?a" * 400 + "b*",
        "a*" * 400 + "b",
    ],
)
def test_a_segment_is_matched_in_one_pass(pattern: str) -> None:
    """No search goes back over what it has seen: each character is looked at once at most."""

    class Counted(str):
        __slots__ = ()
        seen = 0

        def __getitem__(self, index: object) -> str:
            Counted.seen += 1
            return super().__getitem__(index)  # type: ignore[index]

    assert not segment_matches(pattern, Counted("a" * 4_096))
    assert Counted.seen <= 4_096


def test_segments_are_matched_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind `**` each segment of the resource meets each of the pattern once at most."""
    calls: list[str] = []
    monkeypatch.setattr(patterns, "segment_matches", lambda _pattern, text: calls.append(text))
    Pattern("/".join(["**", "*a*"] * 31)).matches("/".join(["a"] * 255 + ["b"]))
    assert len(calls) <= 31 * 256


@given(rows, st.lists(rows, max_size=6))
def test_what_is_not_compared_is_not_covered(pattern: str, wide: list[str]) -> None:
    """Patterns that begin otherwise are left out of the comparison, and none of them covers it."""
    before, after = Grants({READ: tuple(wide)}), Grants({READ: (pattern,)})
    is_covered = any(Pattern(each).covers_pattern(Pattern(pattern)) for each in wide)
    assert bool(KINDS.beyond(after, before)) == (not is_covered)


def test_comparing_the_same_patterns_compares_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """An update that keeps its thousands of patterns is compared by their texts."""
    calls: list[Pattern] = []
    monkeypatch.setattr(Pattern, "covers_pattern", lambda _self, other: calls.append(other))
    many = Grants({READ: tuple(f"a/{number}/*" for number in range(3_000))}, {READ: ("b/*",)})
    assert not KINDS.beyond(many, many)
    assert not calls


def test_a_capability_has_a_bounded_number_of_patterns() -> None:
    """Each is tried for each new resource, so their number is the host's time."""
    texts = tuple(f"a/{number}" for number in range(PATTERNS_AT_MOST + 1))
    KINDS.check(Grants({READ: texts[:-1]}))
    with pytest.raises(InvalidPattern, match="more than 256 patterns"):
        KINDS.check(Grants({READ: texts}))
    with pytest.raises(InvalidPattern):
        KINDS.check(Grants(deny={READ: texts}))


def test_patterns_that_take_long_are_fewer() -> None:
    """What is searched for counts its length, and far more where every segment is tried."""
    fitting = tuple(f"docs/{number}-*" for number in range(250))
    KINDS.check(Grants({READ: fitting}))
    costly = tuple(f"**/*{number}*" for number in range(EFFORT_AT_MOST // 512 + 1))
    with pytest.raises(InvalidPattern, match="too many patterns"):
        KINDS.check(Grants({READ: costly}))
    long = tuple(f"*{'a' * 1_000}{number}*" for number in range(20))
    with pytest.raises(InvalidPattern, match="too many patterns"):
        KINDS.check(Grants({READ: long}))


def test_a_resource_has_a_bounded_number_of_segments() -> None:
    """A key of nothing but separators is refused before any pattern sees it."""
    guard = Guard(KINDS, {"local/a": Grants({READ: ("**",)})})
    assert guard.decide("local/a", READ, "/".join("a" * 256))
    assert not guard.decide("local/a", READ, "/".join("a" * 257))


def test_the_component_pays_for_decisions() -> None:
    """By the effort of its patterns, more for a denial, nothing for what is remembered."""
    patterns = tuple(f"**/*{number}*" for number in range(10))
    guard = Guard(KINDS, {"local/a": Grants({READ: (*patterns, "k")})})
    get, caller = door(guard), Paying("local/a")
    get(caller, "k")  # type: ignore[operator]
    allowed, caller.paid = caller.paid, 0
    assert allowed > 10 * 512 * 50
    get(caller, "k")  # type: ignore[operator]
    assert caller.paid == 0
    get(caller, "other")  # type: ignore[operator]
    assert caller.paid > allowed


def test_asking_what_one_may_do_is_paid_for() -> None:
    """`capabilities.check` leaves no line, so its price is all that bounds it."""
    guard = Guard(KINDS, {"local/a": Grants({READ: ("**/*a*",)})})
    caller = Paying("local/a")
    assert not guard.answer(caller, READ, "b" * 4_096)
    assert caller.paid > 512 * 50
    assert not guard.answer(caller, "x" * 10**6 + ":y", "b")


def test_what_is_remembered_of_a_component_is_bounded_in_bytes() -> None:
    """A component that names ever new resources makes the guard forget its own, no more."""
    guard = Guard(KINDS, dict.fromkeys(("local/a", "local/b"), Grants({READ: ("**",)})))
    get = door(guard)
    get(Paying("local/b"), "kept")  # type: ignore[operator]
    for number in range(1_000):
        get(Paying("local/a"), f"{number:04}" + "k" * 4_000)  # type: ignore[operator]
        guard.check("local/a", READ, f"{number:04}" + "c" * 4_000)
    kept = [
        name
        for number in range(1_000)
        for name in (f"{number:04}" + "k" * 4_000, f"{number:04}" + "c" * 4_000)
        if "local/a" in guard.recent_users(READ, name)
    ]
    assert 0 < sum(map(len, kept)) < 256 * 1024
    assert guard.recent_users(READ, "kept") == ("local/b",)


def test_a_flood_of_denials_does_not_fill_the_log() -> None:
    """A thousand are written, then some each second, and the next line counts the others."""
    lines, clock = Lines(), Clock()
    guard = Guard(KINDS, audit=lines, clock=clock)
    get = door(guard)
    for number in range(5_000):
        get(Paying("local/a"), f"{number}")  # type: ignore[operator]
    assert len(lines.events) == 1_000
    get(Paying("local/b"), "k")  # type: ignore[operator]
    assert lines.events[-1].component == "local/b"
    clock.now = 1.0
    get(Paying("local/a"), "k")  # type: ignore[operator]
    assert lines.events[-1].detail == {"layer": "grants", "unwritten": "4000"}


def test_what_is_not_written_is_counted_where_an_operator_looks() -> None:
    """A flood that has ended leaves its number: in a line, in a metric, in the status."""
    lines, clock, meters = Lines(), Clock(), Meters(BLOCK.metrics)
    guard = Guard(KINDS, audit=lines, clock=clock, meters=meters)
    get = door(guard)
    for number in range(1_500):
        get(Paying("local/a"), f"{number}")  # type: ignore[operator]
    get(Paying("local/b"), "k")  # type: ignore[operator]
    assert dict(meters.samples("denials_unwritten_total")) == {"local/a": 500.0}
    assert guard.unwritten_denials("local/a") == 500
    assert guard.unwritten_denials("local/b") == 0
    before = len(lines.events)
    guard.note_unwritten()
    (line,) = lines.events[before:]
    assert (line.kind, line.component, line.outcome) == ("denials", "local/a", "deny")
    assert line.detail == {"unwritten": "500"}
    guard.note_unwritten()
    assert len(lines.events) == before + 1
    assert guard.unwritten_denials("local/a") == 500
    for number in range(7):
        get(Paying("local/a"), f"{number}")  # type: ignore[operator]
    guard.revoke("local/a")
    assert lines.events[-1].detail == {"unwritten": "7"}


def test_a_line_that_could_not_be_written_is_owed() -> None:
    """The number of a full disk's denials comes with a later line."""
    is_full = False
    lines = Lines()

    class Disk:
        def record(self, event: AuditEvent) -> None:
            if is_full:
                raise AuditUnavailable("/audit", "full")
            lines.record(event)

    guard = Guard(KINDS, audit=Disk(), clock=Clock())
    get = door(guard)
    for number in range(1_003):
        get(Paying("local/a"), f"{number}")  # type: ignore[operator]
    is_full = True
    guard.note_unwritten()
    is_full = False
    guard.note_unwritten()
    assert lines.events[-1].detail == {"unwritten": "3"}


def test_decisions_can_be_forgotten() -> None:
    """A host that needs memory takes what a component can do without, and decides again."""
    guard = Guard(KINDS, {"local/a": Grants({READ: ("**",)})})
    get = door(guard)
    get(Paying("local/a"), "k" * 100)  # type: ignore[operator]
    assert guard.remembered_bytes("local/a") > 400
    guard.forget_decisions("local/a")
    assert guard.remembered_bytes("local/a") == 0
    caller = Paying("local/a")
    get(caller, "k" * 100)  # type: ignore[operator]
    assert caller.paid > 0


def test_a_denial_is_a_denial_whether_or_not_it_is_written() -> None:
    """The rate of lines decides nothing."""
    guard = Guard(KINDS, audit=Lines(), clock=Clock())
    get = door(guard)
    answers = {repr(get(Paying("local/a"), "k")) for _ in range(3_000)}  # type: ignore[operator]
    assert len(answers) == 1
    assert "denied" in answers.pop()


def test_the_line_that_would_grant_it_is_short() -> None:
    """With hundreds of patterns granted already the line shows the new one alone."""
    guard = Guard(KINDS, {"local/a": Grants({READ: tuple(f"{n:01000}" for n in range(250))})})
    assert len(guard.decide("local/a", READ, "k").text) < 400


def test_resources_are_read_in_one_pass() -> None:
    """A text of 4,096 characters beyond ASCII is looked at by the interpreter, not by a loop."""
    text = "\U0001f600" * 4_096
    assert PLAIN.resource(text) == Resource(text)
    with pytest.raises(Exception, match="longer than"):
        PLAIN.resource(text + "x")


def test_an_audit_that_cannot_be_written_still_denies() -> None:
    """A denial that cannot be written is no permission."""

    class Broken:
        def record(self, event: AuditEvent) -> None:
            raise AuditUnavailable("/audit", "full")

    guard = Guard(KINDS, {"local/a": Grants({READ: ("**",)})}, audit=Broken())
    assert not guard.check("local/a", READ, "k")


def test_each_denial_is_counted_by_capability() -> None:
    """Those without a line, too; an allowed call is none."""
    meters, lines = Meters(BLOCK.metrics), Lines()
    guard = Guard(KINDS, audit=lines, meters=meters)
    get = door(guard)
    for number in range(1_200):
        get(Paying("local/a"), f"{number}")  # type: ignore[operator]
    get(Paying("local/b"), "k")  # type: ignore[operator]
    (capability,) = meters.labelled("component_denials_total")["local/a"]
    assert "." in capability
    assert ":" not in capability
    assert meters.labelled("component_denials_total") == {
        "local/a": {capability: 1_200.0}, "local/b": {capability: 1.0},
    }  # fmt: skip
