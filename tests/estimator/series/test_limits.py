"""Checks what the limits claim about memory, on a thousandth of each."""

import tracemalloc

import pytest

from estimator.series import limits
from estimator.series.datadog_api import QueryGroup
from estimator.series.http_session import decoded
from estimator.series.prometheus_api import _Series


@pytest.mark.parametrize(
    ("model", "item"),
    [
        (_Series, '{"metric":{},"values":[[0,"7.5"],[1,"8.5"]]}'),
        (_Series, '{"metric":{"a%d":"b%d"},"values":[]}'),
        (QueryGroup, '{"interval":1,"pointlist":[[1.5,2.5],[1.5,2.5],[1.5,2.5],[1.5,2.5]]}'),
    ],
)
def test_an_answer_at_its_limit_takes_less_than_512_mb(model: type, item: str) -> None:
    items = [item % (n, n) if "%" in item else item for n in range(1000)]
    body = f"[{','.join(items)}]".encode()
    values = body.count(b'"') // 2 + body.count(b"[")
    tracemalloc.start()
    answer = decoded(body, list[model])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(answer) == 1000
    assert peak / values * limits.MAX_ANSWER_VALUES + limits.MAX_ANSWER_BYTES < 400e6


def test_a_wrong_unit_does_not_shift_the_limits() -> None:
    # 100 routes with the most points of one query of Prometheus have to fit.
    points = 100 * 10_000
    assert points * len('[1767225600.125,"1234.5678901234567"],') < limits.MAX_ANSWER_BYTES
    assert 2 * points < limits.MAX_ANSWER_VALUES
    assert limits.MAX_POINTS * 16 < 200e6
