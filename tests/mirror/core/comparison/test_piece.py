"""Checks that a piece survives the channel between a worker and the supervisor."""

import msgspec

from mirror.core.comparison.answer import Answer
from mirror.core.comparison.piece import Copy, ExampleAddition, Piece
from mirror.core.uri_counts.piece import Uri

URI = Uri("shop.example", "GET", "/caf\xe9", ("page",), False)


def test_a_piece_reads_back_as_it_was_sent() -> None:
    piece = Piece(
        3,
        [Copy("9f", "shop", Answer(200, "2xx", 1, 2), None), Copy("", "", Answer(0, "reset"), URI)],
        [ExampleAddition("shop", "route_miss", URI, 200, 404, "", 2, 10, 11, "9f")],
        4,
        True,
    )
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(piece), type=Piece) == piece


def test_most_pieces_hold_nothing() -> None:
    assert Piece(0) == Piece(0, [], [], 0, None)
