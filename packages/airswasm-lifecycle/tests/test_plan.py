"""Who may install and update what is decided before anything is done."""

from dataclasses import replace

import pytest
from airswasm.lifecycle import (
    AlreadyInstalled,
    ComponentRecord,
    HostPolicy,
    InstallPlan,
    InstallPolicy,
    LimitAbovePolicy,
    Manifest,
    OwnerChanged,
    Package,
    PackageUnsigned,
    RolledBackPast,
    SequenceJumped,
    SequenceTooOld,
    VersionActive,
    VersionNotNewer,
    VersionNotRetained,
    VersionRecord,
    WrongPackage,
)
from airswasm.lifecycle._packages.semver import precedence
from airswasm.lifecycle._registry.plan import (
    SEQUENCE_JUMP_CAP,
    plan_install,
    plan_update,
    version_to_return_to,
)
from airswasm.security import Kinds, PrivateKey, TrustedComponent, generate_key
from airswasm.wit import Blocks

OWNER, STRANGER = generate_key(), generate_key()
BEFORE = Manifest.parse('[component]\nname = "local/hello"\nversion = "0.1.0"\n')
UNSIGNED_TAKEN = HostPolicy(InstallPolicy(unsigned=True))
KINDS = Kinds(Blocks.find().capabilities.values())


def planned(
    package: Package, record: ComponentRecord, pin: TrustedComponent | None, policy: HostPolicy
) -> InstallPlan:
    return plan_update(package, record, pin, policy, BEFORE, KINDS)


def package(
    version: str = "0.2.0",
    sequence: int = 20,
    key: PrivateKey | None = OWNER,
    name: str = "local/hello",
    extra: str = "",
) -> Package:
    manifest = f'[component]\nname = "{name}"\nversion = "{version}"\n{extra}'
    made = Package.from_files({"Component.toml": manifest.encode(), "component.wasm": b"x"})
    return made.sign(key, sequence=sequence) if key else made


def pin(sequence: int = 10, key: PrivateKey = OWNER) -> TrustedComponent:
    return TrustedComponent("local/hello", key.public, sequence=sequence)


def installed(*versions: str, active: str | None = None) -> ComponentRecord:
    records = tuple(
        VersionRecord(version, 10, "d", {}, {"storage.read": ("count",)}, "k", 0.0)
        for version in versions
    )
    return ComponentRecord(
        "local/hello", "local/hello", str(OWNER.public), 10, active or versions[-1], records
    )


def test_a_first_install_asks_for_everything() -> None:
    """Capabilities, limits and the unknown key."""
    asked = package(extra='[capabilities]\nstorage.read = ["count"]\n')
    plan = plan_install(asked, "local/hello", None, None, HostPolicy(), KINDS)
    assert plan.needs_approval
    assert plan.is_new_signer
    assert plan.capabilities.allow == {"storage:read": ("count",)}
    assert plan.signer == OWNER.public.fingerprint


def test_a_taken_name_is_refused() -> None:
    """Update is another verb."""
    with pytest.raises(AlreadyInstalled, match=r"0\.1\.0"):
        plan_install(package(), "local/hello", installed("0.1.0"), pin(), HostPolicy(), KINDS)


def test_a_name_keeps_its_owner_when_it_is_not_installed() -> None:
    """Data of the name may still be there."""
    with pytest.raises(OwnerChanged):
        plan_install(package(key=STRANGER), "local/hello", None, pin(), HostPolicy(), KINDS)


def test_what_was_uninstalled_can_come_back_but_nothing_older() -> None:
    """The same sequence is no step back."""
    plan_install(package(sequence=10), "local/hello", None, pin(10), HostPolicy(), KINDS)
    with pytest.raises(SequenceTooOld):
        plan_install(package(sequence=9), "local/hello", None, pin(10), HostPolicy(), KINDS)


def test_an_update_that_asks_for_no_more_needs_no_approval() -> None:
    """Narrower counts as no more."""
    narrower = package(extra='[capabilities]\nstorage.read = ["count"]\n')
    assert not planned(narrower, installed("0.1.0"), pin(), HostPolicy()).needs_approval


def test_an_update_that_widens_is_asked_about_with_what_is_new() -> None:
    """Only the difference is shown as added."""
    wider = package(
        extra='[capabilities]\nstorage.read = ["everything"]\nstorage.write = ["count"]\n'
    )
    plan = planned(wider, installed("0.1.0"), pin(), HostPolicy())
    assert plan.needs_approval
    assert plan.added_capabilities.allow == {
        "storage:read": ("everything",),
        "storage:write": ("count",),
    }


def test_another_key_cannot_update() -> None:
    """With the trust store's pin, and with the registry's owner when that is lost."""
    for pinned in (pin(), None):
        with pytest.raises(OwnerChanged):
            planned(package(key=STRANGER), installed("0.1.0"), pinned, HostPolicy())


def test_a_rotated_key_can_update_and_the_old_one_cannot() -> None:
    """The pin decides where it continues from the installed owner."""
    rotated = pin(9).followed_by(STRANGER.public, 10, 0.0)
    planned(package(key=STRANGER), installed("0.1.0"), rotated, HostPolicy())
    with pytest.raises(OwnerChanged):
        planned(package(key=OWNER), installed("0.1.0"), rotated, HostPolicy())


