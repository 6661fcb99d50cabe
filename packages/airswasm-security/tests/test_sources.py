"""Trust by source: one text for a place, and no place that others can exchange."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from airswasm.security import (
    InvalidPattern,
    TrustSettings,
    covers_source,
    file_source,
    network_source,
)
from airswasm.security._trusting.sources import source_pattern
from hypothesis import given
from hypothesis import strategies as st

posix_only = pytest.mark.skipif(os.name != "posix", reason="owners and modes are POSIX")
SEGMENTS = st.lists(st.text("ab*? %#é-._~", min_size=1, max_size=6), min_size=1, max_size=4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "packages"
    made.mkdir(mode=0o755)
    (made / "a.airswasm").write_bytes(b"")
    (made / "a.airswasm").chmod(0o644)
    return made.resolve()


@posix_only
def test_a_file_has_one_text(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it was named, its pattern covers it; a neighbour with a like name is not covered."""
    source = file_source(folder / "a.airswasm")
    assert source == f"file://{folder}/a.airswasm"
    monkeypatch.chdir(folder)
    assert {file_source("a.airswasm"), file_source("../packages/./a.airswasm")} == {source}
    assert covers_source([f"{folder}/**"], source)
    assert covers_source([f"file://{folder}/*.airswasm"], source)
    assert not covers_source([f"{folder}x/**", f"{folder.parent}/*.airswasm"], source)
    assert not covers_source(["/**/a.airswasm/x"], "")


@posix_only
@pytest.mark.parametrize("what", ["file", "folder", "link", "link above", "member"])
def test_what_others_can_exchange_is_no_source(folder: Path, what: str) -> None:
    """Written by others, or reached through a link."""
    path, members = folder / "a.airswasm", ()
    if what == "file":
        path.chmod(0o666)
    elif what == "folder":
        folder.chmod(0o777)
    elif what == "link":
        path = folder / "b.airswasm"
        path.symlink_to("a.airswasm")
    elif what == "link above":
        (folder.parent / "other").symlink_to(folder)
        path = folder.parent / "other" / "a.airswasm"
    else:
        (folder / "src").mkdir(mode=0o777)
        (folder / "src").chmod(0o777)
        (folder / "src" / "x").write_bytes(b"")
        path, members = folder, ("src/x",)
    assert file_source(path, members) == ""


@pytest.mark.parametrize(
    "text",
    [
        "**", "/**", "/", "file:///**", "file:///*/**", "packages/**", "/srv/../**", "/srv/./x",
        "https://example.com/**", "file://host/**", "://x", "", "git+ssh://x/**",
        "https://example.com", "https://example.com/", "https://example.com/a/", "http://h.example/a",
        "https://*.example.com/a/**", "https://example.com/*/a", "https://me@example.com/a",
        "https://example.com/a/../b", "https://example.com/a//b", "https://example.com/a/%2e%2e/b",
        "https://example.com/a%2Fb", "https://example.com/%zz", "https://2130706433/a",
        "https://127.1/a", "https://example.com:0/a", "https://example.com:99999/a",
        "https://[0:0:0:0:0:0:0:1]/a", "https://exämple.com/a", "https://example.com/a b",
        "https://example.com/a#sha256=00", "https://example.com/a?x=1&", "git+http://h.example/a",
        "git+file:///srv/a", "git+https://h.example/*", "git+https://h.example/**@main",
        "oci://registry.example/**", "htps://example.com/a", "https://example.com./a/**",
    ],
)  # fmt: skip
def test_a_pattern_names_a_place(text: str) -> None:
    """A setting with another is an error, not a setting without effect."""
    with pytest.raises(InvalidPattern):
        source_pattern(text)
    with pytest.raises(ValueError, match="pattern"):
        TrustSettings(sources=(text,))


