"""The zip reader takes what the writer writes, and nothing that could mean two things."""

import contextlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable

import pytest
from airswasm.lifecycle import ArchiveLimits, Manifest, ManifestInvalid, PackageInvalid
from airswasm.lifecycle._packages.archive import read_archive, write_archive
from airswasm.security import FileDigest, InvalidStatement, Statement, judge_path
from hypothesis import given
from hypothesis import strategies as st

DEFAULT = ArchiveLimits()
FILES = {"Component.toml": b"[component]\n" * 40, "build/hello.wasm": bytes(range(256)) * 9}


def zip_of(
    *entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_STORED
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return buffer.getvalue()


def refusal(data: bytes, limits: ArchiveLimits = DEFAULT) -> str:
    with pytest.raises(PackageInvalid) as caught:
        read_archive(data, "x.airswasm", limits)
    assert str(caught.value).startswith("x.airswasm")
    return str(caught.value)


def test_what_is_written_is_read() -> None:
    """Reading gives back every file, byte for byte."""
    assert read_archive(write_archive(FILES), "x") == FILES


def test_equal_files_give_equal_bytes() -> None:
    """The order in which files were added, and the time, leave no trace."""
    backwards = dict(reversed(FILES.items()))
    assert write_archive(FILES) == write_archive(backwards)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,2}", fullmatch=True).filter(
            lambda name: judge_path(name) is None
        ),
        st.binary(max_size=500),
        max_size=5,
    )
)
def test_any_files_survive(files: dict[str, bytes]) -> None:
    """Whatever the content, also none at all."""
    assert read_archive(write_archive(files), "x") == files


def test_the_standard_reader_agrees() -> None:
    """What the strict reader takes is a zip that every other tool reads the same."""
    with zipfile.ZipFile(io.BytesIO(write_archive(FILES))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == FILES


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "/abs",
        "C:/w",
        "a\\..\\w",
        "a//b",
        "a/./b",
        "a/../b",
        "",
        "a\x1bb",
        "dir/",
        "x.",
        "x ",
    ],
)
def test_a_name_that_leaves_the_package_is_refused(name: str) -> None:
    """No name may be absolute, climb, or mean something else on another system."""
    assert judge_path(name)
    entry = zipfile.ZipInfo("placeholder")
    entry.filename = name
    if name:
        refusal(zip_of((entry, b"x")))


PARTS = st.one_of(
    st.sampled_from(
        ["C:", "c:x", "con", "NUL", "nul.wasm", "Com1", "com10", "a.", " a", "..", "é"]
    ),
    st.text(st.sampled_from("ab.: \\*é\u0301\u202e\0"), min_size=0, max_size=4),
)


@given(st.lists(PARTS, min_size=1, max_size=3).map("/".join))
def test_a_manifest_an_archive_and_a_signature_take_the_same_names(name: str) -> None:
    """A package that builds can be packed, signed and read, on every system."""

    def takes(refusal: type[Exception], use: Callable[[], object]) -> bool:
        try:
            use()
        except refusal:
            return False
        return True

    head = '[component]\nname = "local/hello"\nversion = "0.1.0"\n[build]\nartifact = '
    named = takes(ManifestInvalid, lambda: Manifest.parse(head + json.dumps(name)))
    signed = takes(
        InvalidStatement,
        lambda: Statement("local/hello", "1.0.0", 1, {name: FileDigest.of(b"")}),
    )
    entry = zipfile.ZipInfo("placeholder")
    entry.filename = name
    packed = takes(PackageInvalid, lambda: read_archive(zip_of((entry, b"x")), "x", DEFAULT))
    assert named == signed == packed == (judge_path(name) is None)


def test_a_nul_in_a_name_is_refused() -> None:
    """`nul\\0x` is cut by some readers and not by others."""
    data = zip_of(("nul_x", b"1")).replace(b"nul_x", b"nul\0x")
    assert "control character" in refusal(data)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("twin", ["a.wasm", "A.wasm", "a.WASM"])
def test_twins_are_refused(twin: str) -> None:
    """Two names that one file system would take for one are ambiguous."""
    assert "twice" in refusal(zip_of(("a.wasm", b"1"), (twin, b"2")))


def test_a_name_in_another_normal_form_is_refused() -> None:
    """macOS would store both forms in one file."""
    assert "NFC" in refusal(zip_of(("e\u0301", b"1")))


