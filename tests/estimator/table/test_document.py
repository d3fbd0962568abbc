from estimator.table.document import of_components, to_components
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


def test_problem_without_a_known_line_names_none() -> None:
    place = Place([], "f")
    assert to_components({"components": [API | {"kind": "cow"}]}, place) == ()
    assert [str(problem) for problem in place.problems] == [
        "f: component api, kind: expected pod or gateway, got 'cow'"
    ]


def test_what_no_container_can_have_is_a_slip_of_a_unit() -> None:
    place = Place([], "f")
    usage = {"app": {"cpu": 400, "memory": 100}}
    row = {"replicas": 1, "rps": 5.0, "usage": usage}
    assert to_components({"components": [API | {"points": [row]}]}, place) == ()
    assert [str(problem) for problem in place.problems] == [
        "f: component api, row 1, usage.app.cpu: expected at most 128 cores in one container, got"
        " 400; if millicores were meant, write 400m",
        "f: component api, row 1, usage.app.memory: expected at least 64Ki, got 100 bytes; if MiB"
        " were meant, write 100Mi",
    ]


def test_limit_of_components_is_named() -> None:
    place = Place([], "f")
    components = [API | {"name": f"api-{number}"} for number in range(1_001)]
    assert len(to_components({"components": components[:1_000]}, place)) == 1_000
    assert not place.problems
    assert to_components({"components": components}, place) == ()
    assert [str(problem) for problem in place.problems] == [
        "f: components: has 1,001 components, more than 1,000, which is the limit"
    ]


def test_limit_of_rows_is_named() -> None:
    place = Place([], "f")
    half = {"points": [{}] * 15_000}
    components = [half | {"name": "a"}, half | {"name": "b"}, {"name": "c", "points": [{}]}]
    assert to_components({"components": components}, place) == ()
    assert [str(problem) for problem in place.problems] == [
        "f: components: has 30,001 rows, more than 30,000, which is the limit"
    ]
