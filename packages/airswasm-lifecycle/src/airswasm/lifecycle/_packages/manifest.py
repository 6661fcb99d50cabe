"""Component.toml: the manifest that says what a component is and what it may do.

Reading is strict, because a typo in a security setting must not read as "not set": unknown keys are
errors with a suggestion, and the reader reports every problem of a file at once, each with its
line. pydantic checks the shape, tomllib parses, and `positions` supplies the lines, which neither
of them keeps.

The sections are frozen dataclasses; sizes are bytes and durations are seconds, whatever the author
wrote. Rejected: a free-form mapping for the blocks that use it, because each would then report
mistakes in its own way and only at run time.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, cast

from airswasm.messaging import ANY, Codecs, UnknownCodec
from airswasm.security import Grants, Kinds, SecurityError, judge_path
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    TypeAdapter,
    ValidationError,
)
from pydantic.dataclasses import dataclass

from .._toml.documents import NotToml, decode_text, parse_toml
from .._toml.explaining import MOST_FINDINGS, did_you_mean, explain, locate
from .._toml.positions import Path as KeyPath
from .._toml.positions import scan_positions
from .._toml.quantities import LEAST_INTERVAL, parse_bytes, parse_seconds
from ..errors import ManifestInvalid, ManifestProblem
from .component_name import NAME_PART, is_component_name
from .requests import read_grants

__all__ = (
    "DEFAULT_MEMORY_BYTES",
    "MANIFEST_NAME",
    "BackoffSection",
    "BuildSection",
    "CodecsSection",
    "ComponentSection",
    "DeliverySection",
    "HealthSection",
    "LimitsSection",
    "Manifest",
    "PythonSection",
    "RatesSection",
    "SupervisionSection",
)

MANIFEST_NAME = "Component.toml"
DEFAULT_MEMORY_BYTES = 4 * 2**20
LEAST_MEMORY_BYTES = 512 * 2**10
MOST_MANIFEST_BYTES = 256 * 2**10
_LONGEST_NAME = 128
"""Of a capability; what is longer is compared with none."""

_LONGEST_REASON = 200

_NUMBER = "(0|[1-9][0-9]*)"
_PRE_RELEASE = f"({_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_SEMVER = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}"
    rf"(-{_PRE_RELEASE}(\.{_PRE_RELEASE})*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
)
_STRICT = ConfigDict(extra="forbid")


def _component_name(text: str) -> str:
    if is_component_name(text):
        return text
    if re.fullmatch(NAME_PART, text):
        raise ValueError(f'the namespace is missing; write "local/{text}"')
    raise ValueError(
        "a name is namespace/name, each of a-z, 0-9 and -, starting with a letter, "
        "at most 63 characters"
    )


def _version(text: str) -> str:
    if len(text) <= 64 and _SEMVER.fullmatch(text):
        return text
    raise ValueError('a version is three numbers, such as "1.2.0" (semver.org)')


def _needs(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("a component is named twice")
    return names


def _relative_path(text: str) -> str:
    reason = judge_path(text)
    if reason is None:
        return text
    raise ValueError(f"expected a path below the component's folder, with /: {reason}")


def _command(words: tuple[str, ...]) -> tuple[str, ...]:
    try:
        program = shlex.split(words[0]) if len(words) == 1 else words
    except ValueError as error:
        raise ValueError(f"not a command line: {str(error).lower()}") from None
    if words and not (program and program[0]):
        raise ValueError("expected a program and its arguments")
    if any("\0" in word for word in words):
        raise ValueError("no system passes on a NUL character")
    return words


def _at_least_512_kib(size_bytes: int) -> int:
    if size_bytes < LEAST_MEMORY_BYTES:
        raise ValueError("at least 512 KiB")
    return size_bytes


def _positive(seconds: float) -> float:
    if seconds <= 0:
        raise ValueError("must be more than 0")
    return seconds


def _at_least_a_millisecond(seconds: float) -> float:
    if seconds < LEAST_INTERVAL:
        raise ValueError("at least 1 ms")
    return seconds


def _shutdown(value: object) -> object:
    if value in ("brutal_kill", "infinity"):
        return value
    try:
        return parse_seconds(value)
    except ValueError as error:
        raise ValueError(f'{error}, or "brutal_kill", or "infinity"') from None


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, str) else value


ComponentName = Annotated[StrictStr, AfterValidator(_component_name)]
Version = Annotated[StrictStr, AfterValidator(_version)]
RelativePath = Annotated[StrictStr, AfterValidator(_relative_path)]
Size = Annotated[int, BeforeValidator(parse_bytes)]
MemorySize = Annotated[int, AfterValidator(_at_least_512_kib), BeforeValidator(parse_bytes)]
Duration = Annotated[float, AfterValidator(_positive), BeforeValidator(parse_seconds)]
Interval = Annotated[float, AfterValidator(_at_least_a_millisecond), BeforeValidator(parse_seconds)]
Count = Annotated[StrictInt, Field(ge=1, le=2**62)]
Texts = Annotated[tuple[StrictStr, ...], BeforeValidator(_one_or_many)]
Command = Annotated[Texts, AfterValidator(_command)]
Needs = Annotated[tuple[ComponentName, ...], AfterValidator(_needs), BeforeValidator(_one_or_many)]
Language = Literal["python", "c", "rust", "go", "javascript", "other"]
Bytes = Annotated[Size, Field(ge=1)]


def _codec(name: str) -> str:
    try:
        return Codecs.find().get(name).name
    except UnknownCodec as error:
        raise ValueError(str(error)) from None


def _accepted(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError('name at least one codec, or leave it out for "any"')
    if ANY in names:
        if names != (ANY,):
            raise ValueError('"any" stands alone: it takes what the others take, too')
        return names
    return tuple(dict.fromkeys(map(_codec, names)))


CodecName = Annotated[StrictStr, AfterValidator(_codec)]
CodecNames = Annotated[Texts, AfterValidator(_accepted)]


@dataclass(frozen=True, slots=True, config=_STRICT)
class ComponentSection:
    """`[component]`: the identity."""

    name: ComponentName
    version: Version
    description: StrictStr = ""
    authors: Texts = ()
    license: StrictStr | None = None
    needs: Needs = ()
    """Components that must be ready before this one starts."""


@dataclass(frozen=True, slots=True, config=_STRICT)
class BuildSection:
    """`[build]`: how to build the wasm, and the files of the package."""

    language: Language = "other"
    mode: Literal["standalone", "shared"] = "standalone"
    """`standalone` builds wasm; `shared` leaves a Python component as its sources, which run in the
    interpreter that all of them share."""
    artifact: RelativePath = "component.wasm"
    command: Command = ()
    """A program with its arguments, or one line of text; empty for the language's default."""
    include: tuple[RelativePath, ...] = ()
    """More files of the package; the signature covers them too."""

    def __post_init__(self) -> None:
        if self.mode == "shared" and self.language != "python":
            raise ValueError(f'only Python has a shared interpreter, not "{self.language}"')


