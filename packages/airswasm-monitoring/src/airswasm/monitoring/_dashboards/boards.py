"""The dashboards of this package: all hosts, one component, one host."""

from __future__ import annotations

from .panels import Dashboard, Panel, Row

__all__ = ("DASHBOARDS",)

_HOST = '{instance=~"$instance"}'
_ONE = '{instance=~"$instance", component=~"$component"}'
_RATE = "$__rate_interval"
_INSTANCE = ("instance", "airswasm_build_info")
_COMPONENT = ("component", "airswasm_component_running")


def _rate(metric: str, where: str = _HOST, by: str = "") -> str:
    grouped = f"sum by ({by}) " if by else "sum"
    return f"{grouped}(rate({metric}{where}[{_RATE}]))"


def _quantile(share: float, metric: str, where: str, by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{where}[{_RATE}])))"


def _mean(metric: str, where: str, by: str) -> str:
    return f"{_rate(f'{metric}_sum', where, by)} / {_rate(f'{metric}_count', where, by)}"


_OVERVIEW = Dashboard(
    "airswasm-overview",
    "airswasm: overview",
    "All components of all hosts: what works, what fails, what waits.",
    (
        Row(
            (
                Panel("Components", "short", ((f"sum(airswasm_components{_HOST})", ""),), "stat"),
                Panel(
                    "Running", "short",
                    ((f"sum(airswasm_component_running{_HOST})", ""),), "stat",
                ),
                Panel(
                    "Given up", "short",
                    ((f"sum(airswasm_component_given_up{_HOST})", ""),), "stat",
                    "Failed too often to be started again.",
                ),
                Panel(
                    "Alerts", "short",
                    (('sum(airswasm_alerts{instance=~"$instance", state="firing"})', ""),),
                    "stat", "Of the hosts' own rules.",
                ),
            )
        ),
        Row(
            (
                Panel(
                    "Messages by outcome", "ops",
                    ((_rate("airswasm_component_messages_total", by="outcome"), "{{outcome}}"),),
                ),
                Panel(
                    "Busiest components", "ops",
                    (
                        (
                            "topk(10, "
                            + _rate("airswasm_component_messages_total", by="component") + ")",
                            "{{component}}",
                        ),
                    ),
                ),
            )
        ),
        Row(
            (
                Panel(
                    "Handling, 99 of 100 messages", "s",
                    ((_quantile(0.99, "airswasm_component_handling_seconds", _HOST), "p99"),
                     (_quantile(0.5, "airswasm_component_handling_seconds", _HOST), "p50")),
                ),
                Panel(
                    "Longest waiting message", "s",
                    (
                        (
                            "topk(10, max by (component) "
                            f"(airswasm_component_oldest_message_age_seconds{_HOST}))",
                            "{{component}}",
                        ),
                    ),
                ),
            )
        ),
        Row(
            (
                Panel(
                    "Failures and restarts", "ops",
                    ((_rate("airswasm_component_failures_total"), "failures"),
                     (_rate("airswasm_component_restarts_total"), "restarts")),
                ),
                Panel(
                    "Dead letters by reason", "ops",
                    ((_rate("airswasm_dead_letters_total", by="reason"), "{{reason}}"),),
                ),
                Panel(
                    "Denials by capability", "ops",
                    (
                        (
                            _rate("airswasm_component_denials_total", by="capability"),
                            "{{capability}}",
                        ),
                    ),
                ),
            )
        ),
        Row(
            (
                Panel(
                    "Alerts that fire", "short",
                    (
                        (
                            "sum by (instance, rule) "
                            '(airswasm_alerts{instance=~"$instance", state="firing"}) >= 0',
                            "{{rule}}",
                        ),
                    ),
                    "table",
                ),
            )
        ),
    ),
    (_INSTANCE,),
)  # fmt: skip

