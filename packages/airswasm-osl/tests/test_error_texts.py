"""What an error of the operating system says to a guest is what docs/os-errors.md has."""

from __future__ import annotations

import errno
import os

import pytest
from airswasm.osl._system_errors import SYSTEM_ERRORS, SystemError, system_error
from airswasm.osl.errors import from_os_error


@pytest.mark.parametrize("row", SYSTEM_ERRORS, ids=lambda row: row.name)
def test_a_text_is_that_of_the_table(row: SystemError) -> None:
    """It depends on no system's own words, and names no path of the host."""
    number = getattr(errno, row.name)
    told = from_os_error(OSError(number, os.strerror(number), "/home/op/files/x"), "/x")
    assert (told.text, told.case_name) == (f"/x: {row.text}", row.case)


def test_a_reason_of_this_block_and_an_unknown_error() -> None:
    """The host's own reason says more than the number; an unknown number says no more."""
    assert from_os_error(system_error("EROFS", "the mount"), "/x").text == "/x: the mount"
    assert from_os_error(OSError("lost"), "/x").text == "/x: the operating system refuses"
