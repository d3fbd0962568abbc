"""Checks the counts over all workers: exact while there is room, and within their bound beyond."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mirror.core.uri_counts.collector import ceiling_bytes
from mirror.core.uri_counts.piece import Addition, Uri
from mirror.core.uri_counts.table import UriTable
from mirror.formats.path_shapes import shape_of


def uri(path: str, is_shape: bool = False) -> Uri:
    return Uri("h", "GET", path, (), is_shape)


def add(table: UriTable, path: str, count: int = 1, first: int = 1, last: int = 1) -> None:
    table.add(Addition(uri(path), count, first, last, {"2xx": count}))


def counts(table: UriTable) -> dict[str, int]:
    return {row.uri.path: row.count for row in table.rows()}


def test_with_room_every_count_is_exact() -> None:
    table = UriTable(3)
    add(table, "/a", 2, first=10, last=12)
    add(table, "/b")
    add(table, "/a", 1, first=8, last=8)
    add(table, "/a", 1, first=20, last=21)
    row, other = table.rows()
    assert (row.count, row.first, row.last, row.outcomes) == (4, 8, 21, {"2xx": 4})
    assert other.uri.path == "/b"
    assert (len(table), table.not_kept, table.missing_most) == (2, 0, 0)


def test_outcomes_come_after_their_requests_or_are_left_out() -> None:
    table = UriTable(3)
    add(table, "/a", 1, first=10, last=10)
    for path in ("/a", "/gone"):
        table.add(Addition(uri(path), 0, 0, 10, {"5xx": 1}))
    (row,) = table.rows()
    assert (row.count, row.first, row.outcomes) == (1, 10, {"2xx": 1, "5xx": 1})


def test_the_rarest_gives_way_and_is_not_forgotten() -> None:
    table = UriTable(2)
    add(table, "/a", 5)
    add(table, "/b", 2)
    add(table, "/b", 1)
    add(table, "/c", 1)
    assert counts(table) == {"/a": 5, "/c": 1}
    assert (table.not_kept, table.floor, table.missing_most) == (3, 3, 3)
    add(table, "/b", 1)
    # "/c" may have been there 1 + 3 times before, and "/a" was there 5 times.
    assert counts(table) == {"/a": 5, "/b": 1}
    assert (table.not_kept, table.floor) == (4, 4)


def test_shapes_take_what_has_no_room() -> None:
    table = UriTable(3)
    add(table, "/i/1", 4)
    add(table, "/i/2", 1)
    add(table, "/a", 9)
    add(table, "/i/3")
    add(table, "/i/4")
    assert counts(table) == {"/a": 9, "/i/1": 4, "/i/{number}": 2}
    assert table.not_kept == 1
    add(table, "/b")
    add(table, "/b", 5)
    # The shape is the rarest now; "/i/1" is added to the next one.
    assert counts(table) == {"/a": 9, "/b": 6, "/i/1": 4}
    add(table, "/i/5", 9)
    add(table, "/c")
    assert [row.uri for row in table.rows() if row.uri.is_shape] == [uri("/i/{number}", True)]


def test_a_row_that_gives_way_is_added_to_its_shape() -> None:
    table = UriTable(3)
    add(table, "/i/1", 2, first=3, last=4)
    table.add(Addition(uri("/i/{number}", is_shape=True), 5, 7, 9, {"2xx": 5}))
    add(table, "/a", 9)
    add(table, "/b", 1)
    shape = next(row for row in table.rows() if row.uri.is_shape)
    assert (shape.count, shape.first, shape.last, shape.outcomes) == (7, 3, 9, {"2xx": 7})
    assert table.not_kept == 0


def test_what_a_uri_lost_with_its_row_and_with_its_shape_is_within_the_bound() -> None:
    table = UriTable(2)
    add(table, "/i/1", 6)
    table.add(Addition(uri("/i/{number}", is_shape=True), 5, 1, 1, {}))  # also of "/i/1"
    add(table, "/a", 50)
    add(table, "/b", 1)
    assert counts(table) == {"/a": 50, "/b": 1}
    assert (table.floor, table.missing_most) == (6, 11)


def test_fewer_rows_are_kept_after_a_change() -> None:
    table = UriTable(4)
    for number, path in enumerate(("/a", "/b", "/c", "/d"), 1):
        add(table, path, number)
    table.resize(2)
    assert counts(table) == {"/d": 4, "/c": 3}
    assert (table.most, table.not_kept) == (2, 3)
    table.resize(4)
    add(table, "/i/1")
    assert counts(table) == {"/d": 4, "/c": 3, "/i/{number}": 1}


def test_texts_are_bounded_in_bytes() -> None:
    table = UriTable(16)
    for letter in "abcdefghijklmnopqrst":
        add(table, f"/{letter * 2000}")
    assert 0 < len(table) < 16
    assert table._held_bytes <= ceiling_bytes(16)
    assert sum(counts(table).values()) + table.not_kept == 20


PATHS = st.sampled_from(["/a", "/b", "/c", "/d", "/i/1", "/i/2", "/i/3", "/j/1", "/j/2", "/k/1"])
ADDITIONS = st.lists(st.tuples(PATHS, st.integers(1, 5)), max_size=80)


@given(ADDITIONS, st.integers(1, 6))
def test_what_is_missing_is_bounded(additions: list[tuple[str, int]], most: int) -> None:
    table = UriTable(most)
    true: Counter[str] = Counter()
    for path, count in additions:
        add(table, path, count)
        true[path] += count
    found = counts(table)
    assert sum(found.values()) + table.not_kept == sum(true.values())
    assert table.floor <= 2 * sum(true.values()) / most
    for path, count in true.items():
        own, of_shape = found.get(path, 0), found.get(shape_of(path), 0)
        assert own <= count
        assert count <= own + (of_shape if shape_of(path) != path else 0) + table.missing_most
    assert len(true) > most or found == true


@given(ADDITIONS)
def test_with_room_for_all_it_is_a_counter(additions: list[tuple[str, int]]) -> None:
    table = UriTable(10)
    true: Counter[str] = Counter()
    for path, count in additions:
        add(table, path, count)
        true[path] += count
    assert counts(table) == true and table.not_kept == 0