@dataclass(frozen=True, slots=True, config=_STRICT)
class PythonSection:
    """`[python]`: what a component in Python is made of beside its own modules."""

    requires: Texts = ()
    """Packages of pure Python, as pip names them; python.lock has what they came to."""


@dataclass(frozen=True, slots=True, config=_STRICT)
class RatesSection:
    """`[limits.rates]`: limits for each second."""

    messages: Count | None = None
    """Messages that it may send; None is the host's default."""
    bytes: Bytes | None = None
    """Bytes of payload that it may send; None is the host's limit."""
    logs: Count = 200
    """Log lines that it may write; the host counts and drops more."""


@dataclass(frozen=True, slots=True, config=_STRICT)
class LimitsSection:
    """`[limits]`: the most that the component may use."""

    memory: MemorySize = DEFAULT_MEMORY_BYTES
    """Bytes of linear memory."""
    fuel: Count | None = None
    """Fuel for each call; 10,000,000 is about 6 ms. None is the host's default."""
    timeout: Duration = 30.0
    """Seconds for each call, waiting included."""
    mailbox: Count = 1024
    """Messages that may wait in the mailbox."""
    mailbox_bytes: Annotated[Size, Field(ge=1)] = 16 * 2**20
    """Bytes of payload that may wait."""
    mailbox_full: Literal["reject", "drop-oldest"] = "reject"
    """The fate of a message for which there is no room: its sender gets `mailbox-full`, or it takes
    the place of the oldest ones, which become dead letters."""
    message_bytes: Annotated[Size, Field(ge=1)] | None = None
    """Bytes of one message to it, and of one answer of the host; None derives it from memory."""
    memories: Annotated[StrictInt, Field(ge=1, le=16)] = 1
    """Linear memories; a component that was composed of others has several, `memory` each."""
    tables: Annotated[StrictInt, Field(ge=1, le=256)] = 16
    """Function tables."""
    table_elements: Annotated[StrictInt, Field(ge=1, le=1_000_000)] = 100_000
    """Elements of each table."""
    instances: Annotated[StrictInt, Field(ge=1, le=256)] = 64
    """Core instances that the component is made of."""
    host_call: Annotated[Size, Field(ge=1, le=64 * 2**20)] = 16 * 2**20
    """Bytes that one call may carry between the component and its host, in each direction."""
    host_memory: Annotated[Size, Field(ge=64 * 2**10)] | None = None
    """Bytes that the host may keep on its behalf, beside its own memory: bodies, headers, handles,
    answers. None is as much as `memory`, and 4 MiB at least."""
    storage: Size | None = None
    """Bytes of keys and values that it may store. None is the host's default."""
    storage_keys: Count | None = None
    """Keys that it may store. None is the host's default."""
    weight: Annotated[float, Field(ge=0.01, le=1000)] = 1.0
    """Weight of its share of processor time beside components that compute at the same time."""
    durability: Literal["sync", "os"] | None = None
    """When a write to its storage is done: `sync` when it is on the disk, `os` when the operating
    system has it, which a power loss can take back. None is the host's rule."""
    rates: RatesSection = field(default_factory=RatesSection)


