"""`airswasm dashboards`: files for Grafana and Prometheus."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from .._session.session import Session, verb

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_TARGET = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.%]+\]):[0-9]{1,5}", re.ASCII)


@app.command()
@verb
def dashboards(
    session: Session,
    output: Annotated[Path, typer.Option("--output", metavar="DIR", help="Where to write.")],
    targets: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            metavar="HOST:PORT",
            help="A host to scrape, again for each. [default: 127.0.0.1:9464]",
        ),
    ] = None,
    token_file: Annotated[
        str,
        typer.Option("--token-file", metavar="FILE", help="A token, for Prometheus to read."),
    ] = "airswasm.token",  # noqa: S107 - a path
) -> None:
    """Write dashboards for Grafana, and rules for Prometheus.

    Writes an overview, a dashboard of one component and one of the host, all for
    import into Grafana; this home's alert rules, and a configuration that scrapes
    the hosts with them. Files of an earlier call are replaced.

    \b
    Example:
      airswasm dashboards --output monitoring --target 127.0.0.1:9464
      airswasm tokens create prometheus --scope monitoring
    """
    import os

    from airswasm.lifecycle import Configuration, Home
    from airswasm.monitoring import AlertSettings, write_dashboards
    from airswasm.wit import Blocks

    file = Home(session.home).config_file
    for target in targets or ():
        if _TARGET.fullmatch(target) is None:
            raise typer.BadParameter(
                f"{target!a} is no HOST:PORT, such as 127.0.0.1:9464", param_hint="'--target'"
            )
    settings = Configuration.load(file, Blocks.find(), os.environ).get(AlertSettings)
    written = write_dashboards(
        output,
        settings.rules_in_force,
        targets=targets or ("127.0.0.1:9464",),
        token_file=token_file,
        interval_seconds=settings.interval_seconds,
    )
    terminal = session.terminal
    if terminal.as_json:
        terminal.document("dashboards/1", {"files": [str(each) for each in written]})
        return
    for each in written:
        terminal.data(str(each))
    terminal.done(f"wrote {len(written)} files")
