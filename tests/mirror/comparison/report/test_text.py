from mirror.comparison.report.text import as_text
from mirror.formats.comparison import Comparison
from tests.mirror.comparison.report.test_content import content
from tests.mirror.comparison.report.test_judgement import pairs
from tests.mirror.comparison.report.test_parts import document, route


def lines(*documents: Comparison) -> list[str]:
    return as_text(content(*documents)).split("\n")


def test_the_first_line_is_the_answer_and_the_reasons_follow() -> None:
    first, second, third, *_ = lines(document(pairs(4000, errors=9), pairs(10, "/b")))
    assert first.startswith("not safe to switch: 0.224 % new errors in 4,010 pairs; p99 ")
    assert second.startswith("  not safe: all routes: 0.224 % of 4,010 pairs")
    assert third.startswith("  not safe: /api/_: ")


def test_columns_are_aligned() -> None:
    shown = lines(document(route(), route("/a-longer-route")))
    begin = shown.index("Status classes by route")
    title, *rows = shown[begin + 2 : begin + 6]
    assert title == "  route            production  shadow 2xx  shadow 4xx"
    assert rows[0] == "  all routes       2xx                194           6"
    assert rows[1] == "  /a-longer-route  2xx                 97           3"


def test_a_difference_says_what_to_do_and_where() -> None:
    shown = lines(document())
    at = shown.index("  Envoy has no route (route_miss): 3 pairs, 3 %, new errors")
    assert shown[at + 1].startswith("      Envoy itself answered 404")
    assert shown[at + 2].startswith("      Do: Add the route.")
    assert shown[at + 3] == "      Where: /api/_ 3"


def test_what_a_table_leaves_out_stands_below_it() -> None:
    shown = lines(document(*(pairs(10, f"/{number}") for number in range(25))))
    assert shown.count("  (5 more routes are in --format json)") == 2
