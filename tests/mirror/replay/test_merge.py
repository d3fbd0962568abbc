import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.errors import InputError
from mirror.formats.replay_result import (
    ProcessReading,
    ProcessUsage,
    ReplayResult,
    decode,
    to_json,
)
from mirror.replay.measurement import Measure
from mirror.replay.merge import merge
from mirror.replay.result import counts_of, step_result
from mirror.replay.schedule import Step
from mirror.replay.steps import MeasuredStep
from tests.mirror.replay.test_result import measure, result

TIMES = st.lists(st.integers(0, 10**8), min_size=1, max_size=30)


def shard(index: int, of: int, counted: Measure, **changes: object) -> tuple[str, ReplayResult]:
    step = step_result(MeasuredStep(Step(10, 0, 10), Measure(), counted, 1e9 + index, 8.0, 0.5))
    made = result(counted, shard=f"{index}/{of}", steps=[step], **changes)
    return f"{index}.json", made


@settings(max_examples=25)
@given(TIMES, TIMES)
def test_nothing_is_lost(one: list[int], two: list[int]) -> None:
    merged = merge([shard(0, 2, measure(*one)), shard(1, 2, measure(*two))])
    whole = counts_of(measure(*one, *two))
    assert {name: getattr(merged, name) for name in whole} == whole
    assert {name: getattr(merged.steps[0], name) for name in whole} == whole
    assert merged.offered_rps == pytest.approx((len(one) + len(two)) / 10)
    assert merged.steps[0].offered_rps == pytest.approx((len(one) + len(two)) / 8)
    assert merged.shard is None and merged.is_valid
    assert merged.steps[0].steady_from == 1e9 + 1


def test_statuses_add_up_and_older_results_have_none() -> None:
    refused = Measure()
    refused.started(0.0)
    refused.ended("4xx", 426)
    parts = [shard(0, 2, refused), shard(1, 2, refused)]
    kept = to_json(merge(parts))
    assert decode(kept).statuses == decode(kept).steps[0].statuses == {426: 2}
    document = json.loads(kept)
    del document["statuses"], document["steps"][0]["statuses"]
    assert decode(json.dumps(document)).statuses == {}


def test_longest_shard_and_any_fault_count() -> None:
    late = shard(1, 2, measure(1), is_valid=False, invalid_reason="late", elapsed_s=99.0)
    merged = merge([shard(0, 2, measure(1)), late])
    assert (merged.is_valid, merged.invalid_reason, merged.elapsed_s) == (False, "late", 99)


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([shard(0, 2, measure(1))], "shards are missing: 1/2"),
        ([shard(0, 99, measure(1))], "1/99, 2/99, .* 10/99 and 88 more"),
        ([shard(0, 2, measure(1))] * 2, "is shard 0/2, as 0.json is"),
        ([shard(0, 2, measure(1)), shard(1, 2, measure(1), schedule="x")], "another schedule"),
        ([("a.json", result(measure(1)))], "a.json: is the result of a whole schedule"),
    ],
)
def test_what_does_not_add_up(results: list[tuple[str, ReplayResult]], expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        merge(results)


def usage(replica: str, *times: float) -> ProcessUsage:
    return ProcessUsage("api", "app", replica, None, [ProcessReading(t, t, 1) for t in times])


def test_usage_of_all_shards_is_kept_once() -> None:
    shards = [
        shard(0, 3, measure(1), usage=[usage("a/1", 1, 2)]),
        shard(1, 3, measure(1), usage=[usage("a/1", 1, 2, 3), usage("b/1", 1)]),
        shard(2, 3, measure(1)),
    ]
    assert merge(shards).usage == [usage("a/1", 1, 2, 3), usage("b/1", 1)]


def test_broken_histogram_names_its_file() -> None:
    name, broken = shard(0, 1, measure(1))
    broken.histograms = msgspec.structs.replace(broken.histograms, from_send_us="x")
    with pytest.raises(InputError, match=r"0\.json: histograms"):
        merge([(name, broken)])
