"""Test a built component inside pytest, against real storage and real limits.

The component runs in the real engine under the limits of its own manifest, its host calls pass the
real guard with the grants that the manifest asks for, and its storage is the real store over
memory. The harness replaces only the world beyond the component: it records sent messages, answers
them from `replies`, keeps log lines, and owns the clock of timers and expiring values. So a test
that passes here fails on a host only for something that the host adds.

A fault of the component (a trap, a limit) is raised where the test sent the message
that caused it, and ends that incarnation. The next message goes to a new one, as on a
host: `init` is called again, what is stored stays, and what was in memory is gone.
`restart` does the same without a fault. A message that is larger than the component
takes is `MessageTooLarge`, also as on a host, and ends nothing.

Rejected: a whole host for each test (the host's own tests cover its scheduling). A component in
Python also runs without WebAssembly (`airswasm.component.testing`), which shows nothing of limits;
both have the same methods, so that one suite can run against both.

    from airswasm.sdk.testing import assert_fuel_below, run_component

    def test_it_greets_and_counts():
        with run_component(".") as component:
            answer = component.send("world")
            assert answer.text == "Hello, world! You are number 1."
            assert component.published[-1].topic == "greetings"
            assert_fuel_below(answer, 20_000_000)

`_harness` runs a component, `_running` does so for tests that are not async; `_doors` are the
host's functions that `_record` keeps the record of; `_expectations` are assertions that show what
there was; `_from_wit` generates arguments and messages for property-based tests; `_plugin` has the
fixtures that pytest finds by itself.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
