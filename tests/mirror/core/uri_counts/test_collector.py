"""Checks a worker's counts of URIs: each request is sent once, and memory stays bounded."""

import tracemalloc
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mirror.core.redaction.redactor import Redactor
from mirror.core.request_head import RequestHead
from mirror.core.uri_counts.collector import (
    ADDITIONS_OF_A_PIECE,
    ROUND_S,
    Entry,
    UriCollector,
    ceiling_bytes,
)
from mirror.core.uri_counts.piece import Addition, Piece, Uri


def head(target: str, method: bytes = b"GET", host: bytes = b"h") -> RequestHead:
    made = RequestHead(method, 1, keep_alive=True)
    made.host, made.target = host, target.encode("latin-1")
    return made


class Counted:
    """A collector, and all that it has sent."""

    def __init__(self, most: int = 1000) -> None:
        self.collector = UriCollector(most, Redactor())
        self.seen = self.not_kept = 0
        self.counts: Counter[tuple[str, bool]] = Counter()
        self.additions: list[Addition] = []

    def count(self, target: str, second: int = 0) -> Entry | None:
        return self.collector.count(head(target), second)

    def take(self, second: int = 0, is_last: bool = False) -> Piece:
        piece = self.collector.piece(second, is_last)
        self.seen += piece.seen
        self.not_kept += piece.not_kept
        for addition in piece.additions:
            self.counts[addition.uri.path, addition.uri.is_shape] += addition.count
        self.additions += piece.additions
        return piece


def test_requests_with_one_uri_are_one_addition() -> None:
    counted = Counted()
    for second, target in enumerate(("/a?x=1&y=2", "/a?y=3&x=4", "/a?x=5&y=6&x=7", "/b")):
        counted.count(target, 10 + second)
    piece = counted.take()
    assert (piece.seen, piece.not_kept) == (4, 0)
    assert sorted(piece.additions, key=lambda addition: addition.uri) == [
        Addition(Uri("h", "GET", "/a", ("x", "y"), False), 3, 10, 12, {}),
        Addition(Uri("h", "GET", "/b", (), False), 1, 13, 13, {}),
    ]


def test_method_and_host_tell_uris_apart() -> None:
    counted = Counted()
    for method, host in ((b"GET", b"h"), (b"PUT", b"h"), (b"GET", b"g"), (b"GET", b"H")):
        counted.collector.count(head("/a", method, host), 0)
    found = {(each.uri.host, each.uri.method): each.count for each in counted.take().additions}
    assert found == {("h", "GET"): 2, ("h", "PUT"): 1, ("g", "GET"): 1}


def test_an_addition_holds_what_is_new() -> None:
    counted = Counted()
    entry = counted.count("/a", 10)
    counted.take(10)
    assert counted.take(10).additions == []
    counted.count("/a", 20)
    assert entry is not None
    counted.collector.ended(entry, "2xx")
    counted.collector.ended(entry, "2xx")
    assert counted.take(20).additions == [Addition(entry.uri, 1, 20, 20, {"2xx": 2})]
    counted.collector.ended(entry, "timeout")
    assert counted.take(30).additions == [Addition(entry.uri, 0, 0, 20, {"timeout": 1})]


def test_a_round_is_sent_in_pieces_and_the_next_one_waits() -> None:
    counted = Counted()
    assert counted.take(99).additions == []  # no round begins without an entry
    for number in range(2 * ADDITIONS_OF_A_PIECE + 1):
        counted.count(f"/w/{number}")
    sizes = [len(counted.take(100).additions) for _ in range(4)]
    assert sizes == [ADDITIONS_OF_A_PIECE, ADDITIONS_OF_A_PIECE, 1, 0]
    counted.count("/a", 101)
    assert counted.take(100 + ROUND_S - 1).additions == []
    assert len(counted.take(100 + ROUND_S).additions) == 1


def test_what_is_counted_during_a_round_goes_with_it_or_with_the_next() -> None:
    counted = Counted()
    for number in range(ADDITIONS_OF_A_PIECE + 1):
        counted.count(f"/w/{number}")
    counted.take(100)
    for number in range(ADDITIONS_OF_A_PIECE + 1):
        counted.count(f"/w/{number}")
    assert [each.count for each in counted.take(100).additions] == [2]
    assert [each.count for each in counted.take(100).additions] == []
    assert {each.count for each in counted.take(200).additions} == {1}
    assert sum(counted.counts.values()) == counted.seen == 2 * ADDITIONS_OF_A_PIECE + 2


def test_the_last_piece_holds_the_rest() -> None:
    counted = Counted()
    for number in range(5 * ADDITIONS_OF_A_PIECE):
        counted.count(f"/w/{number}")
    counted.take(100)
    counted.count("/a")
    counted.take(100, is_last=True)
    assert sum(counted.counts.values()) == counted.seen == 5 * ADDITIONS_OF_A_PIECE + 1


