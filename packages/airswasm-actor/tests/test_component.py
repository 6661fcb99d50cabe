"""Components as actors; the guests are those of conftest.py."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import anyio
import pytest
from airswasm.actor import (
    COMPONENT_MAILBOX,
    ActorFailed,
    ActorRef,
    ActorSystem,
    AskCycle,
    Backoff,
    Callback,
    ChildSpec,
    ChildStartFailed,
    ComponentActor,
    Context,
    GuestRefused,
    InitFailed,
    MailboxFull,
    MailboxSpec,
    Message,
    MessageTooLarge,
    Outcome,
    Request,
    SupervisorNode,
    SupervisorSpec,
    UnfitPayload,
)
from airswasm.actor._foreign import attribute_of
from airswasm.actor._running.reference import cell_of
from airswasm.actor.testing import Faults, Probe
from airswasm.runtime import (
    Caller,
    DeadlineExceeded,
    Engine,
    FuelExhausted,
    HostInterface,
    Limits,
    LinkedComponent,
    Ok,
    Pending,
    Trapped,
)
from wasmtime import wat2wasm

from .conftest import ECHO, HOG, MOODY, REFUSE, SPIN, TRAP, guest_wat

pytestmark = pytest.mark.anyio

Load = Callable[..., Awaitable[LinkedComponent]]
GATE = "test:host/gate@1.0.0"


def supervised(
    system: ActorSystem, linked: LinkedComponent, limits: Limits | None = None
) -> SupervisorNode:
    def make() -> ComponentActor:
        return ComponentActor(linked, "test/guest", limits=limits or Limits())

    spec = SupervisorSpec(
        intensity=10, children=(ChildSpec("guest", make),), backoff=Backoff("immediate")
    )
    return SupervisorNode(system, spec)


async def start(node: SupervisorNode) -> ActorRef:
    await node.start()
    ref = node.child("guest")
    assert isinstance(ref, ActorRef)
    return ref


async def link_moody(engine: Engine, wait: Callable[..., object]) -> LinkedComponent:
    component = await engine.load(bytes(wat2wasm(guest_wat(MOODY, waits=True))), name="moody")
    return component.link([HostInterface(GATE, {"wait": wait})])


async def test_a_message_beyond_its_memory_is_the_sender_s(system: ActorSystem, load: Load) -> None:
    """It could never be taken: refused before delivery, by any way, and the guest goes on."""
    linked = await load(ECHO)
    limits = Limits(memory_bytes=1 << 20)

    def make() -> ComponentActor:
        return ComponentActor(linked, "test/guest", limits=limits)

    children = (ChildSpec("a", make), ChildSpec("b", make, mailbox=MailboxSpec(7)))
    await SupervisorNode(system, SupervisorSpec(children=children)).start()
    await system.started(system.spawn(make(), name="c"))
    system.broker.subscribe("news", "a")
    for name in ("a", "b", "c"):
        ref = system.broker.resolve(name)
        assert ref.mailbox.message_bytes == ((1 << 20) - 65536) // 8
        with pytest.raises(MessageTooLarge, match="message_bytes is 122,880"):
            ref.tell(bytes(2_000_000))
        with pytest.raises(MessageTooLarge):
            await ref.ask(bytes(2_000_000))
        ref.pause()
        ref.tell(b"waits")
        with pytest.raises(MessageTooLarge):
            await ref.send(bytes(2_000_000))
        ref.resume()
        assert await ref.ask(b"hello") == b"hello"
        assert ref.incarnation == 1
    assert system.broker.publish("news", bytes(2_000_000)) == 0
    assert not len(system.dead_letters)


async def test_a_guest_answers(system: ActorSystem, load: Load) -> None:
    """Bytes go in and come back; an empty payload too."""
    ref = system.spawn(ComponentActor(await load(ECHO), "test/echo"))
    assert [await ref.ask(payload) for payload in (b"hello", b"", bytes(9000))] == [
        b"hello",
        b"",
        bytes(9000),
    ]


async def test_a_guest_s_mailbox_is_bounded_in_bytes(system: ActorSystem, load: Load) -> None:
    """Unless it is told otherwise, spawned or supervised; an update brings its own bounds."""
    linked = await load(ECHO)

    def make() -> ComponentActor:
        limits = Limits(message_bytes=2**20)
        return ComponentActor(linked, "test/echo", limits=limits)

    spawned = system.spawn(make(), name="spawned", is_paused=True)
    assert spawned.mailbox.capacity_bytes == COMPONENT_MAILBOX.capacity_bytes == 16 * 2**20
    for _ in range(16):
        spawned.tell(bytes(2**20))
    with pytest.raises(MailboxFull):
        spawned.tell(b"x")
    own = system.spawn(make(), name="own", mailbox=MailboxSpec(5))
    assert own.mailbox.capacity_bytes is None
    node = supervised(system, linked)
    ref = await start(node)
    assert ref.mailbox.capacity_bytes == 16 * 2**20
    await node.update_child(ChildSpec("guest", make, shutdown=1.0, mailbox=MailboxSpec(7)))
    assert (ref.mailbox.capacity, ref.mailbox.capacity_bytes, cell_of(ref).rare.shutdown) == (
        7,
        None,
        1.0,
    )


async def test_a_refusal_is_an_answer(system: ActorSystem, load: Load) -> None:
    """The asker gets the guest's text; the guest goes on, and no letter is dead."""
    ref = system.spawn(ComponentActor(await load(REFUSE), "test/refuse"))
    for _ in range(2):
        with pytest.raises(GuestRefused, match="refused the message: not today"):
            await ref.ask(b"not today")
    assert len(system.dead_letters) == 0


