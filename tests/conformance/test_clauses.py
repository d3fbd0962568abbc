"""Checks every clause of HTTP/1.1 that concerns a proxy, with exact bytes on both legs.

Each row runs uncut, cut at every byte of the request, and in single bytes. In inline mode it also
runs with the primary's response cut at every byte.
"""

import pytest

from tests.conformance.memory import run
from tests.conformance.rows import MOST_CUTS, Row, cuts_of, places_of, play
from tests.conformance.tables import ROWS

CASES = [pytest.param(row, mode, id=f"{row.clause} [{mode}]") for row in ROWS for mode in row.modes]
INLINE = [pytest.param(row, id=row.clause) for row in ROWS if "inline" in row.modes]


@pytest.mark.parametrize(("row", "mode"), CASES)
def test_clause_holds_at_every_cut(row: Row, mode: str) -> None:
    expected = row.expected(mode)

    async def main() -> None:
        whole = [[part] for part in row.parts]
        seen, _ = await play(row, mode, whole)
        assert row.allow(seen, mode) == expected
        for pieces in cuts_of(row.parts):
            seen, _ = await play(row, mode, pieces)
            assert row.allow(seen, mode) == expected, pieces

    run(main)


@pytest.mark.parametrize("row", INLINE)
def test_clause_holds_at_every_cut_of_the_answer(row: Row) -> None:
    expected = row.expected("inline")
    whole = [[part] for part in row.parts]
    longest = max(max(len(reply.data), len(reply.at_head)) for reply in row.replies)

    async def main() -> None:
        for at in places_of(longest):
            seen, _ = await play(row, "inline", whole, (at,))
            assert row.allow(seen, "inline") == expected, at
        seen, _ = await play(row, "inline", whole, (1 + longest // MOST_CUTS,) * MOST_CUTS)
        assert row.allow(seen, "inline") == expected

    run(main)


def test_no_clause_stands_twice() -> None:
    names = [row.clause for row in ROWS]
    assert len(set(names)) == len(names)