@pytest.mark.parametrize(
    ("pattern", "place", "is_covered"),
    [
        ("https://h.example/a/**", "https://h.example/a/b.airswasm", True),
        ("https://H.example:443/%61/**", "https://h.example/a/b.airswasm", True),
        ("https://h.example/a/**", "https://h.example:8443/a/b.airswasm", False),
        ("https://h.example:8443/a/*", "https://h.example:8443/a/b.airswasm", True),
        ("https://h.example/a/**", "https://h.example.evil/a/b", False),
        ("https://h.example/a/**", "https://evil/h.example/a/b", False),
        ("https://h.example/a/**", "git+https://h.example/a/b", False),
        ("https://h.example/@a/**", "https://h.example/@a/b", True),
        ("/h.example/a/**", "https://h.example/a/b", False),
        ("https://[::1]/a/**", "https://[::1]/a/b", True),
        ("git+https://h.example/team/*", "git+https://h.example/team/shop.git", True),
        ("git+https://h.example/team/*", "git+https://h.example/team/shop.git@v1", True),
        ("git+https://h.example/team/*", "git+https://h.example/team/shop.git@v1#apps/x", True),
        ("git+https://h.example/team/*", "git+https://h.example/team/shop.git@a/b", True),
        ("git+https://h.example/team/*", "git+https://h.example/team/x@refs/tags/v1", True),
        ("git+https://h.example/team/*", "git+https://h.example/team/x@refs/pull/1/head", False),
        ("git+https://h.example/team/*", f"git+https://h.example/team/x@{'a' * 40}", False),
        ("git+https://h.example/team/*@*", f"git+https://h.example/team/x@{'a' * 40}", True),
        ("git+https://h.example/team/*@v*", "git+https://h.example/team/x@v1", True),
        ("git+https://h.example/team/*@v*", "git+https://h.example/team/x@main", False),
        ("git+https://h.example/team/*@v*", "git+https://h.example/team/x", False),
        ("git+https://h.example/team/*#apps/*", "git+https://h.example/team/x@v1#apps/a", True),
        ("git+https://h.example/team/*#apps/*", "git+https://h.example/team/x@v1#other", False),
        ("git+https://h.example/team/*#apps/*", "git+https://h.example/team/x@v1", False),
        ("git+ssh://h.example/team/*", "git+ssh://git@h.example/team/x", True),
        ("git+ssh://h.example:22/team/*", "git+ssh://git@h.example/team/x", True),
        ("git+ssh://me@h.example/team/*", "git+ssh://git@h.example/team/x", False),
        ("oci://r.example/team/*", "oci://r.example/team/shop:2.0", True),
        ("oci://r.example/team/*:2.*", "oci://r.example/team/shop:2.0", True),
        ("oci://r.example/team/*:2.*", "oci://r.example/team/shop:3.0", False),
        ("oci://r.example/team/*:2.*", f"oci://r.example/team/shop@sha256:{'a' * 64}", False),
        ("oci://r.example/team/*@sha256:*", f"oci://r.example/team/x@sha256:{'a' * 64}", True),
        ("oci://r.example/team/*", "oci://r.example/other/shop:2.0", False),
    ],
)  # fmt: skip
def test_a_pattern_covers_what_it_says(pattern: str, place: str, is_covered: bool) -> None:
    """Scheme, host, port, path, branch or tag, and folder; commits only where they are named."""
    TrustSettings(sources=(pattern,))
    assert covers_source([pattern], place) == is_covered


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/a/%7euser/%e9", "https://h.example/a/~user/%E9"),
        ("/a/*", "https://h.example/a/*"),
        ("/a/../b", ""), ("/a//b", ""), ("/a/./b", ""), ("/a/%2E%2e/b", ""), ("/a/%2fb", ""),
        ("/a/%252e%252e/b", ""), ("/a%00b", ""), ("/a%", ""), ("a", ""), ("/a/é", ""),
        ("/a/%5c..%5cb", ""),
    ],
)  # fmt: skip
def test_a_place_has_one_spelling_or_is_none(path: str, text: str) -> None:
    """What two readers could read in two ways is covered by nothing."""
    assert network_source("https", "h.example", path) == text


def test_a_repository_whose_name_could_be_a_branch_is_no_place() -> None:
    """In `/a@b/c` no reader knows where the name ends."""
    assert network_source("git+https", "h.example", "/team/a@b/c", ref="v1") == ""
    assert network_source("oci", "r.example", "/team/a:b", ref="1") == ""


def test_each_address_on_the_way_must_be_covered() -> None:
    """A server that sends elsewhere does not lend its name to the other."""
    way = "https://h.example/a/x https://cdn.example/b/y"
    first, second = "https://h.example/a/**", "https://cdn.example/b/**"
    assert covers_source([first, second], way)
    assert not covers_source([first], way)
    assert not covers_source([second], way)
    assert not covers_source([first, second], f"{way} https://other.example/b/y")


@given(SEGMENTS, SEGMENTS)
def test_no_path_of_a_server_reaches_out_of_its_folder(
    folder: list[str], inside: list[str]
) -> None:
    """Whatever is asked for: it has the folder in front of it, or it is not covered."""
    from urllib.parse import quote

    path = "/" + "/".join(quote(each, safe="*?~") for each in (*folder, *inside))
    place = network_source("https", "h.example", path)
    is_below = path.startswith("/packages/")
    assert not covers_source(["https://h.example/packages/**"], place) or is_below


@given(SEGMENTS)
def test_no_text_of_a_file_reaches_out_of_its_folder(segments: list[str]) -> None:
    """Whatever a file is called, a pattern for one folder does not cover it in another."""
    inside = "/".join(each for each in segments if each not in (".", ".."))
    from urllib.parse import quote

    from airswasm.security._trusting.sources import _SAFE

    elsewhere = f"file://{quote(f'/srv/other/{inside}', safe=_SAFE)}"
    assert not covers_source(["/srv/packages/**", "/srv/pack?ges/*"], elsewhere)
