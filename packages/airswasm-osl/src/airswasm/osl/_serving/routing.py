"""Which route a request takes."""

from __future__ import annotations

from collections.abc import Iterable

from .settings import HttpRoute

__all__ = ("Routing",)


class Routing:
    """The routes of one host, with the requests that are under way on each.

    Args:
        routes: The routes.
        earlier: The routing that this one takes the place of; what is under way goes on counting.
    """

    def __init__(self, routes: Iterable[HttpRoute], earlier: Routing | None = None) -> None:
        self._routes = sorted(routes, key=lambda each: (-len(each.prefix), not each.host))
        counts = {} if earlier is None else earlier._under_way
        self._under_way: dict[str, int] = counts

    def find(self, host: str, path: str) -> HttpRoute | None:
        """Return the route with the longest path that covers a request.

        Args:
            host: The host that the client asked for, in small letters and without a port.
            path: The path in its one spelling.
        """
        below = path if path.endswith("/") else f"{path}/"
        for route in self._routes:
            if below.startswith(route.prefix) and route.host.lower() in ("", host):
                return route
        return None

    def choose(self, route: HttpRoute) -> str:
        """Return the component of a route that has the fewest requests under way."""
        names = route.components
        if len(names) == 1:
            return names[0]
        return min(names, key=lambda each: self._under_way.get(each, 0))

    def has_room(self, route: HttpRoute) -> bool:
        """Return whether another request of a route may begin."""
        return sum(self._under_way.get(each, 0) for each in route.components) < route.concurrency

    def begin(self, component: str) -> None:
        """Count a request of a component."""
        self._under_way[component] = self._under_way.get(component, 0) + 1

    def end(self, component: str) -> None:
        """Count that it has ended."""
        left = self._under_way[component] - 1
        if left:
            self._under_way[component] = left
        else:
            del self._under_way[component]

    def under_way(self, component: str) -> int:
        """Return how many requests of a component are under way."""
        return self._under_way.get(component, 0)
