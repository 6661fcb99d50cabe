"""Tests of the seam itself: ordered bytes, atomic batches, snapshots."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import islice

import pytest

from .._backends.backend import Backend, Change
from ..errors import StorageClosed, StorageReadOnly
from ._suite import OpenBackend, Suite

KEYS = sorted(
    [
        b"\0", b"\0\0", b"\0\xff", b"a", b"a\0", b"a:", b"a:b", b"b", b"\x7f", b"\x80",
        b"\xff", b"\xff\0", b"\xff\xff", b"x" * 1_033, b"x" * 1_032 + b"y",
    ]
)  # fmt: skip
ALL = (b"\0", b"\xff\xff\xff")


def keys_of(backend: Backend, start: bytes, end: bytes, *, reverse: bool = False) -> list[bytes]:
    """Return the keys of a scan."""
    return [key for key, _ in backend.scan(start, end, reverse=reverse)]


class TornError(Exception):
    """The end of a batch that could not be read."""


class Torn(list[Change]):
    """A batch of which the last change cannot be read."""

    def __iter__(self) -> Iterator[Change]:
        yield from super().__iter__()
        raise TornError


class BackendTests(Suite):
    """The promises of `Backend`."""

    def test_keys_are_in_byte_order(self, open_backend: OpenBackend) -> None:
        """Both ways, between any two bounds: from the start itself to before the end."""
        backend = open_backend()
        backend.apply([(key, key) for key in reversed(KEYS)])
        bounds = [ALL[0], *KEYS, b"aa", b"w", ALL[1]]
        for start in bounds:
            for end in bounds:
                expected = [key for key in KEYS if start <= key < end]
                assert keys_of(backend, start, end) == expected
                assert keys_of(backend, start, end, reverse=True) == expected[::-1]
        assert all(key == value for key, value in backend.scan(*ALL))
        backend.close()

    def test_values_are_any_bytes(self, open_backend: OpenBackend) -> None:
        """The empty value is a value, and a large one comes back whole."""
        backend = open_backend()
        for value in (b"", b"\0", bytes(range(256)), bytes(1024 * 1024)):
            backend.apply([(b"k", value)])
            assert backend.get(b"k") == value
            assert list(backend.scan(b"k", b"l")) == [(b"k", value)]
        backend.apply([(b"k", None)])
        assert backend.get(b"k") is None
        assert backend.get(b"") is None
        backend.close()

    def test_a_batch_is_applied_in_its_order(self, open_backend: OpenBackend) -> None:
        """The last change of a key counts; removing what is not there is no error."""
        backend = open_backend()
        backend.apply([(b"a", b"1"), (b"a", None), (b"b", None), (b"b", b"2"), (b"c", None)])
        assert list(backend.scan(*ALL)) == [(b"b", b"2")]
        backend.apply([])
        assert list(backend.scan(*ALL)) == [(b"b", b"2")]
        backend.close()

    def test_a_batch_is_whole_or_not_at_all(self, open_backend: OpenBackend) -> None:
        """A batch that ends early takes what came before with it."""
        backend = open_backend()
        backend.apply([(b"a", b"old")])
        with pytest.raises(TornError):
            backend.apply(Torn([(b"a", b"new"), (b"b", b"1"), (b"c", None)]))
        assert list(backend.scan(*ALL)) == [(b"a", b"old")]
        backend.apply([(b"b", b"1")])
        assert list(backend.scan(*ALL)) == [(b"a", b"old"), (b"b", b"1")]
        backend.close()

    def test_a_scan_reads_as_it_goes(self, open_backend: OpenBackend) -> None:
        """A few entries can be taken, and the content changed, while a scan is open."""
        backend = open_backend()
        backend.apply([(b"%05d" % number, b"v") for number in range(5_000)])
        found = backend.scan(*ALL)
        first = [key for key, _ in islice(found, 3)]
        backend.apply([(b"%05d" % number, None) for number in range(1_000, 5_000)])
        rest = [key for key, _ in found]
        assert first + rest[:997] == [b"%05d" % number for number in range(1_000)]
        assert rest == sorted(set(rest))
        backend.close()

    def test_a_snapshot_stays_as_it_was(self, open_backend: OpenBackend) -> None:
        """Whatever is written later, and read in another thread while that goes on."""
        backend = open_backend()
        backend.apply([(b"%05d" % number, b"old") for number in range(2_000)])
        snapshot = backend.snapshot()
        read: list[tuple[bytes, bytes]] = []
        reader = threading.Thread(target=lambda: read.extend(snapshot.scan(*ALL)))
        reader.start()
        for number in range(0, 2_000, 2):
            backend.apply([(b"%05d" % number, None), (b"%05d" % (number + 1), b"new")])
        reader.join()
        assert read == [(b"%05d" % number, b"old") for number in range(2_000)]
        assert snapshot.get(b"00000") == b"old"
        assert snapshot.get(b"none") is None
        assert len(list(snapshot.scan(b"00010", b"00020", reverse=True))) == 10
        snapshot.close()
        snapshot.close()
        assert backend.get(b"00000") is None
        backend.close()

    def test_content_outlives_closing(self, open_backend: OpenBackend) -> None:
        """An applied batch is there after `close` and opening, and after `reopen`."""
        backend = open_backend()
        backend.apply([(b"a", b"1")])
        backend.reopen()
        assert backend.get(b"a") == b"1"
        backend.apply([(b"b", b"2")])
        backend.sync()
        backend.close()
        backend = open_backend(is_new=False)
        assert list(backend.scan(*ALL)) == [(b"a", b"1"), (b"b", b"2")]
        backend.close()

    def test_the_sequence_rises_with_each_batch(self, open_backend: OpenBackend) -> None:
        """Also after closing and opening; reading and waiting for the disk do not change it."""
        backend = open_backend()
        if not backend.is_persistent:
            pytest.skip("the engine keeps nothing beyond its process")
        numbers = [backend.sequence]
        for turn in range(3):
            for number in range(3):
                backend.apply([(b"%d" % number, b""), (b"x", b"%d" % turn)])
                numbers.append(backend.sequence)
            backend.sync()
            assert backend.sequence == numbers[-1]
            backend.close()
            backend = open_backend(is_new=False)
            assert backend.get(b"x") == b"%d" % turn
            assert backend.sequence == numbers[-1]
        assert numbers == sorted(set(numbers))
        backend.close()

    def test_a_closed_backend_says_so(self, open_backend: OpenBackend) -> None:
        """Every method, with the one error; closing again is harmless."""
        backend = open_backend()
        backend.apply([(b"a", b"1")])
        backend.close()
        backend.close()
        attempts: list[Callable[[], object]] = [
            lambda: backend.get(b"a"),
            lambda: list(backend.scan(*ALL)),
            lambda: backend.apply([(b"a", b"2")]),
            lambda: backend.sync(),
            lambda: backend.snapshot(),
        ]
        for attempt in attempts:
            with pytest.raises(StorageClosed):
                attempt()

    def test_read_only_reads_only(self, open_backend: OpenBackend) -> None:
        """Beside the writer, and after it."""
        backend = open_backend()
        backend.apply([(b"a", b"1")])
        backend.sync()
        for is_beside in (True, False):
            reader = open_backend(read_only=True, is_new=False)
            assert reader.get(b"a") == b"1"
            assert keys_of(reader, *ALL) == [b"a"]
            reader.sync()
            with pytest.raises(StorageReadOnly):
                reader.apply([(b"a", b"2")])
            reader.close()
            if is_beside:
                backend.close()
