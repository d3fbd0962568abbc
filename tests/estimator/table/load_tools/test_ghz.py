import json
from pathlib import Path

import pytest

from estimator.table.load_tools.detect import read_result
from estimator.table.rows import Loop


@pytest.fixture
def document(load_tool_samples: Path) -> dict:
    return json.loads((load_tool_samples / "ghz_pretty.json").read_text())


def test_sample_has_its_units(load_tool_samples: Path) -> None:
    run = read_result(load_tool_samples / "ghz_pretty.json")
    assert run.duration_s == pytest.approx(0.172959832)
    assert run.rps == pytest.approx(1156.34, abs=0.01)
    assert run.p50_ms == pytest.approx(31.946, abs=0.001)
    assert run.p99_ms == pytest.approx(62.985, abs=0.001)
    assert run.error_ratio == pytest.approx(9 / 200)
    assert (run.loop, run.connections, run.rps_target) == (Loop.CLOSED, 50, None)
    # The first call of the details, not `date`, which is their end.
    assert run.start == pytest.approx(1545079975.73693)


def test_incomplete_details_do_not_count(load_tool_samples: Path) -> None:
    # The sample lists 191 of its 200 calls.
    run = read_result(load_tool_samples / "ghz_pretty.json")
    assert run.requests is None
    assert run.notes == ("not every one of its 200 calls is in the file",)


def test_complete_details_are_measured(read, document: dict) -> None:
    run = read(json.dumps(document | {"count": len(document["details"])}))
    assert run.requests is not None
    assert run.rps == pytest.approx(len(document["details"]) / 0.172959832)
    assert run.error_ratio == pytest.approx(9 / len(document["details"]))


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