_COMPONENT_BOARD = Dashboard(
    "airswasm-component",
    "airswasm: component",
    "What one component does, and what it uses.",
    (
        Row(
            (
                Panel(
                    "Messages by outcome", "ops",
                    (
                        (
                            _rate("airswasm_component_messages_total", _ONE, "component, outcome"),
                            "{{component}} {{outcome}}",
                        ),
                    ),
                ),
                Panel(
                    "Mean handling and waiting", "s",
                    ((_mean("airswasm_component_handling_seconds", _ONE, "component"),
                      "{{component}} handling"),
                     (_mean("airswasm_component_queue_seconds", _ONE, "component"),
                      "{{component}} waiting")),
                ),
            )
        ),
        Row(
            (
                Panel(
                    "Processor time", "percentunit",
                    ((_rate("airswasm_component_cpu_seconds_total", _ONE, "component"),
                      "{{component}}"),),
                ),
                Panel(
                    "Fuel", "ops",
                    ((_rate("airswasm_component_fuel_total", _ONE, "component"),
                      "{{component}}"),),
                ),
                Panel(
                    "Memory", "bytes",
                    ((f"airswasm_component_memory_bytes{_ONE}", "{{component}} now"),
                     (f"airswasm_component_memory_peak_bytes{_ONE}", "{{component}} peak"),
                     (f"airswasm_component_host_memory_bytes{_ONE}", "{{component}} in the host")),
                ),
            )
        ),
        Row(
            (
                Panel(
                    "Storage", "bytes",
                    ((f"airswasm_component_storage_bytes{_ONE}", "{{component}}"),
                     (f"airswasm_component_storage_quota_bytes{_ONE}", "{{component}} quota")),
                ),
                Panel(
                    "Mailbox", "short",
                    ((f"airswasm_component_mailbox_messages{_ONE}", "{{component}} in memory"),
                     (f"airswasm_component_durable_messages{_ONE}", "{{component}} on the disk")),
                ),
                Panel(
                    "Payloads", "Bps",
                    ((_rate("airswasm_component_received_bytes_total", _ONE, "component"),
                      "{{component}} received"),
                     (_rate("airswasm_component_replied_bytes_total", _ONE, "component"),
                      "{{component}} replied")),
                ),
            )
        ),
        Row(
            (
                Panel(
                    "Restarts, updates and failures", "ops",
                    ((_rate("airswasm_component_restarts_total", _ONE, "component"),
                      "{{component}} restarts"),
                     (_rate("airswasm_component_updates_total", _ONE, "component"),
                      "{{component}} updates"),
                     (_rate("airswasm_component_failures_total", _ONE, "component"),
                      "{{component}} failures")),
                ),
                Panel(
                    "Denials", "ops",
                    ((_rate("airswasm_component_denials_total", _ONE, "component, capability"),
                      "{{component}} {{capability}}"),),
                ),
            )
        ),
    ),
    (_INSTANCE, _COMPONENT),
)  # fmt: skip

_HOST_BOARD = Dashboard(
    "airswasm-host",
    "airswasm: host",
    "The host itself: its event loop, store, audit log, disk and budgets.",
    (
        Row(
            (
                Panel(
                    "Versions", "short",
                    ((f"airswasm_build_info{_HOST}", "{{version}}, wasmtime {{wasmtime}}"),),
                    "table",
                ),
                Panel(
                    "Store accepts writes", "bool_yes_no",
                    ((f"min(airswasm_storage_writable{_HOST})", ""),), "stat",
                ),
                Panel(
                    "Audit log is written", "bool_yes_no",
                    ((f"min(airswasm_audit_writable{_HOST})", ""),), "stat",
                ),
                Panel(
                    "Disk, free", "bytes",
                    ((f"min(airswasm_disk_free_bytes{_HOST})", ""),), "stat",
                ),
            )
        ),
        Row(
            (
                Panel(
                    "Event loop, lateness", "s",
                    ((_quantile(0.99, "airswasm_event_loop_lag_seconds", _HOST, "instance"),
                      "{{instance}} p99"),
                     (_mean("airswasm_event_loop_lag_seconds", _HOST, "instance"),
                      "{{instance}} mean")),
                ),
                Panel(
                    "Memory of components", "bytes",
                    ((f"airswasm_host_memory_bytes{_HOST}", "{{instance}}"),
                     (f"airswasm_host_memory_most_bytes{_HOST}", "{{instance}} bound")),
                ),
                Panel(
                    "Files and sockets of components", "short",
                    ((f"airswasm_host_descriptors{_HOST}", "{{instance}}"),
                     (f"airswasm_host_descriptors_most{_HOST}", "{{instance}} bound")),
                ),
            )
        ),
        Row(
            (
                Panel(
                    "Messages", "ops",
                    ((_rate("airswasm_messages_total", by="outcome"), "{{outcome}}"),),
                ),
                Panel(
                    "Refused sends by reason", "ops",
                    ((_rate("airswasm_message_refusals_total", by="reason"), "{{reason}}"),),
                ),
                Panel(
                    "Timers and retained values", "short",
                    ((f"airswasm_timers_waiting{_HOST}", "{{instance}} timers"),
                     (f"airswasm_retained_values{_HOST}", "{{instance}} retained")),
                ),
            )
        ),
        Row(
            (
                Panel(
                    "Host functions, time", "percentunit",
                    ((f"topk(10, {_rate('airswasm_host_call_seconds_sum', by='function')})",
                      "{{function}}"),),
                ),
                Panel(
                    "Host functions, calls", "ops",
                    ((f"topk(10, {_rate('airswasm_host_call_seconds_count', by='function')})",
                      "{{function}}"),),
                ),
            )
        ),
        Row(
            (
                Panel(
                    "Audit lines", "ops",
                    ((_rate("airswasm_audit_lines_total", by="instance"), "{{instance}}"),),
                ),
                Panel(
                    "Disk waits of the store", "ops",
                    ((_rate("airswasm_storage_syncs_total", by="instance"), "{{instance}}"),),
                ),
                Panel(
                    "Notifications of alerts", "ops",
                    ((_rate("airswasm_alert_notifications_total", by="outcome"), "{{outcome}}"),),
                ),
            )
        ),
    ),
    (_INSTANCE,),
)  # fmt: skip

DASHBOARDS = (_OVERVIEW, _COMPONENT_BOARD, _HOST_BOARD)
"""In the order in which an operator looks at them."""