def test_a_symlink_is_refused() -> None:
    """Only regular files belong in a package."""
    entry = zipfile.ZipInfo("link")
    entry.create_system, entry.external_attr = 3, 0o120777 << 16
    assert "link" in refusal(zip_of((entry, b"/etc/passwd")))


@pytest.mark.parametrize("extra", [b"x", b"PK\5\6" + b"\0" * 17])
def test_trailing_data_is_refused(extra: bytes) -> None:
    """Data after the end could be a second archive."""
    refusal(write_archive(FILES) + extra)


def test_leading_data_is_refused() -> None:
    """Data before the first member could be another format."""
    refusal(b"#!/bin/sh\n" + write_archive(FILES))


def test_a_gap_between_members_is_refused() -> None:
    """Bytes that no member owns hide something."""
    data = bytearray(zip_of(("a", b"1"), ("b", b"2")))
    end = len(data) - 22
    directory = struct.unpack_from("<L", data, end + 16)[0]
    data[directory:directory] = b"hidden"
    struct.pack_into("<L", data, len(data) - 22 + 16, directory + 6)
    assert "no member" in refusal(bytes(data))


def test_a_directory_that_contradicts_a_member_is_refused() -> None:
    """Two readers must not see two names or two lengths."""
    data = bytearray(zip_of(("aaaa", b"1")))
    data[30:34] = b"bbbb"
    assert "disagree" in refusal(bytes(data))


def test_overlapping_members_are_refused() -> None:
    """One stream of bytes that counts as many files makes a bomb out of little."""
    data = bytearray(zip_of(("aa", b"1" * 9), ("bb", b"1" * 9)))
    directory = struct.unpack_from("<L", data, len(data) - 22 + 16)[0]
    second = data.index(b"PK\1\2", directory + 4)
    struct.pack_into("<L", data, second + 42, 0)
    refusal(bytes(data))


def test_a_bomb_is_refused_before_it_is_inflated() -> None:
    """200 MiB of zeros weigh 204 kB; the declared length gives it away."""
    bomb = zip_of(("zeros", bytes(8 * 2**20)), method=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 10_000
    assert "-fold" in refusal(bomb)


def test_a_bomb_that_lies_about_its_length_is_refused() -> None:
    """Inflating stops one byte after the declared length."""
    data = bytearray(zip_of(("zeros", bytes(2**20)), method=zipfile.ZIP_DEFLATED))
    directory = struct.unpack_from("<L", data, len(data) - 22 + 16)[0]
    struct.pack_into("<L", data, 22, 100)
    struct.pack_into("<L", data, directory + 24, 100)
    assert "length" in refusal(bytes(data))


@pytest.mark.parametrize(
    ("limits", "word"),
    [
        (ArchiveLimits(members=1), "members"),
        (ArchiveLimits(member_bytes=5), "more than 5"),
        (ArchiveLimits(total_bytes=5), "more than 5"),
    ],
)
def test_more_than_the_limits_is_refused(limits: ArchiveLimits, word: str) -> None:
    """Count and sizes are bounded before anything is inflated."""
    assert word in refusal(write_archive(FILES), limits)


@given(st.data())
def test_damage_is_an_error_and_never_other_content(data: st.DataObject) -> None:
    """Any cut or flipped byte gives a typed error or the true content."""
    whole = write_archive(FILES)
    if data.draw(st.booleans()):
        damaged = whole[: data.draw(st.integers(0, len(whole) - 1))]
    else:
        position = data.draw(st.integers(0, len(whole) - 1))
        damaged = bytearray(whole)
        damaged[position] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(PackageInvalid):
        assert read_archive(bytes(damaged), "x") == FILES


@given(st.binary(max_size=200))
def test_noise_is_an_error(noise: bytes) -> None:
    """Nothing but the typed error comes out, whatever comes in."""
    with pytest.raises(PackageInvalid):
        read_archive(noise, "x")


def test_a_wrong_checksum_is_refused() -> None:
    """Content that does not match its checksum is damaged."""
    data = bytearray(zip_of(("a", b"content")))
    data[data.index(b"content")] ^= 1
    assert zlib.crc32(b"content") != zlib.crc32(b"bontent")
    assert "damaged" in refusal(bytes(data))
