"""The rules that a host has without any setting.

Each is about something that an operator can do something about, and its summary says what.
"""

from __future__ import annotations

from .rules import AlertRule, Severity

__all__ = ("DEFAULT_RULES",)


def _rule(
    name: str,
    when: str,
    summary: str,
    *,
    wait: float = 0.0,
    clear: float | None = None,
    severity: Severity = "warning",
) -> AlertRule:
    return AlertRule(name, when, wait, clear, severity, annotations={"summary": summary})


DEFAULT_RULES = (
    _rule(
        "ComponentGivenUp", "airswasm_component_given_up == 1",
        "{{ $labels.component }} failed too often and was given up; see airswasm logs, then "
        "update it or roll back",
        severity="critical",
    ),
    _rule(
        "CrashLoop", "increase(airswasm_component_restarts_total[10m]) > 3",
        "{{ $labels.component }} was restarted {{ $value }} times in ten minutes; airswasm logs "
        "has its errors",
        clear=1,
    ),
    _rule(
        "MessagesWait", "airswasm_component_oldest_message_age_seconds > 60",
        "a message to {{ $labels.component }} has waited for {{ $value }} s; airswasm info shows "
        "what it does",
        wait=60, clear=10,
    ),
    _rule(
        "DurableMessagesWait", "airswasm_component_oldest_durable_age_seconds > 900",
        "a durable message to {{ $labels.component }} has waited for {{ $value }} s",
        wait=300, clear=60,
    ),
    _rule(
        "StorageQuota",
        "airswasm_component_storage_bytes / airswasm_component_storage_quota_bytes > 0.9 "
        "and airswasm_component_storage_quota_bytes > 0",
        "{{ $labels.component }} has used {{ $value }} of its storage quota; raise limits.storage "
        "or remove keys",
        wait=60, clear=0.85,
    ),
    _rule(
        "StorageKeysQuota",
        "airswasm_component_storage_keys / airswasm_component_storage_quota_keys > 0.9 "
        "and airswasm_component_storage_quota_keys > 0",
        "{{ $labels.component }} has used {{ $value }} of its quota of keys",
        wait=60, clear=0.85,
    ),
    _rule(
        "DeadLetters", 'sum(increase(airswasm_dead_letters_total{reason!="stopped"}[10m])) > 10',
        "{{ $value }} messages became dead letters in ten minutes; airswasm dlq list shows them",
        clear=1,
    ),
    _rule(
        "Denials", "sum by (component) (increase(airswasm_component_denials_total[10m])) > 100",
        "{{ $labels.component }} was denied {{ $value }} calls in ten minutes; airswasm audit "
        "query shows which",
        clear=10,
    ),
    _rule(
        "MessagesRefused", 'sum(rate(airswasm_message_refusals_total{reason!="denied"}[5m])) > 1',
        "components could not send {{ $value }} messages a second; "
        "airswasm_message_refusals_total has the reasons",
        wait=300, clear=0.2,
    ),
    _rule(
        "EventLoopLag",
        "rate(airswasm_event_loop_lag_seconds_sum[5m]) "
        "/ rate(airswasm_event_loop_lag_seconds_count[5m]) > 0.25",
        "the event loop is {{ $value }} s late; run fewer components, or give the host more "
        "processor time",
        wait=60, clear=0.1,
    ),
    _rule(
        "HostMemory", "airswasm_host_memory_bytes / airswasm_host_memory_most_bytes > 0.9",
        "components take {{ $value }} of the memory that they may; airswasm status shows which",
        wait=60, clear=0.8,
    ),
    _rule(
        "HostDescriptors", "airswasm_host_descriptors / airswasm_host_descriptors_most > 0.9",
        "components hold {{ $value }} of the files and sockets that they may",
        wait=60, clear=0.8,
    ),
    _rule(
        "DiskFull", "airswasm_disk_free_bytes < 268435456",
        "{{ $value }} bytes are free on the disk of the home; free space there",
        clear=536870912, severity="critical",
    ),
    _rule(
        "StoreRefusesWrites", "airswasm_storage_writable == 0",
        "the store refuses writes; free space on the disk of the home",
        severity="critical",
    ),
    _rule(
        "AuditNotWritten", "airswasm_audit_writable == 0",
        "the audit log cannot be written, and decisions are denials; airswasm doctor says why",
        severity="critical",
    ),
)  # fmt: skip
