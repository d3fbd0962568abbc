import re
from typing import Any
from xml.etree import ElementTree

import pytest

from estimator.report.charts.svg import (
    TALL,
    TOP,
    WIDE,
    Curve,
    CurveChart,
    Drawing,
    Mark,
    Rule,
    TimeAxis,
    TimeChart,
    draw_curve,
    draw_time,
)

START = 1_767_268_800
BOTTOM = TALL - 42


def lines_of(drawing: Drawing, css: str) -> list[ElementTree.Element]:
    root = ElementTree.fromstring(drawing.svg)
    return [element for element in root.iter() if css in (element.get("class") or "").split()]


def drawn(values: list[float | None], is_step: bool = False, **more: Any) -> Drawing:
    line = Curve("demand", "line-1", tuple(values), is_step)
    return draw_time(TimeChart("Demand", "rps", TimeAxis(START, 60, len(values)), (line,), **more))


def coordinates(path: str) -> list[tuple[str, list[float]]]:
    return [
        (command, [float(part) for part in rest.split()])
        for command, rest in re.findall(r"([A-Za-z])([^A-Za-z]*)", path)
    ]


def test_a_value_lies_where_the_axis_says() -> None:
    (path,) = lines_of(drawn([0.0, 50.0, 100.0]), "line-1")
    ys = [values[1] for command, values in coordinates(path.get("d") or "") if command in "ML"]
    assert ys == [BOTTOM, (BOTTOM + TOP) / 2, TOP]


def test_a_gap_lifts_the_pen() -> None:
    (path,) = lines_of(drawn([1.0, 2.0, None, 1.0, 2.0]), "line-1")
    commands = [command for command, _ in coordinates(path.get("d") or "")]
    assert commands == ["M", "L", "M", "L"]


def test_a_lone_value_is_drawn_as_wide_as_its_bin() -> None:
    (path,) = lines_of(drawn([None, 1.0, None, None]), "line-1")
    assert [command for command, _ in coordinates(path.get("d") or "")] == ["M", "H"]


def test_a_step_holds_its_value_to_the_next() -> None:
    (path,) = lines_of(drawn([2.0, 2.0, 4.0, 4.0], is_step=True), "line-1")
    middle = (WIDE.left + WIDE.right) / 2
    assert coordinates(path.get("d") or "") == [
        ("M", [WIDE.left, (BOTTOM + TOP) / 2]),
        ("H", [middle]),
        ("V", [TOP]),
        ("H", [WIDE.right]),
    ]


def test_hover_data_are_the_values_drawn() -> None:
    data = drawn([10.0, 1234.5, None]).data
    (line,) = data["lines"]
    assert line["value"] == [10, 1234.5, None]
    assert (data["start"], data["bin"], data["most"]) == (START, 60, 1500)


def test_neighbouring_bins_share_their_shade() -> None:
    shaded = (False, True, True, False, True)
    shades = lines_of(drawn([1.0] * 5, shaded=shaded), "shade")
    assert len(shades) == 2
    assert float(shades[0].get("width") or "") == pytest.approx(2 / 5 * (WIDE.right - WIDE.left))


def test_rules_and_marks_are_within_the_frame() -> None:
    mark = Mark(START + 60, 900.0, "peak", "peak of 900 rps")
    drawing = drawn([10.0, 20.0], marks=(mark,), rules=(Rule(1500.0, "capacity"),))
    (rule,) = lines_of(drawing, "rule")
    (dot,) = lines_of(drawing, "dot")
    assert TOP <= float(rule.get("y1") or "") < float(dot.get("cy") or "") <= BOTTOM
    assert WIDE.left <= float(dot.get("cx") or "") <= WIDE.right


def test_all_zero_has_an_axis_all_the_same() -> None:
    assert lines_of(drawn([0.0, 0.0]), "tick")


def test_names_cannot_become_markup() -> None:
    hostile = '"><script>alert(1)</script>'
    mark = Mark(START, 1.0, hostile, hostile)
    line = Curve(hostile, "line-1", (1.0, 2.0))
    chart = TimeChart(
        hostile, hostile, TimeAxis(START, 60, 2), (line,), (mark,), (Rule(1.0, hostile),)
    )
    curve = CurveChart(
        hostile, hostile, hostile, (0, 1), (0, 1), (), (mark,), (), (Rule(1, hostile),), 1
    )
    for svg in (draw_time(chart).svg, draw_curve(curve).svg):
        assert "<script" not in svg
        ElementTree.fromstring(svg)


CURVE = CurveChart(
    title="Load curve",
    name="cpu",
    unit="millicores",
    x=(0.0, 100.0, 200.0),
    y=(5.0, 80.0, 170.0),
    band=((0.0, 10.0), (70.0, 90.0), (150.0, 190.0)),
    points=(Mark(100.0, 80.0, "", "row 1", "mark used"),),
    rules=(Rule(150.0, "target"),),
    limits=(Rule(120.0, "peak"), Rule(125.0, "capacity")),
    known_to=100.0,
)


def test_beyond_what_was_measured_is_shaded() -> None:
    (shade,) = lines_of(draw_curve(CURVE), "beyond")
    middle = (WIDE.left + WIDE.right) / 2
    assert float(shade.get("x") or "") == pytest.approx(middle)
    assert float(shade.get("width") or "") == pytest.approx(WIDE.right - middle)


def test_band_holds_the_curve() -> None:
    (band,) = lines_of(draw_curve(CURVE), "band")
    assert (band.get("d") or "").endswith("Z")
    assert draw_curve(CURVE).data["lines"][0]["high"] == [10, 90, 190]


def test_labels_of_close_limits_do_not_overlap() -> None:
    heights = [line.get("y") for line in lines_of(draw_curve(CURVE), "rule-label")][1:]
    assert len(set(heights)) == 2