@dataclass(frozen=True, slots=True, config=_STRICT)
class CodecsSection:
    """`[codecs]`: the encodings of the messages that it reads."""

    accepts: CodecNames = (ANY,)
    """Codecs of the messages to it; each payload begins with the prefix of its codec. `any`, the
    default, takes every payload, unexamined."""
    prefers: CodecName | None = None
    """The codec for a sender that has the choice; None is the first of `accepts`."""

    def __post_init__(self) -> None:
        if self.prefers is not None and self.accepts != (ANY,) and self.prefers not in self.accepts:
            raise ValueError(f"prefers {self.prefers}, which accepts does not name")

    @property
    def preferred(self) -> str | None:
        """The codec for a sender that has the choice; None if it declares none."""
        return self.prefers or (None if self.accepts == (ANY,) else self.accepts[0])


@dataclass(frozen=True, slots=True, config=_STRICT)
class DeliverySection:
    """`[delivery]`: whether messages to it outlive the host.

    What it leaves out is the host's own, which is also the most that it gets.
    """

    mode: Literal["memory", "durable"] = "memory"
    """`memory`: at most once, gone with the host. `durable`: accepted when it is on the disk, at
    least once, in order for each sender."""
    attempts: Count | None = None
    """Tries of a message, after which it is a dead letter."""
    messages: Count | None = None
    """Messages that may wait."""
    size: Annotated[Size, Field(ge=1)] | None = None
    """Bytes that may wait."""
    age: Interval | None = None
    """Seconds after which a message expires that was not handled."""


@dataclass(frozen=True, slots=True, config=_STRICT)
class BackoffSection:
    """`[supervision.backoff]`: delays before restarts, in seconds."""

    growth: Literal["immediate", "linear", "exponential"] = "exponential"
    initial: Duration = 0.1
    maximum: Duration = 30.0
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.2
    """The random part of a delay."""


@dataclass(frozen=True, slots=True, config=_STRICT)
class SupervisionSection:
    """`[supervision]`: reactions to a crash, in OTP's terms."""

    restart: Literal["permanent", "transient", "temporary"] = "permanent"
    intensity: Annotated[StrictInt, Field(ge=0, le=1_000_000)] = 5
    """After more crashes than this within `period`, the supervisor gives the component up."""
    period: Interval = 30.0
    backoff: BackoffSection = field(default_factory=BackoffSection)
    shutdown: Annotated[float | Literal["brutal_kill", "infinity"], BeforeValidator(_shutdown)] = (
        5.0
    )
    revive: Interval | None = None
    """Seconds after which a component that was given up is started again; None leaves it."""


@dataclass(frozen=True, slots=True, config=_STRICT)
class HealthSection:
    """`[health]`: how the host calls `health.check`; without this table it does not."""

    interval: Interval
    timeout: Interval = 5.0
    failures: Annotated[StrictInt, Field(ge=0, le=1_000_000)] = 3
    """Failed checks in a row after which the host restarts the component; 0 for never."""


