"""The guard: who may do what, and what is written about it."""

import inspect
import itertools
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from airswasm.runtime import Caller, Case, Err, HostInterface, Ok, Pending
from airswasm.security import (
    PLAIN,
    AuditEvent,
    AuditLog,
    AuditUnavailable,
    Grants,
    Guard,
    InvalidCapability,
    InvalidPattern,
    Kinds,
    PermissionDenied,
    Reach,
    Spelling,
    UnannotatedFunction,
    UnknownCapability,
    decides_each,
    guarded,
    read_audit,
)
from airswasm.wit import Capability, contract
from hypothesis import given, settings
from hypothesis import strategies as st

HELLO = Caller("local/hello")
STORAGE = "airswasm:component/storage@0.1.0"
KINDS = Kinds.of(
    storage_read=PLAIN,
    storage_write=PLAIN,
    topics_follow=Spelling(".", reach=Reach.PATTERN),
    hosts_reach=Spelling(read=str.lower, read_pattern=str.lower),
)


class Notebook:
    """An audit sink that keeps events, and can be told that its disk is full."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []
        self.is_full = False

    def record(self, event: AuditEvent) -> None:
        if self.is_full:
            raise AuditUnavailable("notebook", "No space left on device")
        self.events.append(event)


def interface(**functions: Callable[..., object]) -> HostInterface:
    return HostInterface(
        STORAGE, {name.replace("_", "-"): each for name, each in functions.items()}
    )


def guard_for(allow: dict[str, tuple[str, ...]], **options: object) -> Guard:
    return Guard(KINDS, {"local/hello": Grants(allow)}, **options)  # type: ignore[arg-type]


def test_missing_is_denied_and_says_how_to_get_it() -> None:
    """The text ends with the line for Component.toml, which keeps what is granted already."""
    guard = guard_for({"storage:write": ("a",)})
    denied = guard.decide("local/hello", "storage:write", "count")
    assert not denied
    assert denied.manifest_line == 'storage.write = ["a", "count"]'
    assert denied.text.endswith(
        'add to [capabilities] in Component.toml: storage.write = ["a", "count"]'
    )
    fresh = guard.decide("local/hello", "storage:read", "users/", argument="prefix")
    assert fresh.manifest_line == 'storage.read = ["users/**"]'


ASKED = [
    ("storage:write", "key", "count"),
    ("storage:read", "prefix", "user-"),
    ("topics:follow", "pattern", "a.*"),
    ("hosts:reach", "address", "X.org:1"),
]


def test_the_line_that_a_denial_names_grants_the_call() -> None:
    """Following the advice works."""
    for capability, argument, value in ASKED:
        denied = Guard(KINDS).decide("local/hello", capability, value, argument=argument)
        assert denied.manifest_line is not None
        area, verb = capability.split(":")
        grants = Grants.from_manifest(tomllib.loads(denied.manifest_line))
        assert Guard(KINDS, {"local/hello": grants}).decide(
            "local/hello", capability, value, argument=argument
        )
        assert denied.manifest_line.startswith(f"{area}.{verb} = ")


LAYERS = list(itertools.product([False, True], repeat=3))


@pytest.mark.parametrize(("is_granted", "is_denied", "is_permitted"), LAYERS)
def test_every_layer_must_agree(is_granted: bool, is_denied: bool, is_permitted: bool) -> None:
    """Granted, not denied, and within the host's policy: all three, in all eight combinations."""
    key = {"storage:read": ("k",)}
    own = Grants(key if is_granted else {}, key if is_denied else {})
    policy = Grants({"storage:read": ("k" if is_permitted else "other",)})
    decision = Guard(KINDS, {"local/hello": own}, policy=policy).decide(
        "local/hello", "storage:read", "k"
    )
    assert decision.is_allowed == (is_granted and not is_denied and is_permitted)
    forbidding = Guard(KINDS, {"local/hello": own}, policy=Grants({}, key))
    assert not forbidding.decide("local/hello", "storage:read", "k")


