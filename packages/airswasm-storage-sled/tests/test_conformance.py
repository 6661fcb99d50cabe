"""sled, in the suite that every engine passes."""

from airswasm.storage.testing import EngineConformance


class TestSled(EngineConformance):
    """The engine of this distribution."""

    engine = "sled"
