"""`Block`: what an installed package brings to a host, declared in one place.

A package has one entry point in the group `airswasm.blocks`. It gives a `Block`, and from the
blocks that are installed the host composes everything else: the contract that components are
checked against, the guard's capabilities, the sections of config.toml, the verbs of the command,
the codes that `airswasm explain` knows. No list names the blocks, so a package by a stranger gets
all that one of ours gets.

A declaration is data. It names its parts by path, `package.module:name`, and a part is imported
when it is used: `airswasm list` reads every declaration and loads no engine. An embedder, who
declares a block in the program that hosts it, may give the functions themselves.

Rejected: one entry point group for each kind of part (a block was then spread over eight groups,
and none said what belongs together), and a declaration file instead of an object (no types, no
completion).
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar, cast, get_args, overload

from ._fault import safe_text
from .errors import BlockPartUnusable

Part: TypeAlias = str | Callable[..., object]
"""A function, or the path of one."""

__all__ = (
    "Block",
    "Capability",
    "Check",
    "Finding",
    "Forbidden",
    "Gate",
    "Interpreter",
    "Metric",
    "Section",
    "Verb",
    "load_part",
)

T = TypeVar("T")
_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_CAPABILITY = re.compile(r"[a-z][a-z0-9-]*\.[a-z][a-z0-9-]*", re.ASCII)
_NAME = re.compile(r"[a-z][a-z0-9-]*", re.ASCII)
_ABI = re.compile(r"[a-z][a-z0-9.-]{0,63}", re.ASCII)
_METRIC = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_TAKEN_LABELS = ("component", "instance", "job", "le")


@dataclass(frozen=True, slots=True)
class Capability:
    """One kind of capability: a thing that a component may be granted.

    Attributes:
        name: `domain.verb`, as in Component.toml; annotations write `domain:verb(argument)`.
        sentence: For people, who read "may …": `read what it stored under {patterns}`.
            `{patterns}` stands for the granted patterns.
        spelling: The path of an `airswasm.security.Spelling`, which says how a resource of this
            kind is made canonical and what parts its segments. Empty for plain text in segments
            parted by `/`.
        formerly: Its names of before, and common other ones; a manifest with one of them is
            refused with the present one.
        probe: The path of a function `(services, component, resource)` that asks the operating
            system, without an effect, and returns why it would refuse, or None; for
            `airswasm why`.
        only_reads: Whether a call under it changes, sends and starts nothing, in this process or
            outside of it; its line in the audit log may then be written a moment later.
    """

    name: str
    sentence: str
    spelling: str = ""
    formerly: tuple[str, ...] = ()
    probe: Part = ""
    only_reads: bool = False

    def __post_init__(self) -> None:
        _check(_CAPABILITY, self.name, "a capability is named domain.verb, such as alarm.set")
        _check_line("sentence", self.sentence)
        _check_all("formerly", self.formerly, str)
        _check_path(self.spelling)
        _check_path(self.probe)

    @property
    def annotation(self) -> str:
        """The name as `@requires` has it: `alarm:set`."""
        return self.name.replace(".", ":")


@dataclass(frozen=True, slots=True)
class Forbidden:
    """Resources that no component may touch, whatever it was granted.

    Attributes:
        name: What they are, for denials: `cloud metadata`.
        capability: The capability, `tcp.connect`, or its domain, `tcp`, for all of the domain.
        patterns: Patterns of the resources.
    """

    name: str
    capability: str
    patterns: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_line("name", self.name)
        _check_all("patterns", self.patterns, str)
        form = _CAPABILITY if "." in self.capability else _NAME
        _check(form, self.capability, "write domain.verb, or the domain alone")


@dataclass(frozen=True, slots=True)
class Section:
    """One table of config.toml.

    Attributes:
        name: The table's name, `storage` for `[storage]`.
        model: The path of its model: a frozen dataclass whose fields have defaults and are
            documented in its docstring under `Attributes:`. Providers find the settings in
            force among their `Services`, by this class.
        summary: One line.
        prefix: How the variables of the environment that set its keys begin; empty for
            `AIRSWASM_SECTION_`.
        reads: When a changed key holds: at the next `start` of a host; after a `reload`, which a
            part of the block takes over (`airswasm.runtime.LiveSettings`); or at the next `use`,
            for what each command reads anew.
        at_start: The keys of a section that is reloaded which hold at the next start all the same,
            each with the reason as a sentence without its end.
    """

    name: str
    model: str
    summary: str
    prefix: str = ""
    reads: Literal["start", "reload", "use"] = "start"
    at_start: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)

    def __post_init__(self) -> None:
        _check(_NAME, self.name, "a section is named in small letters")
        _check_line("summary", self.summary)
        _check_path(self.model)

    def reason_to_wait(self, key: str) -> str | None:
        """Return why a changed key waits for the host's next start; None if it does not."""
        if self.reads == "start":
            return self.at_start.get(key, f"the host reads [{self.name}] when it starts")
        return self.at_start.get(key) if self.reads == "reload" else None

    def variable(self, key: str) -> str:
        """Return the variable of the environment that sets a key: `AIRSWASM_STORAGE_ENGINE`."""
        prefix = self.prefix or f"AIRSWASM_{self.name}_"
        return f"{prefix}{key}".upper().replace("-", "_")