@pytest.mark.parametrize(
    ("body", "limits", "fault"),
    [
        (TRAP, Limits(), Trapped),
        (SPIN, Limits(fuel=1_000_000), FuelExhausted),
        (SPIN, Limits(fuel=10**15, timeout=0.1), DeadlineExceeded),
        (HOG, Limits(), Trapped),
    ],
)
async def test_a_fault_ends_the_incarnation_with_evidence(
    system: ActorSystem, load: Load, body: str, limits: Limits, fault: type[Exception]
) -> None:
    """The asker gets the typed fault, the letter its evidence, the supervisor a restart."""
    ref = await start(supervised(system, await load(body), limits))
    with pytest.raises(ActorFailed) as caught:
        await ref.ask(b"poison", timeout=20)
    assert isinstance(caught.value.cause, fault)
    (letter,) = system.dead_letters
    assert letter.message.payload == b"poison"
    assert letter.fuel_used is not None
    assert letter.backtrace
    await anyio.wait_all_tasks_blocked()
    assert (ref.incarnation, ref.phase) == (2, "running")


async def test_while_a_guest_waits_the_others_go_on(system: ActorSystem, engine: Engine) -> None:
    """Hundreds wait in a host call without a task; each gets its own answer."""
    gates: list[Pending] = []

    def wait(caller: Caller) -> Pending:
        gates.append(Pending())
        return gates[-1]

    linked = await link_moody(engine, wait)
    patient = Limits(timeout=600)
    refs = [
        system.spawn(ComponentActor(linked, f"test/g{number}", limits=patient))
        for number in range(200)
    ]
    answers: list[Request] = []
    for number, ref in enumerate(refs):
        await system.started(ref)
        ref.request(b"w%d" % number, answers.append, timeout=600, wants_receipt=True)
    await anyio.wait_all_tasks_blocked()
    assert len(gates) == 200
    assert answers == []
    all_wait = time.monotonic()
    busy = system.spawn(ComponentActor(linked, "test/other", limits=patient))
    assert await busy.ask(b"echo", timeout=600) == b"echo"
    waited = time.monotonic() - all_wait
    for gate in reversed(gates):
        gate.resolve()
    for ref in refs:
        assert await ref.drain(600)
    assert sorted(answer.result() for answer in answers) == sorted(  # type: ignore[type-var]
        b"w%d" % number for number in range(200)
    )
    for answer in answers:
        receipt = answer.receipt
        assert receipt is not None
        assert receipt.use is not None
        (wait,) = receipt.use.host_calls
        assert (receipt.outcome, wait.calls) == (Outcome.REPLIED, 1)
        assert receipt.fuel > wait.fuel > 0
        assert receipt.run_seconds >= receipt.use.seconds > wait.seconds >= waited
        assert receipt.use.seconds - receipt.use.busy_seconds >= waited
        assert receipt.use.busy_seconds > 0


async def test_a_computing_guest_delays_no_other(system: ActorSystem, load: Load) -> None:
    """After a few slices it computes in a thread; meanwhile the others are answered."""
    limits = Limits(fuel=10**15, timeout=600.0)
    spinner = system.spawn(ComponentActor(await load(SPIN), "test/spin", limits=limits))
    echo = system.spawn(ComponentActor(await load(ECHO), "test/echo"))
    spinner.tell(b"go")
    answered_beside_thread = 0
    while answered_beside_thread < 20:
        assert await echo.ask(b"x", timeout=600) == b"x"
        answered_beside_thread += attribute_of(cell_of(spinner).work, "is_in_thread") is True
    await system.stop(spinner, timeout=0.05)
    assert [letter.reason for letter in system.dead_letters] == ["killed"]


