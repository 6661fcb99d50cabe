"""One spelling for topics and their patterns, and what this block declares."""

import tomllib

import pytest
from airswasm.actor import InvalidTopic
from airswasm.actor._routing.topics import check_pattern, check_topic, matches
from airswasm.messaging import (
    BLOCK,
    MESSAGING_INTERFACE,
    TIMERS_INTERFACE,
    TOPIC,
    TOPIC_PATTERN,
    DeadLetterSettings,
    DurableSettings,
    MessagingLimits,
    TimerSettings,
    provide,
)
from airswasm.messaging._spelling import TARGET
from airswasm.security import (
    PLAIN,
    Grants,
    Guard,
    InvalidPattern,
    InvalidResource,
    Kinds,
    Pattern,
    Reach,
    Resource,
    Spelling,
)
from airswasm.wit import Blocks, contract, load_part
from hypothesis import given
from hypothesis import strategies as st

KINDS = Kinds(BLOCK.capabilities)


def test_a_topic_is_its_own_reading() -> None:
    """Publishing touches the one topic that it names."""
    assert TOPIC.resource("orders.eu") == Resource("orders.eu", Reach.EXACT, ".")
    assert TOPIC.resource("a/b.c").text == "a/b.c"


@pytest.mark.parametrize(
    "topic", ["", "a..b", ".a", "a.", "a.*", "a?", "**", "a\0", "cafe\u0301", "x" * 4_097]
)
def test_malformed_topics_are_refused(topic: str) -> None:
    """Publishing takes one topic, not a pattern."""
    with pytest.raises(InvalidResource):
        TOPIC.resource(topic)


@pytest.mark.parametrize("pattern", ["", "a..b", ".a", "a.", "a**", "x" * 2_000, "a.\0"])
def test_malformed_patterns_are_refused(pattern: str) -> None:
    """As topics are; a subscription that means nothing is an error of who asked."""
    with pytest.raises(InvalidResource):
        TOPIC_PATTERN.resource(pattern)


@pytest.mark.parametrize(
    ("grant", "asked", "is_allowed"),
    [
        ("orders.*", "orders.eu", True),
        ("orders.*", "orders.*", True),
        ("orders.*", "orders.**", False),
        ("orders.*", "orders.eu.paid", False),
        ("orders.**", "orders.*", True),
        ("orders.**", "orders.eu.paid", True),
        ("**", "**", True),
        ("orders.eu", "orders.*", False),
        ("*", "a/b", True),
        ("*", "a.b", False),
    ],
)
def test_a_subscription_must_be_covered_as_a_whole(
    grant: str, asked: str, is_allowed: bool
) -> None:
    """It receives every topic of its pattern, so a grant must have them all; a dot parts them."""
    guard = Guard(KINDS, {"local/a": Grants({"messaging:subscribe": (grant,)})})
    assert guard.decide("local/a", "messaging:subscribe", asked).is_allowed is is_allowed


def test_a_denied_topic_denies_the_patterns_that_would_bring_it() -> None:
    """`**` with one topic denied does not let a subscription to everything read that topic."""
    own = Grants({"messaging:subscribe": ("**",)}, {"messaging:subscribe": ("orders.secret",)})
    guard = Guard(KINDS, {"local/a": own})
    for asked in ("**", "orders.*", "orders.**", "orders.secret", "*.secret"):
        assert not guard.decide("local/a", "messaging:subscribe", asked), asked
    assert guard.decide("local/a", "messaging:subscribe", "orders.eu")


segments = st.sampled_from(["a", "b", "ab", "*", "**", "a*", "?", "a/b", "é"])
names = st.lists(segments, min_size=1, max_size=4).map(".".join)


@given(names, names, names)
def test_the_broker_delivers_nothing_that_the_grant_does_not_cover(
    grant: str, pattern: str, topic: str
) -> None:
    """The check and the delivery read patterns alike: what may subscribe may have the topic."""
    try:
        delivered = matches(check_pattern(pattern), check_topic(topic))
        allowed = TOPIC_PATTERN.resource(pattern).is_covered_by(TOPIC_PATTERN.pattern(grant))
        published = TOPIC.resource(topic)
    except (InvalidTopic, InvalidResource, InvalidPattern):
        return
    if delivered:
        assert Pattern(pattern, ".").matches(topic)
        if allowed:
            assert published.is_covered_by(TOPIC.pattern(grant))


ASKED = [
    ("messaging:send", "target", "local/other"),
    ("messaging:request", "target", "local/other"),
    ("messaging:publish", "topic", "orders.eu"),
    ("messaging:subscribe", "pattern", "orders.*"),
]


@pytest.mark.parametrize(("capability", "argument", "value"), ASKED)
def test_the_line_that_a_denial_names_grants_the_call(
    capability: str, argument: str, value: str
) -> None:
    """Following the advice works."""
    denied = Guard(KINDS).decide("local/a", capability, value, argument=argument)
    assert denied.manifest_line is not None
    grants = Grants.from_manifest(tomllib.loads(denied.manifest_line))
    KINDS.check(grants)
    assert Guard(KINDS, {"local/a": grants}).decide("local/a", capability, value, argument=argument)


def test_what_is_declared_is_what_the_contract_needs() -> None:
    """Every capability of its functions and no other; settings with defaults; the provider."""
    needed = {
        need.capability
        for interface in (MESSAGING_INTERFACE, TIMERS_INTERFACE)
        for function in contract().interfaces[interface].functions.values()
        for need in (function.requirements if isinstance(function.requirements, tuple) else ())
    }
    assert {each.annotation for each in BLOCK.capabilities} == needed
    assert KINDS.spelling("messaging:send").read is PLAIN.read
    assert load_part(BLOCK.provide) is provide
    assert [load_part(section.model) for section in BLOCK.sections] == [
        MessagingLimits,
        DurableSettings,
        TimerSettings,
        DeadLetterSettings,
    ]
    assert MessagingLimits()
    assert DurableSettings()
    assert TimerSettings()
    (found,) = (each for each in Blocks.find() if each.distribution == "airswasm-messaging")
    assert found.block is BLOCK


@pytest.mark.parametrize(
    ("kind", "pattern", "words"),
    [
        (TOPIC, "orders..eu", "no empty segment"),
        (TOPIC_PATTERN, ".orders", "no empty segment"),
        (TARGET, "shop//orders", "did you mean shop/orders"),
        (TARGET, "shop/", "did you mean shop"),
    ],
)
def test_a_grant_that_could_cover_nothing_is_refused(
    kind: Spelling, pattern: str, words: str
) -> None:
    """Where it is written, with what was meant: it would deny without a word otherwise."""
    with pytest.raises(InvalidPattern, match=words):
        Pattern(kind.read_pattern(pattern))
