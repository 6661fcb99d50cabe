"""One spelling for every path, program, address and URL."""

import re
import tomllib

import pytest
from airswasm.osl import ADDRESS, BLOCK, LISTEN, NAME, PATH, PROGRAM, URL
from airswasm.osl._network.spelling import SERVED
from airswasm.security import (
    Grants,
    Guard,
    InvalidPattern,
    InvalidResource,
    Kinds,
    Reach,
    Spelling,
)
from hypothesis import given
from hypothesis import strategies as st

KINDS = Kinds(BLOCK.capabilities)


@pytest.mark.parametrize(
    ("spelling", "value", "expected"),
    [
        (PATH, "data//x/./y/", "/data/x/y"),
        (PATH, "", "/"),
        (PATH, "/", "/"),
        (PROGRAM, "/usr/bin/git", "/usr/bin/git"),
        (PROGRAM, '/usr/bin/git  commit -m "a b"', "/usr/bin/git commit -m 'a b'"),
        (PROGRAM, "/usr/bin/git ''", "/usr/bin/git ''"),
        (ADDRESS, "Example.COM:443", "example.com:443"),
        (ADDRESS, "127.0.0.1:80", "127.0.0.1:80"),
        (ADDRESS, "[::1]:80", "[::1]:80"),
        (URL, "GET https://API.example.com:443/v1?q=/../x#y", "GET https://api.example.com/v1"),
        (URL, "GET HTTPS://example.com", "GET https://example.com/"),
        (URL, "GET http://example.com", "GET http://example.com/"),
        (URL, "GET http://example.com:8080/a", "GET http://example.com:8080/a"),
        (URL, "GET http://example.com:/a", "GET http://example.com/a"),
        (URL, "GET http://[::1]:8080/a", "GET http://[::1]:8080/a"),
        (URL, "GET http://x.org/%61dm%69n/%7E%2b", "GET http://x.org/admin/~%2B"),
        (URL, "GET http://x.org//a///b//", "GET http://x.org/a/b/"),
        (URL, "post http://x.org", "POST http://x.org/"),
        (URL, "GET http://x.org/%2561", "GET http://x.org/%2561"),
    ],
)
def test_resources_are_reduced_to_one_spelling(
    spelling: Spelling, value: str, expected: str
) -> None:
    """It is what grants are matched on, and it is its own reading."""
    assert spelling.read(value) == expected
    assert spelling.read(expected) == expected


