"""Checks the tables and sentences of the report: what they hold, and that they are bounded."""

from collections import Counter
from typing import Any

import pytest

from mirror.comparison.report.content import (
    MOST_CHARACTERS,
    MOST_DIFFERENCES,
    MOST_REASONS,
    MOST_STRANGE,
    Cell,
    Content,
    Section,
    content_of,
)
from mirror.comparison.report.judgement import Thresholds, judge
from mirror.comparison.report.parts import Pairs, Part, add_up
from mirror.formats.comparison import Comparison
from tests.mirror.comparison.report.test_judgement import pairs
from tests.mirror.comparison.report.test_parts import document, example, route, sum_of


def content(*documents: Comparison, most_rows: int = 20) -> Content:
    compared = sum_of(*documents)
    return content_of(compared, judge(compared, Thresholds()), most_rows)


def section(made: Content, key: str) -> Section:
    (found,) = (section for section in made.sections if section.key == key)
    return found


def rows(made: Content, key: str) -> list[list[str]]:
    table = section(made, key).table
    assert table is not None
    return [[cell.text for cell in row] for row in table.rows]


def test_the_answer_comes_first() -> None:
    made = content(document(pairs(3000)))
    assert made.answer == (
        "safe so far: 0 % new errors in 3,000 pairs; p99 13.1 ms in production, 14 ms at the shadow"
    )
    assert content(document(pairs(0))).answer == "not known yet: no pairs"


def test_the_facts_say_what_the_answer_rests_on() -> None:
    facts = content(document(pairs(4000, errors=5))).facts
    assert facts == (
        ("source", "web-1 (web-1, mode sink): 2026-03-26 08:00:00 to 2026-03-26 09:00:00 UTC"),
        (
            "new errors",
            "5 of 4,000 pairs, 0.125 %; with 95 % confidence at most 0.263 %; allowed 0.1 %",
        ),
        ("p99", "1.07 times production's; allowed 2 times"),
    )


def test_the_latencies_of_the_open_minute_are_said_to_be_missing() -> None:
    part = Part("series.db", 6000, 6090, {"/a": Pairs(Counter(same=9))}, pairs_without_latency=1200)
    compared = add_up([part])
    made = content_of(compared, judge(compared, Thresholds()), 20)
    assert section(made, "latency").notes[1:] == (
        "series.db: the latencies of its newest 1,200 pairs are missing here. A sidecar writes"
        " those of a minute when the minute is over.",
    )
    assert len(section(content(document(pairs(9))), "latency").notes) == 1


def test_the_matrix_has_rows_of_production_and_columns_of_the_shadow() -> None:
    classes = {"2xx>2xx": 90, "2xx>none": 4, "5xx>2xx": 3, "4xx>4xx": 3}
    made = content(document(route(classes=classes), route("/b")))
    table = section(made, "matrix").table
    assert table is not None
    assert [column.title for column in table.columns] == [
        *("route", "production", "shadow 2xx", "shadow 4xx", "shadow 5xx", "shadow none")
    ]
    assert rows(made, "matrix")[3:6] == [
        ["/api/_", "2xx", "90", "", "", "4"],
        ["/api/_", "4xx", "", "3", "", ""],
        ["/api/_", "5xx", "3", "", "", ""],
    ]
    assert rows(made, "matrix")[0][:3] == ["all routes", "2xx", "187"]
    assert table.rows[3][2:] == (*(Cell("90", "ok"), Cell(""), Cell(""), Cell("4", "bad")),)
    assert table.rows[5][2] == Cell("3", "warn")


def test_differences_come_with_what_to_do_new_errors_first() -> None:
    results = {"same": 60, "size": 20, "route_miss": 3, "timeout": 17, "denied": 0}
    entries = section(content(document(route(results=results), route("/b"))), "differences").entries
    assert [(entry.name, entry.count, entry.where) for entry in entries] == [
        ("timeout", "17 pairs, 8.5 %, new errors", "/api/_ 17"),
        ("route_miss", "6 pairs, 3 %, new errors", "/api/_ 3, /b 3"),
        ("size", "20 pairs, 10 %", "/api/_ 20"),
    ]
    assert entries[1].words.title == "Envoy has no route" and entries[1].words.advice
    assert section(content(document(pairs(30))), "differences").notes == ("Nothing differs.",)


