"""`airswasm:component/dns`: the addresses of granted names."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
from airswasm.runtime import Caller, HostInterface

from .._answers import answered
from ..errors import TimedOut
from .places import Network


class Dns:
    """The function of the interface, for all components of one host."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def interface(self) -> HostInterface:
        """Return the interface for guests; a guard belongs in front of it."""
        return HostInterface("airswasm:component/dns@0.1.0", {"resolve": answered(self.resolve)})

    async def resolve(self, caller: Caller, name: str, timeout_ms: int) -> Sequence[str]:
        """Look the name up; a cancel or timeout leaves the resolver to end by itself."""
        try:
            with anyio.fail_after(self._network.policy.seconds(timeout_ms)):
                return [str(each) for each in await self._network.gate.resolve(caller, name)]
        except TimeoutError:
            raise TimedOut from None
