"""The Python names of WIT names, for the generated proxy and for the exports of an instance.

One rule holds in every scope (the parameters of a function, the fields of a record, the functions
of an interface, the exports of a component, the classes of a module). Each thing has a list of
forms, the shortest first. It starts with the first; where two things want one name, or the name is
reserved, none of them gets it, and each goes on to its next form. A name that was once contested
stays unused.

Two promises follow, and the tests hold them. The order of declaration does not matter. And an
addition never gives a name in use to another thing: it can only take the name away from both,
which the caller sees as an AttributeError or a type checker reports, while a call that silently
reaches another function is seen by none. Rejected: "the first one keeps the short name", which
breaks both promises.

WIT names have neither underscores at their ends nor two in a row once they are converted, so names
that do (`class_`, `cursor__seek`, `_builtins`) are free for the forms below and for generated code.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias, TypeVar

from .names import InterfaceName

__all__ = (
    "ExportNames",
    "Form",
    "allocate_names",
    "name_exports",
    "name_functions",
    "name_labels",
    "parts_of",
    "words_of",
)

_Key = TypeVar("_Key", bound=Hashable)
Form: TypeAlias = tuple[str, ...]
"""The names that one thing takes together; mostly a single one."""

_KEYWORDS = frozenset(keyword.kwlist)
_WORD = re.compile(r"[A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class ExportNames:
    """The Python names of what a component exports, all of which are attributes of one object.

    Attributes:
        interfaces: The name of each exported interface, by its full name in WIT.
        functions: The name of each function that the world itself exports, by its name in WIT.
    """

    interfaces: Mapping[str, str]
    functions: Mapping[str, str]


def name_exports(interfaces: Iterable[str], functions: Iterable[str]) -> ExportNames:
    """Name the exported interfaces and the functions that the world exports beside them.

    Args:
        interfaces: Full names, `acme:shop/orders@1.0.0`; a plain name for an interface that the
            world declares inline.
        functions: Names as the component model has them, `[method]cursor.seek` included.
    """
    inner = {("interface", name): _singles(_interface_forms(name)) for name in interfaces}
    own = {("function", name): _singles(_function_forms(name)) for name in functions}
    chosen = allocate_names({**inner, **own}, reserved=_KEYWORDS)
    return ExportNames(
        MappingProxyType({name: chosen[kind, name][0] for kind, name in inner}),
        MappingProxyType({name: chosen[kind, name][0] for kind, name in own}),
    )


def name_functions(functions: Iterable[str]) -> dict[str, str]:
    """Name the functions of one interface, by their names in the component model.

    A function of a resource carries the resource's name: `[method]cursor.seek` is `cursor_seek`,
    `[constructor]cursor` is `new_cursor`.
    """
    wanted = {name: _singles(_function_forms(name)) for name in functions}
    return {name: form[0] for name, form in allocate_names(wanted, reserved=_KEYWORDS).items()}


def name_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Name the parameters of one function, or the fields of one record, in their order.

    `self`, the handle of a method, is `self_`, as a Python method has a `self` of its own. `mro`
    is `mro_`, as a dataclass takes `type.mro` for the default of such a field.
    """
    wanted = {(at, label): _singles(_label_forms(label)) for at, label in enumerate(labels)}
    chosen = allocate_names(wanted, reserved=_KEYWORDS | {"self", "mro"})
    return tuple(form[0] for form in chosen.values())


def words_of(name: str) -> list[str]:
    """Split a WIT name into lower-case words.

    WIT names that differ by case alone cannot stand in one scope, so nothing is lost. Other
    characters than letters and digits are dropped: the text may come from a component, and it
    goes into source code.
    """
    words = [word.lower() for word in _WORD.findall(name)] or ["unnamed"]
    return ["n", *words] if words[0][0].isdigit() else words


def parts_of(interface: str) -> tuple[list[str], str]:
    """Split a full interface name into namespace, package and name, and its version.

    An interface that a world declares inline has one part and an empty version. The version comes
    with underscores, to be the end of an identifier.
    """
    parsed = InterfaceName.parse(interface)
    if parsed is None:
        return [interface], ""
    version = "_".join(_WORD.findall(parsed.version or ""))
    return [parsed.namespace, parsed.package, parsed.interface], version


def allocate_names(
    wanted: Mapping[_Key, Sequence[Form]], *, reserved: Collection[str] = ()
) -> dict[_Key, Form]:
    """Choose a form for each thing of a scope, so that no name is given twice.

    The order of `wanted` does not matter as long as each thing has one form of its own. A thing
    whose forms are all contested gets its last one with a number.

    Args:
        wanted: The forms of each thing, best first. The names of one form stand or fall together.
        reserved: Names that nothing may have.
    """
    return _Scope(list(wanted.values()), set(reserved)).allocate(wanted)


class _Scope:
    def __init__(self, wanted: Sequence[Sequence[Form]], refused: set[str]) -> None:
        self._wanted = wanted
        self._refused = refused
        self._levels = [0] * len(wanted)
        self._holders: dict[str, int] = {}

    def allocate(self, keys: Iterable[_Key]) -> dict[_Key, Form]:
        waiting = list(range(len(self._wanted)))
        while waiting:
            item = waiting.pop()
            form = self._form(item)
            if self._is_free(form):
                self._holders.update(dict.fromkeys(form, item))
            else:
                rivals = {self._holders[name] for name in form if name in self._holders}
                waiting += [self._send_on(each) for each in (item, *rivals)]
        return {key: self._form(item) for item, key in enumerate(keys)}

    def _is_free(self, form: Form) -> bool:
        return (
            self._refused.isdisjoint(form)
            and self._holders.keys().isdisjoint(form)
            and len(set(form)) == len(form)
        )

    def _send_on(self, item: int) -> int:
        """Refuse the whole form to all, and let the item go on to its next one."""
        for name in self._form(item):
            self._refused.add(name)
            self._holders.pop(name, None)
        self._levels[item] += 1
        return item

    def _form(self, item: int) -> Form:
        forms, level = self._wanted[item], self._levels[item]
        if level < len(forms):
            return forms[level]
        tail = "_" * (level - len(forms))
        return tuple(f"{name}__{item}_{at}{tail}" for at, name in enumerate(forms[-1]))


def _singles(names: Iterable[str]) -> list[Form]:
    return [(name,) for name in names]


def _label_forms(label: str) -> list[str]:
    plain = "_".join(words_of(label))
    return [plain, f"{plain}_"]


def _interface_forms(name: str) -> list[str]:
    parts, version = parts_of(name)
    words = ["_".join(words_of(part)) for part in parts]
    longer = ["_".join(words[start:]) for start in reversed(range(len(words)))]
    return [*longer, f"{longer[-1]}_{version}", "__".join([*words, version])]


def _function_forms(name: str) -> list[str]:
    kind, _, rest = name.rpartition("]")
    if not kind:
        return _label_forms(name)
    resource, _, function = rest.partition(".")
    owner, own = "_".join(words_of(resource)), "_".join(words_of(function))
    if kind == "[constructor":
        return [f"new_{owner}", f"{owner}_constructor", f"{owner}__constructor_"]
    return [f"{owner}_{own}", f"{owner}__{own}"]
