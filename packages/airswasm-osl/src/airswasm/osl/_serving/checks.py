"""`airswasm doctor`: the routes of config.toml lead to components that may answer."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from airswasm.lifecycle import Configuration, Home, HomeReader
from airswasm.wit import AirswasmError, Blocks, Finding

from .settings import HttpRoute, ServingPolicy

__all__ = ("check_routes", "findings_of")

_CHECK = "routes"


def check_routes(home: Path, *, quick: bool) -> Iterator[Finding]:
    """Look whether each route leads to a component that is installed."""
    del quick
    found = Home(home)
    policy = Configuration.load(found.config_file, Blocks.find(), os.environ).get(ServingPolicy)
    if not policy.routes:
        return
    try:
        with HomeReader(found) as reader:
            installed = {each.name for each in reader.list()}
    except AirswasmError:  # another check says so
        return
    problems = list(findings_of(policy.routes, installed))
    yield from problems
    if not policy.listen:
        hint = 'set http.listen, such as "127.0.0.1:8080"'
        yield Finding(_CHECK, "note", "there are routes, and the host serves no HTTP", hint)
    elif not problems:
        count = len(policy.routes)
        yield Finding(_CHECK, "ok", f"{count} routes at {policy.listen} lead to components")


def findings_of(routes: Iterable[HttpRoute], installed: Iterable[str]) -> Iterator[Finding]:
    """Iterate over the routes that lead to a component which is not installed."""
    names = set(installed)
    for route in routes:
        for component in route.components:
            if component not in names:
                text = f"the route {route.path} leads to {component}, which is not installed"
                hint = "install it, or change [[http.routes]]; clients get 503"
                yield Finding(_CHECK, "problem", text, hint)