def test_a_pin_of_another_key_replaces_no_owner() -> None:
    """To remove a pin and to add another one is no transfer."""
    planned(package(key=OWNER), installed("0.1.0"), pin(key=STRANGER), HostPolicy())
    with pytest.raises(OwnerChanged):
        planned(package(key=STRANGER), installed("0.1.0"), pin(key=STRANGER), HostPolicy())


def test_no_signature_cannot_follow_a_signature() -> None:
    """Not even where unsigned packages are taken."""
    with pytest.raises(PackageUnsigned):
        planned(package(key=None), installed("0.1.0"), pin(), UNSIGNED_TAKEN)


def test_unsigned_needs_the_policy() -> None:
    """It is off by default."""
    with pytest.raises(PackageUnsigned):
        plan_install(package(key=None), "local/hello", None, None, HostPolicy(), KINDS)
    plan = plan_install(package(key=None), "local/hello", None, None, UNSIGNED_TAKEN, KINDS)
    assert plan.signer is None


@pytest.mark.parametrize("sequence", [9, 10])
def test_an_older_sequence_is_refused(sequence: int) -> None:
    """The floor is the highest ever installed, whatever runs now."""
    with pytest.raises(SequenceTooOld):
        planned(package(sequence=sequence), installed("0.1.0"), pin(), HostPolicy())


def test_the_floor_survives_a_lost_trust_file() -> None:
    """The registry has it too."""
    with pytest.raises(SequenceTooOld):
        planned(package(sequence=10), installed("0.1.0"), None, HostPolicy())


def test_a_leap_to_the_end_of_all_sequences_is_refused() -> None:
    """No update could follow it."""
    with pytest.raises(SequenceJumped):
        planned(package(sequence=2**63 - 1), installed("0.1.0"), pin(), HostPolicy())
    far = 10 + SEQUENCE_JUMP_CAP
    planned(package(sequence=far), installed("0.1.0"), pin(), HostPolicy())


@pytest.mark.parametrize("version", ["0.1.0", "0.0.9", "0.1.0-rc.1", "0.1.0+build"])
def test_a_version_that_is_not_newer_is_refused(version: str) -> None:
    """Also under a higher sequence: what is retained must stay what it was."""
    with pytest.raises(VersionNotNewer) as refused:
        planned(package(version), installed("0.1.0"), pin(), HostPolicy())
    assert refused.value.is_retained == (version == "0.1.0")
    assert "rollback" not in refused.value.hint, "it does not go back to what runs, or is not there"


def test_an_update_to_a_retained_version_names_the_rollback() -> None:
    """A release that was only signed anew has the number of one that the host has."""
    record = installed("0.1.0", "0.3.0", active="0.1.0")
    with pytest.raises(VersionNotNewer, match="the host has that version") as refused:
        planned(package("0.3.0"), record, pin(), HostPolicy())
    assert "airswasm rollback local/hello --to 0.3.0" in refused.value.hint


def test_a_fix_below_a_rolled_back_version_may_follow() -> None:
    """After going back from 0.3.0 to 0.1.0, 0.2.0 is newer than what runs."""
    planned(
        package("0.2.0"),
        installed("0.1.0", "0.3.0", active="0.1.0"),
        pin(),
        HostPolicy(),
    )


def test_another_component_is_refused() -> None:
    """An update is for the name it was made for."""
    with pytest.raises(WrongPackage):
        planned(package(name="local/other"), installed("0.1.0"), None, HostPolicy())


def test_the_policy_holds_for_updates_too() -> None:
    """Limits are checked every time."""
    greedy = package(extra='[limits]\nmemory = "1 GiB"\n')
    with pytest.raises(LimitAbovePolicy):
        planned(greedy, installed("0.1.0"), pin(), HostPolicy())


def test_rollback_goes_to_the_version_before_or_the_named_one() -> None:
    """Retained ones only."""
    record = installed("0.1.0", "0.2.0", "0.3.0")
    assert version_to_return_to(record, None) == "0.2.0"
    assert version_to_return_to(record, "0.1.0") == "0.1.0"
    with pytest.raises(VersionActive, match=r"is the active one already; others .*: 0.1.0, 0.2.0$"):
        version_to_return_to(record, "0.3.0")
    with pytest.raises(VersionNotRetained, match=r"9\.9\.9 is not retained") as raised:
        version_to_return_to(record, "9.9.9")
    assert "rollback" not in raised.value.hint  # `dlq replay --to` raises it, too
    with pytest.raises(RolledBackPast):
        version_to_return_to(installed("0.1.0"), None)


def test_rollback_passes_over_a_version_that_was_rolled_back() -> None:
    """0.3.0 was no good, and 0.4.0 took over from 0.1.0: there is the way back."""
    record = installed("0.1.0", "0.2.0", "0.3.0", "0.4.0")
    left = {"0.1.0": 6.0, "0.2.0": 5.0, "0.3.0": 4.0}
    versions = tuple(replace(each, replaced_at=left.get(each.version)) for each in record.versions)
    assert version_to_return_to(replace(record, versions=versions), None) == "0.1.0"


def test_versions_are_ordered_as_semver_says() -> None:
    """The chain of section 11."""
    chain = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2",
             "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0"]  # fmt: skip
    assert sorted(chain, key=precedence) == chain
    assert precedence("1.0.0+a") == precedence("1.0.0+b")
