"""The declaration: all that this package brings to a host, in one place."""

from airswasm.wit import Block, Capability, Check, Metric, Section, Verb

BLOCK = Block(
    name="alarm",
    summary="Wakes components.",
    wit="acme_alarm:wit",
    interfaces=("acme:alarm/alarm@0.1.0",),
    provide="acme_alarm.clock:provide",
    observe="acme_alarm.clock:observe",
    capabilities=(Capability("alarm.set", "set the alarms {patterns}"),),
    sections=(
        Section("alarm", "acme_alarm.clock:AlarmSettings", "Bounds of alarms.", reads="reload"),
    ),
    errors=("acme_alarm.errors",),
    metrics=(
        Metric("alarms_set_total", "Alarms that were set."),
        Metric("alarms_waiting", "Alarms that wait.", kind="gauge"),
    ),
    checks=(Check("alarm", "acme_alarm.clock:check"),),
    verbs=(Verb("alarms", "Talk and watch", "List the alarms that wait.", "acme_alarm.verbs:app"),),
    operations="acme_alarm.operations:OPERATIONS",
    forget="acme_alarm.clock:forget",
)
