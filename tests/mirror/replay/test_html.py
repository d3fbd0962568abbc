import re
from html.parser import HTMLParser

import pytest

from mirror.formats.replay_result import ReplayResult
from mirror.replay.html import BOTTOM, LEFT, RIGHT, TOP, as_html, plots_of
from mirror.replay.measurement import Measure
from mirror.replay.result import step_result
from mirror.replay.schedule import Step
from mirror.replay.steps import MeasuredStep
from tests.mirror.replay.test_result import measure, result


def stepped(number: int) -> ReplayResult:
    steps = []
    for place in range(number):
        times = measure(*range(1000 + place, 90_000, 700))
        steps.append(
            step_result(MeasuredStep(Step(10, 0, 1), Measure(), times, 1.0, 10 / (place + 1), 0))
        )
    return result(measure(*range(1000, 90_000, 100)), steps=steps, rate_rps=None)


def test_one_step_shows_its_percentiles() -> None:
    (plot,) = plots_of(result(measure(*range(1000, 90_000, 100))))
    assert [tick.text for tick in plot.x_ticks] == ["0 %", "90 %", "99 %"]
    ((name, points),) = plot.lines
    assert name == "all requests" and points == sorted(points, key=lambda point: point[0])
    heights = [y for _, y in points]
    assert heights == sorted(heights, reverse=True)  # pixels grow downwards, milliseconds upwards


@pytest.mark.parametrize("number", [2, 9])
def test_steps_show_rate_latency_and_lag(number: int) -> None:
    plots = plots_of(stepped(number))
    assert len(plots) == 4 and len(plots[0].lines) == min(number, 6)
    assert [len(points) for plot in plots[1:] for _, points in plot.lines] == [number] * 7


def test_everything_is_drawn_inside() -> None:
    for plot in plots_of(stepped(7)):
        for _, points in plot.lines:
            for x, y in points:
                assert LEFT <= x <= RIGHT and TOP <= y <= BOTTOM
        assert 4 <= len(plot.y_ticks) <= 12


def test_nothing_answered_is_a_page_too() -> None:
    shown = as_html(result(Measure(), invalid_reason="no request was answered"))
    assert "<strong>Invalid:</strong> no request was answered" in shown


def test_page_stands_alone_and_escapes() -> None:
    shown = as_html(result(measure(5), to="http://<script>alert(1)</script>"))
    assert "<script" not in shown and "&lt;script&gt;" in shown
    assert not re.search(r"(src|href)=|@import|url\(", shown)
    HTMLParser().feed(shown)
    assert shown.count("<svg") == shown.count("</svg>") == 1
