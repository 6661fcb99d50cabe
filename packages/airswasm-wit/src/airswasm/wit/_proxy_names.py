"""The names of the classes in a generated module."""

from __future__ import annotations

import builtins
import keyword
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from ._naming import Form, allocate_names, parts_of, words_of
from .model import Enum, Flags, Interface, Record, Variant

__all__ = ("IMPORTS", "ClassNames", "DefinedType", "choose_class_names", "class_name_of")

DefinedType: TypeAlias = Record | Variant | Enum | Flags
"""The types of WIT that have a definition of their own in the module."""

IMPORTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "collections.abc": ("Mapping", "Sequence"),
        "dataclasses": ("dataclass",),
        "typing": ("Any", "Literal", "Protocol", "TypeAlias"),
        "airswasm.runtime": ("Case", "Err", "GuestResource", "Ok", "Some"),
    }
)
"""The names that a module may import, by the module that has them."""

_RESERVED = frozenset(
    {"CanCall", "annotations", *(name for names in IMPORTS.values() for name in names)}
    | {*keyword.kwlist, *dir(builtins)}
)


@dataclass(frozen=True, slots=True)
class ClassNames:
    """The class of each interface, type and case that a module defines.

    Attributes:
        interfaces: By the full name of the interface.
        types: By the type's owner and name; for a variant its name, and after it those of its
            cases, in their order.
    """

    interfaces: Mapping[str, str]
    types: Mapping[tuple[str | None, str], Form]

    def of_type(self, item: DefinedType) -> str:
        """Return the class, or the alias, that stands for a type."""
        return self.types[item.owner, item.name][0]

    def of_cases(self, item: Variant) -> Form:
        """Return the classes of a variant's cases, in their order."""
        return self.types[item.owner, item.name][1:]


def class_name_of(name: str) -> str:
    """Check the name that the user chose for the class of the component.

    Raises:
        ValueError: It is no identifier, begins with an underscore, or means something else in
            Python or in the module.
    """
    if not name.isidentifier() or name.startswith("_") or name in _RESERVED:
        raise ValueError(
            f"{name!r} cannot be the name of a Python class here: give an identifier that does "
            "not begin with an underscore and that neither Python nor the module uses"
        )
    return name


def choose_class_names(
    component: str, interfaces: Collection[Interface], types: Collection[DefinedType]
) -> ClassNames:
    """Name the classes of one module.

    Args:
        component: The class that stands for the component; it has its name in any case.
        interfaces: The exported interfaces.
        types: The types that their functions mention.
    """
    wanted: dict[tuple[str | None, str | None], list[Form]] = {
        (item.name, None): _forms(*parts_of(item.name)) for item in interfaces
    }
    wanted.update({(item.owner, item.name): _type_forms(item) for item in types})
    chosen = allocate_names(wanted, reserved=_RESERVED | {component})
    return ClassNames(
        {item.name: chosen[item.name, None][0] for item in interfaces},
        {(item.owner, item.name): chosen[item.owner, item.name] for item in types},
    )


def _type_forms(item: DefinedType) -> list[Form]:
    """List the forms of a type; the cases of a variant go with it, so that all begin alike."""
    outer, version = parts_of(item.owner) if item.owner else ([], "")
    cases = [case.name for case in item.cases] if isinstance(item, Variant) else []
    return _forms([*outer, item.name], version, cases)


def _forms(parts: Sequence[str], version: str, cases: Sequence[str] = ()) -> list[Form]:
    """List names from the last part alone to all parts, with the version, and unmistakable."""
    words = [_pascal(part) for part in parts]
    members = ["", *(_pascal(case) for case in cases)]
    names = ["".join(words[start:]) for start in reversed(range(len(words)))]
    forms = [tuple(name + member for member in members) for name in names]
    forms.append(tuple(f"{name}_{version}" for name in forms[-1]))
    exact = "__".join([*map(_spelled, parts), version])
    forms.append((exact, *(f"{exact}__{_spelled(case)}" for case in cases)))
    return forms


def _pascal(name: str) -> str:
    return "".join(word.capitalize() for word in words_of(name))


def _spelled(name: str) -> str:
    return "_".join(word.capitalize() for word in words_of(name))
