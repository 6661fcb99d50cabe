"""One spelling for every resource."""

import pytest
from airswasm.security import (
    InvalidCapability,
    InvalidPattern,
    InvalidResource,
    Reach,
    canonical,
    parse_pattern,
    resource_of,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("capability", "value", "expected"),
    [
        ("storage:read", "users/ann", "users/ann"),
        ("filesystem:read", "data//x/./y/", "/data/x/y"),
        ("filesystem:read", "", "/"),
        ("tcp:connect", "Example.COM:443", "example.com:443"),
        ("tcp:connect", "127.0.0.1:80", "127.0.0.1:80"),
        ("tcp:connect", "[::1]:80", "[::1]:80"),
        ("http:request", "https://API.example.com:443/v1?q=/../x#y", "https://api.example.com/v1"),
        ("http:request", "http://example.com", "http://example.com/"),
        ("http:request", "http://example.com:8080/a", "http://example.com:8080/a"),
        ("messaging:publish", "orders.eu", "orders.eu"),
    ],
)
def test_canonical_spelling(capability: str, value: str, expected: str) -> None:
    """Each area's resources are reduced to the spelling that grants are matched on."""
    assert canonical(capability, value) == expected
    assert canonical(capability, expected) == expected


HOSTS = [
    "2130706433", "0177.0.0.1", "127.1", "0x7f.1", "0", "①②⑦.0.0.1", "ⓛocalhost", "a_b",
    "127.0.0.01", "-a", "a..b", "", "a b", "[::1", "[::0001]", "[127.0.0.1]",
    "[fe80::1%eth0]", "1.2.3.4.5",
]  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
def test_hosts_with_a_second_reading_are_refused(host: str) -> None:
    """What a resolver would read as an address, or as another name, is no name."""
    with pytest.raises(InvalidResource):
        canonical("tcp:connect", f"{host}:80")
    with pytest.raises(InvalidResource):
        canonical("http:request", f"http://{host}/")


@pytest.mark.parametrize(
    "url",
    [
        "https://user@good.example/",
        "https://good.example\\@evil.example/",
        "ftp://x/",
        "//x/",
        "https:/x",
        "https://good.example/a/../b",
        "https://good.example/%2e%2e/b",
        "https://good.example/a%2Fb",
        "https://good\t.example/",
        "https://good.example/ x",
        "https://good.example:0/",
        "https://good.example:99999/",
        "https://good.example:8x/",
        "https://",
        "https://evil.example?x=.good.example\u2028/",
        "https://ex\u00e4mple/",
    ],
)
def test_odd_urls_are_refused(url: str) -> None:
    """User names, dot segments, hidden escapes and foreign characters have no safe reading."""
    with pytest.raises(InvalidResource):
        canonical("http:request", url)


@pytest.mark.parametrize(
    ("capability", "pattern", "value"),
    [
        ("http:request", "https://API.example.com:443/**", "https://api.example.com/v1"),
        ("http:request", "http://example.com", "http://example.com"),
        ("http:request", "https://**", "https://example.com/a/b"),
        ("http:request", "**", "http://example.com:8080/"),
        ("tcp:connect", "*.Example.com:443", "a.example.com:443"),
        ("filesystem:read", "data/**", "/data/x"),
        ("filesystem:read", "/data/**", "data"),
    ],
)
def test_grants_are_spelled_as_leniently_as_resources(
    capability: str, pattern: str, value: str
) -> None:
    """A grant with a default port, capital letters or a relative path means what it looks like."""
    assert resource_of(capability, None, value).is_covered_by(parse_pattern(capability, pattern))


def test_a_default_port_is_only_its_own_schemes() -> None:
    """Port 80 of https, or a port that ends in 443, is another resource."""
    for pattern in ("https://x.org:80/**", "https://x.org:8443/**"):
        grant = parse_pattern("http:request", pattern)
        assert not resource_of("http:request", "url", "https://x.org/a").is_covered_by(grant)


def test_a_query_cannot_pretend_to_be_a_host() -> None:
    """`https://*.good.example/**` does not cover another host with that text in its query."""
    grant = parse_pattern("http:request", "https://*.good.example/**")
    tricked = resource_of("http:request", "url", "https://evil.example?x=.good.example/y")
    assert not tricked.is_covered_by(grant)
    assert resource_of("http:request", "url", "https://api.good.example/y").is_covered_by(grant)


@pytest.mark.parametrize("port", ["", "0", "65536", "٣", "+1", " 1", "1_0", "100000"])
def test_ports_are_plain_numbers(port: str) -> None:
    """A port has one spelling."""
    with pytest.raises(InvalidResource):
        canonical("udp:exchange", f"example.com:{port}")


@pytest.mark.parametrize(
    "value", ["a/../b", "..", "../x", "a\0b", "a\x1b", "cafe\u0301", "\ud800", "x" * 4_097]
)
def test_malformed_keys_are_refused(value: str) -> None:
    """Dot segments, control characters and a second Unicode form are refused everywhere."""
    for capability in ("storage:read", "filesystem:read", "messaging:send", "process:run"):
        with pytest.raises(InvalidResource):
            canonical(capability, value)


def test_two_dots_inside_a_name_are_fine() -> None:
    """Only the segment `..` climbs."""
    assert canonical("storage:read", "a..b/c..") == "a..b/c.."


@pytest.mark.parametrize("topic", ["", "a..b", ".a", "a.", "a.*", "a?"])
def test_malformed_topics_are_refused(topic: str) -> None:
    """Publishing takes one topic, not a pattern."""
    with pytest.raises(InvalidResource):
        canonical("messaging:publish", topic)


def test_the_argument_says_how_far_a_call_reaches() -> None:
    """A prefix reaches every key below it, a subscription every topic of its pattern."""
    assert resource_of("storage:read", "key", "a").reach is Reach.EXACT
    assert resource_of("storage:read", "prefix", "a").reach is Reach.PREFIX
    assert resource_of("messaging:subscribe", "pattern", "a.*").reach is Reach.PATTERN


@pytest.mark.parametrize(
    "capability", ["", "storage", "storage:", ":read", "Storage:read", "a:b:c", "a b:c", "*"]
)
def test_capabilities_have_one_form(capability: str) -> None:
    """`area:verb`, nothing else."""
    with pytest.raises(InvalidCapability):
        canonical(capability, "x")


@given(st.text(max_size=40))
def test_paths_never_climb(value: str) -> None:
    """Whatever a guest passes as a path is absolute and below the root, or refused."""
    try:
        path = canonical("filesystem:read", value)
    except InvalidResource:
        return
    assert path.startswith("/")
    assert not {"..", "."} & set(path.split("/"))


@given(st.text(max_size=12), st.text("ab/.", max_size=8))
def test_the_granting_pattern_grants(stem: str, prefix: str) -> None:
    """The pattern that a denial suggests would indeed allow the call."""
    for argument, value in (("key", stem), ("prefix", prefix)):
        try:
            resource = resource_of("storage:read", argument, value)
            pattern = parse_pattern("storage:read", resource.granting_pattern)
        except (InvalidResource, InvalidPattern):
            continue
        assert resource.is_covered_by(pattern)