@dataclass(frozen=True, slots=True)
class Verb:
    """One sub-command of `airswasm`.

    Attributes:
        name: What people type.
        group: The heading that it stands under in the help.
        summary: One line in the imperative mood; the first line of the command's own help.
        command: The path of its typer application, or of a function whose first argument is the
            `airswasm.cli.Session`.
    """

    name: str
    group: str
    summary: str
    command: str

    def __post_init__(self) -> None:
        _check(_NAME, self.name, "a verb is named in small letters")
        _check_line("group", self.group)
        _check_line("summary", self.summary)
        _check_path(self.command)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family, counted for each component.

    Attributes:
        name: By Prometheus' conventions and without the prefix `airswasm_`: `alarms_set_total`.
        help: One line.
        kind: `counter` only grows, and its name ends in `_total`; `gauge` goes both ways.
        label: A second label, beside `component`; empty for none. Its values are few, and the
            block's own: a guest chooses none of them.
    """

    name: str
    help: str
    kind: Literal["counter", "gauge"] = "counter"
    label: str = ""

    def __post_init__(self) -> None:
        _check(_METRIC, self.name, "a metric is named in small letters, digits and _")
        _check_line("help", self.help)
        if (self.kind == "counter") != self.name.endswith("_total"):
            raise ValueError(f"{self.name!r}: the names of counters, and no others, end in _total")
        if self.label:
            _check(_METRIC, self.label, "a label is named in small letters, digits and _")
        if self.label in _TAKEN_LABELS:
            raise ValueError(f"{self.label!r} is a label that every metric has: choose another")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that `airswasm doctor` looks at; what it raises is a finding too.

    Attributes:
        name: Whose state it is: `engine`, `home`.
        look: The path of a function `(home, *, quick)` that takes the home's folder and whether
            to leave out what takes long, and returns or iterates over `Finding`s; it may be
            `async`.
    """

    name: str
    look: str

    def __post_init__(self) -> None:
        _check(_NAME, self.name, "a check is named in small letters")
        _check_path(self.look)


