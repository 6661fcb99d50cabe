"""Find the decision layers of a host's guard: roles and access list, and those of blocks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

from airswasm.runtime import Services
from airswasm.security import (
    AclSettings,
    DecisionLayer,
    Kinds,
    RolesInvalid,
    RolesLayer,
    RolesSettings,
)
from airswasm.wit import Blocks, Finding, load_part

from .._home.configuration import Configuration
from .._home.home import Home
from ..errors import ConfigurationInvalid
from .providers import blaming

__all__ = ("check_roles", "find_layers", "read_roles", "roles_layer")


def roles_layer(
    configuration: Configuration, home: Home, blocks: Blocks, kinds: Kinds
) -> RolesLayer | None:
    """Return the layer of roles and access list; None when there is no rule for it.

    Raises:
        RolesInvalid: A role or an entry cannot be read.
        ConfigurationInvalid: The file that `roles.file` names is wrong.
    """
    layer = RolesLayer(kinds, *read_roles(configuration, home, blocks))
    return layer if layer.is_needed else None


def check_roles(home: Path, *, quick: bool) -> Iterator[Finding]:
    """Read roles and access list as a host would."""
    del quick
    blocks = Blocks.find()
    configuration = Configuration.load(Home(home).config_file, blocks, os.environ)
    kinds = Kinds(blocks.capabilities.values())
    try:
        layer = roles_layer(configuration, Home(home), blocks, kinds)
    except (RolesInvalid, ConfigurationInvalid) as error:
        yield Finding("roles", "problem", f"no host starts: {error}", error.explanation.hint)
        return
    if layer is not None:
        yield Finding("roles", "ok", "roles and access list can be read")


def read_roles(
    configuration: Configuration, home: Home, blocks: Blocks
) -> tuple[RolesSettings, AclSettings]:
    """Return roles and access list, those of the file that `roles.file` names included.

    Raises:
        RolesInvalid: The file cannot be found, or defines a role that config.toml has.
        ConfigurationInvalid: The file is wrong.
    """
    roles, acl = configuration.get(RolesSettings), configuration.get(AclSettings)
    if not roles.file:
        return roles, acl
    path = home.folder / roles.file
    if not path.is_file():
        raise RolesInvalid("roles.file", f"there is no file {path}")
    sections = [blocks.sections[name] for name in ("roles", "acl")]
    more = Configuration.load_only(path, sections)
    further, entries = more.get(RolesSettings), more.get(AclSettings).entries
    twice = sorted(roles.define.keys() & further.define.keys())
    if twice:
        raise RolesInvalid(f"the role {twice[0]}", f"config.toml and {path} both define it")
    return (
        replace(
            roles,
            enforce=roles.enforce or further.enforce,
            define={**roles.define, **further.define},
        ),
        AclSettings((*acl.entries, *entries)),
    )


def find_layers(blocks: Blocks, services: Services) -> Iterator[DecisionLayer]:
    """Iterate over the layers that blocks bring.

    Raises:
        ProviderFailed: A block failed to set its layer up.
    """
    for each in blocks:
        if each.block.decide:
            with blaming(each, each.block.decide):
                decide = cast("Callable[[Services], object]", load_part(each.block.decide))
                layer = decide(services)
                if not isinstance(layer, DecisionLayer):
                    raise TypeError("it has no name, or not the methods judge and effort")
            yield layer
