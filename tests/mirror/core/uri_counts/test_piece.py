"""Checks that a piece survives the channel between a worker and the supervisor."""

import msgspec

from mirror.core.uri_counts.piece import Addition, Piece, Uri


def test_a_piece_reads_back_as_it_was_sent() -> None:
    uri = Uri("shop.example", "GET", "/caf\xe9", ("page", "sort"), False)
    piece = Piece(3, 1, [Addition(uri, 2, 10, 11, {"2xx": 1})])
    read = msgspec.msgpack.decode(msgspec.msgpack.encode(piece), type=Piece)
    assert read == piece
    assert hash(read.additions[0].uri) == hash(uri)
