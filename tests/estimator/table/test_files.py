from pathlib import Path
from textwrap import dedent

import pytest

from estimator.errors import InputError
from estimator.table.files import EXAMPLE, read_table
from estimator.table.load_points import Kind, Resources

GATEWAY = """
components:
  - name: istio-ingressgateway
    kind: gateway                # or pod
    routes: ["*"]                # whose traffic reaches it
    requests: {istio-proxy: {cpu: 500m, memory: 256Mi}, nginx: {cpu: 100m, memory: 64Mi}}
    points:                      # measured at this many replicas, rps over all of them
      - {replicas: 2, rps: 1000, p99_ms: 8.1, error_ratio: 0, usage: {istio-proxy: {cpu: 410m, memory: 180Mi}, nginx: {cpu: 60m, memory: 30Mi}}}
"""  # noqa: E501 - the documented example, letter by letter

POD = """
components:
  - name: api
    kind: pod
    routes: ["/api/*", other]
    requests: {app: {cpu: 1, memory: 1Gi}}
    points:
      - {replicas: 1, rps: 100, usage: {app: {cpu: 0.2, memory: 100Mi}}}
"""


@pytest.fixture
def write(tmp_path: Path):
    def write_table(text: str) -> Path:
        path = tmp_path / "table.yaml"
        path.write_text(dedent(text), encoding="utf-8")
        return path

    return write_table


