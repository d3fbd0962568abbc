import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator import units
from estimator.table.document import exact_cpu, exact_memory, of_components, to_components
from estimator.table.fields import Place

API = {
    "name": "api",
    "kind": "pod",
    "routes": ["/Api/{id}"],
    "requests": {"app": {"cpu": "1000m", "memory": "1Gi"}},
    "points": [{"replicas": 1, "rps": 5.0, "usage": {"app": {"cpu": "62.5m", "memory": "1Mi"}}}],
}


def test_document_comes_back() -> None:
    place = Place([], "f")
    assert of_components(to_components({"components": [API]}, place)) == {"components": [API]}
    assert not place.problems


def test_problem_without_lines_is_told_without() -> None:
    place = Place([], "f")
    assert to_components({"components": [API | {"kind": "cow"}]}, place) == ()
    assert [str(problem) for problem in place.problems] == [
        "f: component api, kind: expected pod or gateway, got 'cow'"
    ]


@pytest.mark.parametrize(
    ("millicores", "text"),
    [(500, "500m"), (62.5, "62.5m"), (0.0000123456789, "12.3456789n"), (0, "0m"), (2000, "2000m")],
)
def test_cpu_is_written_exactly(millicores: float, text: str) -> None:
    assert exact_cpu(millicores) == text
    assert units.parse_cpu(text) == millicores


@given(st.integers(0, 10**15))
def test_every_nanocore_reads_back(nano: int) -> None:
    millicores = units.parse_cpu(f"{nano}n")
    assert units.parse_cpu(exact_cpu(millicores)) == millicores


@given(st.floats(1e-3, 9e23))
def test_any_cpu_reads_back_or_nearly(millicores: float) -> None:
    again = units.parse_cpu(exact_cpu(millicores))
    assert again == pytest.approx(millicores, rel=1e-15)
    assert units.parse_cpu(exact_cpu(again)) == again


@given(st.integers(0, 10**18 - 1))
def test_memory_is_written_exactly(amount: int) -> None:
    assert units.parse_memory(exact_memory(amount)) == amount
