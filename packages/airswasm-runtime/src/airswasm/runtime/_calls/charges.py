"""The price list: how much fuel a guest pays for what the host does for it.

Fuel counts a guest's own instructions. A host function's work is counted in the same
unit, so that a loop over host calls ends like any other loop and a receipt says what a
message cost the host, whichever side computed. A charge depends on the call's input and on
nothing else: the same input costs the same on every machine, and fuel stays a figure to
test against.

The figures were measured once against a loop of plain instructions, which spends some
1,600 fuel in a microsecond. They are rounded and stay as they are: fuel is no clock.

A charge is a debt first. It is taken from the store's fuel after a few dozen calls,
because to do so takes as long as a third of a call. A call that comes to its end with
more debt than fuel has run out of it.

Fuel alone does not keep the event loop alive: a function may be slower than its price,
and the machine busy. So the clock is looked at after every few calls, and a guest for
which the host has worked for `EngineConfig.host_slice` gives way.
"""

from __future__ import annotations

CALL = 3_000
"""Each host call, and each handle of a host resource that the guest drops."""

UNIT = 8
"""Each unit that a call carries, in or out: a byte, or what an item of a list weighs."""

NUMBER_WEIGHT = 64
"""Units of a list's item that is a number."""

ITEM_WEIGHT = 256
"""Units of a list's item that is a text or a list, beside what is in it.

A record, a tuple, an option weighs this and what its parts weigh: lifting one makes as many
objects, and 60,000 pairs of texts in one call would hold the event loop for 0.1 s.
"""

HANDLE_WEIGHT = 2_048
"""Units of a list's item that is a resource: the engine is asked four times about each."""

LOOK = 4 * CALL
"""The debt after which the clock is looked at."""

PAY = 250_000
"""The debt after which it is taken from the store's fuel."""
