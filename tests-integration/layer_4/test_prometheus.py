"""A real Prometheus scrapes a real host, with the files that `airswasm dashboards` writes.

Every panel's query has data, and a planted fault fires the same alert in the host and there. There
is no Grafana here: its JSON is held to the model that it documents.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from driving import Project, Terminal, make_unruly, until

START = Callable[..., Project]
pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="needs Debian's prometheus"
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Prometheus:
    """A Prometheus in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    "prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            yield
        finally:
            self.process.terminate()
            self.process.wait(60)

    def ask(self, path: str, **parameters: str) -> Any:
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[Any]:
        return list(self.ask("query", query=expression)["result"])

    def is_scraping(self) -> bool:
        try:
            return self.query("up") != [] and self.query("up")[0]["value"][1] == "1"
        except OSError:
            return False

    def firing(self) -> set[str]:
        alerts = self.ask("alerts")["alerts"]
        return {each["labels"]["alertname"] for each in alerts if each["state"] == "firing"}


def panels(folder: Path) -> Iterator[tuple[str, str]]:
    """Every query of every dashboard, with its place; variables stand for everything."""
    for board in ("overview", "component", "host"):
        document = json.loads((folder / f"airswasm-{board}.json").read_text())
        for panel in document["panels"]:
            for target in panel["targets"]:
                expression = re.sub(r"\$(instance|component)", ".*", target["expr"])
                yield (
                    f"{document['title']}: {panel['title']}",
                    expression.replace("$__rate_interval", "1m"),
                )


def test_every_panel_has_data_and_a_fault_fires_in_both(
    terminal: Terminal, start_project: START, tmp_path: Path
) -> None:
    """Components that work, store, are denied and fail are seen in all dashboards."""
    works, denied, unruly = (start_project(name) for name in ("works", "denied", "unruly"))
    make_unruly(unruly)
    unruly.manifest("intensity = 5", "intensity = 1")
    denied.manifest('storage.write = ["count"]\n', "")
    for project in (works, denied, unruly):
        project.type("build", "sign", "install . --yes")
    terminal.run("config", "set", "alerts.interval_seconds", "1")
    port = free_port()
    folder = tmp_path / "monitoring"
    terminal.run("dashboards", "--output", str(folder), "--target", f"127.0.0.1:{port}")
    made = terminal.read("tokens", "create", "prometheus", "--scope", "monitoring")
    (folder / "airswasm.token").write_text(made["token"])
    configuration = (folder / "prometheus.yml").read_text()
    (folder / "prometheus.yml").write_text(configuration.replace('"15s"', '"1s"'))
    for check in (["config", "prometheus.yml"], ["rules", "airswasm-rules.yml"]):
        subprocess.run(["promtool", "check", *check], cwd=folder, check=True, capture_output=True)
    prometheus = Prometheus(folder)
    with terminal.host("--listen", str(port)) as host, prometheus.running():
        until(prometheus.is_scraping, f"it scrapes\n{(folder / 'log').read_text()}")
        for _ in range(2):
            terminal.run("send", works.name, "hello")
            terminal.refused("send", denied.name, "hello")
        assert prometheus.firing() == set()
        terminal.refused("send", unruly.name, "trap")
        until(lambda: terminal.run("send", unruly.name, "hello", code=None).code == 0, "again")
        terminal.refused("send", unruly.name, "trap")

        until(lambda: "ComponentGivenUp" in prometheus.firing(), "Prometheus fires")
        until(lambda: firing(terminal) == {"ComponentGivenUp"}, "the host fires")
        assert prometheus.firing() == {"ComponentGivenUp"}
        (rule,) = [each for each in terminal.read("alerts", "list")["rules"]
                   if each["state"] == "firing"]  # fmt: skip
        assert [each["labels"] for each in rule["alerts"]] == [{"component": unruly.name}]

        absent = [(place, query) for place, query in panels(folder) if not prometheus.query(query)]
        until(
            lambda: not [each for each in panels(folder) if not prometheus.query(each[1])],
            f"every panel has data; at first none had {absent}",
            patience=30,
        )
        address = f"http://127.0.0.1:{port}/metrics"
        request = urllib.request.Request(
            address, headers={"Authorization": f"Bearer {made['token']}"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            page = answer.read()
        linted = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True)
        assert (linted.returncode, linted.stdout + linted.stderr) == (0, b"")
        host.kill()
        assert firing(terminal) == {"ComponentGivenUp"}, "the store has it"


def firing(terminal: Terminal) -> set[str]:
    rules = terminal.read("alerts", "list")["rules"]
    return {each["name"] for each in rules if each["state"] == "firing"}


def test_dashboards_are_as_grafana_documents_them(terminal: Terminal) -> None:
    """Ids are unique, panels lie side by side within 24 columns, variables are declared."""
    terminal.run("dashboards", "--output", "out")
    terminal.run("dashboards", "--output", "out")
    for board in ("overview", "component", "host"):
        document = json.loads((terminal.folder / "out" / f"airswasm-{board}.json").read_text())
        assert {"uid", "title", "schemaVersion", "panels", "templating", "time"} <= document.keys()
        assert len(document["uid"]) <= 40
        variables = {each["name"] for each in document["templating"]["list"]}
        ids, taken = set(), set()
        for panel in document["panels"]:
            assert {"id", "type", "title", "gridPos", "datasource", "targets", "fieldConfig",
                    "options"} <= panel.keys()  # fmt: skip
            assert panel["id"] not in ids
            ids.add(panel["id"])
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert max(x for x, _ in cells) < 24
            assert not cells & taken
            taken |= cells
            for target in panel["targets"]:
                used = set(re.findall(r"\$([a-z]+)", target["expr"]))
                assert used <= variables
                assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
