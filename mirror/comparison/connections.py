"""How many lines of the log did not come, told by the numbers of the requests of a connection.

nginx numbers the requests of each connection ($connection_requests), and writes one line for each.
A number that is left out is therefore a line that was lost, or one that nginx was told not to
write (`access_log off` or `if=` for some locations). A line is missed here where it was the last of
its connection, or where nothing of the connection was seen before it; so this is a lower bound.

Streams of HTTP/2 end in any order, so gaps are looked for once in a while, and a line that comes
even later is set off against the gaps that follow.
"""

from collections import OrderedDict

MOST_CONNECTIONS = 10_000
"""Connections that are remembered, about 350 bytes each; then the longest unused is settled."""
MOST_GAP = 1_000_000
"""A number further from all others of its connection is forged, or that of another one. So a line
shows no more missing ones than any sink can add up."""


class Connections:
    """The numbers of the requests that came of each connection."""

    def __init__(self, most: int = MOST_CONNECTIONS) -> None:
        self._most = most
        self._seen: OrderedDict[str, list[int]] = OrderedDict()
        """connection -> lowest number, highest number, lines, missing lines that were counted"""
        self._missing = 0
        """Missing lines that were not returned; negative where lines came after they were."""

    def add(self, connection: str, request: int) -> None:
        """Take in one line."""
        seen = self._seen.get(connection)
        if seen is None:
            if len(self._seen) >= self._most:
                self._settle(self._seen.popitem(last=False)[1])
            self._seen[connection] = [request, request, 1, 0]
            return
        self._seen.move_to_end(connection)
        lowest, highest, _, _ = seen
        is_near = lowest - MOST_GAP <= request <= highest + MOST_GAP
        if not is_near or request == lowest == 1:  # 1 was there: another connection has this number
            self._settle(seen)
            seen[:] = (request, request, 0, 0)
        seen[0] = min(seen[0], request)
        seen[1] = max(seen[1], request)
        seen[2] += 1

    def settle(self) -> int:
        """Return the lines that are missing in all connections and were not returned before."""
        for seen in self._seen.values():
            self._settle(seen)
        missing = max(0, self._missing)
        self._missing -= missing
        return missing

    def _settle(self, seen: list[int]) -> None:
        lowest, highest, lines, counted = seen
        seen[3] = max(0, highest - lowest + 1 - lines)
        self._missing += seen[3] - counted
