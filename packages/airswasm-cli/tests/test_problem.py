from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from airswasm.actor import ActorFailed
from airswasm.cli._session.options import COMMON
from airswasm.cli._session.problem import problem_of, report
from airswasm.cli._session.session import Session, invoke
from airswasm.cli._session.terminal import Terminal
from airswasm.cli.errors import RemoteFailure
from airswasm.lifecycle import HomeUnusable, NotInstalled
from airswasm.runtime import FuelExhausted
from airswasm.sdk import BuildFailed, Diagnostic
from airswasm.storage import StorageUnavailable
from airswasm.wit import ContractViolation, check_component


def test_an_error_keeps_its_own_words_and_gets_code_and_exit_code() -> None:
    """The message is the block's, the rest is the catalogue's."""
    problem = problem_of(NotInstalled("local/helo", ("local/hello",)))
    assert (problem.code, problem.exit_code) == ("E0310", 5)
    assert "did you mean local/hello?" in problem.message
    assert problem.hint


def test_what_an_actor_failed_of_is_shown_in_its_place() -> None:
    """The cause has the more precise code and hint."""
    fault = FuelExhausted("local/hello", "handle-message", "used up its fuel")
    assert problem_of(ActorFailed("local/hello", fault)).code == "E0211"


def test_groups_of_one_are_unwrapped() -> None:
    """Task groups do not hide what happened."""
    group = ExceptionGroup("tasks", [ExceptionGroup("more", [NotInstalled("local/x")])])
    assert problem_of(group).code == "E0310"


def test_a_full_disk_says_so_and_what_to_do() -> None:
    """The commonest failure of the operating system has advice of its own."""
    problem = problem_of(OSError(errno.ENOSPC, "No space left on device", "/data/x"))
    assert problem.code == "E0005"
    assert problem.message == "/data/x: No space left on device"
    assert problem.hint.startswith("free some space")


def test_a_full_disk_behind_an_error_of_a_block_is_found() -> None:
    """The advice is about the disk, not about the folder's owner."""
    error = HomeUnusable("/home/x", "cannot be written")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert problem_of(error).hint.startswith("free some space")


LIMITS = [
    (errno.ENOSPC, "free some space"),
    (errno.EDQUOT, "free some space"),
    (errno.EMFILE, "ulimit -n"),
    (errno.ENFILE, "fs.file-max"),
    (errno.EFBIG, "ulimit -f"),
    (errno.EROFS, "for writing"),
    (errno.ENOMEM, "ulimit -v"),
]


@pytest.mark.parametrize(("number", "hint"), LIMITS)
@pytest.mark.parametrize("way", ["itself", "cause", "text"])
def test_a_limit_of_the_system_has_its_own_advice(number: int, hint: str, way: str) -> None:
    """Whatever reports it: the system, a block's error about it, or a store's text."""
    error: Exception = OSError(number, os.strerror(number), "/data/x")
    if way == "cause":
        outer = HomeUnusable("/home/x", "cannot be written")
        outer.__cause__ = error
        error = outer
    elif way == "text":
        error = StorageUnavailable("/home/x", f"IO error: {os.strerror(number)}")
    assert hint in problem_of(error).hint


def test_too_little_memory_is_no_bug() -> None:
    """Python says it without a number: the advice is that of the system's own error."""
    problem = problem_of(MemoryError())
    assert (problem.code, problem.message) == ("E0005", os.strerror(errno.ENOMEM))
    assert problem.hint.startswith("free some memory")


def test_no_temporary_folder_has_its_own_advice() -> None:
    """`tempfile` says so in words only."""
    error = FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")
    assert "TMPDIR" in problem_of(error).hint
    assert "TMPDIR" in problem_of(StorageUnavailable("/x", str(error))).hint


def test_what_is_no_component_is_not_told_to_change_its_world() -> None:
    """A core module violates the contract, but that is not what is wrong with it."""
    report = check_component(b"\0asm\1\0\0\0", offered=())
    with pytest.raises(ContractViolation) as caught:
        report.raise_for_problems()
    assert problem_of(caught.value).code == "E0103"


def test_a_bug_becomes_a_report_file_not_a_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A traceback is shown on request only, and nothing about it is lost."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert report(ZeroDivisionError("oops"), Terminal()) == 1
    err = capsys.readouterr().err
    assert "error[E0001]" in err
    assert "Traceback" not in err
    assert "ZeroDivisionError: oops" in next(tmp_path.glob("airswasm-crash-*")).read_text()


def test_very_verbose_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """-vv is for the developer who mends it."""
    report(NotInstalled("local/x"), Terminal(verbosity=2))
    assert "NotInstalled" in capsys.readouterr().err


def test_as_json_an_error_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    """Programs read the code, not the text."""
    code = report(NotInstalled("local/x"), Terminal(as_json=True))
    document = json.loads(capsys.readouterr().err)
    assert document["schema"] == "airswasm.error/1"
    assert document["error"]["code"] == "E0310"
    assert document["error"]["exit_code"] == code == 5


def test_further_diagnostics_follow_and_output_needs_verbose(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line first, then the other places; all the tool printed with -v."""
    diagnostics = [Diagnostic("one", "a.c", 1), Diagnostic("two", "b.c", 2)]
    error = BuildFailed("zig cc", 1, diagnostics, "everything that it printed")
    report(error, Terminal())
    quiet = capsys.readouterr().err
    report(error, Terminal(verbosity=1))
    verbose = capsys.readouterr().err
    assert "b.c:2: two" in quiet
    assert "everything" not in quiet
    assert "everything" in verbose


def test_a_host_s_refusal_is_shown_as_if_it_had_happened_here() -> None:
    """Over the socket an error keeps its code, words and exit code."""
    body = {"code": "E0312", "message": "belongs to another", "hint": "sign", "exit_code": 3}
    failure = RemoteFailure(body)
    problem = problem_of(failure)
    assert (problem.code, problem.message, problem.hint) == (
        "E0312", "belongs to another", "sign",
    )  # fmt: skip
    assert problem.exit_code == 3


@pytest.mark.parametrize("kind", [typer.BadParameter, typer.TyperException])
def test_a_usage_error_of_a_plain_verb_is_no_bug(
    kind: Callable[[str], Exception], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is the wrong command line that it is where typer runs the verb."""

    def plain(_session: Session, **_arguments: object) -> None:
        raise kind("write 90 or 8h")

    common = {each.name: each.default for each in COMMON}
    assert invoke(plain, {**common, "home": tmp_path}) == 2
    said = capsys.readouterr().err
    assert "E0002" in said
    assert "write 90 or 8h" in said