def test_no_line_is_suggested_where_none_would_help() -> None:
    """A denial by rule cannot be fixed by a grant, and does not pretend so."""
    guard = Guard(
        KINDS, {"local/hello": Grants({"storage:read": ("**",)}, {"storage:read": ("secret/**",)})}
    )
    denied = guard.decide("local/hello", "storage:read", "secret/x")
    assert denied.manifest_line is None
    assert "secret/**" in denied.text
    malformed = guard.decide("local/hello", "storage:read", "a/../secret/x")
    assert malformed.manifest_line is None
    narrow = Guard(KINDS, policy=Grants({"storage:read": ("public/**",)}))
    assert narrow.decide("local/hello", "storage:read", "private").manifest_line is None
    assert narrow.decide("local/hello", "storage:read", "public/x").manifest_line is not None


def test_a_scan_over_a_denied_key_is_denied() -> None:
    """`**` with one key denied does not let a scan read that key."""
    guard = Guard(
        KINDS, {"local/hello": Grants({"storage:read": ("**",)}, {"storage:read": ("a/secret",)})}
    )
    assert not guard.decide("local/hello", "storage:read", "", argument="prefix")
    assert not guard.decide("local/hello", "storage:read", "a/s", argument="prefix")
    assert guard.decide("local/hello", "storage:read", "b/", argument="prefix")


def test_components_do_not_share_grants() -> None:
    """What one was granted, another was not."""
    guard = guard_for({"storage:read": ("**",)})
    assert guard.check("local/hello", "storage:read", "k")
    assert not guard.check("local/other", "storage:read", "k")


def test_revoking_holds_from_the_next_call_on() -> None:
    """No decision is remembered past the grants that it came from."""
    guard = guard_for({"storage:read": ("**",)})
    door = guard.guarded(interface(get=lambda caller, key: Ok(b"")), contract()).functions["get"]
    assert door(HELLO, "k") == Ok(b"")
    guard.revoke("local/hello")
    assert isinstance(door(HELLO, "k"), Err)
    guard.grant("local/hello", Grants({"storage:read": ("k",)}))
    assert door(HELLO, "k") == Ok(b"")
    assert isinstance(door(HELLO, "other"), Err)


def test_a_capability_that_does_not_exist_is_a_bug_not_a_denial() -> None:
    """Host code that asks for nonsense should hear so."""
    guard = Guard(KINDS, {"local/hello": Grants({"gone:use": ("**",)})})
    with pytest.raises(InvalidCapability):
        guard.decide("local/hello", "storage", "k")
    for ask in (guard.decide, guard.check, guard.enforce):
        with pytest.raises(UnknownCapability):
            ask("local/hello", "gone:use", "k")


def test_grants_that_cannot_be_read_grant_nothing() -> None:
    """A pattern that a block no longer reads denies, with the reason, and ends no host call."""
    guard = guard_for({"storage:read": ("**", "a/../b")})
    denied = guard.check("local/hello", "storage:read", "k")
    assert not denied
    assert ".." in denied.text
    assert denied.manifest_line is None
    guard.grant("local/hello", Grants({"storage:read": ("**",)}))
    assert guard.check("local/hello", "storage:read", "k")


def test_a_policy_that_cannot_be_read_opens_no_host() -> None:
    """What the operator forbids must not be forgotten."""
    with pytest.raises(InvalidPattern):
        Guard(KINDS, policy=Grants({}, {"storage:read": ("a/../b",)}))


def test_grants_and_resources_are_read_by_the_spelling_of_their_kind() -> None:
    """The check is on the same text as the effect, however it was written."""
    own = Grants({"hosts:reach": ("*.Example.com",)}, {"hosts:reach": ("BAD.example.com",)})
    guard = Guard(KINDS, {"local/hello": own})
    assert guard.decide("local/hello", "hosts:reach", "Good.EXAMPLE.com")
    assert not guard.decide("local/hello", "hosts:reach", "bad.Example.COM")
    assert guard.decide("local/hello", "hosts:reach", "A.example.com").resource == "a.example.com"


def test_a_function_whose_capability_no_block_declares_is_not_offered() -> None:
    """Nothing could be granted by it, and nothing would read its resource."""
    offered = interface(get=lambda caller, key: None)
    with pytest.raises(UnannotatedFunction, match="no block declares storage:read"):
        Guard(Kinds()).guarded(offered, contract())


