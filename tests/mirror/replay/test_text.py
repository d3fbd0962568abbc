from mirror.formats.replay_result import SaturationResult
from mirror.replay.measurement import Measure
from mirror.replay.result import step_result
from mirror.replay.schedule import Step
from mirror.replay.steps import MeasuredStep
from mirror.replay.text import as_text
from tests.mirror.replay.test_result import measure, result


def test_endings_are_told_apart() -> None:
    counted = measure(1000)
    for outcome in ("connect_failed", "timeout", "reset", "reset"):
        counted.started(0.1)
        counted.ended(outcome)
    counted.count_shed("waiting_full")
    text = " ".join(as_text(result(counted, skipped={"POST": 1}, filtered=4)).split())
    for words in ("refused 1", "timed out 1", "unanswered 2", "late 4 (started", "waiting_full 1"):
        assert words in text
    assert "skipped POST 1 (unsafe: --all-methods sends them)" in text and "filtered 4" in text


def test_most_frequent_statuses_of_errors_are_shown() -> None:
    counted = Measure()
    for status in (404, *[426] * 9, 500, 501, 502, 503, 504):
        counted.ended("4xx", status)
    row = "  statuses  426 9, 404 1, 500 1, 501 1, 502 1, and 2 more statuses"
    assert row in as_text(result(counted)).splitlines()
    assert "statuses" not in as_text(result(measure(1)))


def test_rows_of_steps() -> None:
    steps = [
        step_result(MeasuredStep(Step(10, 0, 10), Measure(), measure(2000), 1e9, 8.0, ratio))
        for ratio in (0.1, 0.95)
    ]
    rows = as_text(result(measure(1), steps=steps, rate_rps=None)).splitlines()
    assert "2 steps" in rows[0]
    assert sum(row.endswith("INVALID") for row in rows) == 1


def test_saturation_in_words() -> None:
    for found, words in (
        (SaturationResult(400, 420, "p99 9 ms"), "400.0 rps were held, 420.0 rps were not: p99"),
        (SaturationResult(None, 1, "errors"), "no rate was held, 1.0 rps were not: errors"),
        (SaturationResult(400, None, None), "no rate was tried that was not"),
    ):
        assert words in as_text(result(measure(1), saturation=found))


def test_empty_result_has_dashes() -> None:
    text = as_text(result(Measure(), invalid_reason="no request was answered", shard="0/2"))
    assert "outcomes  none" in text and "INVALID: no request was answered" in text
    assert " - " in text and "shard 0/2" in text


def test_interrupted() -> None:
    assert "interrupted: this is the report so far" in as_text(
        result(measure(1), is_interrupted=True, rate_rps=None, speed=2.0)
    )
