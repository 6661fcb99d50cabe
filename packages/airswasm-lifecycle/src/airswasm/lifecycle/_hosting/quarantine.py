"""Bar a version from running under a name, and hold the name's messages meanwhile.

The operator withdraws the trust in a key while a component that it signed runs. Its code ends at
once, also where a supervisor would restart it; its mailbox stays, because the messages are not the
component's: the next version answers them.

Rejected: stopping the component, which would send them all to the dead letters.
"""

from __future__ import annotations

from collections.abc import Iterator

from airswasm.actor import Context, Message
from airswasm.runtime import Finding, Health
from airswasm.security import TrustError
from airswasm.wit import AirswasmError

from ..errors import NotRunning

__all__ = ("Placeholder", "Quarantine")


class Quarantine:
    """The barred versions of one host, by the name under which they ran."""

    def __init__(self) -> None:
        self._barred: dict[str, tuple[str, str, str]] = {}

    def bar(self, name: str, version: str, error: AirswasmError) -> None:
        """Let a version run no longer."""
        hint = (
            f"name another key (the owner's: airswasm trust transfer {name} KEY, a co-signer's: "
            f"airswasm trust add {name} KEY --cosigner), then update it with a version by that key"
        )
        if not isinstance(error, TrustError):
            hint = error.hint
        self._barred[name] = (version, str(error), hint)

    def lift(self, name: str) -> None:
        """Forget a name; without effect when nothing of it is barred."""
        self._barred.pop(name, None)

    def bars(self, name: str, version: str) -> bool:
        """Return whether this version must not run."""
        return self._barred.get(name, ("",))[0] == version

    def __iter__(self) -> Iterator[Finding]:
        """Iterate over what is barred: the name, the reason, and a hint."""
        return iter([self._finding(name) for name in self._barred])

    def reason(self, name: str) -> str | None:
        """Return why a version of this name is barred; None if none is."""
        return self._barred[name][1] if name in self._barred else None

    def finding(self, name: str, version: str | None) -> Finding | None:
        """Return the reason and a hint, unless another version stands under the name by now.

        Args:
            name: The component.
            version: The version that is hosted; None if none is.
        """
        if name not in self._barred or version not in (None, self._barred[name][0]):
            return None
        return self._finding(name)

    def _finding(self, name: str) -> Finding:
        _, reason, hint = self._barred[name]
        return Finding(Health.UNHEALTHY, name, f"quarantined: {reason}", hint)


class Placeholder:
    """Stands behind a reference whose mailbox is paused, so that no message reaches it.

    Attributes:
        monitored_state: The state of what it stands for, which the monitor shows instead of its
            own.
    """

    __slots__ = ("_name", "monitored_state")

    def __init__(self, name: str, state: str = "quarantined") -> None:
        self._name, self.monitored_state = name, state

    def receive(self, message: Message, context: Context) -> object:  # noqa: ARG002
        """Handle nothing; a delivery would be a mistake of the host."""
        raise NotRunning(self._name, self.monitored_state)