def test_enforce_raises() -> None:
    """For host code that works with exceptions, with the same text."""
    guard = guard_for({"storage:read": ("k",)})
    guard.enforce("local/hello", "storage:read", "k")
    with pytest.raises(PermissionDenied, match="add to"):
        guard.enforce("local/hello", "storage:write", "k")


def test_a_denied_call_gets_its_denied_case_and_has_no_effect() -> None:
    """The guest gets an error that it can handle; the function behind is not called."""
    calls: list[str] = []
    door = guard_for({"storage:read": ("a",)}).guarded(
        interface(get=lambda caller, key: calls.append(key)), contract()
    )
    match door.functions["get"](HELLO, "b"):
        case Err(Case("denied", str(text))):
            assert 'storage.read = ["a", "b"]' in text
        case other:
            pytest.fail(f"not a denial: {other}")
    assert calls == []


def test_functions_that_need_nothing_are_left_as_they_are() -> None:
    """`@requires nothing` costs nothing."""

    def usage(caller: Caller) -> object:
        return Ok(None)

    assert guarded(interface(usage=usage), contract(), Guard(KINDS)).functions["usage"] is usage


def test_a_function_that_cannot_say_denied_traps() -> None:
    """Without a `denied` case in its result, a denial ends the guest's call."""
    given_contract = contract()
    storage = given_contract.interfaces[STORAGE]
    get = replace(storage.functions["get"], result=None)
    functions = {**storage.functions, "get": get}

    class Declared:
        def interface(self, name: str) -> object:
            return replace(storage, functions=functions)

    door = Guard(KINDS).guarded(interface(get=lambda caller, key: None), Declared())  # type: ignore[arg-type]
    with pytest.raises(PermissionDenied):
        door.functions["get"](HELLO, "k")


def test_what_the_contract_does_not_know_is_not_offered() -> None:
    """Deny by default holds for functions and interfaces too."""
    with pytest.raises(UnannotatedFunction, match="no such function"):
        Guard(KINDS).guarded(interface(peek=lambda caller: None), contract())
    with pytest.raises(UnannotatedFunction, match="no such interface"):
        Guard(KINDS).guarded(HostInterface("evil:component/storage@0.1.0", {}), contract())


def test_every_annotation_of_the_contract_can_be_enforced() -> None:
    """Every host interface can be wrapped whole: annotations, arguments and results fit."""
    declared_kinds = Kinds(
        Capability(need.capability.replace(":", "."), "do it")
        for declared in contract().host_interfaces.values()
        for function in declared.functions.values()
        for need in (function.requirements if isinstance(function.requirements, tuple) else ())
    )
    for name, declared in contract().host_interfaces.items():
        function = decides_each(lambda caller, *args: None)
        offered = HostInterface(name, dict.fromkeys(declared.functions, function))
        assert (
            Guard(declared_kinds).guarded(offered, contract()).functions.keys()
            == declared.functions.keys()
        )


def test_resources_and_name_are_kept() -> None:
    """Only functions change."""
    offered = interface(get=lambda caller, key: None)
    wrapped = Guard(KINDS).guarded(offered, contract())
    assert (wrapped.name, wrapped.resources) == (offered.name, offered.resources)


def test_a_pending_result_passes_through() -> None:
    """The guard decides before; how the call completes is none of its business."""
    pending = Pending()
    door = guard_for({"storage:write": ("**",)}).guarded(
        interface(set=lambda caller, key, value: pending), contract()
    )
    assert door.functions["set"](HELLO, "k", b"") is pending


@pytest.mark.anyio
async def test_async_functions_stay_async() -> None:
    """The runtime tells them apart by what they are; a denial is their awaited result."""

    async def get(caller: Caller, key: str) -> object:
        return Ok(key.encode())

    door = (
        guard_for({"storage:read": ("a",)}).guarded(interface(get=get), contract()).functions["get"]
    )
    assert inspect.iscoroutinefunction(door)
    assert await door(HELLO, "a") == Ok(b"a")
    assert isinstance(await door(HELLO, "b"), Err)
    assert await door(HELLO, "a") == Ok(b"a")