@pytest.mark.parametrize(
    ("host", "usual"),
    [
        ("2130706433", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("127.0.0.01", "127.0.0.1"),
        ("[::0001]", "::1"),
        ("[::ffff:127.0.0.1]", "127.0.0.1"),
        ("1.2.3.4.5", "no IP address"),
    ],
)
def test_the_usual_spelling_of_an_address_is_named(host: str, usual: str) -> None:
    """An operator or author reads what to write instead."""
    with pytest.raises(InvalidResource, match=re.escape(usual)):
        ADDRESS.read(f"{host}:80")


HOSTS = [
    "2130706433", "0177.0.0.1", "127.1", "0x7f.1", "0", "①②⑦.0.0.1", "ⓛocalhost", "a_b",
    "127.0.0.01", "-a", "a..b", "", "a b", "[::1", "[::0001]", "[127.0.0.1]",
    "[fe80::1%eth0]", "1.2.3.4.5", "a" * 64, ".".join(["a" * 63] * 5),
]  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
def test_hosts_with_a_second_reading_are_refused(host: str) -> None:
    """What a resolver would read as an address, or as another name, is no name."""
    with pytest.raises(InvalidResource):
        ADDRESS.read(f"{host}:80")
    with pytest.raises(InvalidResource):
        URL.read(f"GET http://{host}/")


@pytest.mark.parametrize(
    "url",
    [
        "https://user@good.example/",
        "https://good.example\\@evil.example/",
        "ftp://x/",
        "//x/",
        "https:/x",
        "https://good.example/a/../b",
        "https://good.example/./b",
        "https://good.example/%2e%2e/b",
        "https://good.example/a%2Fb",
        "https://good.example/a%5cb",
        "https://good.example/a%00",
        "https://good\t.example/",
        "https://good.example/ x",
        "https://good.example:0/",
        "https://good.example:99999/",
        "https://good.example:8x/",
        "https://",
        "https://evil.example?x=.good.example\u2028/",
        "https://ex\u00e4mple/",
        "https://good.example/\U0001f600",
        "https://good.example/%",
        "https://good.example/%6",
        "https://good.example/%%361",
        "https://good.example/" + "a" * 4_096,
    ],
)
def test_odd_urls_are_refused(url: str) -> None:
    """User names, dot segments, hidden escapes and foreign characters have no safe reading."""
    with pytest.raises(InvalidResource):
        URL.read(f"GET {url}")


@pytest.mark.parametrize("port", ["", "0", "65536", "٣", "+1", " 1", "1_0", "100000"])
def test_ports_are_plain_numbers(port: str) -> None:
    """A port has one spelling."""
    with pytest.raises(InvalidResource):
        ADDRESS.read(f"example.com:{port}")


@pytest.mark.parametrize("address", ["example.com", "", ":", "80"])
def test_an_address_has_a_port(address: str) -> None:
    """A grant for one port is not one for the machine."""
    with pytest.raises(InvalidResource):
        ADDRESS.read(address)


@pytest.mark.parametrize("value", ["a/../b", "..", "a\0b", "a\x1b", "cafe\u0301", "x" * 4_097])
@pytest.mark.parametrize("spelling", [PATH, PROGRAM])
def test_malformed_names_are_refused(spelling: Spelling, value: str) -> None:
    """Dot segments, control characters and a second Unicode form are refused everywhere."""
    with pytest.raises(InvalidResource):
        spelling.read(value)


def test_a_program_has_a_name_and_a_path_no_backslash() -> None:
    """The one would run nothing, the other is two paths on two systems."""
    with pytest.raises(InvalidResource):
        PROGRAM.read("")
    with pytest.raises(InvalidResource):
        PATH.read("a\\b")


@pytest.mark.parametrize(
    ("spelling", "pattern", "value"),
    [
        (URL, "GET https://API.example.com:443/**", "GET https://api.example.com/v1"),
        (URL, "GET http://example.com", "GET http://example.com"),
        (URL, "GET https://**", "GET https://example.com/a/b"),
        (URL, "**", "GET http://example.com:8080/"),
        (URL, "GET https://x.org/%61//**", "GET https://x.org/a/b"),
        (ADDRESS, "*.Example.com:443", "a.example.com:443"),
        (ADDRESS, "**", "a.example.com:443"),
        (PATH, "data/**", "/data/x"),
        (PATH, "/data/**", "data"),
        (PATH, "**", "/"),
    ],
)
def test_grants_are_spelled_as_leniently_as_resources(
    spelling: Spelling, pattern: str, value: str
) -> None:
    """A grant with a default port, capital letters or a relative path means what it looks like."""
    assert spelling.resource(value).is_covered_by(spelling.pattern(pattern))


@pytest.mark.parametrize(
    ("spelling", "pattern", "value"),
    [
        (URL, "https://x.org:80/**", "GET https://x.org/a"),
        (URL, "https://x.org:8443/**", "GET https://x.org/a"),
        (URL, "https://x.org/**", "GET http://x.org/a"),
        (URL, "https://x.org/**", "GET https://x.org:8443/a"),
        (URL, "https://x.org/**", "GET https://x.org.evil.example/a"),
        (URL, "https://*.good.example/**", "GET https://evil.example?x=.good.example/y"),
        (URL, "https://*.good.example/**", "GET https://evil.example/.good.example/y"),
        (URL, "https://*.good.example/**", "GET https://a.good.example@evil.example/y"),
        (URL, "https://*.good.example/**", "GET https://a.b.good.example/y"),
        (URL, "https://*.good.example/**", "GET https://good.example/y"),
        (URL, "https://**.good.example/**", "GET https://evil.example/x.good.example/y"),
        (URL, "https://**.good.example/**", "GET https://notgood.example/y"),
        (URL, "https://*/**", "GET https://a.example/y"),
        (URL, "GET https://x.org/**", "POST https://x.org/a"),
        (URL, "GET https://x.org/**", "GET https://x.org/a https://evil.example/"),
        (URL, "GET https://x.org/**", "GET 'https://x.org/ https://evil.example/'"),
        (ADDRESS, "*.x.org:443", "a.b.x.org:443"),
        (ADDRESS, "*.x.org:443", "a.x.org:444"),
        (ADDRESS, "**.org:443", "x.org.evil:443"),
        (PROGRAM, "/usr/bin/git log *", "/usr/bin/git log"),
        (PROGRAM, "/usr/bin/git log *", "/usr/bin/git log a b"),
        (PROGRAM, "/usr/bin/git log *", "/usr/bin/git log ''"),
        (PROGRAM, "/usr/bin/git log *", "/usr/bin/git 'log a'"),
        (PROGRAM, "/usr/bin/git log **", "/usr/bin/git --exec-path=x log"),
        (PROGRAM, "/usr/bin/git 'a b'", "/usr/bin/git a b"),
        (PROGRAM, "/usr/bin/*", "/usr/bin/x/git"),
    ],
)
def test_a_grant_reaches_from_no_part_into_another(
    spelling: Spelling, pattern: str, value: str
) -> None:
    """A query cannot pretend to be a host, a path no label, an argument no other argument."""
    grant = spelling.pattern(pattern)
    try:
        assert not spelling.resource(value).is_covered_by(grant)
    except InvalidResource:
        return


@given(st.text(max_size=40))
def test_paths_never_climb(value: str) -> None:
    """Whatever a guest passes as a path is absolute and below the root, or refused."""
    try:
        path = PATH.read(value)
    except InvalidResource:
        return
    assert path.startswith("/")
    assert not {"..", "."} & set(path.split("/"))
    assert PATH.read(path) == path


hosts = st.from_regex(r"[A-Za-z0-9]{1,5}(\.[A-Za-z0-9-]{1,5}){0,2}", fullmatch=True)
urls = st.builds(
    "{}://{}{}/{}{}".format,
    st.sampled_from(["http", "https", "HTTP"]),
    hosts,
    st.sampled_from(["", ":80", ":443", ":8080", ":"]),
    st.text("ab/.%2", max_size=6),
    st.sampled_from(["", "?a=b", "#c"]),
)


def _escaped(path: str, which: list[bool]) -> str:
    return "".join(
        f"%{ord(each):02x}" if escape and each != "/" else each * (1 + escape)
        for each, escape in zip(path, which, strict=False)
    )


@given(st.lists(st.booleans(), min_size=8, max_size=8), st.characters(codec="utf-8"))
def test_a_denial_holds_for_every_spelling(which: list[bool], other: str) -> None:
    """A path that a server reads as the denied one is denied, however the guest writes it."""
    denial = URL.pattern("http://x.org/admin/**")
    assert URL.resource(f"GET http://x.org{_escaped('/admin/x', which)}").is_covered_by(denial)
    try:
        URL.resource(f"GET http://x.org/{other}")
    except InvalidResource:
        return
    assert other.isascii()


@given(urls)
def test_a_url_is_its_own_reading(value: str) -> None:
    """Reading twice changes nothing, and no query, fragment or capital host is left."""
    try:
        url = URL.read(f"GET {value}")
    except InvalidResource:
        return
    assert URL.read(url) == url
    assert not {"?", "#"} & set(url)
    assert url.startswith(("GET http://", "GET https://"))


ASKED = [
    ("filesystem:read", "data/x"),
    ("filesystem:write", "/data/./x"),
    ("filesystem:delete", "/a*[b]?.txt"),
    ("filesystem:list", "/"),
    ("process:spawn", "/usr/bin/git log 'a *' [b] ?"),
    ("process:spawn", "/usr/bin/git"),
    ("tcp:connect", "X.org:1"),
    ("udp:send", "[::1]:53"),
    ("http:request", "GET https://Example.com/a?b"),
    ("http:request", "DELETE https://[::1]:8443/a*[b]"),
    ("tcp:listen", "127.0.0.1:8080"),
    ("tcp:listen", "[::1]:0"),
    ("udp:listen", "0.0.0.0:0"),
    ("udp:listen", "LocalHost:5353"),
    ("dns:resolve", "Db.Internal"),
    ("dns:resolve", "everything"),
    ("process:signal", "/usr/bin/git"),
    ("http:serve", "/api//a*[b]/%7ex"),
]


@pytest.mark.parametrize(("capability", "value"), ASKED)
def test_the_line_that_a_denial_names_grants_the_call(capability: str, value: str) -> None:
    """Following the advice works."""
    denied = Guard(KINDS).decide("local/hello", capability, value)
    assert denied.manifest_line is not None
    grants = Grants.from_manifest(tomllib.loads(denied.manifest_line))
    KINDS.check(grants)
    assert Guard(KINDS, {"local/hello": grants}).decide("local/hello", capability, value)
    assert not Guard(KINDS, {"local/hello": Grants()}).decide("local/hello", capability, value)


def test_every_capability_touches_one_resource() -> None:
    """None of this block's calls reaches more than it names."""
    for capability, value in ASKED:
        assert KINDS.resource(capability, value).reach is Reach.EXACT
    assert {each.annotation for each in BLOCK.capabilities} == {name for name, _ in ASKED}


@given(st.text(max_size=30))
def test_a_pattern_is_readable_or_refused(text: str) -> None:
    """Whatever an author writes, and reading it twice changes nothing."""
    for spelling in (PATH, PROGRAM, ADDRESS, URL, LISTEN, NAME, SERVED):
        try:
            pattern = spelling.pattern(text)
        except InvalidPattern:
            continue
        assert spelling.pattern(pattern.text) == pattern


UNMATCHABLE = [
    (URL, "api.example.com", "https://api.example.com/**"),
    (URL, "api.example.com/v1/**", "https://api.example.com/v1/**"),
    (URL, "https://b\u00fccher.example/**", "xn--bcher-kva.example"),
    (URL, "https://example.com./**", "example.com"),
    (URL, "https://u:p@example.com/**", "https://example.com/**"),
    (URL, "https://[::ffff:10.0.0.1]/**", "10.0.0.1"),
    (URL, "https://[0::1]/**", "[::1]"),
    (URL, "https://2130706433/**", ""),
    (URL, "https://x.org/caf\u00e9", "caf%C3%A9"),
    (URL, "https://x.org/a b", ""),
    (URL, "https://x.org/a?b=c", ""),
    (URL, "https://x.org/%2e%2e/**", ""),
    (URL, "https://x.org/../**", ""),
    (URL, "ftp://x.org/**", "http"),
    (URL, "https://x.org:0/**", "* for any"),
    (URL, "https://x_y.org*/**", ""),
    (URL, "TRACE https://x.org/**", ""),
    (URL, "GET;POST https://x.org/**", ""),
    (URL, "https://api.example.com*/**", "api.example.com"),
    (URL, "https://api.example.co?/**", "api.example.co"),
    (URL, " https://x.org/**", "https://x.org/**"),
    (URL, "https://x.org/** ", "https://x.org/**"),
    (ADDRESS, "db.example.com*:443", "db.example.com"),
    (ADDRESS, "example.com", "example.com:443"),
    (ADDRESS, "*", "*:443"),
    (ADDRESS, "https://example.com/", "example.com"),
    (ADDRESS, "b\u00fccher.example:443", "xn--bcher-kva.example"),
    (ADDRESS, "127.1:80", ""),
    (ADDRESS, "[fe80::1%eth0]:80", "[fe80::1]"),
    (ADDRESS, "::1:80", ""),
    (PATH, "/data/", "/data/**"),
    (PATH, "data//x", "/data/x"),
    (PATH, "./data", "/data"),
    (PATH, "a\\b", ""),
    (PATH, " /data/**", "/data/**"),
    (PATH, "~/data", "/data"),
    (PATH, "cafe\u0301", ""),
    (PROGRAM, "git", "/usr/bin/git"),
    (PROGRAM, "/usr//bin/git", ""),
    (PROGRAM, "/usr/bin/git 'a", ""),
]


@pytest.mark.parametrize(("spelling", "text", "meant"), UNMATCHABLE)
def test_a_pattern_that_can_match_nothing_is_refused(
    spelling: Spelling, text: str, meant: str
) -> None:
    """An author reads what was probably meant, and not months later a denial."""
    with pytest.raises(InvalidPattern) as caught:
        spelling.pattern(text)
    assert meant in str(caught.value)


@pytest.mark.parametrize(
    ("capability", "text"),
    [
        ("http:request", "**"),
        ("http:request", "*://**"),
        ("http:request", "*://**:*/**"),
        ("tcp:connect", "**"),
        ("tcp:connect", "**:*"),
        ("tcp:connect", "*.**:*"),
        ("filesystem:read", "**"),
        ("filesystem:read", "/**"),
        ("filesystem:read", "/**/**"),
        ("filesystem:read", "/*/**"),
        ("filesystem:read", "/**/*"),
        ("process:spawn", "**"),
        ("process:spawn", "** **"),
        ("process:spawn", "/**"),
        ("process:spawn", "/** **"),
    ],
)
def test_a_grant_of_everything_says_so(capability: str, text: str) -> None:
    """A pattern that covers all there is, in whatever spelling, has one word."""
    spelling = KINDS.spelling(capability)
    try:
        covers = spelling.covers_everything(spelling.pattern(text))
    except InvalidPattern:
        covers = True
    if covers:
        with pytest.raises(InvalidPattern):
            KINDS.check(Grants({capability: (text,)}))
    assert covers or capability == "http:request"
    KINDS.check(
        Grants({capability: ("everything",)}, {capability: (text,)} if text == "**" else {})
    )


DENIED = Grants(
    {"filesystem:read": ("everything",)},
    {"filesystem:read": ("/secret/**", "/Key[A-C]", "/stra\u00dfe")},
)


@pytest.mark.parametrize(
    "path",
    ["/secret/x", "/SECRET/x", "secret/./x", "/Secret//X", "/se\u200dcret/x", "/secret./x",
     "/secret /x", "/\u017fecret/x", "/keyb", "/KEYB", "/STRASSE", "/Stra\u00dfe"],
)  # fmt: skip
def test_a_denied_path_is_denied_in_every_case(path: str) -> None:
    """A file system may take these for one file; which one it is can change below a host."""
    guard = Guard(KINDS, {"a/b": DENIED})
    assert not guard.decide("a/b", "filesystem:read", path)
    assert guard.decide("a/b", "filesystem:read", "/secrets/x")


def test_a_long_command_line_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guest makes the host read it: word by word, that takes a microsecond a character."""

    def read(_line: str) -> list[str]:
        raise AssertionError("it was read")

    monkeypatch.setattr("airswasm.osl._spelling.shlex.split", read)
    with pytest.raises(InvalidResource, match="characters at most"):
        PROGRAM.resource("/bin/echo " + "\x01" * 65_000)


@pytest.mark.parametrize(
    "patterns",
    [
        ("https://**/**", "http://**/**"),
        ("http://**:*/**", "https://**/**"),
        ("https://**:*/**", "GET http://**/**", "*://**/**"),
        ("*://**/**",),
    ],
)
def test_patterns_that_are_everything_together_say_so(patterns: tuple[str, ...]) -> None:
    """A list must not get by what a pattern may not; less than all of it may."""
    with pytest.raises(InvalidPattern, match="everything"):
        KINDS.check(Grants({"http:request": patterns}))
    KINDS.check(Grants({"http:request": ("everything", *patterns)}))
    for some in (("https://**/**",), ("GET http://**/**", "https://**/**")):
        KINDS.check(Grants({"http:request": some}))


def test_a_method_before_everything_is_told_its_pattern() -> None:
    with pytest.raises(InvalidPattern, match=r"GET \*://\*\*:\*/\*\*") as caught:
        URL.pattern("GET everything")
    assert "did you mean" in str(caught.value) or "mean" in str(caught.value)
    URL.pattern("GET *://**:*/**")
