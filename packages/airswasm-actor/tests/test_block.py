"""What this block declares, and what `doctor` says of it."""

from pathlib import Path

import pytest
from airswasm.actor import BLOCK, _checks, is_compiled
from airswasm.wit import Blocks, load_part


def test_the_block_is_found() -> None:
    """One entry point is all that the package has."""
    (found,) = (each for each in Blocks.find() if each.distribution == "airswasm-actor")
    assert found.block is BLOCK
    (check,) = BLOCK.checks
    assert load_part(check.look) is _checks.check_build


@pytest.mark.parametrize("quick", [True, False])
def test_the_check_says_which_build_is_installed(quick: bool, tmp_path: Path) -> None:
    """An interpreted build works as well, and is slower."""
    (finding,) = _checks.check_build(tmp_path, quick=quick)
    assert (finding.check, finding.state) == ("actors", "ok")
    assert ("compiled" in finding.text) is is_compiled()
    assert ("faster" in finding.text) is not is_compiled()
