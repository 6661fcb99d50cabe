"""Changes of trust in a host: what they do to the components that are installed and running."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.lifecycle import ApprovalRefused, InstallPlan, NotRunning, OwnerChanged, System
from airswasm.lifecycle._checks import check_registry
from airswasm.security import (
    FingerprintUnknown,
    KeyMismatch,
    KeyRevoked,
    RotationRefused,
    SecurityError,
    generate_key,
    read_audit,
    sign_rotation,
)

Workshop = Any  # tests/conftest.py, which nothing can import
Approve = Callable[[InstallPlan], bool]
NAME = "local/hello"

pytestmark = pytest.mark.anyio


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
async def system(home: Path) -> AsyncIterator[System]:
    async with System(home) as system:
        yield system


def lines(system: System, kind: str) -> list[tuple[str, str]]:
    found = read_audit(system.home.audit_folder / "audit.jsonl")
    return [
        (str(line.get("outcome")), str(line.get("detail", {}).get("act", "")))  # type: ignore[attr-defined]
        for line in found
        if line["kind"] == kind
    ]


class TestRevocation:
    """A revoked key runs nothing, from that moment on."""

    @pytest.mark.parametrize("first_signer", [True, False])
    async def test_a_second_revocation_leaves_what_the_first_one_ended(
        self, system: System, workshop: Workshop, yes: Approve, first_signer: bool
    ) -> None:
        """It neither reports nor logs it again, whichever of its two signers comes first."""
        owner, reviewer = generate_key(), generate_key()
        await system.install(workshop.package(key=owner, more=(reviewer,)), approve=yes)
        await system.install(workshop.package(name="local/other", key=reviewer), approve=yes)
        keys = (owner, reviewer) if first_signer else (reviewer, owner)
        reports = [
            (await system.trust.revoke(key.public.fingerprint, "lost")).quarantined for key in keys
        ]
        expected = [(NAME,), ("local/other",)] if first_signer else [(NAME, "local/other"), ()]
        assert reports == expected
        said = [line.message for line in system.logs.recent(NAME) if "quarantined" in line.message]
        assert len(said) == 1

    async def test_it_quarantines_what_runs_and_keeps_its_messages(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """The next owner's version answers them."""
        await system.install(workshop.package(), approve=yes)
        await system.install(workshop.package(name="local/other", key=generate_key()), approve=yes)
        report = await system.trust.revoke(workshop.key.public.fingerprint, "stolen")
        assert report.quarantined == (NAME,)
        status = system.component_status(NAME)
        assert status.state == "quarantined"
        assert "stolen" in (status.last_error or "")
        assert system.component_status("local/other").state == "running"
        for attempt in (system.start, system.restart):
            with pytest.raises(KeyRevoked):
                await attempt(NAME)
        with pytest.raises(NotRunning, match="quarantined") as refused:
            await system.send(NAME, b"v")
        assert "trust transfer" in refused.value.hint
        assert "start" not in refused.value.hint
        last = system.logs.recent(NAME)
        assert "quarantined" in last[-1].message, "what holds its place is no version that came up"

        system._actors.broker.tell(NAME, b"echo")
        assert system.component_status(NAME).mailbox == 1
        new = generate_key()
        await system.trust.transfer(NAME, new.public)
        await system.update(workshop.package("0.2.0", key=new), approve=yes)
        assert await system.send(NAME, b"v") == b"0.2.0"
        status = system.component_status(NAME)
        assert (status.state, status.mailbox, status.messages) == ("running", 0, 2)
        assert status.restarts == 0
        assert system._actors.dead_letters.total == 0

    async def test_no_code_of_it_runs_once_more(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """Not its `shutdown`, not after a crash, and not as the host starts again."""
        async with System(home) as system:
            await system.install(workshop.package(), approve=yes)
            instance = system._hosting._hosted[NAME].ref.actor.instance  # type: ignore[union-attr]
            await system.trust.revoke(workshop.key.public.fingerprint, "stolen")
            assert instance.is_closed
            logged = len(system.logs.recent(NAME))
            await system.stop(NAME)
            assert all(entry.source == "supervisor" for entry in system.logs.recent(NAME)[logged:])
            assert system.component_status(NAME).state == "stopped"
            with pytest.raises(KeyRevoked):
                await system.start(NAME)
        async with System(home) as system:
            assert system.component_status(NAME).state == "quarantined"

    async def test_a_message_in_hand_does_not_hold_it_up(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """It ends the guest; its caller hears so, and a supervisor brings nothing back."""
        await system.install(workshop.package(), approve=yes)
        failures: list[Exception] = []

        async def spin() -> None:
            try:
                await system.send(NAME, b"spin")
            except Exception as error:
                failures.append(error)

        async with anyio.create_task_group() as group:
            group.start_soon(spin)
            await anyio.wait_all_tasks_blocked()
            await system.trust.revoke(workshop.key.public.fingerprint, "stolen")
            assert system.component_status(NAME).state == "quarantined"
        assert len(failures) == 1

    async def test_nothing_more_comes_in_under_it(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """It is refused before any question is asked, and the refusal is in the audit log."""
        key = generate_key()
        await system.trust.revoke(key.public.fingerprint, "seen in a leak")

        def never(plan: InstallPlan) -> bool:
            raise AssertionError(plan)

        with pytest.raises(KeyRevoked, match="leak"):
            await system.install(workshop.package(key=key), approve=never)
        with pytest.raises(KeyRevoked):
            await system.plan(workshop.package(key=key))
        assert lines(system, "install") == [("failed", "")] * 2
        assert lines(system, "trust") == [("done", "revoke")]

    async def test_the_first_digits_name_a_known_key(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """Sixteen of them, as lists show; too few or unknown ones revoke nothing."""
        await system.install(workshop.package(), approve=yes)
        fingerprint = workshop.key.public.fingerprint
        for digits in (fingerprint[:15], generate_key().public.fingerprint[:16], ""):
            with pytest.raises(FingerprintUnknown):
                await system.trust.revoke(digits, "mistyped")
        assert system.trust.revocations() == ()
        report = await system.trust.revoke(fingerprint[:16].upper(), "stolen")
        assert report.fingerprint == fingerprint

    async def test_a_revoked_cosigner_counts(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """Every key that signed a version stands for it."""
        reviewer = generate_key()
        await system.install(workshop.package(more=(reviewer,)), approve=yes)
        report = await system.trust.revoke(reviewer.public.fingerprint, "left")
        assert report.quarantined == (NAME,)
        found = [each async for each in check_registry(system.home.folder, quick=True)]
        assert any(
            f"{NAME} ({reviewer.public.fingerprint[:16]}: left)" in each.text for each in found
        )

    @pytest.mark.parametrize("is_owner", [True, False])
    async def test_a_refusal_names_the_signer(
        self, system: System, workshop: Workshop, yes: Approve, is_owner: bool
    ) -> None:
        """A rollback and an update say whose key it is, and which."""
        reviewer = generate_key()
        await system.install(workshop.package(more=(reviewer,)), approve=yes)
        await system.update(workshop.package("0.2.0", more=(reviewer,)), approve=yes)
        revoked = (workshop.key if is_owner else reviewer).public.fingerprint
        await system.trust.revoke(revoked, "left")
        newer = workshop.package("0.3.0", more=(reviewer,))
        for attempt in (system.rollback(NAME), system.update(newer, approve=yes)):
            with pytest.raises(KeyRevoked) as refused:
                await attempt
            whose = "owner" if is_owner else "co-signer"
            assert f"the {whose}'s key was revoked: left" in str(refused.value)
            assert revoked in str(refused.value)


class TestOwners:
    """A name passes from key to key in the ways that are meant for it, and in no other."""

    async def test_after_a_rotation_all_versions_run(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """Those of before too: at the next start, and as a way back."""
        new = generate_key()
        async with System(home) as system:
            await system.install(workshop.package(sequence=5), approve=yes)
            await system.update(workshop.package("0.2.0", sequence=6), approve=yes)
            await system.trust.rotate(sign_rotation(NAME, workshop.key, new, 7))
            assert system.info(NAME).owner == str(new.public)
            assert system.info(NAME).signer == workshop.key.public.fingerprint
            assert system.list()[0].signer == workshop.key.public.fingerprint
        async with System(home) as system:
            assert await system.send(NAME, b"v") == b"0.2.0"
            with pytest.raises(OwnerChanged):
                await system.update(workshop.package("0.3.0", sequence=8), approve=yes)
            await system.update(workshop.package("0.3.0", sequence=8, key=new), approve=yes)
            assert await system.send(NAME, b"v") == b"0.3.0"
            await system.rollback(NAME)
            assert await system.send(NAME, b"v") == b"0.2.0"
            await system.rollback(NAME, to="0.1.0")
            assert await system.send(NAME, b"v") == b"0.1.0"

    async def test_a_rotation_is_used_once(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """Not again, not late, not for another name; each attempt is recorded."""
        await system.install(workshop.package(sequence=5), approve=yes)
        new = generate_key()
        statement = sign_rotation(NAME, workshop.key, new, 6)
        await system.trust.rotate(statement)
        for wrong in (statement, sign_rotation("local/other", workshop.key, new, 7)):
            with pytest.raises(RotationRefused) as refused:
                await system.trust.rotate(wrong)
            assert ("already" in str(refused.value)) == (wrong is statement)
        with pytest.raises(SecurityError):
            await system.trust.rotate(b"no statement")
        failed = ("failed", "rotate")
        assert lines(system, "trust") == [("done", "rotate"), failed, failed]

    async def test_removing_a_pin_replaces_no_owner(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """What is installed goes on, its owner may update it, and only a transfer changes that."""
        stranger = generate_key()
        async with System(home) as system:
            await system.install(workshop.package(sequence=5), approve=yes)
            assert await system.trust.remove(NAME)
            assert not await system.trust.remove(NAME)
            with pytest.raises(KeyMismatch):
                await system.trust.add(NAME, stranger.public)
            await system.restart(NAME)
        async with System(home) as system:
            assert await system.send(NAME, b"v") == b"0.1.0"
            asked: list[bool] = []

            def approve(plan: InstallPlan) -> bool:
                asked.append(plan.is_new_signer)
                return True

            with pytest.raises(OwnerChanged):
                await system.update(workshop.package("0.2.0", key=stranger), approve=approve)
            await system.update(workshop.package("0.2.0", sequence=6), approve=approve)
            assert asked == [True]
            assert await system.trust.remove(NAME)
            await system.trust.transfer(NAME, stranger.public)
            await system.update(
                workshop.package("0.3.0", sequence=7, key=stranger), approve=approve
            )
            await system.rollback(NAME)
            assert await system.send(NAME, b"v") == b"0.2.0"

    @pytest.mark.parametrize("by_purge", [True, False])
    async def test_an_older_version_does_not_come_back_unseen(
        self, system: System, workshop: Workshop, yes: Approve, by_purge: bool
    ) -> None:
        """The question names the newer one, also where the key is trusted; each time."""
        await system.install(workshop.package(sequence=5), approve=yes)
        await system.update(workshop.package("0.2.0", sequence=6), approve=yes)
        await system.trust.allow(workshop.key.public.fingerprint)
        asked: list[str] = []

        def approve(plan: InstallPlan) -> bool:
            asked.append(plan.older_than)
            return plan.name != NAME

        await system.uninstall(NAME, purge=by_purge)
        await system.trust.remove(NAME)
        old = workshop.package(sequence=5)
        for _ in range(2):
            with pytest.raises(ApprovalRefused):
                await system.install(old, approve=approve)
        with pytest.raises(ApprovalRefused):
            await system.install(old)
        await system.install_many(old, ["local/a", "local/b"], approve=approve)
        assert asked == ["0.2.0"] * 3
        assert (await system.plan(workshop.package("0.2.0", sequence=6))).older_than == ""
        assert not (await system.plan(workshop.package("0.3.0", sequence=7))).needs_approval

    async def test_a_signature_of_a_mirror_makes_no_owner(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """Its line, added to the owner's package, breaks the signature; its own package is its."""
        await system.install(workshop.package(sequence=5), approve=yes)
        await system.trust.remove(NAME)
        mirror = generate_key()
        theirs = workshop.package("0.2.0", sequence=6, key=mirror, more=(workshop.key,))
        with pytest.raises(OwnerChanged):
            await system.update(theirs, approve=yes)
        assert system.info(NAME).owner == str(workshop.key.public)

    async def test_a_pin_before_the_install_decides(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """The operator knows the publisher; another key is refused before any question."""
        await system.trust.add(NAME, workshop.key.public, label="Ann")
        with pytest.raises(OwnerChanged) as refused:
            await system.install(workshop.package(key=generate_key()), approve=yes)
        assert workshop.key.public.fingerprint in str(refused.value)
        await system.install(workshop.package(), approve=yes)
        assert [pin.label for pin in system.trust.components()] == ["Ann"]
