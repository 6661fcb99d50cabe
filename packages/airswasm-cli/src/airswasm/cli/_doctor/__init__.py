"""The checks of `airswasm doctor`.

`checkup` runs those of all blocks; `checks` and `surroundings` are this block's own.
"""
