"""Checks the table of examples: what adds up, what gives way, and what it shows."""

from mirror.comparison.examples import MOST_KEPT, ExampleTable
from mirror.core.comparison.piece import ExampleAddition
from mirror.core.uri_counts.piece import Uri
from mirror.formats.comparison import Example


def addition(path: str, count: int = 1, second: int = 10, request_id: str = "") -> ExampleAddition:
    uri = Uri("shop.example", "GET", path, ("page",), False)
    return ExampleAddition(
        *("/items/_", "route_miss", uri, 200, 404, ""), *(count, second, second, request_id)
    )


def test_equal_examples_add_up_and_show_the_newest_id() -> None:
    table = ExampleTable()
    table.add(addition("/items/7", 2, 12, "2b"))
    table.add(addition("/items/7", 3, 10, "1a"))
    table.add(addition("/items/8", 9))
    first, second = table.rows()
    assert (first.path, first.count) == ("/items/8", 9)
    assert second == Example(
        *("/items/_", "route_miss", "GET", "shop.example", "/items/7", ["page"]),
        *(200, 404, "", 5, 10, 12, "2b"),
    )
    table.add(addition("/items/7", 1, 13))
    assert table.rows()[1].request_id == "2b", "the newest that had one"


def test_results_and_statuses_are_apart() -> None:
    table = ExampleTable()
    for result, status in (("route_miss", 404), ("denied", 403), ("denied", 401)):
        other = addition("/items/7")
        other.result, other.shadow_status = result, status
        table.add(other)
    assert len(table.rows()) == 3


def test_the_rarest_gives_way_and_is_counted() -> None:
    table = ExampleTable(most=2)
    table.add(addition("/a", 5))
    table.add(addition("/b", 1))
    table.add(addition("/c", 1, 20))
    assert [row.path for row in table.rows()] == ["/a", "/c"]
    assert table.not_kept == 1


def test_a_full_table_counts_by_shape() -> None:
    table = ExampleTable(most=2)
    table.add(addition("/a", 5))
    table.add(addition("/b", 1))
    for number in range(10):
        table.add(addition(f"/items/{number}", 1, 20))
    assert [(row.path, row.count) for row in table.rows()] == [("/items/{number}", 10), ("/a", 5)]
    assert table.not_kept == 1
    table.add(addition("/a"))
    assert table.rows()[1].count == 6


def test_nothing_is_lost_and_the_table_is_bounded() -> None:
    table = ExampleTable()
    for number in range(MOST_KEPT * 3):
        table.add(addition(f"/{chr(97 + number % 26)}{'x' * (number // 26)}", 1 + number % 3))
    rows = table.rows()
    assert len(rows) == MOST_KEPT
    counted = sum(row.count for row in rows) + table.not_kept
    assert counted == sum(1 + number % 3 for number in range(MOST_KEPT * 3))