FindingState: TypeAlias = Literal["ok", "note", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `airswasm doctor` found.

    Attributes:
        check: Whose state it is: `engine`, `home`.
        state: `ok`, `note`, `warning` or `problem`; a problem makes `doctor` fail.
        text: What was found.
        hint: What to do about it.
    """

    check: str
    state: FindingState
    text: str
    hint: str = ""

    def __post_init__(self) -> None:
        if self.state not in get_args(FindingState):
            known = ", ".join(get_args(FindingState))
            raise ValueError(f"{self.state!r}: the state of a finding is one of {known}")


@dataclass(frozen=True, slots=True)
class Gate:
    """One judgement that an update of a component has to pass before it takes over.

    Attributes:
        name: What operators call it: `interface`, `health`.
        summary: One line: what it finds out.
        judge: The path of a function that takes the host's `Services` and returns an
            `airswasm.lifecycle.UpdateGate`.
        asks: `versions` if it compares the two versions, and nothing has to run for it, so that a
            dry run has its verdict, too; `trial` if it runs the new version without an effect,
            once the change is approved and before that version starts; `candidate` if the new
            version must have started.
    """

    name: str
    summary: str
    judge: Part
    asks: Literal["versions", "trial", "candidate"] = "versions"

    def __post_init__(self) -> None:
        _check(_NAME, self.name, "a gate is named in small letters")
        _check_line("summary", self.summary)
        _check_path(self.judge)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A component that runs components which are sources.

    It imports `airswasm:interpreter/sources` and exports `airswasm:interpreter/compiler`, and
    every interface that such a component may import and export.

    Attributes:
        abi: What sources are written against, `python-3.14-1`: the language, its version, and the
            version of what the interpreter offers beside it. One that is mended keeps it.
        language: The name of the language, as `[build] language` of a manifest has it.
        component: The path of a function that returns the component's bytes.
    """

    abi: str
    language: str
    component: Part

    def __post_init__(self) -> None:
        _check(_ABI, self.abi, "an ABI is named language-version-number, such as python-3.14-1")
        _check(_NAME, self.language, "a language is named in small letters")
        _check_path(self.component)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The declaration of one installed package to a host. Only the name is required.

    Attributes:
        name: Short, unique among the installed ones: `storage`.
        summary: One line.
        wit: The folder of its own WIT package, as `package:folder`. Every function in it needs
            an `@requires` annotation. Empty when its interfaces are in the contract's package.
        interfaces: Full names of the host interfaces that `provide` offers; without `provide`,
            of those that the block answers without being asked for them.
        provide: The path of a function that takes the host's `Services` and returns the
            `HostInterface`s. `lifecycle.System` calls it and puts the guard in front of them.
        capabilities: The kinds of capabilities that its functions require.
        forbidden: What no component may touch through its functions.
        sections: Its tables of config.toml.
        errors: The modules that define its error classes; each class has its `ErrorCode`.
        observe: The path of a function that takes the `Services` of a running host and returns
            an observer; when that has an `async` method `run`, a task of the host runs it.
        metrics: What its functions count, through the host's `airswasm.runtime.Meters`.
        checks: What `airswasm doctor` looks at.
        verbs: Its sub-commands of `airswasm`.
        operations: The path of the `airswasm.cli.Operation`s that it adds to the control API.
        forget: The path of a function `(services, name)`, plain or `async`, that removes all
            that the block keeps for a component. It is called when a name is purged, and again
            when a purge was interrupted, so it must accept that there is nothing left.
        snapshots: The path of a function that takes the host's `Services` and returns the
            `airswasm.runtime.Snapshots` of what the block keeps for components, or None. The
            host takes one before another version works on a component's data, and goes back to
            it with a failed update or with `airswasm rollback --with-data`.
        decide: The path of a function that takes the host's `Services` and returns an
            `airswasm.security.DecisionLayer`, such as a policy engine. The guard asks it about
            every call that it has not remembered, beside grants and roles; it can only refuse.
        gates: What an update of any component has to pass.
        interpreters: The components that it brings to run components which are sources.
    """

    name: str
    summary: str
    wit: str = ""
    interfaces: tuple[str, ...] = ()
    provide: Part = ""
    capabilities: tuple[Capability, ...] = ()
    forbidden: tuple[Forbidden, ...] = ()
    sections: tuple[Section, ...] = ()
    errors: tuple[str, ...] = ()
    observe: Part = ""
    metrics: tuple[Metric, ...] = ()
    checks: tuple[Check, ...] = ()
    verbs: tuple[Verb, ...] = ()
    operations: str = ""
    forget: Part = ""
    snapshots: Part = ""
    decide: Part = ""
    gates: tuple[Gate, ...] = ()
    interpreters: tuple[Interpreter, ...] = ()

    def __post_init__(self) -> None:
        _check(_NAME, self.name, "a block is named in small letters")
        _check_line("summary", self.summary)
        _check_all("interfaces", self.interfaces, str)
        _check_all("capabilities", self.capabilities, Capability)
        _check_all("forbidden", self.forbidden, Forbidden)
        _check_all("sections", self.sections, Section)
        _check_all("errors", self.errors, str)
        _check_all("metrics", self.metrics, Metric)
        _check_all("checks", self.checks, Check)
        _check_all("verbs", self.verbs, Verb)
        _check_all("gates", self.gates, Gate)
        _check_all("interpreters", self.interpreters, Interpreter)
        for path in (self.wit, self.operations, *self._functions):
            _check_path(path)

    @property
    def _functions(self) -> tuple[Part, ...]:
        return (self.provide, self.observe, self.forget, self.snapshots, self.decide)

    @property
    def parts(self) -> Mapping[Part, type]:
        """All parts that it declares, each with the class that `load_part` needs at least."""
        called = (
            *self._functions,
            *(each.model for each in self.sections),
            *(each.command for each in self.verbs),
            *(each.look for each in self.checks),
            *(each.judge for each in self.gates),
            *(each.component for each in self.interpreters),
            *(each.probe for each in self.capabilities),
        )
        others = (self.operations, *(each.spelling for each in self.capabilities))
        function = cast("type", Callable)
        kinds = dict.fromkeys(others, object) | dict.fromkeys(called, function)
        return {part: kind for part, kind in kinds.items() if part}


@overload
def load_part(path: Part) -> object: ...


@overload
def load_part(path: Part, kind: type[T]) -> T: ...


def load_part(path: Part, kind: type[object] = object) -> object:
    """Import what a path such as `acme.alarm:provide` names; return a function as it is.

    Args:
        path: The path, or the function itself.
        kind: The class that it must be an instance of.

    Raises:
        BlockPartUnusable: The module cannot be imported, has no such name, or it is another thing.
    """
    found: object = path
    if isinstance(path, str):
        module, _, name = path.partition(":")
        try:
            found = importlib.import_module(module)
            for part in name.split("."):
                found = getattr(found, part)
        except (Exception, SystemExit) as error:  # the code of any package that is installed
            reason = f"{type(error).__name__}: {safe_text(error)}"
            raise BlockPartUnusable(path, reason) from error
    if not isinstance(found, kind):
        reason = f"expected {kind.__name__}, found {type(found).__name__}"
        raise BlockPartUnusable(str(path), reason)
    return found


def _check_path(path: Part) -> None:
    if not isinstance(path, str):
        if not callable(path):
            raise ValueError(f"{path!r}: a part is a function or its path")
    elif path:
        _check(_PATH, path, "a part is named package.module:name")


def _check_line(name: str, text: object) -> None:
    if not isinstance(text, str) or not text.isprintable():
        raise ValueError(f"{text!r}: {name} must be one line of printable text")


def _check_all(name: str, values: object, kind: type) -> None:
    """Check a field of several things, because declarations are written without a type checker."""
    if not isinstance(values, tuple):
        raise ValueError(
            f"{values!r}: {name} must be a tuple of {kind.__name__}; is a comma missing?"
        )
    for each in cast("tuple[object, ...]", values):
        if not isinstance(each, kind):
            raise ValueError(f"{each!r}: {name} must have {kind.__name__} only")


def _check(form: re.Pattern[str], text: object, rule: str) -> None:
    if not isinstance(text, str) or form.fullmatch(text) is None:
        raise ValueError(f"{text!r}: {rule}")