@pytest.mark.parametrize("body", [SPIN, MOODY])
async def test_a_stuck_guest_is_killed_at_its_shutdown_time(
    system: ActorSystem, engine: Engine, body: str
) -> None:
    """Whether it computes or waits in the host."""
    cancelled: list[str] = []
    wasm = bytes(wat2wasm(guest_wat(body, waits=body == MOODY)))
    component = await engine.load(wasm, name="stuck")
    gate = HostInterface(GATE, {"wait": lambda _: Pending(lambda: cancelled.append("gate"))})
    linked = component.link([gate])
    limits = Limits(fuel=10**15, timeout=600.0)
    ref = system.spawn(ComponentActor(linked, "test/stuck", limits=limits))
    ref.tell(b"wait")
    await system.started(ref)
    while cell_of(ref).work is None:
        await anyio.lowlevel.checkpoint()
    with anyio.fail_after(60):
        await system.stop(ref, timeout=0.1)
    assert cancelled == (["gate"] if body == MOODY else [])


async def test_init_gets_the_config_and_may_refuse(system: ActorSystem, load: Load) -> None:
    """A refusal is a failed start with the guest's text (here: the config, as it came)."""
    refuse = """(i32.store (i32.const 16) (i32.const 1)) (i32.store (i32.const 20) (local.get $at))
        (i32.store (i32.const 24) (local.get $length)) (i32.const 16)"""
    linked = await load(ECHO, init=refuse)
    actor = ComponentActor(linked, "test/picky", config={"colour": "red"})
    node = SupervisorNode(system, SupervisorSpec(children=(ChildSpec("a", lambda: actor),)))
    with pytest.raises(ChildStartFailed) as caught:
        await node.start()
    assert isinstance(caught.value.cause, InitFailed)
    assert caught.value.cause.text == '{"colour": "red"}'
    assert actor.instance is None


async def test_shutdown_is_called_at_an_orderly_stop_only(system: ActorSystem, load: Load) -> None:
    """It traps here: a failure at the end is an event and stops nothing."""
    events: list[str] = []
    system.events.listen(lambda event: events.append(f"{event.kind} {event.name}"))
    linked = await load(ECHO, shutdown="unreachable")
    ref = system.spawn(ComponentActor(linked, "test/a"), name="a")
    await system.started(ref)
    await system.stop(ref)
    killed = system.spawn(ComponentActor(linked, "test/b"), name="b")
    await system.started(killed)
    await system.stop(killed, timeout=0)
    assert [event for event in events if "failed" in event] == ["failed a"]
    assert not system.actors


async def test_a_payload_that_is_no_bytes_does_no_harm(system: ActorSystem, load: Load) -> None:
    """An asker is told, a teller's message is a dead letter; the guest is not bothered."""
    ref = system.spawn(ComponentActor(await load(ECHO), "test/echo"))
    with pytest.raises(UnfitPayload, match="takes bytes, and was sent dict"):
        await ref.ask({"a": 1})
    ref.tell(Callback(1, Ok(None)))
    assert await ref.ask(b"still here") == b"still here"
    assert [letter.reason for letter in system.dead_letters] == ["undelivered"] * 2


async def test_a_guest_without_check_is_healthy_while_it_runs(
    system: ActorSystem, load: Load
) -> None:
    """`check` goes through the mailbox, in turn."""
    actor = ComponentActor(await load(ECHO), "test/echo")
    ref = system.spawn(actor)
    await system.started(ref)
    await actor.check()


async def test_a_ring_of_guests_and_python_actors_is_found(
    system: ActorSystem, engine: Engine
) -> None:
    """A guest that waits in the host for an actor that asks it back: a typed error."""
    errors: list[BaseException] = []

    def wait(caller: Caller) -> Pending:
        pending = Pending()

        def done(request: Request) -> None:
            pending.resolve()

        system.broker.request("python", b"", done, timeout=5, sender=caller.name, is_waiting=True)
        return pending

    async def ask_back(message: Message, context: Context) -> object:
        try:
            return await context.ask("test/guest", b"echo")
        except AskCycle as error:
            errors.append(error)
            return None

    linked = await link_moody(engine, wait)
    system.spawn(ask_back, name="python")
    guest = system.spawn(ComponentActor(linked, "test/guest"), name="test/guest")
    with anyio.fail_after(30):
        assert await guest.ask(b"wait") == b"wait"
    assert [error.path for error in errors] == [  # type: ignore[attr-defined]
        ("python", "test/guest", "python")
    ]


async def test_guests_and_python_actors_stand_in_one_tree(system: ActorSystem, load: Load) -> None:
    """One for all restarts both; their references stay."""
    linked = await load(ECHO)
    children = (
        ChildSpec("guest", lambda: ComponentActor(linked, "test/guest")),
        ChildSpec("python", lambda: Probe("py")),
    )
    node = SupervisorNode(system, SupervisorSpec("one_for_all", 10, children=children))
    guest = await start(node)
    Faults(system).kill(guest)
    await anyio.wait_all_tasks_blocked()
    assert await guest.ask(b"again") == b"again"
    assert await system.broker.ask("python", 1) == "py"
    assert [child.ref.incarnation for child in node.status() if child.ref] == [2, 2]
