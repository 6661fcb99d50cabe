"""`airswasm update`: switch to a newer version without losing a message."""

from __future__ import annotations

from typing import Annotated

import typer

from .._session.session import Session, verb
from ._deciding import DENY, GRANT, GrantOptions
from ._gates import OverrideGates, Why
from ._source_build import BuildOption, SignOption, build_package, build_request

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def update(
    session: Session,
    package: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE|NAME",
            help="A source as for install, or a component, whose recorded source is asked again.",
        ),
    ],
    build: BuildOption = False,
    sign: SignOption = None,
    grant: Annotated[list[str] | None, GRANT] = None,
    deny: Annotated[list[str] | None, DENY] = None,
    override: OverrideGates = None,
    reason: Why = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what it would change, and change nothing.")
    ] = False,
) -> None:
    """Switch an installed component to a newer version.

    The new version starts beside the old one, passes the gates, and takes over its
    messages; one of the two answers a message sent meanwhile. If it does not come
    up, or a gate blocks it, the old one continues (docs/updates.md). Asks for
    approval only if the update may do more than before, or raises a limit or
    another setting; the question is the difference. What was denied or narrowed
    before stays so. The same key must have signed it, with a higher sequence. A
    component in the place of the source has the source of its active version asked
    again; a folder of that name has precedence. --build and --sign are as for install.

    --dry-run exits with 4 where a gate would block it. The gates that try the new
    version are not asked: a dry run starts nothing.

    \b
    Example:
      airswasm update .
      airswasm update shop/orders
      airswasm update . --dry-run
      airswasm update . --override interface --reason "both are ours"
    """
    import anyio

    from .._hosts.opening import open_host
    from ._gates import overrides_of
    from ._install import carry_out, fetch, preview, show_installed, source_of_update

    options = GrantOptions(grant or (), deny or ())
    overrides = overrides_of(override, reason)

    request = build_request(build, sign)
    source = source_of_update(session, package)
    built = None if request is None else build_package(session, source, request)

    async def work() -> None:
        fetched = built or await fetch(session, source)
        async with open_host(session, "update", "change") as host:
            if dry_run:
                await preview(session, host, fetched, "update", overrides)
                return
            done = await carry_out(session, host, fetched, "update", options, overrides)
            show_installed(session, "updated", done)

    anyio.run(work)