@dataclass(frozen=True, slots=True, config=_STRICT)
class Manifest:
    """The content of a Component.toml, checked, with every default filled in."""

    component: ComponentSection
    build: BuildSection = field(default_factory=BuildSection)
    python: PythonSection = field(default_factory=PythonSection)
    limits: LimitsSection = field(default_factory=LimitsSection)
    capabilities: dict[str, tuple[StrictStr, ...]] = field(
        default_factory=dict[str, tuple[str, ...]]
    )
    """`{"storage.read": ("users/**",)}`: dotted capability to patterns."""
    reasons: dict[str, str] = field(default_factory=dict[str, str])
    """`{"storage.read": "to list the orders"}`: the author's reason for a capability."""
    codecs: CodecsSection = field(default_factory=CodecsSection)
    delivery: DeliverySection = field(default_factory=DeliverySection)
    supervision: SupervisionSection = field(default_factory=SupervisionSection)
    health: HealthSection | None = None
    environment: dict[StrictStr, StrictStr] = field(default_factory=dict[str, str])
    config: dict[str, object] = field(default_factory=dict[str, object])

    @property
    def name(self) -> str:
        """The full name, `namespace/name`."""
        return self.component.name

    @property
    def version(self) -> str:
        """The semantic version."""
        return self.component.version

    @property
    def grants(self) -> Grants:
        """The capabilities that it asks for, as the guard understands them."""
        return read_grants(self.capabilities)

    @property
    def config_json(self) -> str:
        """The `[config]` table as the JSON object for `lifecycle.init`."""
        return json.dumps(self.config, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def load(cls, path: Path, *, kinds: Kinds | None = None, is_strict: bool = True) -> Manifest:
        """Read a manifest from a file; see `parse`.

        Raises:
            ManifestInvalid: The file is unreadable or wrong; the error lists every problem.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise _single(str(path), f"cannot be read: {error.strerror}") from error
        return cls.parse(content, file=str(path), kinds=kinds, is_strict=is_strict)

    @classmethod
    def parse(
        cls,
        content: bytes | str,
        *,
        file: str = MANIFEST_NAME,
        kinds: Kinds | None = None,
        is_strict: bool = True,
    ) -> Manifest:
        """Read a manifest from text.

        Args:
            content: The TOML document.
            file: The document's name in error messages.
            kinds: The capabilities that exist. The reader refuses others with a suggestion, and
                reads each pattern by its capability's spelling.
            is_strict: False accepts capabilities of blocks that are not installed here, as an
                author needs who builds for another host; it still refuses names close to a known
                one.

        Raises:
            ManifestInvalid: The document is wrong; the error lists every problem.
        """
        text = _decode(content, file)
        tables = _parse_toml(text, file)
        positions = scan_positions(text)
        findings: list[tuple[KeyPath, str]] = []
        if "reasons" in tables:
            findings.append((("reasons",), "unknown key"))
        tables["capabilities"], tables["reasons"] = _read_capabilities(
            tables.get("capabilities", {}), kinds, is_strict, findings
        )
        _check_config(tables.get("config", {}), findings)
        manifest: Manifest | None = None
        try:
            manifest = _ADAPTER.validate_python(tables)
        except ValidationError as error:
            findings += explain(error, cls)
        if manifest is None or findings:
            raise ManifestInvalid(file, locate(findings, positions, file))
        return manifest


_ADAPTER = TypeAdapter(Manifest)
"""Built once from the annotations above; it holds no state."""


def _single(file: str, text: str, *, line: int = 1, key: str = "file") -> ManifestInvalid:
    return ManifestInvalid(file, [ManifestProblem(file, line, key, text)])


def _decode(content: bytes | str, file: str) -> str:
    if len(content) > MOST_MANIFEST_BYTES:
        raise _single(file, f"longer than {MOST_MANIFEST_BYTES} bytes")
    if isinstance(content, str):
        return content.removeprefix("\ufeff").replace("\r\n", "\n")
    try:
        return decode_text(content).replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _single(file, error.reason, line=line) from error


def _parse_toml(text: str, file: str) -> dict[str, object]:
    try:
        return parse_toml(text)
    except NotToml as error:
        raise _single(file, error.reason, line=error.line, key="syntax") from error


def _read_capabilities(
    table: object, kinds: Kinds | None, is_strict: bool, findings: list[tuple[KeyPath, str]]
) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    capabilities: dict[str, tuple[str, ...]] = {}
    reasons: dict[str, str] = {}
    if not isinstance(table, Mapping):
        findings.append((("capabilities",), "expected a table"))
        return capabilities, reasons
    for path, value in _leaves(cast("Mapping[str, object]", table), ()):
        if len(findings) >= MOST_FINDINGS:
            break  # enough to mend first
        name, where = ".".join(path), ("capabilities", *path)
        patterns, reason, problem = _with_reason(value)
        problem = problem or _judge_capability(name, patterns, kinds, is_strict)
        if name in capabilities:
            problem = "appears twice: quoted, and as a dotted key"
        if problem:
            findings.append((where, problem))
        else:
            capabilities[name] = _texts(patterns) or ()
            if reason:
                reasons[name] = reason
    return capabilities, reasons


def _with_reason(value: object) -> tuple[object, str, str | None]:
    """Return the patterns of a capability, its reason, and what is wrong with the reason."""
    if not isinstance(value, Mapping):
        return value, "", None
    table = cast("Mapping[str, object]", value)
    unknown = [key for key in table if key not in ("patterns", "reason")]
    if unknown:
        close = did_you_mean(unknown[0], ("patterns", "reason"))
        return (), "", f"unknown key {unknown[0]!a}{close}"
    reason = table.get("reason", "")
    if not isinstance(reason, str) or len(reason) > _LONGEST_REASON or not reason.isprintable():
        rule = f"a reason is one line of at most {_LONGEST_REASON} printable characters"
        return (), "", rule
    return table.get("patterns"), reason, None


def _leaves(table: Mapping[str, object], above: KeyPath) -> Iterable[tuple[KeyPath, object]]:
    for key, value in table.items():
        path = (*above, *key.split("."))
        if isinstance(value, Mapping):
            inner = cast("Mapping[str, object]", value)
            is_named = len(path) >= (3 if path[0] == "deny" else 2)
            if not (is_named and inner.keys() & {"patterns", "reason"}):
                yield from _leaves(inner, path)
                continue
        yield path, value


def _judge_capability(
    name: str, patterns: object, kinds: Kinds | None, is_strict: bool
) -> str | None:
    plain_name = name.removeprefix("deny.")
    is_known = kinds is None or plain_name in kinds.names
    if kinds is not None and not is_known:
        meant = kinds.meant(plain_name.replace(".", ":", 1))
        if is_strict or meant is not None or _is_close(plain_name, kinds.names):
            return f"no block of this host offers it; {_instead(plain_name, meant, kinds.names)}"
    texts = _texts(patterns)
    if texts is None:
        return 'expected a list of patterns, such as ["users/**"], or "everything"'
    try:
        grants = read_grants({name: texts})
        if kinds is not None and is_known:
            kinds.check(grants)
    except SecurityError as error:
        return str(error)
    return None


def _instead(name: str, meant: str | None, known: Iterable[str]) -> str:
    """Name the capability that was probably meant, else those of its domain, else all domains."""
    if meant is not None:
        return f"did you mean `{meant.replace(':', '.')}`?"
    domain = name.partition(".")[0]
    siblings = [each for each in sorted(known) if each.partition(".")[0] == domain]
    if siblings:
        return f"of {domain} there are {', '.join(siblings)}"
    domains = sorted({each.partition(".")[0] for each in known})
    return f"install the block that brings it; there are {', '.join(domains)}"


def _is_close(name: str, known: Iterable[str]) -> bool:
    """Whether a name was probably meant to be a known one, or is in a known domain."""
    if len(name) > _LONGEST_NAME:
        return False
    domains = {each.partition(".")[0] for each in known}
    return bool(get_close_matches(name.partition(".")[0], domains, n=1, cutoff=0.8))


def _texts(patterns: object) -> tuple[str, ...] | None:
    """Return one text or a list of texts as a tuple; None for anything else."""
    if isinstance(patterns, str):
        return (patterns,)
    found = cast("list[object]", patterns) if isinstance(patterns, list) else [None]
    texts = tuple(each for each in found if isinstance(each, str))
    return texts if len(texts) == len(found) else None


def _check_config(table: object, findings: list[tuple[KeyPath, str]]) -> None:
    def check(value: object, path: KeyPath) -> None:
        if isinstance(value, Mapping):
            for key, item in cast("Mapping[str, object]", value).items():
                check(item, (*path, key))
        elif isinstance(value, list):
            for item in cast("list[object]", value):
                check(item, path)
        elif not isinstance(value, str | int | float | bool):
            findings.append((path, "dates have no JSON form; write it as a string"))
        elif isinstance(value, float) and value - value != 0:
            findings.append((path, "inf and nan have no JSON form"))

    check(table, ("config",))
