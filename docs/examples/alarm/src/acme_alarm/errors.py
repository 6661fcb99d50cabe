"""What can go wrong, each with the code that `airswasm explain` knows."""

from airswasm.wit import AirswasmError, ErrorCode


class NoSuchAlarm(AirswasmError):
    """A component has no alarm of that name."""

    explanation = ErrorCode(
        "ALARM01",
        "no such alarm",
        "The component has set no alarm of that name, or it has gone off already.",
        "`airswasm alarms` lists those that wait",
    )

    def __init__(self, component: str, name: str) -> None:
        self.component, self.name = component, name
        super().__init__(f"{component} has no alarm {name!r}")
