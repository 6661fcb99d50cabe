"""Asking a home that no host has."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from airswasm.cli import Session, ask
from airswasm.cli._hosts.stored_host import HostReader
from airswasm.cli._session.settings import read_settings
from airswasm.cli._session.terminal import Terminal
from airswasm.cli.errors import HostNotRunning


@pytest.fixture
def session(home: Path) -> Session:
    return Session(Terminal(), read_settings({}, home=home))


def test_a_question_is_answered_without_an_event_loop(session: Session) -> None:
    """A home that does not exist holds nothing, and asking does not make it."""

    async def question(host: HostReader) -> tuple[int, object]:
        return len(await host.list()), (await host.status())["installed"]

    assert ask(session, question) == (0, 0)
    assert not session.home.exists()


class Pause:
    """Gives way to a loop once."""

    def __await__(self) -> Generator[None]:
        yield


def test_a_question_that_waits_is_refused(session: Session) -> None:
    """No loop would ever go on with it."""

    async def question(host: HostReader) -> None:
        del host
        await Pause()

    with pytest.raises(RuntimeError, match="wait"):
        ask(session, question)


def test_what_needs_a_host_is_not_read_from_the_disk(session: Session) -> None:
    """`logs --follow` has nothing to follow where nothing runs."""

    async def question(host: HostReader) -> None:
        del host
        raise AssertionError("it was asked")

    with pytest.raises(HostNotRunning, match="logs --follow"):
        ask(session, question, running_for="logs --follow")
