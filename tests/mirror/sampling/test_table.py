"""The written table: rows, their verdicts, and that the estimator reads it as it is."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from estimator.commands.estimate import main as estimate
from estimator.table.files import read_table
from mirror.errors import InputError, SamplingError
from mirror.sampling.table import Step, Table
from mirror.sampling.usage import Part, Usage, Window

ENVOY, NGINX = Part("istio-ingressgateway", "istio-proxy"), Part("istio-ingressgateway", "nginx")


class Fixed:
    """A source that knows the usage of windows by their start."""

    def __init__(self, found: dict[float, dict[Part, Usage]]) -> None:
        self.found = found

    def usage(self, window: Window) -> Mapping[Part, Usage]:
        if window.start_s not in self.found:
            raise SamplingError("fake has nothing")
        return self.found[window.start_s]

    def close(self) -> None:
        pass


def used(cpu: float, **more: object) -> Usage:
    return Usage(cpu, 50 * 2**20 + 1, 1, **more)  # type: ignore[arg-type]


def step(start_s: float, rps_target: float, **more: object) -> Step:
    stated: dict[str, object] = {
        "rps_target": rps_target,
        "rps": rps_target,
        "window": Window(start_s, start_s + 150),
        "error_ratio": 0.0,
        "p50_ms": 1.5,
        "p99_ms": 4.0,
    }
    return Step(**(stated | more))  # type: ignore[arg-type]


def test_estimator_reads_it_and_agrees_with_the_verdicts(tmp_path: Path) -> None:
    path = tmp_path / "table.yaml"
    limit = {"cpu_limit_millicores": 1000.0, "cpu_max_millicores": 990.0}
    sampler = Fixed(
        {
            0: {ENVOY: used(100.0004, **limit | {"cpu_max_millicores": 120.0})},
            200: {ENVOY: used(200, **limit | {"cpu_max_millicores": 220.0})},
            400: {ENVOY: used(950, **limit)},
            600: {ENVOY: used(300, **limit | {"cpu_max_millicores": 320.0})},
            800: {ENVOY: used(300, **limit | {"cpu_max_millicores": 320.0})},
            1000: {ENVOY: used(250, **limit | {"cpu_max_millicores": 250.0})},
        }
    )
    steps = [
        step(0, 500),
        step(200, 1000, p50_ms=None, p99_ms=None),
        step(400, 4000, rps=3500.0),
        step(600, 1500, rps=900.0),
        step(800, 1500, error_ratio=0.5),
        step(1000, 1250, window=Window(1000, 1050)),
    ]
    table = Table(path)
    assert table.add(steps, [sampler]) == []
    table.write()
    written = [line.rpartition("# ")[2] for line in path.read_text().splitlines() if "rps:" in line]
    assert written == ["ok", "ok", "saturated", "generator-bound", "failing", "too short"]
    (component,) = read_table(path).components
    assert component.kind == "gateway"
    assert component.requests["istio-proxy"].cpu_millicores == 950
    verdicts = [row.judgement.verdict for row in component.points if row.judgement]
    assert verdicts == written
    first, second = component.points[:2]
    assert (first.rps, first.rps_target, first.p99_ms, first.duration_s) == (500, 500, 4, 150)
    assert first.usage["istio-proxy"].cpu_millicores == 100
    assert first.usage["istio-proxy"].memory_bytes == 51 * 2**20
    assert second.p99_ms is None
    checked = CliRunner().invoke(estimate, ["table", "check", str(path)])
    assert checked.exit_code == 3, checked.output  # two rows are few
    assert "all rules held" in checked.output


def test_exact_accounts_state_no_duration(tmp_path: Path) -> None:
    table = Table(tmp_path / "t.yaml")
    sampler = Fixed({0: {ENVOY: used(100, is_exact=True)}})
    table.add([step(0, 500, window=Window(0, 10))], [sampler])
    table.write()
    assert "duration_s" not in (tmp_path / "t.yaml").read_text()


def test_rows_are_added_to_a_persons_table(tmp_path: Path) -> None:
    path = tmp_path / "table.yaml"
    path.write_text(
        "components:\n"
        "  - {name: istio-ingressgateway, kind: pod, routes: [/a/*], points: [],"
        " requests: {istio-proxy: {cpu: 2, memory: 1Gi}}}\n"
    )
    for start_s, rps in ((0, 500), (200, 600)):
        table = Table(path)
        assert table.add([step(start_s, rps)], [Fixed({start_s: {ENVOY: used(rps)}})]) == []
        table.write()
    (component,) = read_table(path).components
    assert (component.kind, component.templates) == ("pod", ("/a/*",))
    assert component.requests["istio-proxy"].cpu_millicores == 2000
    assert [row.rps for row in component.points] == [500, 600]
    assert "put the Pod's own" not in path.read_text()


def test_failures_are_told_and_leave_a_row_out(tmp_path: Path) -> None:
    path = tmp_path / "table.yaml"
    table = Table(path)
    both = Fixed({0: {ENVOY: used(5), NGINX: used(5)}, 200: {ENVOY: used(5)}})
    troubles = table.add([step(0, 500), step(200, 600), step(400, 700)], [both])
    assert troubles == [
        "step of 700 rps: fake has nothing",
        "step of 600 rps: no row of istio-ingressgateway, for want of nginx",
        "step of 700 rps: no row of istio-ingressgateway, for want of istio-proxy, nginx",
    ]
    table.write()
    (component,) = read_table(path).components
    assert len(component.points) == 1
    more = Table(path)
    other = Fixed({0: {ENVOY: used(5), NGINX: used(5), Part(ENVOY.component, "x"): used(5)}})
    assert "whose requests in" in more.add([step(0, 500)], [other])[0]
    uneven = Fixed({0: {ENVOY: used(5), NGINX: Usage(5, 5, 2)}})
    assert "in different numbers" in more.add([step(0, 500)], [uneven])[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "components: 1",
        "a: [",
        "components: [{name: a, kind: pod, routes: [], requests: {}, points: [{rps: 1}]}]",
        "components: [{name: a, kind: pod, routes: [], requests: {}, points: [], more: 1}]",
        "components: [{name: a, kind: pod, routes: [], requests: {}, points: [{rps: 1,"
        " replicas: 1, usage: {a: {cpu: much}}}]}]",
    ],
)
def test_another_file_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "table.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match="is no correspondence table"):
        Table(path)
    assert path.read_text() == text


def test_directory_must_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no directory"):
        Table(tmp_path / "none" / "table.yaml")
