import re
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from estimator.errors import InputError
from estimator.table.files import COMMENT_ON_ASSUMED, EXAMPLE, read_table, write_table
from estimator.table.load_points import Component, Kind, LoadPoint, Loop, Resources, Table
from mirror.formats.routes import route_tag

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
    # Leave out the path and the line.
    start = len(str(path))
    messages = [str(problem)[start:] for problem in caught.value.problems]
    return [re.sub(r"^:(\d+:)? ", "", message) for message in messages]


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
    # The file itself is well-formed; sizing refuses it with exit code 4.
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
              - {rps: .nan, usage: {app: {cpu: 1, memory: 1Mi}, extra: {cpu: 1, memory: 1Mi}}}
          - kind: pod
            requests: {}
            points: none
        version: 3
    """)
    assert sorted(problems(path)) == sorted(
        [
            "version: unknown key; expected one of components",
            "component api, colour: unknown key; "
            "expected one of name, kind, routes, requests, points, assumed",
            "component api, kind: expected pod or gateway, got 'deployment'",
            "component api, routes: "
            'expected a template such as /api/*, "other" or "*", got \'api\'',
            "component api, requests.app.cpu: expected cpu such as 500m, 1 or 0.5, got 'fast'",
            "component api, requests.log.memory: "
            "expected memory such as 256Mi; '64m' would be milli-bytes",
            "component api, requests.log.disk: unknown key; expected one of cpu, memory",
            "component api, row 1, replicas: expected a whole number of at least 1, got 0",
            "component api, row 1, rps: expected a number of at least 0, got -5",
            "component api, row 1, error_ratio: expected a number from 0 to 1, got 1.5",
            "component api, row 1, usage.log: missing; "
            "expected the usage of every container that has requests",
            "component api, row 2, replicas: expected a whole number of at least 1, got 'two'",
            "component api, row 2, rps: expected a number of at least 0, got inf",
            "component api, row 2, usage.app.memory: "
            "missing; expected memory such as 256Mi, 1Gi or 500M",
            "component api, row 3: expected a mapping with replicas, rps, usage, rps_target,"
            " connections, duration_s, tool, loop, p50_ms, p99_ms, error_ratio, cpu_max,"
            " cpu_limit, workers, got 17",
            "component api, row 4, replicas: missing; expected a whole number of at least 1",
            "component api, row 4, rps: expected a number of at least 0, got nan",
            "component api, row 4, usage.extra: unknown container; "
            "the component has requests for app, log",
            "component api, row 4, usage.log: missing; "
            "expected the usage of every container that has requests",
            "component number 2, name: missing; expected a name",
            'component number 2, routes: missing; expected a list of routes, or ["*"] for all',
            "component number 2, requests: "
            "expected a mapping of containers to cpu and memory, got {}",
            "component number 2, points: expected a list of measured rows, got 'none'",
        ]
    )


def test_repeated_key_is_refused(write) -> None:
    path = write(POD.replace("kind: pod", "kind: pod\n    kind: gateway"))
    assert problems(path) == ["kind: expected once in a mapping, first given in line 4"]


def test_repeated_key_is_named_beside_other_problems(write) -> None:
    path = write(POD.replace("kind: pod", "kind: pod\n    kind: cow"))
    assert len(problems(path)) == 2


def test_component_name_is_used_once(write) -> None:
    path = write(POD + POD.removeprefix("\ncomponents:\n"))
    assert problems(path) == ["component api, name: expected a name that no earlier component has"]


def test_routes_with_one_tag_are_refused(write) -> None:
    path = write(POD.replace('["/api/*", other]', '["/api/*", "/api/?"]'))
    assert problems(path) == [
        "component api, routes: expected each tag once; '/api/?' has the tag /api/_ again"
    ]


def test_zero_cpu_request_has_no_utilisation(write) -> None:
    path = write(POD.replace("cpu: 1,", "cpu: 0,"))
    assert problems(path) == [
        "component api, requests.app.cpu: expected more than 0,"
        " because utilisation is a share of the request"
    ]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "expected a mapping with components, got None"),
        ("[1, 2]", "expected a mapping with components, got [1, 2]"),
        ("components: []", "components: expected a list of at least one component, got []"),
        ("components: {", "is not YAML: line "),
        ("!!python/object:os.system {}", "is not YAML: line 1: could not determine a constructor"),
        ("[" * 10_000, "is not YAML"),
        ("{[1]: 2}", "is not YAML: line 1: a list or a mapping is no key"),
    ],
)
def test_what_is_no_table_is_refused(write, text: str, rule: str) -> None:
    (message,) = problems(write(text))
    assert message.startswith(rule)


def test_long_values_are_shown_short(write) -> None:
    (message,) = problems(write(f"components: {'x' * 5000}"))
    assert len(message) < 150


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


def test_every_problem_has_its_line(write) -> None:
    path = write("""
        components:
          - name: api
            kind: deployment
            routes: ["/api/*"]
            requests: {app: {cpu: 1, memory: 1Gi}}
            points:
              - {replicas: 1, rps: 5, usage: {app: {cpu: 1, memory: 64m}}}
              - replicas: 1
                rps: many
                usage:
                  app:
                    cpu: fast
                    memory: 1Mi
    """)
    with pytest.raises(InputError) as caught:
        read_table(path)
    lines = {p.key: p.source.removeprefix(f"{path}:") for p in caught.value.problems}
    assert lines == {"kind": "4", "usage.app.memory": "8", "rps": "10", "usage.app.cpu": "13"}


def test_extended_row_is_read(write) -> None:
    row = (
        "{replicas: 1, rps: 745.5, rps_target: 1300, connections: 32, duration_s: 300, tool: wrk2,"
        " loop: open, p50_ms: 42.5, p99_ms: 52, error_ratio: 0, usage: {app: {cpu: 998m,"
        " memory: 5Mi}}, cpu_max: {app: 1.2}, cpu_limit: {app: 2}, workers: {app: 1}}"
    )
    text = POD.replace("{replicas: 1, rps: 100, usage: {app: {cpu: 0.2, memory: 100Mi}}}", row)
    (point,) = read_table(write(text)).components[0].points
    assert point == LoadPoint(
        1,
        1,
        745.5,
        {"app": Resources(998, 5 * 2**20)},
        52,
        0,
        42.5,
        1300,
        32,
        300,
        "wrk2",
        Loop.OPEN,
        {"app": 1200},
        {"app": 2000},
        {"app": 1},
    )
    assert (point.exclusion or "").startswith("app used 998m, 100% of its 1 worker(s)")


def test_contradictions_within_a_row_are_named(write) -> None:
    row = (
        "{replicas: 1, rps: 5, p50_ms: 9, p99_ms: 8, usage: {app: {cpu: 100m, memory: 1Mi}},"
        " cpu_max: {app: 90m}, cpu_limit: {app: 0, web: 1}, workers: {app: 1.5}, loop: round}"
    )
    text = POD.replace("{replicas: 1, rps: 100, usage: {app: {cpu: 0.2, memory: 100Mi}}}", row)
    assert sorted(problems(write(text))) == [
        "component api, row 1, cpu_limit.app: expected more than 0, got 0",
        "component api, row 1, cpu_limit.web: unknown container; expected one of the row's usage",
        "component api, row 1, cpu_max.app: expected at least the mean, 100m, got 90m",
        "component api, row 1, loop: expected open or closed, got 'round'",
        "component api, row 1, p99_ms: expected at least p50_ms, 9, got 8",
        "component api, row 1, workers.app: expected a whole number of at least 1, got 1.5",
    ]


amounts = st.builds(
    # Kubernetes measures nanocores.
    lambda nano, memory: Resources(float(f"{nano}e-6"), memory),
    st.integers(1, 128 * 10**9),
    st.just(0) | st.integers(2**16, 2**50),
)
numbers = st.floats(0, 1e9).map(lambda value: value + 0.0)  # -0.0 is written as 0
names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1)
templates = st.lists(
    st.just("*") | names.map(lambda text: "/" + "".join(text.split())),
    min_size=1,
    max_size=3,
    unique_by=route_tag,
)


@st.composite
def components(draw) -> Component:
    requests = draw(st.dictionaries(names, amounts, min_size=1, max_size=3))
    optional = {
        "error_ratio": st.floats(0, 1),
        "p50_ms": st.floats(0, 10),
        "p99_ms": st.floats(10, 1e6),
        "rps_target": numbers,
        "connections": st.integers(1, 10**6),
        "duration_s": st.floats(1e-9, 1e9),
        "tool": names,
        "loop": st.sampled_from(Loop),
    }
    points = [
        LoadPoint(
            row,
            draw(st.integers(1, 1000)),
            draw(numbers),
            usage={name: draw(amounts) for name in requests},
            **{key: draw(st.none() | values) for key, values in optional.items()},
            cpu_max_millicores=draw(st.sampled_from([{}, dict.fromkeys(requests, 1e12)])),
            cpu_limit_millicores={
                name: draw(amounts).cpu_millicores for name in requests if draw(st.booleans())
            },
            workers={name: draw(st.integers(1, 64)) for name in requests if draw(st.booleans())},
        )
        for row in range(1, draw(st.integers(0, 3)) + 1)
    ]
    spelt = draw(templates)
    kind = draw(st.sampled_from(Kind))
    tags = tuple(template if template == "*" else route_tag(template) for template in spelt)
    return Component(draw(names), kind, tags, requests, tuple(points), tuple(spelt))


tables = st.lists(components(), min_size=1, max_size=2, unique_by=lambda component: component.name)
SLOW = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)


@pytest.mark.parametrize("suffix", [".yaml", ".csv"])
@given(tables)
@SLOW
def test_written_table_reads_back_the_same(tmp_path: Path, suffix: str, made) -> None:
    path = tmp_path / f"table{suffix}"
    table = Table(str(path), tuple(made))
    write_table(table, path)
    again = read_table(path)
    assert again == table
    assert [c.templates for c in again.components] == [c.templates for c in made]
    written = path.read_bytes()
    write_table(again, path)
    assert path.read_bytes() == written


def test_example_survives_both_formats(tmp_path: Path) -> None:
    example = read_table(EXAMPLE)
    as_csv, as_yaml = tmp_path / "a.csv", tmp_path / "a.yaml"
    write_table(example, as_csv)
    write_table(read_table(as_csv), as_yaml)
    assert read_table(as_yaml).components == example.components
    assert read_table(as_yaml).components[1].templates == ("/watch/{id}",)


def test_rows_are_written_as_people_write_them(write, tmp_path: Path) -> None:
    path = tmp_path / "again.yaml"
    write_table(read_table(write(GATEWAY)), path)
    assert path.read_text().splitlines()[-1] == (
        "      - {replicas: 2, rps: 1000.0, p99_ms: 8.1, error_ratio: 0.0, usage: {istio-proxy:"
        " {cpu: 410m, memory: 180Mi}, nginx: {cpu: 60m, memory: 30Mi}}}  # ok"
    )
    assert "assumed" not in path.read_text()


@pytest.mark.parametrize("suffix", [".yaml", ".csv"])
def test_what_nobody_stated_survives_both_formats(write, tmp_path: Path, suffix: str) -> None:
    table = read_table(write(GATEWAY))
    (component,) = table.components
    assumed = replace(component, assumed=("requests", "routes"))
    path = tmp_path / f"again{suffix}"
    write_table(replace(table, components=(assumed,)), path)
    assert read_table(path).components == (assumed,)
    if suffix == ".yaml":
        for key, comment in COMMENT_ON_ASSUMED.items():
            assert f"    # {comment}\n    {key}: " in path.read_text()
        assert "    assumed: [requests, routes]\n" in path.read_text()


def test_only_what_can_be_assumed_is_listed(write) -> None:
    with pytest.raises(InputError) as caught:
        read_table(write(GATEWAY.replace("    kind:", "    assumed: [points]\n    kind:", 1)))
    (problem,) = caught.value.problems
    assert problem.key == "assumed"
    assert problem.rule == "expected a list with requests or routes, or both, got ['points']"
