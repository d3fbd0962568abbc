import json
from pathlib import Path

import pytest

from estimator.table.load_tools.detect import read_result
from estimator.table.rows import Loop


@pytest.fixture
def document(load_tool_samples: Path) -> dict:
    return json.loads((load_tool_samples / "ghz.json").read_text())


def test_sample_has_its_units(load_tool_samples: Path) -> None:
    (run,) = read_result(load_tool_samples / "ghz.json").runs
    assert run.duration_s == pytest.approx(0.2808)
    # 18 calls succeeded; one of the other two never reached the server.
    assert run.rps == pytest.approx(19 / 0.2808)
    assert (run.p50_ms, run.p99_ms) == (26.3, 58)
    assert run.error_ratio == pytest.approx(2 / 20)
    assert (run.loop, run.connections, run.rps_target) == (Loop.CLOSED, 2, None)
    # The start is the first call of the details; `date` is the end.
    assert run.start == pytest.approx(1772444400.12)
    assert run.notes == ()


def test_incomplete_details_do_not_count(read, document: dict) -> None:
    # This is without the first three calls, one of which is the sixth slowest.
    run = read(json.dumps(document | {"details": document["details"][3:]}))
    assert run.requests is None
    assert run.rps == pytest.approx(20 / 0.2808)
    assert (run.p50_ms, run.p99_ms, round(run.error_ratio, 9)) == (26.3, 58, 0.1)
    assert run.notes == ("not every one of its 20 calls is in the file",)


def test_asynchronous_run_is_open(read, document: dict) -> None:
    options = document["options"] | {"async": True, "rps": 1200}
    run = read(json.dumps(document | {"options": options}))
    assert (run.loop, run.rps_target) == (Loop.OPEN, 1200)


def test_time_without_a_zone_is_refused(refused, document: dict) -> None:
    document["details"][4]["timestamp"] = "2026-03-02T09:40:00.165200"
    (problem,) = refused(json.dumps(document))
    assert "timezone" in problem and "`$.details[4].timestamp`" in problem


def test_run_without_calls_is_refused(refused, document: dict) -> None:
    assert refused(json.dumps(document | {"count": 0})) == ["holds no call"]
