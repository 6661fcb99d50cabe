"""The quota of one name, by an operator."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from ..._session.session import Session, verb

if TYPE_CHECKING:
    from airswasm.lifecycle import NameQuota

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
    """Set how much one component may store, from now on.

    Wins over its manifest and over [limits] of config.toml, where it is kept
    (limits.quotas). A running host takes the file over, as `airswasm reload` does.
    Below what is stored, reads and deletes go on, and what grows is refused.

    \b
    Example:
      airswasm storage quota shop/orders --bytes "256 MiB" --keys 100000
      airswasm storage quota shop/orders --unset
    """
    from airswasm.lifecycle import Configuration, LimitPolicy, NameQuota, write_toml
    from airswasm.wit import Blocks

    from ..._hosts.opening import full_name
    from ..config import change_setting

    if unset == (size is not None or keys is not None):
        raise typer.BadParameter("say --bytes, --keys or both; or --unset alone")
    full = full_name(name)
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


def _set(quota: NameQuota) -> dict[str, int]:
    """Return the numbers of a quota that are set."""
    return {key: each for key, each in dataclasses.asdict(quota).items() if each is not None}
