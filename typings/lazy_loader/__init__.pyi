"""What airswasm uses of lazy_loader, which ships no types."""

from collections.abc import Callable

def attach_stub(
    package_name: str, filename: str
) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]: ...
