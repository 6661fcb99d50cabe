"""The mode of a home that a person opens for the first time.

Who types the first command of a new home is developing, and gets development mode, written down
and said. A service has no terminal: its home stays without the setting, which means production.
"""

from __future__ import annotations

import os

from .._session.session import Session

__all__ = ("MODE", "choose_mode")

MODE = "host.mode"


def choose_mode(session: Session) -> None:
    """Write `development` into the settings of a new home, if a person can read that."""
    from airswasm.lifecycle import Home, edit_configuration

    home = Home(session.home)
    is_new = not home.config_file.exists() and not home.store_folder.exists()
    if not is_new or not session.terminal.is_interactive or "AIRSWASM_HOST_MODE" in os.environ:
        return
    edit_configuration(session.home, MODE, "development")
    session.terminal.warn(
        "this new home is in DEVELOPMENT MODE: unsigned packages, and those signed by its own "
        "keys, may use everything but the forbidden list, without a question.\n"
        f"  To serve others: airswasm config set {MODE} production"
    )
