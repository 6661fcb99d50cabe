"""Settings with which no host could keep its promises are refused when they are written."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from airswasm.lifecycle import Configuration, ConfigurationInvalid
from airswasm.osl import BLOCK, NetworkPolicy
from airswasm.osl._http.client import trust
from airswasm.osl._serving.server import certified
from airswasm.osl._serving.settings import ServingPolicy
from airswasm.osl.errors import AddressUnusable, CertificatesUnusable
from airswasm.wit import Blocks

SECTIONS = [each.name for each in BLOCK.sections]


def refusal(text: str) -> str:
    with pytest.raises(ConfigurationInvalid) as caught:
        Configuration.parse(text, Blocks.of(BLOCK))
    return str(caught.value)


def numbers() -> list[str]:
    """Return `section.key` of every number among the settings of this block."""
    read = Configuration.parse("", Blocks.of(BLOCK))
    return [
        f"{section.name}.{each.name}"
        for section, model in read.models()
        for each in fields(model)  # type: ignore[arg-type]  # models are dataclasses
        if type(getattr(model, each.name)) in (int, float)
    ]


@pytest.mark.parametrize("setting", numbers())
def test_no_limit_is_negative(setting: str) -> None:
    """A negative bound would refuse all, or bound nothing."""
    section, key = setting.split(".")
    assert re.search(key, refusal(f"[{section}]\n{key} = -1"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[network]\ninternal_networks = ["10.0.0.1/8"]',
            "within a network; write 10.0.0.0/8",
        ),
        ('[network]\ninternal_networks = ["fd00::1/8"]', "within a network; write fd00::/8"),
        ('[network]\ninternal_networks = ["office"]', "is no network, such as 10.0.0.0/8"),
        ("[network]\nlowest_port = 70000", "lowest_port must be at most 65535, not 70000"),
        ("[network]\nreserved_ports = [80, 65536]", "reserved_ports has 65536, which is no port"),
        ("[network]\ntimeout = 0", "timeout must be more than 0"),
        ("[process]\nlongest_timeout = 0", "timeout must be more than 0"),
        (
            '[[filesystem.mounts]]\nname = "a"\npath = "/a"\ntotal_bytes = -1',
            "not be negative",
        ),
        ('[[filesystem.mounts]]\nname = "a"\npath = "/a"\nreadonly = true', "unknown key"),
        ('[[http.routes]]\npath = "/a"\ncomponent = "a/b"\nconcurency = 3', "unknown key"),
    ],
)
def test_a_wrong_setting_is_told_before_a_host_starts(text: str, message: str) -> None:
    """`config set` checks with the same models, so it writes none of them."""
    assert message in refusal(text)


def test_networks_in_their_canonical_form_are_taken() -> None:
    """Neither a single address nor capital letters are in the way."""
    assert NetworkPolicy(internal_networks=("10.0.0.0/8", "10.1.2.3", "FD00::/8"))


def test_the_certificates_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    """The operator reads which setting, which file, and why."""
    empty = tmp_path / "empty.pem"
    empty.touch()
    for file, reason in ((empty, "no certificate"), (tmp_path / "none", "no such file")):
        with pytest.raises(CertificatesUnusable, match=reason) as caught:
            trust(str(file))
        assert str(file) in str(caught.value)
        assert "network.ca_file" in str(caught.value)


@pytest.mark.parametrize("missing", ["certificate", "key", ""])
def test_the_file_that_a_server_cannot_use_is_named(tmp_path: Path, missing: str) -> None:
    """The address is in order, and the text does not say that it lacks a file."""
    files = {name: tmp_path / name for name in ("certificate", "key")}
    for name, file in files.items():
        if name != missing:
            file.write_text("no PEM")
    policy = ServingPolicy(
        listen="127.0.0.1:0",
        tls_certificate=str(files["certificate"]),
        tls_key=str(files["key"]),
    )
    reason = f"{tmp_path / missing}: there is no such file" if missing else "no certificate chain"
    with pytest.raises(AddressUnusable, match=re.escape(reason)):
        certified(policy)
