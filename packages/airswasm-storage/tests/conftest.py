import pytest
from hypothesis import settings

settings.register_profile("busy", deadline=None)  # machines are shared
settings.load_profile("busy")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every async test runs on both loops."""
    return str(request.param)
