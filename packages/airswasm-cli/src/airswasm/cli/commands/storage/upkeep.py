"""The store as a whole: its size, and whether it is intact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from ..._control.document import Document
from ..._session.session import Session, verb
from ._watching import watched

__all__ = ("usage", "verify")


@verb
def usage(
    session: Session,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The component; all of them if absent.")
    ] = None,
) -> None:
    """Show how much components store, and their quotas.

    A component has a quota of bytes and one of keys: `share` is of the one that
    will be used up first. `left` marks the data of a component that is not
    installed any more; `airswasm storage delete NAME --all` removes it.

    \b
    Example:
      airswasm storage usage
      airswasm storage usage shop/orders --json
    """
    import anyio

    from ..._control.document import number
    from ..._hosts.opening import full_name, open_host
    from .._times import amount, size

    terminal = session.terminal
    wanted = full_name(name) if name is not None else None

    async def work() -> Sequence[Document]:
        async with open_host(session, "storage usage", "read") as host:
            found = await host.stores()
            if wanted is None:
                return found
            names = (name, wanted)  # the host's own names are not those of components
            found = [each for each in found if each["name"] in names]
            if not found:
                await host.checkpoints(wanted)  # refuses a name that is not installed
            return found

    found = anyio.run(work)
    if terminal.as_json:
        terminal.document("stores/1", {"namespaces": list(found)})
        return
    if not found:
        terminal.say(f"{wanted} has stored nothing" if wanted else "nothing is stored")
        return
    rows: list[tuple[str, ...]] = []
    for each in found:
        quota = each["quota_bytes"]
        shares = [
            number(each[used]) / number(each[most])
            for used, most in (("used_bytes", "quota_bytes"), ("keys", "quota_keys"))
            if each[most]
        ]
        share = f"{max(shares):.0%}" if shares else "-"
        checkpoints = f"{each['checkpoints']} ({size(each['checkpoint_bytes'])})"
        rows.append(
            (
                str(each["name"]), str(each["kind"]), amount(each["keys"]),
                size(each["used_bytes"]), size(quota), share,
                checkpoints if each["checkpoints"] else "-",
            )
        )  # fmt: skip
    terminal.table(("name", "kind", "keys", "used", "quota", "share", "checkpoints"), rows)


@verb
def verify(session: Session) -> None:
    """Read all stored data, and recount it.

    Damage shows now and not when it hurts. To check an export or a backup:
    `airswasm storage import --dry-run`, `airswasm restore --dry-run`.

    \b
    Example:
      airswasm storage verify
    """
    import anyio

    from ..._hosts.opening import open_host
    from .._times import amount

    async def work() -> Document:
        doing = "reading all stored data"
        with session.terminal.progress(doing) as line:
            async with (
                open_host(session, "storage verify", "read") as host,
                watched(host, line, doing, "", "verify"),
            ):
                return await host.verify_storage()

    found = anyio.run(work)
    if session.terminal.as_json:
        session.terminal.document("storage-verify/1", found)
        return
    records, names = amount(found["records"]), amount(found["namespaces"])
    session.terminal.done(f"{records} records of {names} namespaces are intact")
