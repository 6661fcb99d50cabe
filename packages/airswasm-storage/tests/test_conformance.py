"""Our engines, in the suite that every engine passes."""

from airswasm.storage.testing import EngineConformance, MemoryDisk


class TestRocksDB(EngineConformance):
    """The embedded default."""

    engine = "rocksdb"


class TestSQLite(EngineConformance):
    """The engine that needs nothing but Python."""

    engine = "sqlite"


class TestMemory(EngineConformance):
    """The engine that keeps nothing; a test keeps its content for it."""

    def make_engine(self) -> MemoryDisk:
        self.engine = MemoryDisk()
        return self.engine
