"""Sets an alarm for each message, and remembers the last one that went off."""

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import alarm

last = b"none yet"


class Handler(exports.Handler):
    """Messages."""

    def handle_message(self, sender: str, topic: str | None, payload: bytes) -> bytes | None:
        """`NAME MILLISECONDS` sets an alarm; anything else asks for the last one."""
        global last  # gone after a restart: what must stay belongs into storage
        if sender == "host" and payload.startswith(b"alarm "):
            last = payload
            return None
        name, _, after_ms = payload.decode().partition(" ")
        if not after_ms:
            return last
        try:
            alarm.set(name, int(after_ms))
        except Err as refused:
            raise Err(f"no alarm: {refused.value.value}") from None
        return b"set"
