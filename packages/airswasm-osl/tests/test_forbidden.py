"""What ships on the forbidden list: each entry is refused, whatever was granted."""

from __future__ import annotations

from pathlib import Path

import pytest
from airswasm.osl import BLOCK, OslPolicy, folders_below
from airswasm.osl._forbidden import FORBIDDEN
from airswasm.osl.errors import AccessDenied
from airswasm.security import Decision, ForbiddenLayer, Grants, Guard, InvalidResource, Kinds

KINDS = Kinds(BLOCK.capabilities)
NAME = "local/evil"
RESOURCES = {
    "tcp": ["{}:80", "{}:65535"],
    "udp": ["{}:53"],
    "http": ["http://{}/latest/meta-data", "https://{}/", "http://{}:8080/x"],
}


def decided(domain: str, resource: str) -> list[Decision]:
    """The decisions of a guard that grants everything, on each capability of a domain."""
    names = [each.annotation for each in KINDS if each.name.startswith(f"{domain}.")]
    names = [each for each in names if each != "http:serve"]  # of paths, and not of hosts
    assert names
    guard = Guard(KINDS, {NAME: Grants(dict.fromkeys(names, ("**",)))})
    guard.add_layer(ForbiddenLayer(KINDS, BLOCK.forbidden), first=True)
    spelled = resource if domain != "http" else http_resource(resource)
    return [guard.decide(NAME, name, spelled) for name in names]


def http_resource(url: str) -> str:
    """A request as the capability spells it: with its method, where that is part of it."""
    try:
        KINDS.resource("http:request", url)
    except InvalidResource:
        return f"GET {url}"
    return url


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192",
        "[fd00:ec2::254]", "[fd20:ce::254]", "metadata.google.internal", "METADATA.google.internal",
        "metadata", "instance-data",
    ],
)  # fmt: skip
@pytest.mark.parametrize("domain", list(RESOURCES))
def test_no_metadata_service_is_reached(host: str, domain: str) -> None:
    """By any protocol and on any port."""
    for resource in RESOURCES[domain]:
        for decision in decided(domain, resource.format(host)):
            assert decision.layer == "forbidden", decision.text
            assert "cloud metadata" in decision.text


@pytest.mark.parametrize(
    "path",
    [
        "/proc/1/mem", "/proc", "proc//self/environ", "/sys/kernel/x", "/dev/mem", "/a/.ssh/id_x",
        "/root/.aws/credentials", "/x/id_ed25519", "/keys/server.pem", "/a.key",
    ],
)  # fmt: skip
def test_no_file_of_the_system_and_no_key_is_opened(path: str) -> None:
    for decision in decided("filesystem", path):
        assert decision.layer == "forbidden", decision.text


@pytest.mark.parametrize(
    "program", ["/bin/sh", "/usr/bin/bash", "/opt/x/zsh", "/usr/bin/env", "/usr/bin/sudo"]
)
def test_no_shell_and_no_launcher_runs(program: str) -> None:
    for decision in decided("process", program):
        assert decision.layer == "forbidden", decision.text


@pytest.mark.parametrize(
    ("domain", "resource"),
    [
        ("tcp", "example.com:443"), ("tcp", "169.254.1.1:80"), ("http", "https://metadata.org/x"),
        ("filesystem", "/data/process/x"), ("filesystem", "/a/monkey"), ("process", "/bin/shred"),
    ],
)  # fmt: skip
def test_what_only_looks_like_it_is_not_on_the_list(domain: str, resource: str) -> None:
    for decision in decided(domain, resource):
        assert decision.layer != "forbidden", decision.text


def test_every_entry_is_of_a_capability_and_is_read_by_its_spelling() -> None:
    """An entry of no capability would forbid nothing."""
    layer = ForbiddenLayer(KINDS, BLOCK.forbidden)
    for entry in FORBIDDEN:
        mine = [each for each in KINDS if f"{each.name}.".startswith(f"{entry.capability}.")]
        assert mine
        for each in mine:
            for pattern in entry.patterns:
                text = KINDS.spelling(each.annotation).pattern(pattern).text
                assert (each.annotation, text) in layer._names


@pytest.mark.parametrize("where", ["inside", "around", "same", "link"])
def test_no_component_s_folder_has_the_home_or_lies_in_it(tmp_path: Path, where: str) -> None:
    """Nor is it `/proc` or `/`; its own folder below the home's files is what it always has."""
    home = tmp_path / "home"
    own = home / "files" / "local" / "evil"
    own.mkdir(parents=True)
    (tmp_path / "link").symlink_to(home)
    elsewhere = {
        "inside": home / "trust", "around": tmp_path, "same": home, "link": tmp_path / "link",
    }  # fmt: skip
    for folder in (elsewhere[where], Path("/proc/self"), Path("/")):
        policy = OslPolicy(
            folders_below(tmp_path, {NAME: folder}),
            forbidden_folders=(Path("/proc"), home),
            files_folder=home / "files",
        )
        with pytest.raises(AccessDenied, match="forbidden list"):
            policy.root_of(NAME)
    policy = OslPolicy(
        folders_below(home / "files"), forbidden_folders=(home,), files_folder=home / "files"
    )
    assert policy.root_of(NAME) == own
    own.rmdir()
    own.symlink_to(home)
    with pytest.raises(AccessDenied):
        policy.root_of(NAME)