def test_latency_stands_side_by_side() -> None:
    made = content(document(pairs(3000, errors=1), pairs(50, "/b", primary_latency={})))
    first, _, last = rows(made, "latency")
    assert first == [
        *("all routes", "3,050", "1", "0.155 %", "11 ms", "12 ms", "(1.09)"),
        *("13.1 ms", "14 ms", "1.07"),
    ]
    assert last == ["/b", "50", "0", "5.99 %", "", "", "", "", "", ""]


def test_a_ratio_that_may_be_noise_stands_in_brackets() -> None:
    assert rows(content(document(pairs(50))), "latency")[0][-1] == "(1.07)"
    immediate = pairs(50, primary_latency={0: 50})
    assert rows(content(document(immediate)), "latency")[0][-1] == "-"


def test_new_404s_stand_by_path_apart_from_other_differences() -> None:
    moved = example(
        result="redirect", shadow_status=302, location="https://x/", path="/m", names=[]
    )
    lost = example(result="timeout", shadow_status=0, path="/" + "a" * 500, request_id="")
    made = content(document(examples=[example(), moved, lost]))
    assert rows(made, "missing") == [
        [
            *("GET shop.example/items/{number}?page", "2", "200", "404", "Envoy has no route"),
            *("1970-01-01 00:16:49 UTC", "9f3a"),
        ]
    ]
    (late, elsewhere) = sorted(rows(made, "examples"))
    assert elsewhere[3] == "302 to https://x/" and elsewhere[4] == "redirected elsewhere"
    assert late[3] == "none" and len(late[0]) < MOST_CHARACTERS + 10 and late[0].endswith("...")


def test_paths_and_locations_are_shown_as_utf_8() -> None:
    sent = "/caf\xe9".encode().decode("latin-1")
    moved = example(result="redirect", location=sent, path=sent, names=[])
    cut = example(path=sent[:-1], names=[])
    made = content(document(examples=[moved, cut]))
    (row,) = rows(made, "examples")
    assert row[0] == "GET shop.example/caf\xe9" and row[3].endswith(" to /caf\xe9")
    assert rows(made, "missing")[0][0] == "GET shop.example/caf%C3"


def test_without_a_pair_nothing_is_called_alike() -> None:
    made = content(document(routes=[]))
    assert [part.key for part in made.sections] == ["differences", "uncompared", "log"]
    assert section(made, "differences").notes == ("No pair was compared.",)
    assert section(made, "uncompared").notes[0] == "No copy has ended."


def test_inline_has_no_log() -> None:
    keys = [part.key for part in content(document(mode="inline", log=None)).sections]
    assert keys == ["matrix", "differences", "latency", "uncompared"]


@pytest.mark.parametrize("key", ["matrix", "latency", "missing"])
def test_tables_are_bounded_and_say_so(key: str) -> None:
    routes = [pairs(10, f"/{number:03}", errors=3) for number in range(60)]
    examples = [example(path=f"/{number}") for number in range(60)]
    made = content(document(*routes, examples=examples), most_rows=7)
    table = section(made, key).table
    assert table is not None and len(table.rows) <= 7 + 1
    assert table.left_out.startswith("53 more ")
    assert len(made.reasons) == MOST_REASONS + 1 and made.reasons[-1].startswith("41 more reasons")


def test_a_class_of_a_newer_sidecar_has_its_column() -> None:
    strange: dict[str, Any] = {"classes": {"2xx>6xx": 100}}
    table = section(content(document(route(**strange))), "matrix").table
    assert table is not None
    assert [column.title for column in table.columns][2:] == ["shadow 2xx", "shadow 6xx"]


def test_strange_classes_cannot_make_the_matrix_wide() -> None:
    classes = {f"{number}>x{number}": 1 for number in range(900)}
    made = section(content(document(route(classes=classes, results={"same": 900}))), "matrix")
    assert made.table is not None and len(made.table.columns) == 2 + MOST_STRANGE
    assert made.notes[1] == "1,790 further classes are not shown."


def test_strange_results_cannot_make_the_page_long() -> None:
    results = {f"result{number}": 1 for number in range(900)}
    made = section(
        content(document(route(classes={"2xx>4xx": 900}, results=results))), "differences"
    )
    assert len(made.entries) == MOST_DIFFERENCES
    assert made.notes == ("800 further results are not shown.",)
