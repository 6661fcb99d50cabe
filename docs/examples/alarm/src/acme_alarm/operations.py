"""What the control API answers beside its own operations, and what carries it out."""

from airswasm.cli import Component, Json, Nothing, Operation, Parameter, Text
from airswasm.runtime import Services

OPERATIONS = (
    Operation(
        "alarms",
        "GET",
        "/v1/alarms",
        "List the alarms that wait.",
        Json("alarms/1"),
        handler="acme_alarm.operations:alarms",
        scope="read",
    ),
    Operation(
        "cancel_alarm",
        "DELETE",
        "/v1/alarms/{component}/{alarm}",
        "Cancel an alarm.",
        Nothing(),
        (
            Parameter("component", "path", Component(), "Whose alarm."),
            Parameter("alarm", "path", Text(), "Its name."),
        ),
        changes=True,
        handler="acme_alarm.operations:cancel_alarm",
        scope="all",
    ),
)


def alarms(services: Services) -> dict[str, object]:
    """Return each alarm that waits, with the seconds that are left."""
    from .clock import AlarmClock

    return {"alarms": services.get(AlarmClock).waiting()}


def cancel_alarm(services: Services, component: str, alarm: str) -> None:
    """Cancel an alarm."""
    from .clock import AlarmClock

    services.get(AlarmClock).cancel(component, alarm)
