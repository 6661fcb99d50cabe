"""Generate values from WIT types, and messages from a component's class, with hypothesis.

    @given(values=arguments_of(function))      # a Function of airswasm.wit
    @given(message=messages_of(Counter))       # a class under airswasm.component

Values have the form in which the runtime takes them. Resources, futures and streams cannot be made
out of nothing. hypothesis is the extra `hypothesis` of this package.
"""

from __future__ import annotations

from typing import Any

from airswasm.component import definition_of
from airswasm.runtime import Case, Err, Ok, Some
from airswasm.wit import model
from hypothesis import strategies as st

from ..errors import NoStrategy

__all__ = ("arguments_of", "messages_of", "values_of")

_INTEGERS = {
    **{f"u{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
    **{f"s{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
}
_MOST_ITEMS = 20


def arguments_of(function: model.Function) -> st.SearchStrategy[tuple[Any, ...]]:
    """Return a strategy for the arguments of a function, in their order.

    Raises:
        NoStrategy: A parameter takes a resource, a future or a stream.
    """
    return st.tuples(*(values_of(each.type) for each in function.parameters))


def messages_of(component: object) -> st.SearchStrategy[bytes]:
    """Return a strategy for the messages that the class of a component in Python handles.

    Raises:
        DefinitionError: It is no component.
        NoStrategy: hypothesis cannot make a value of one of its annotations.
    """
    definition = definition_of(component)
    codec = definition.codec

    def payload(shape: Any) -> st.SearchStrategy[bytes]:
        try:
            values = {name: _of_annotation(kind) for name, kind in shape.parameters.items()}
        except Exception as error:
            raise NoStrategy(f"{shape.function}: {error}") from error
        made = st.fixed_dictionaries(values)
        return made.map(lambda given: codec.write(shape.bind(codec, (), given)))

    return st.one_of([payload(each.shape) for each in definition.messages.values()])


def values_of(kind: model.WitType) -> st.SearchStrategy[Any]:
    """Return a strategy for the values of a WIT type.

    Raises:
        NoStrategy: It is a resource, a future or a stream.
    """
    match kind:
        case model.Primitive(name=name):
            return _primitive(name)
        case model.ListOf(element=model.Primitive(name="u8"), length=None):
            return st.binary(max_size=_MOST_ITEMS)
        case model.ListOf(element=element, length=length):
            least, most = (0, _MOST_ITEMS) if length is None else (length, length)
            return st.lists(values_of(element), min_size=least, max_size=most)
        case model.OptionOf(payload=payload):
            inside = values_of(payload)
            is_nested = isinstance(payload, model.OptionOf)
            return st.none() | (inside.map(Some) if is_nested else inside)
        case model.ResultOf(ok=ok, error=error):
            return _payload(ok).map(Ok) | _payload(error).map(Err)
        case model.TupleOf(items=items):
            return st.tuples(*(values_of(each) for each in items))
        case model.MapOf(key=key, value=value):
            return st.dictionaries(values_of(key), values_of(value), max_size=_MOST_ITEMS)
        case model.Record(fields=fields):
            named = {each.name.replace("-", "_"): values_of(each.type) for each in fields}
            return st.fixed_dictionaries(named)
        case model.Variant(cases=cases):
            return st.one_of([_case(each.name, each.type) for each in cases])
        case model.Enum(cases=cases):
            return st.sampled_from([each.name for each in cases])
        case model.Flags(cases=cases):
            return st.frozensets(st.sampled_from([each.name for each in cases]))
        case _:
            raise NoStrategy(f"{kind}: it cannot be made out of nothing")


def _primitive(name: str) -> st.SearchStrategy[Any]:
    if name in _INTEGERS:
        least, most = _INTEGERS[name]
        return st.integers(least, most)
    simple: dict[str, st.SearchStrategy[Any]] = {
        "bool": st.booleans(),
        "char": st.characters(exclude_categories=["Cs"]),
        "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=_MOST_ITEMS),
        "f32": st.floats(width=32, allow_nan=False),
        "f64": st.floats(allow_nan=False),
    }
    if name not in simple:
        raise NoStrategy(f"{name}: it is no plain value")
    return simple[name]


def _case(name: str, payload: model.WitType | None) -> st.SearchStrategy[Case]:
    return _payload(payload).map(lambda value: Case(name, value))


def _payload(kind: model.WitType | None) -> st.SearchStrategy[Any]:
    return st.none() if kind is None else values_of(kind)


def _of_annotation(kind: object) -> st.SearchStrategy[Any]:
    if kind is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    return st.from_type(kind)  # type: ignore[arg-type]
