"""The quota of one name, by an operator."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from ..._session.session import Session, verb

if TYPE_CHECKING:
    from airswasm.lifecycle import NameQuota

    from ..._control.document import Document
    from ..._hosts.stored_host import HostReader

__all__ = ("quota",)

_SETTING = "limits.quotas"


def _bytes(text: str) -> int:
    from airswasm.lifecycle import parse_bytes

    try:
        return parse_bytes(int(text) if text.isdecimal() else text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@verb
def quota(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The component.")],
    size: Annotated[
        int | None,
        typer.Option("--bytes", metavar="SIZE", parser=_bytes, help='Such as "256 MiB".'),
    ] = None,
    keys: Annotated[int | None, typer.Option("--keys", min=0, help="The most keys.")] = None,
    unset: Annotated[
        bool, typer.Option("--unset", help="Leave it to the manifest and the policy again.")
    ] = False,
) -> None:
    """Show how much one component may store, or set it.

    Without an option, it shows what holds. A quota that is set here wins over its
    manifest and over [limits] of config.toml, where it is kept (limits.quotas). A
    running host takes the file over, as `airswasm reload` does. Below what is
    stored, reads and deletes go on, and what grows is refused.

    \b
    Example:
      airswasm storage quota shop/orders
      airswasm storage quota shop/orders --bytes "256 MiB" --keys 100000
      airswasm storage quota shop/orders --unset
    """
    from airswasm.lifecycle import Configuration, LimitPolicy, NameQuota, write_toml
    from airswasm.wit import Blocks

    from ..._hosts.opening import ask, full_name
    from ..config import change_setting

    sets = size is not None or keys is not None
    if unset and sets:
        raise typer.BadParameter("--unset goes with neither --bytes nor --keys")
    full = full_name(name)
    if not (unset or sets):
        _show(session, full)
        return
    file = session.home / "config.toml"
    quotas = dict(Configuration.load(file, Blocks.find()).get(LimitPolicy).quotas)
    own = quotas.pop(full, NameQuota())
    if not unset:
        own = NameQuota(
            own.storage if size is None else size, own.storage_keys if keys is None else keys
        )
        quotas[full] = own
    table = {each: _set(quota) for each, quota in quotas.items()}
    change_setting(session, _SETTING, write_toml(table) if table else None)
    if sets and full not in ask(session, _names):
        session.terminal.warn(f"{full} is not installed: its quota holds once it is")


async def _names(host: HostReader) -> set[object]:
    return {each["name"] for each in await host.list()}


def _show(session: Session, name: str) -> None:
    """Show what a component may store, which rule says so, and what it has stored."""
    import anyio
    from airswasm.lifecycle import Configuration, LimitPolicy, NameQuota
    from airswasm.wit import Blocks

    from ..._control.document import mapping
    from ..._hosts.opening import open_host
    from .._times import amount, size

    policy = Configuration.load(session.home / "config.toml", Blocks.find()).get(LimitPolicy)

    async def work() -> tuple[Document, Document]:
        async with open_host(session, "storage quota", "read") as host:
            info = await host.info(name)
            rows = [each for each in await host.stores() if each["name"] == name]
            return info, rows[0] if rows else {"used_bytes": 0, "keys": 0}

    info, stored = anyio.run(work)
    limits, asked = mapping(info["limits"]), mapping(mapping(info["manifest"]).get("limits"))
    own = policy.quotas.get(name) or NameQuota()
    rules = [_rule(getattr(own, key), asked.get(key)) for key in ("storage", "storage_keys")]
    if session.terminal.as_json:
        content = {
            "name": name, "used_bytes": stored["used_bytes"], "quota_bytes": limits["storage"],
            "bytes_by": rules[0], "keys": stored["keys"], "quota_keys": limits["storage_keys"],
            "keys_by": rules[1],
        }  # fmt: skip
        session.terminal.document("quota/1", content)
        return
    session.terminal.fields([
        ("bytes", f"{size(stored['used_bytes'])} of {size(limits['storage'])}, by {rules[0]}"),
        ("keys", f"{amount(stored['keys'])} of {amount(limits['storage_keys'])}, by {rules[1]}"),
    ])  # fmt: skip


def _rule(own: int | None, asked: object) -> str:
    if own is not None:
        return "limits.quotas of config.toml"
    return "[limits] of config.toml" if asked is None else "its manifest"


def _set(quota: NameQuota) -> dict[str, int]:
    """Return the numbers of a quota that are set."""
    return {key: each for key, each in dataclasses.asdict(quota).items() if each is not None}