def problems(path: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        read_table(path)
    prefix = f"{path}: "
    return [str(problem).removeprefix(prefix) for problem in caught.value.problems]


def test_documented_example_is_read(write) -> None:
    (component,) = read_table(write(GATEWAY)).components
    assert (component.name, component.kind) == ("istio-ingressgateway", Kind.GATEWAY)
    assert component.routes == ("*",)
    assert component.requests["istio-proxy"] == Resources(500, 256 * 2**20)
    (point,) = component.points
    assert (point.row, point.replicas, point.rps, point.p99_ms) == (1, 2, 1000, 8.1)
    assert point.error_ratio == 0
    assert point.usage["nginx"] == Resources(60, 30 * 2**20)


def test_routes_become_tags(write) -> None:
    assert read_table(write(POD)).components[0].routes == ("/api/_", "other")


def test_unmeasured_keys_stay_unknown(write) -> None:
    point = read_table(write(POD)).components[0].points[0]
    assert (point.p99_ms, point.error_ratio) == (None, None)


def test_component_without_rows_is_read(write) -> None:
    # Sizing refuses it, with exit code 4: the file itself is well-formed.
    table = read_table(write(POD.split("    points:")[0] + "    points: []\n"))
    assert table.components[0].points == ()


def test_every_problem_is_named_at_once(write) -> None:
    path = write("""
        components:
          - name: api
            kind: deployment
            routes: ["api"]
            requests: {app: {cpu: fast, memory: 1Gi}, log: {cpu: 10m, memory: 64m, disk: 1Gi}}
            colour: red
            points:
              - {replicas: 0, rps: -5, error_ratio: 1.5, usage: {app: {cpu: 1, memory: 1Mi}}}
              - {replicas: two, rps: .inf, usage: {app: {cpu: 1}, log: {cpu: 1, memory: 1Mi}}}
              - 17
              - {rps: .nan, usage: {app: {cpu: 1, memory: 1Mi}, extra: {cpu: 1, memory: 1}}}
          - kind: pod
            requests: {}
            points: none
        version: 3
    """)
    assert sorted(problems(path)) == sorted(
        [
            "version: unknown key; the keys here are components",
            "component api, colour: unknown key; "
            "the keys here are name, kind, routes, requests, points",
            "component api, kind: expected pod or gateway, got 'deployment'",
            "component api, routes: "
            'expected a template such as /api/*, "other" or "*", got \'api\'',
            "component api, requests.app.cpu: expected cpu such as 500m, 1 or 0.5, got 'fast'",
            "component api, requests.log.memory: "
            "expected memory such as 256Mi; '64m' would be milli-bytes",
            "component api, requests.log.disk: unknown key; the keys here are cpu, memory",
            "component api, row 1, replicas: expected a whole number of at least 1, got 0",
            "component api, row 1, rps: expected a number of at least 0, got -5",
            "component api, row 1, error_ratio: expected a number from 0 to 1, got 1.5",
            "component api, row 1, usage.log: missing; every container with requests is measured",
            "component api, row 2, replicas: expected a whole number of at least 1, got 'two'",
            "component api, row 2, rps: expected a number of at least 0, got inf",
            "component api, row 2, usage.app.memory: "
            "missing; expected memory such as 256Mi, 1Gi or 500M",
            "component api, row 3: "
            "expected a mapping with replicas, rps, usage, p99_ms, error_ratio, got 17",
            "component api, row 4, replicas: missing; expected a whole number of at least 1",
            "component api, row 4, rps: expected a number of at least 0, got nan",
            "component api, row 4, usage.extra: is not among the component's requests",
            "component api, row 4, usage.log: missing; every container with requests is measured",
            "component number 2, name: missing; expected a name",
            'component number 2, routes: missing; expected a list of routes, or ["*"] for all',
            "component number 2, requests: "
            "expected a mapping of containers to cpu and memory, got {}",
            "component number 2, points: expected a list of measured rows, got 'none'",
        ]
    )


def test_repeated_key_is_not_the_last_one_wins(write) -> None:
    path = write(POD.replace("kind: pod", "kind: pod\n    kind: gateway"))
    assert problems(path) == ["kind: is given twice in one mapping, again in line 5"]


def test_repeated_key_is_named_beside_other_problems(write) -> None:
    path = write(POD.replace("kind: pod", "kind: pod\n    kind: cow"))
    assert len(problems(path)) == 2


def test_component_name_is_used_once(write) -> None:
    path = write(POD + POD.removeprefix("\ncomponents:\n"))
    assert problems(path) == ["component api, name: is the name of an earlier component"]


def test_routes_with_one_tag_are_refused(write) -> None:
    path = write(POD.replace('["/api/*", other]', '["/api/*", "/api/?"]'))
    assert problems(path) == [
        "component api, routes: '/api/?' has the same tag as one before it: /api/_"
    ]


def test_zero_cpu_request_has_no_utilisation(write) -> None:
    path = write(POD.replace("cpu: 1,", "cpu: 0,"))
    assert problems(path) == [
        "component api, requests.app.cpu: expected more than 0: utilisation is of it"
    ]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "expected a mapping with components, got None"),
        ("[1, 2]", "expected a mapping with components, got [1, 2]"),
        ("components: []", "components: expected a list of at least one component, got []"),
        ("components: {", "is not YAML: while parsing"),
        ("!!python/object:os.system {}", "is not YAML: could not determine a constructor"),
        ("[" * 10_000, "is not YAML"),
        ("{[1]: 2}", "is not YAML: while constructing a mapping"),
    ],
)
def test_what_is_no_table_is_refused(write, text: str, rule: str) -> None:
    (found,) = problems(write(text))
    assert found.startswith(rule)


def test_long_values_are_shown_short(write) -> None:
    (found,) = problems(write(f"components: {'x' * 5000}"))
    assert len(found) < 150


def test_missing_file_is_named(tmp_path: Path) -> None:
    assert problems(tmp_path / "none.yaml") == ["no such file"]


def test_directory_is_no_table(tmp_path: Path) -> None:
    assert problems(tmp_path)[0].startswith("cannot be read: ")


def test_binary_file_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "table.yaml"
    path.write_bytes(b"\xff\xfe\x00\x01" * 10)
    assert problems(path)[0].startswith("cannot be read: ")


def test_bundled_example_covers_the_demo() -> None:
    table = read_table(EXAMPLE)
    assert table.is_example
    assert [(c.name, c.kind, c.routes) for c in table.components] == [
        ("istio-ingressgateway", "gateway", ("*",)),
        ("watch", "pod", ("/watch/_id_",)),
        ("api", "pod", ("/api/_",)),
    ]
    for component in table.components:
        totals = [point.rps for point in component.used_points]
        assert min(totals) <= 20
        assert max(totals) >= 1000
