"""Bind a component to the world that componentize-py has generated for it.

Only the entry module that the build writes imports this: `wit_world` exists nowhere else. The class
attributes of the generated errors are found by name, because a world has only the interfaces that
it names.
"""
# mypy: disable-error-code="no-any-return"
# What the build generates has no types here.

from __future__ import annotations

import importlib
import linecache
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

from ._definition import Definition
from ._host import Envelope
from ._logging import HostHandler
from ._service import Refused, Service
from .errors import HostError, host_error

__all__ = ("exports_of",)

T = TypeVar("T")
NAME_VARIABLE = "AIRSWASM_COMPONENT"
_PROJECT = "/0/"
"""The project's folder while componentize-py imports it."""


class _WorldHost:
    """The imports of the world, as `Host`."""

    def __init__(self, imports: dict[str, ModuleType], err: type[Exception]) -> None:
        self._imports, self._err = imports, err

    @property
    def name(self) -> str:
        return os.environ.get(NAME_VARIABLE, "")

    def log(self, level: str, message: str) -> None:
        logging_ = self._imports["logging"]
        logging_.log(getattr(logging_.Level, level.upper()), message)

    def get(self, key: str) -> bytes | None:
        return self._do("storage", lambda it: it.get(key))

    def set(self, key: str, value: bytes, ttl_ms: int | None = None) -> None:
        if ttl_ms is None:
            self._do("storage", lambda it: it.set(key, value))
        else:
            self._do("storage", lambda it: it.set_with_ttl(key, value, ttl_ms))

    def delete(self, key: str) -> bool:
        return self._do("storage", lambda it: it.delete(key))

    def scan(
        self, prefix: str, after: str | None, limit: int, *, reverse: bool
    ) -> tuple[Sequence[tuple[str, bytes]], str | None]:
        page = self._do("storage", lambda it: it.scan(prefix, after, limit, reverse))
        return [(each.key, each.value) for each in page.entries], page.next

    def envelope(self) -> Envelope | None:
        found = self._do("messaging", lambda it: it.envelope())
        return None if found is None else Envelope(**cast("dict[str, Any]", vars(found)))

    def send(self, target: str, payload: bytes) -> None:
        self._do("messaging", lambda it: it.send(target, payload))

    def call(self, target: str, payload: bytes, timeout_ms: int) -> bytes | None:
        return self._do("messaging", lambda it: it.call(target, payload, timeout_ms))

    def request(self, target: str, payload: bytes, timeout_ms: int) -> int:
        return self._do("messaging", lambda it: it.request(target, payload, timeout_ms))

    def cancel(self, request_id: int) -> bool:
        return self._do("messaging", lambda it: it.cancel(request_id))

    def publish(self, topic: str, payload: bytes, *, retained: bool) -> int:
        if retained:
            return self._do("messaging", lambda it: it.publish_retained(topic, payload))
        return self._do("messaging", lambda it: it.publish(topic, payload))

    def subscribe(self, pattern: str) -> None:
        self._do("messaging", lambda it: it.subscribe(pattern))

    def unsubscribe(self, pattern: str) -> None:
        self._do("messaging", lambda it: it.unsubscribe(pattern))

    def send_later(self, target: str, payload: bytes, delay_ms: int, *, durable: bool) -> int:
        return self._do("timers", lambda it: it.send_later(target, payload, delay_ms, durable))

    def send_every(self, target: str, payload: bytes, interval_ms: int, *, durable: bool) -> int:
        return self._do("timers", lambda it: it.send_every(target, payload, interval_ms, durable))

    def cancel_timer(self, timer_id: int) -> bool:
        return self._do("timers", lambda it: it.cancel(timer_id))

    def _do(self, interface: str, work: Callable[[Any], Any]) -> Any:
        if interface not in self._imports:
            raise HostError(f"the world lacks {interface}: declare what the component uses")
        try:
            return work(self._imports[interface])
        except self._err as error:
            raise _host_error(vars(error)["value"]) from None


def exports_of(definition: Definition, name: str) -> dict[str, type]:
    """Return the classes that componentize-py looks for in the entry module.

    Args:
        definition: The component.
        name: Its name in Component.toml, where the host does not tell another.
    """
    err = importlib.import_module("componentize_py_types").Err
    exports = importlib.import_module("wit_world.exports")
    imports = {
        each: importlib.import_module(f"wit_world.imports.{each}") for each in definition.imports
    }
    os.environ.setdefault(NAME_VARIABLE, name)
    logging.basicConfig(handlers=[HostHandler()], level=logging.INFO, format="%(message)s")
    _keep_sources()
    service = Service(definition, _WorldHost(imports, err))

    def answer(work: Callable[[], T]) -> T:
        try:
            return work()
        except Refused as refused:
            raise err(str(refused)) from None

    class Handler(exports.Handler):  # type: ignore[name-defined, misc]
        def handle_message(self, sender: str, topic: str | None, payload: bytes) -> bytes | None:
            return answer(lambda: service.handle(sender, topic, payload))

    class Lifecycle(exports.Lifecycle):  # type: ignore[name-defined, misc]
        def init(self, config: str) -> None:
            answer(lambda: service.init(config))

        def shutdown(self) -> None:
            service.shutdown()

    made: dict[str, type] = {"Handler": Handler, "Lifecycle": Lifecycle}
    if "callbacks" in definition.exports:

        class Callbacks(exports.Callbacks):  # type: ignore[name-defined, misc]
            def handle_callback(self, request_id: int, outcome: Any) -> None:
                error = _host_error(outcome.value) if isinstance(outcome, err) else None
                service.callback(request_id, None if error else outcome.value, error)

        made["Callbacks"] = Callbacks
    if "health" in definition.exports:

        class Health(exports.Health):  # type: ignore[name-defined, misc]
            def check(self) -> None:
                answer(service.check)

        made["Health"] = Health
    if "migration" in definition.exports:

        class Migration(exports.Migration):  # type: ignore[name-defined, misc]
            def migrate(self, from_version: str) -> None:
                answer(lambda: service.migrate(from_version))

        made["Migration"] = Migration
    return made


def _host_error(value: object) -> HostError:
    """Return the error of a generated case, such as `MessagingError_MailboxFull`."""
    case = type(value).__name__.rpartition("_")[2]
    inside = getattr(value, "value", "")
    return host_error(case, inside if isinstance(inside, str) else f"{case}: {inside}")


def _keep_sources() -> None:
    """Keep the lines of the project's modules: at run time a traceback finds no files.

    The shared interpreter has none when this runs, and keeps the lines itself.
    """
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and file.startswith(_PROJECT) and Path(file).is_file():
            text = Path(file).read_text(encoding="utf-8", errors="replace")
            linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