def test_new_paths_count_by_shape_where_there_is_no_room() -> None:
    counted = Counted(most=10)
    for number in range(10):
        counted.count(f"/watch/{number}")
    counted.take()
    for number in range(5, 30):
        counted.count(f"/watch/{number}", 1)
    counted.count("/watch/{number}", 1)  # this path only reads like the shape
    counted.take(1, is_last=True)
    assert counted.counts["/watch/{number}", True] == 20
    assert counted.counts["/watch/{number}", False] == 1
    assert counted.counts["/watch/7", False] == 2
    assert counted.not_kept == 0


def test_only_what_was_sent_gives_way() -> None:
    counted = Counted(most=3)
    for target in ("/a", "/b", "/c"):
        counted.count(target, 1)
    assert counted.count("/d", 2) is None
    piece = counted.take()
    assert (piece.seen, piece.not_kept, len(piece.additions)) == (4, 1, 3)
    counted.count("/a", 3)
    counted.count("/c", 4)
    assert counted.count("/d", 5) is not None
    counted.take(is_last=True)
    assert counted.counts == {
        ("/a", False): 2,
        ("/b", False): 1,
        ("/c", False): 2,
        ("/d", False): 1,
    }


def test_the_longest_unused_of_the_candidates_gives_way() -> None:
    counted = Counted(most=3)
    for second, target in ((5, "/a"), (3, "/b"), (4, "/c")):
        counted.count(target, second)
    counted.take()
    counted.count("/d", 6)
    counted.count("/b", 7)  # took the place of "/c", which was next
    counted.take(is_last=True)
    held = set(counted.collector._by_uri)
    assert {uri.path for uri in held} == {"/a", "/d", "/b"}


def test_how_a_request_ended_is_sent_after_its_entry_gave_way() -> None:
    counted = Counted(most=1)
    entry = counted.count("/a", 1)
    counted.take()
    assert entry is not None and counted.count("/b", 2) is not None
    counted.collector.ended(entry, "2xx")
    counted.take(is_last=True)
    assert Addition(entry.uri, 0, 0, 1, {"2xx": 1}) in counted.additions


def test_texts_are_bounded_in_bytes() -> None:
    counted = Counted(most=60)
    longest = "a/" * 240
    for number in range(200):
        counted.count(f"/{longest}{number}x", 1)
        counted.take(is_last=True)
        held = counted.collector._held_bytes
        assert held <= ceiling_bytes(60)
        assert held == sum(entry.held_bytes for entry in counted.collector._entries)
    assert 0 < len(counted.collector._entries) < 60
    assert counted.not_kept == 0
    assert counted.collector.count(head("/", host=b"h" * 2000), 1) is None


def test_what_is_counted_in_bytes_is_what_memory_takes() -> None:
    letters = bytes.maketrans(b"0123456789", b"ghijklmnop")
    for segments in (1, 50):
        counted = Counted(most=400)
        tracemalloc.start()
        try:
            for number in range(600):
                name = (b"%d" % number).translate(letters).decode()
                entry = counted.count(f"/{'abcdefg/' * segments}{name}")
                assert entry is not None
                counted.collector.ended(entry, "2xx")
                counted.collector.piece(0, is_last=True)
            held_bytes = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        assert ceiling_bytes(400) / 2 < held_bytes <= ceiling_bytes(400)


def test_the_orders_of_a_query_do_not_fill_the_memory() -> None:
    counted = Counted()
    names = [f"{name}=1" for name in "abcdef"]
    for turn in range(len(names)):
        counted.count("/a?" + "&".join(names[turn:] + names[:turn]))
    (entry,) = counted.collector._entries
    assert entry.count == 6 and len(entry.keys) == len(counted.collector._by_key) == 4


TARGETS = st.sampled_from(["/a", "/b", "/c?x=1", "/i/1", "/i/2", "/i/3", "/j/1", "/d" * 300])
STEPS = st.lists(st.tuples(TARGETS, st.booleans()), max_size=60)


@given(STEPS, st.integers(1, 6))
def test_every_request_is_sent_or_not_kept(steps: list[tuple[str, bool]], most: int) -> None:
    counted = Counted(most)
    for second, (target, is_taken) in enumerate(steps):
        counted.count(target, second)
        if is_taken:
            counted.take(second * ROUND_S)
    counted.take(is_last=True)
    assert counted.seen == len(steps) == sum(counted.counts.values()) + counted.not_kept
    collector = counted.collector
    assert len(collector._entries) == len(collector._by_uri) <= most
    assert sorted(collector._by_key) == sorted(key for e in collector._entries for key in e.keys)