def test_the_audit_line_is_written_before_the_effect() -> None:
    """Allowed or denied: when the function runs, its line is there."""
    notebook = Notebook()
    seen: list[int] = []
    door = guard_for({"storage:read": ("a",)}, audit=notebook, allowed_lines="every").guarded(
        interface(get=lambda caller, key: seen.append(len(notebook.events))), contract()
    )
    for key in ("a", "a", "b"):
        door.functions["get"](HELLO, key)
    assert seen == [1, 2]
    assert [event.outcome for event in notebook.events] == ["allow", "allow", "deny"]
    assert notebook.events[2].resource == "b"


def test_what_is_decided_again_is_counted() -> None:
    """By default a hot loop does not flood the log, and no denial is missed."""
    notebook = Notebook()
    guard = guard_for({"storage:read": ("a",)}, audit=notebook)
    door = guard.guarded(interface(get=lambda caller, key: None), contract()).functions["get"]
    for _ in range(3):
        door(HELLO, "a")
        door(HELLO, "b")
    guard.note_unwritten()
    assert [(event.kind, event.outcome) for event in notebook.events] == [
        ("decision", "allow"),
        ("decision", "deny"),
        ("decisions", "deny"),
    ]
    assert notebook.events[-1].detail == {"count": "2"}
    quiet = guard_for({"storage:read": ("a",)}, audit=notebook, allowed_lines="none")
    notebook.events.clear()
    assert quiet.check("local/hello", "storage:read", "a")
    assert not quiet.check("local/hello", "storage:read", "b")
    assert [event.outcome for event in notebook.events] == ["deny"]


def test_without_a_line_nothing_is_allowed() -> None:
    """When the audit log fails, calls are denied; when it works again, they are not."""
    notebook = Notebook()
    guard = guard_for({"storage:read": ("a",)}, audit=notebook)
    notebook.is_full = True
    assert not guard.check("local/hello", "storage:read", "a")
    assert not guard.check("local/hello", "storage:read", "b")
    notebook.is_full = False
    assert guard.check("local/hello", "storage:read", "a")


def test_deciding_writes_nothing() -> None:
    """`decide` is pure."""
    notebook = Notebook()
    guard = guard_for({"storage:read": ("a",)}, audit=notebook, allowed_lines="every")
    assert guard.decide("local/hello", "storage:read", "a")
    assert not guard.decide("local/hello", "storage:read", "b")
    assert notebook.events == []


def test_what_is_remembered_is_bounded() -> None:
    """A component that asks for a million keys does not grow the host."""
    guard = guard_for({"storage:read": ("**",)}, remembered=10)
    door = guard.guarded(interface(get=lambda caller, key: Ok(key)), contract()).functions["get"]
    for number in range(100):
        assert door(HELLO, f"k{number}") == Ok(f"k{number}")
        assert guard.check("local/hello", "storage:read", f"c{number}")
    for kind in "kc":  # what passed the door, and what was checked
        users = [guard.recent_users("storage:read", f"{kind}{number}") for number in range(100)]
        assert 0 < users.count(("local/hello",)) <= 10


def test_two_functions_and_a_check_of_one_thing_leave_one_line() -> None:
    """What is written is that a component may do it, not by which way it asked."""
    notebook = Notebook()
    guard = guard_for({"storage:read": ("**",)}, audit=notebook)
    offered = interface(
        get=lambda caller, key: Ok(key), exists=lambda caller, key: Ok(caller.name == key)
    )
    doors = guard.guarded(offered, contract()).functions
    for number in range(20):
        for door in (doors["get"], doors["exists"]):
            assert isinstance(door(HELLO, f"k{number}"), Ok)
        assert guard.check("local/hello", "storage:read", f"k{number}", argument="key")
        assert guard.check("local/hello", "storage:read", f"c{number}", argument="key")
        assert isinstance(doors["get"](HELLO, f"c{number}"), Ok)
    assert [event.resource for event in notebook.events] == [
        f"{letter}{number}" for number in range(20) for letter in "kc"
    ]


