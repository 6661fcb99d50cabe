"""Requests with a callback: exactly one, or none after a cancel."""

import anyio
import pytest
from airswasm.actor import ActorSystem, Callback, Context, Message, NoRoute, Request
from airswasm.messaging import OpenRequests, RateExceeded
from airswasm.runtime import Case, Err, Ok
from hypothesis import given, settings
from hypothesis import strategies as st

NAME = "local/hello"


def outcome_of(request: Request, most_bytes: int) -> Ok[bytes | None] | Err[Case]:
    if request.error is not None:
        return Err(Case(type(request.error).__name__))
    assert isinstance(request.value, bytes)
    return Ok(request.value)


class Requester:
    """Notes the callbacks that it gets."""

    def __init__(self) -> None:
        self.callbacks: list[Callback] = []

    def receive(self, message: Message, context: Context) -> None:
        assert isinstance(message.payload, Callback)
        self.callbacks.append(message.payload)


async def never(message: Message, context: Context) -> None:
    await anyio.sleep_forever()


@pytest.mark.anyio
async def test_a_callback_comes_once_with_the_outcome() -> None:
    """The reply, or the error; then the request is forgotten."""
    async with ActorSystem() as system:
        requester = Requester()
        ref = system.spawn(requester, name=NAME)
        system.spawn(lambda message, context: b"pong", name="test/pong")
        system.spawn(never, name="test/never", shutdown=0)
        requests = OpenRequests(system.broker, outcome_of, most=lambda: 10)
        first = requests.start(NAME, "test/pong", b"", 60.0)
        second = requests.start(NAME, "test/never", b"", 0.01)
        assert requests.count_of(NAME) == 2
        with anyio.fail_after(30):
            while len(requester.callbacks) < 2:  # noqa: ASYNC110 - callbacks come through a mailbox
                await anyio.sleep(0.005)
        await ref.drain(5)
        assert sorted(requester.callbacks, key=lambda each: each.request_id) == [
            Callback(first, Ok(b"pong")),
            Callback(second, Err(Case("AskTimeout"))),
        ]
        assert requests.count_of(NAME) == 0
        assert not requests.cancel(NAME, first)


@pytest.mark.anyio
async def test_a_cancelled_request_is_not_called_back() -> None:
    """Only its owner can cancel it, and once."""
    async with ActorSystem() as system:
        requester = Requester()
        ref = system.spawn(requester, name=NAME)
        system.spawn(never, name="test/never", shutdown=0)
        requests = OpenRequests(system.broker, outcome_of, most=lambda: 10)
        number = requests.start(NAME, "test/never", b"", 0.01)
        assert not requests.cancel("local/other", number)
        assert requests.cancel(NAME, number)
        assert not requests.cancel(NAME, number)
        await anyio.sleep(0.03)
        await ref.drain(5)
        assert requester.callbacks == []


@pytest.mark.anyio
async def test_what_was_not_accepted_is_not_called_back() -> None:
    """The error comes at once; it does not count among the open ones."""
    async with ActorSystem() as system:
        requests = OpenRequests(system.broker, outcome_of, most=lambda: 1)
        with pytest.raises(NoRoute):
            requests.start(NAME, "test/absent", b"", 1.0)
        assert requests.count_of(NAME) == 0
        system.spawn(never, name="test/never", shutdown=0)
        requests.start(NAME, "test/never", b"", 5.0)
        with pytest.raises(RateExceeded):
            requests.start(NAME, "test/never", b"", 5.0)
        requests.start("local/other", "test/never", b"", 5.0)


@pytest.mark.anyio
async def test_a_requester_that_is_gone_is_no_error() -> None:
    """The answer to an uninstalled component is dropped."""
    async with ActorSystem() as system:
        ref = system.spawn(lambda message, context: b"pong", name="test/pong")
        requests = OpenRequests(system.broker, outcome_of, most=lambda: 1)
        requests.start(NAME, "test/pong", b"", 5.0)
        await ref.drain(5)
        assert requests.count_of(NAME) == 0


@pytest.mark.anyio
async def test_the_successor_gets_the_answer() -> None:
    """A request belongs to the name: its owner when the answer comes gets it."""
    async with ActorSystem() as system:
        first, second = Requester(), Requester()
        ref = system.spawn(first, name=NAME)
        release = anyio.Event()

        async def slow(message: Message, context: Context) -> bytes:
            await release.wait()
            return b"late"

        asked = system.spawn(slow, name="test/slow")
        requests = OpenRequests(system.broker, outcome_of, most=lambda: 1)
        number = requests.start(NAME, "test/slow", b"", 5.0)
        await system.stop(ref)
        successor = system.spawn(second, name=NAME)
        await system.started(successor)
        release.set()
        await asked.drain(5)
        await successor.drain(5)
        assert (first.callbacks, second.callbacks) == ([], [Callback(number, Ok(b"late"))])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["pong", "fail", "never"]), st.booleans()), max_size=12))
def test_every_request_ends_exactly_once(script: list[tuple[str, bool]]) -> None:
    """Answered, failed, timed out: one callback each; cancelled: none. Ids never repeat."""

    async def run() -> None:
        async with ActorSystem() as system:
            requester = Requester()
            ref = system.spawn(requester, name=NAME)

            def fail(message: Message, context: Context) -> None:
                raise ValueError

            requests = OpenRequests(system.broker, outcome_of, most=lambda: 100)
            expected = set()
            for index, (kind, is_cancelled) in enumerate(script):
                actor = {"pong": lambda message, context: b"", "fail": fail, "never": never}[kind]
                target = f"test/{kind}-{index}"
                system.spawn(actor, name=target, shutdown=0)
                number = requests.start(NAME, target, b"", 0.01)
                if is_cancelled:
                    requests.cancel(NAME, number)
                else:
                    expected.add(number)
            with anyio.fail_after(30):
                while requests.count_of(NAME):  # noqa: ASYNC110 - deadlines set no event
                    await anyio.sleep(0.002)
            await ref.drain(5)
            found = [callback.request_id for callback in requester.callbacks]
            assert sorted(found) == sorted(expected)

    anyio.run(run)