def test_granting_one_component_leaves_the_others_decisions() -> None:
    """An update of one component does not write the audit lines of all others again."""
    notebook = Notebook()
    guard = guard_for({"storage:read": ("**",)}, audit=notebook)
    door = guard.guarded(interface(get=lambda caller, key: None), contract()).functions["get"]
    door(HELLO, "k")
    guard.grant("local/other", Grants())
    door(HELLO, "k")
    assert len(notebook.events) == 1
    guard.grant("local/hello", Grants({"storage:read": ("k",)}))
    door(HELLO, "k")
    assert len(notebook.events) == 2


def test_decisions_reach_a_real_log(tmp_path: Path) -> None:
    """Guard and AuditLog fit together, hostile resource names included."""
    with AuditLog(tmp_path / "audit.jsonl") as log:
        guard_for({}, audit=log).check("local/hello", "storage:read", "a\n\x1b[31m")
    line = next(iter(read_audit(tmp_path / "audit.jsonl")))
    assert (line["outcome"], line["component"]) == ("deny", "local/hello")


patterns = st.sampled_from(["**", "a", "a/*", "a/**", "*", "a/b", "b/**", "?"])
rules = st.dictionaries(
    st.sampled_from(["storage:read", "storage:write"]), st.lists(patterns, max_size=3).map(tuple)
)
keys = st.sampled_from(["a", "b", "a/b", "a/b/c", "", "a/../b", "c"])


@given(rules, rules, rules, keys, st.sampled_from(["key", "prefix"]))
@settings(deadline=None)
def test_denials_only_take_away(
    allow: dict[str, tuple[str, ...]],
    deny: dict[str, tuple[str, ...]],
    more: dict[str, tuple[str, ...]],
    key: str,
    argument: str,
) -> None:
    """Adding a denial or dropping grants, in the component's or the host's rules, never allows."""

    def allowed(own: Grants, policy: Grants) -> bool:
        return (
            Guard(KINDS, {"a/b": own}, policy=policy)
            .decide("a/b", "storage:read", key, argument=argument)
            .is_allowed
        )

    if not allowed(Grants(allow, deny), Grants()):
        both = {
            name: (*deny.get(name, ()), *more.get(name, ())) for name in deny.keys() | more.keys()
        }
        assert not allowed(Grants(allow, both), Grants())
        assert not allowed(Grants(allow, deny), Grants({}, more))
        assert not allowed(Grants({}, deny), Grants())


def test_a_policy_can_be_replaced_and_lifted() -> None:
    """The next call is judged by the new one; a policy of nothing is none."""
    guard = guard_for({"storage:read": ("**",)}, policy=Grants(deny={"storage:read": ("a",)}))
    assert not guard.check("local/hello", "storage:read", "a")
    guard.hold_to(Grants(deny={"storage:read": ("b",)}))
    assert guard.check("local/hello", "storage:read", "a")
    assert not guard.check("local/hello", "storage:read", "b")
    with pytest.raises(InvalidPattern):
        guard.hold_to(Grants(deny={"storage:read": ("[",)}))
    assert not guard.check("local/hello", "storage:read", "b")
    guard.hold_to(Grants())
    assert guard.policy == Grants()
    assert guard.check("local/hello", "storage:read", "b")


def test_what_is_held_ends_by_another_name_that_a_rule_forbids() -> None:
    """A connection to an allowed name ends when the address behind it is forbidden."""
    guard = guard_for({"hosts:reach": ("**",)})
    ended = list[str]()
    guard.keep("local/hello", "hosts:reach", "good", ended.append, also=("10.0.0.1",))
    guard.keep("local/hello", "hosts:reach", "other", ended.append, also=("8.8.8.8",))
    guard.hold_to(Grants(deny={"hosts:reach": ("10.*",)}))
    assert len(ended) == 1
    assert guard.count_held("local/hello") == 1


def test_a_denied_call_is_shown_to_those_who_listen() -> None:
    """Once for each denial, until they stop."""
    guard = guard_for({})
    seen = list[str]()
    stop = guard.listen(lambda decision: seen.append(decision.resource))
    door = guard.guarded(interface(get=lambda caller, key: Ok(key)), contract()).functions["get"]
    door(HELLO, "a")
    stop()
    door(HELLO, "b")
    assert seen == ["a"]
