import re
from pathlib import Path

import pytest

from estimator.table.files import read_table
from estimator.table.load_points import Kind, Loop, Resources
from mirror.formats.replay_result import ProcessReading, ProcessUsage, to_json
from mirror.replay.merge import merge
from mirror.replay.result import step_result
from mirror.replay.schedule import Step
from mirror.replay.steps import MeasuredStep
from tests.estimator.observed.conftest import START, Backfilled
from tests.mirror.replay.test_result import measure, result

# The start of the fortio sample, 2026-03-02T09:30:00.5Z.
FORTIO_START = 1772443800.5
NEW = ["--kind", "pod", "--route", "/echo/*", "--request", "app=1,512Mi"]
API = ["--component", "api", "--replicas", "1", "--samples", "usage.csv", "-o", "table.yaml"]


def write_usage(start: float, seconds: int = 240, millicores: float = 350) -> None:
    """Write usage that is near zero in the first 62 s and last 30 s, where it must not count."""
    lines = ["time,container,cpu,memory"]
    for at in range(0, seconds, 2):
        cpu = millicores if 62 <= at <= seconds - 30 else 1
        lines.append(f"{start + at},app,{cpu}m,100Mi")
    Path("usage.csv").write_text("\n".join(lines) + "\n")


def test_result_and_samples_become_a_row(run_table, load_tool_samples: Path) -> None:
    write_usage(FORTIO_START)
    result = run_table("import", str(load_tool_samples / "fortio.json"), *API, *NEW)
    assert result.exit_code == 0, result.output
    (component,) = read_table(Path("table.yaml")).components
    assert (component.templates, component.requests) == (
        ("/echo/*",),
        {"app": Resources(1000, 512 * 2**20)},
    )
    (point,) = component.points
    assert point.usage == {"app": Resources(350, 100 * 2**20)}
    assert (point.rps, point.rps_target, point.tool, point.loop) == (
        499.975,
        500,
        "fortio",
        Loop.CLOSED,
    )
    assert point.duration_s == pytest.approx(148.012)
    assert "used: usage of 62 s to 210 s of the run" in result.output
    assert "ok: not checked, because not stated: cpu_limit or workers" in result.output
    assert "doubted: p99 of a closed loop" in result.output


def test_limits_show_saturation(run_table, load_tool_samples: Path) -> None:
    write_usage(FORTIO_START)
    sample = str(load_tool_samples / "fortio.json")
    result = run_table("import", sample, *API, *NEW, "--cpu-limit", "app=380m")
    assert "saturated: app used 350m, 92% of its limit of 380m" in result.output
    (component,) = read_table(Path("table.yaml")).components
    assert component.used_points == ()


def test_rows_are_added_to_a_table(run_table, load_tool_samples: Path) -> None:
    write_usage(FORTIO_START)
    run_table("import", str(load_tool_samples / "fortio.json"), *API, *NEW)
    write_usage(1_700_000_000, 10)
    sample = str(load_tool_samples / "wrk.txt")
    arguments = ("import", sample, *API, "--start", "1700000000")
    twice = run_table(*arguments, "--table", "table.yaml", *NEW)
    assert "is described in table.yaml; leave --kind, --route and --request out" in twice.output
    added = run_table(*arguments, "--table", "table.yaml")
    assert "row 2: " in added.output
    assert "too short: duration_s 6.1 is below 120" in added.output
    (component,) = read_table(Path("table.yaml")).components
    assert [point.tool for point in component.points] == ["fortio", "wrk"]


def test_component_is_added_beside_others(run_table, load_tool_samples: Path) -> None:
    write_usage(FORTIO_START)
    sample = str(load_tool_samples / "fortio.json")
    run_table("import", sample, *API, *NEW)
    web = ["web" if word == "api" else word for word in API]
    result = run_table("import", sample, *web, *NEW, "--table", "table.yaml", "--workers", "app=2")
    assert result.exit_code == 0, result.output
    components = read_table(Path("table.yaml")).components
    assert [(component.name, len(component.points)) for component in components] == [
        ("api", 1),
        ("web", 1),
    ]
    assert components[1].points[0].workers == {"app": 2}


def test_component_without_a_request_leaves_the_table_readable(
    run_table, load_tool_samples: Path
) -> None:
    lines = ["time,component,pod,container,cpu,memory"]
    for at in range(0, 240, 2):
        lines += [f"{FORTIO_START + at},api,a,app,350m,100Mi"]
        lines += [f"{FORTIO_START + at},shop,b,app,0m,50Mi"]
    Path("usage.csv").write_text("\n".join(lines) + "\n")
    sample = str(load_tool_samples / "fortio.json")
    arguments = ("import", sample, "--samples", "usage.csv", "-o", "table.yaml")
    result = run_table(*arguments)
    assert result.exit_code == 0, result.output
    api, shop = read_table(Path("table.yaml")).components
    assert api.points[0].cpu_max_millicores == {"app": 350}
    assert shop.points[0].cpu_max_millicores == {"app": 0}


def test_table_that_could_not_be_read_is_not_written(run_table, load_tool_samples: Path) -> None:
    write_usage(FORTIO_START)
    sample = str(load_tool_samples / "fortio.json")
    idle = ["app=0,512Mi" if word.startswith("app=") else word for word in NEW]
    result = run_table("import", sample, *API, *idle)
    assert result.exit_code == 2
    assert "component api, requests.app.cpu: expected more than 0, because" in result.output
    result = run_table("import", sample, *API, *NEW, "--cpu-limit", "app=0")
    assert result.exit_code == 2
    assert "--cpu-limit: expected more than 0, got '0', in 'app=0'" in result.output
    assert not Path("table.yaml").exists()


def test_table_is_never_overwritten_unasked(run_table, load_tool_samples: Path) -> None:
    write_usage(FORTIO_START)
    Path("table.yaml").write_text("mine")
    result = run_table("import", str(load_tool_samples / "fortio.json"), *API, *NEW)
    assert result.exit_code == 2
    assert "table.yaml: exists; name it as --table to add rows to it" in result.output
    assert Path("table.yaml").read_text() == "mine"


def test_time_and_rate_are_asked_for_where_the_file_is_silent(
    run_table, load_tool_samples: Path
) -> None:
    write_usage(1_700_000_000, 30, 1)
    sample = str(load_tool_samples / "wrk2.txt")
    silent = run_table("import", sample, *API, *NEW)
    assert (
        "--start: expected once for each result without a time (wrk2.txt), got 0" in silent.output
    )
    twice = ("--rps-target", "1", "--rps-target", "2", "--start", "1700000000")
    assert "--rps-target: expected once" in run_table("import", sample, *API, *NEW, *twice).output
    options = ("--rps-target", "2500", "--start", "2023-11-14T22:13:20Z", "--loop", "closed")
    assert run_table("import", sample, *API, *NEW, *options).exit_code == 0
    (point,) = read_table(Path("table.yaml")).components[0].points
    assert (point.rps_target, point.loop) == (2500, Loop.CLOSED)


def test_every_bad_option_and_file_is_named(run_table, load_tool_samples: Path) -> None:
    Path("empty.json").write_text("{}")
    results = ["empty.json", "none.json", str(load_tool_samples / "wrk.txt")]
    result = run_table("import", *results, *API, *NEW, "--start", "noon")
    assert result.exit_code == 2
    assert [line.split(": ")[2] for line in result.output.splitlines()] == [
        "empty.json",
        "none.json",
        "--start",
    ]
    bad = ["--kind", "pod", "--route", "echo", "--request", "app=fast,1Mi"]
    result = run_table("import", results[2], *API, *bad)
    assert "--route: expected a template" in result.output
    assert "--request: expected cpu such as 500m, 1 or 0.5, got 'fast'" in result.output
    write_usage(1, 10)
    limits = ["--start", "1", "--workers", "web=0"]
    result = run_table("import", results[2], *API, *NEW, *limits)
    assert "--workers: expected a whole number of at least 1, got '0', in 'web=0'" in result.output
    assert "--workers: expected one of app, got 'web'" in result.output


def test_run_without_samples_writes_nothing(run_table, load_tool_samples: Path) -> None:
    write_usage(FORTIO_START + 10_000)
    result = run_table("import", str(load_tool_samples / "fortio.json"), *API, *NEW)
    assert result.exit_code == 2
    assert "usage.csv has fewer than 2 cpu and memory samples of app" in result.output
    assert "(run: 2026-03-02T09:31:02Z to 2026-03-02T09:33:30Z)" in result.output
    assert not Path("table.yaml").exists()


REPLAY_START = 1_700_000_000.0


def write_replay(*processes: ProcessUsage, held_s: float = 150.0) -> None:
    """Write a result with steps of 100, 200 and 400 rps; the last has no steady part."""
    steps = [
        step_result(
            MeasuredStep(
                Step(rate_rps, 0.0, held_s),
                steady=measure(*[2000] * 100),
                steady_from=REPLAY_START + held_s * place,
                steady_s=held_s,
            )
        )
        for place, rate_rps in enumerate((100.0, 200.0))
    ]
    for step in steps:
        step.achieved_rps = step.rate_rps or 0.0
    steps.append(step_result(MeasuredStep(Step(400.0, 0.0, held_s))))
    whole = result(measure(1), steps=steps, usage=list(processes))
    Path("replay.json").write_text(to_json(whole))


def process(component: str, container: str, millicores: float, ends_s: float) -> ProcessUsage:
    """Return a process with constant CPU usage that was read every second."""
    readings = [
        ProcessReading(REPLAY_START + at, at * millicores / 1000, 60 * 2**20 + 1)
        for at in range(-1, int(ends_s))
    ]
    return ProcessUsage(component, container, f"host/{container}", 2000.0, readings)


def test_replay_gives_a_row_for_each_step_and_component(run_table) -> None:
    write_replay(process("istio-ingressgateway", "envoy", 503, 302), process("api", "app", 90, 302))
    result = run_table("import", "replay.json", "-o", "table.yaml")
    assert result.exit_code == 0, result.output
    gateway, api = read_table(Path("table.yaml")).components
    assert (gateway.kind, api.kind) == (Kind.GATEWAY, Kind.POD)
    assert gateway.requests == {"envoy": Resources(510, 61 * 2**20)}
    for component, millicores in ((gateway, 503), (api, 90)):
        assert [point.rps for point in component.points] == [100, 200]
        assert [point.replicas for point in component.points] == [1, 1]
        assert [point.duration_s for point in component.points] == [None, None]
        for point in component.points:
            (used,) = point.usage.values()
            assert used.cpu_millicores == pytest.approx(millicores, abs=1e-3)
            assert list(point.cpu_limit_millicores.values()) == [2000]
    assert "1 of 3 steps ended before their steady part" in result.output
    text = Path("table.yaml").read_text()
    assert text.count("put the Pod's own requests here") == 2
    assert text.count("  # ok\n") == 4


def test_replay_adds_to_a_table_and_takes_samples_from_elsewhere(run_table) -> None:
    write_replay(process("api", "app", 90, 302))
    run_table("import", "replay.json", "-o", "table.yaml")
    lines = ["time,container,cpu,memory,pod"]
    lines += [f"{REPLAY_START + at},nginx,{pod}m,1Mi,{pod}" for at in range(300) for pod in (5, 7)]
    Path("usage.csv").write_text("\n".join(lines) + "\n")
    added = ("import", "replay.json", "--table", "table.yaml", "-o", "table.yaml")
    result = run_table(*added, "--samples", "csv=usage.csv")
    assert result.exit_code == 0, result.output
    api, nginx = read_table(Path("table.yaml")).components
    assert (len(api.points), len(nginx.points)) == (4, 2)
    assert [(row.replicas, row.duration_s) for row in nginx.points] == [(2, 150), (2, 150)]
    assert nginx.points[0].usage["nginx"].cpu_millicores == 6


def test_step_without_usage_is_left_out_and_said(run_table) -> None:
    write_replay(process("api", "app", 90, 160))
    result = run_table("import", "replay.json", "-o", "table.yaml")
    assert result.exit_code == 0, result.output
    assert "estimate: left out: replay.json: component api: replay.json has no samples" in (
        result.output
    )
    assert len(read_table(Path("table.yaml")).components[0].points) == 1


def test_noisy_row_keeps_its_verdict(run_table) -> None:
    # An earlier writer of tables marked such a row as ok.
    busy = process("api", "app", 90, 302)
    burst = [
        ProcessReading(
            reading.time, reading.cpu_s + (0.5 if place > 70 else 0), reading.memory_bytes
        )
        for place, reading in enumerate(busy.readings)
    ]
    write_replay(ProcessUsage("api", "app", "host/1", None, burst))
    run_table("import", "replay.json", "-o", "table.yaml")
    rows = [line for line in Path("table.yaml").read_text().splitlines() if "rps:" in line]
    assert [row.rpartition("# ")[2] for row in rows] == ["noisy", "ok"]


def test_what_cannot_be_joined_is_refused(run_table) -> None:
    write_replay()
    first = ("import", "replay.json", "-o", "table.yaml")
    assert "--samples: missing: no result holds samples" in run_table(*first).output
    write_replay(process("api", "app", 90, 302), process("web", "app", 90, 302))
    both = run_table(*first, "--kind", "pod")
    assert "describes one component, as --kind and --route do" in both.output
    lines = [f"{REPLAY_START + at},app,5m,1Mi" for at in range(300)]
    Path("usage.csv").write_text("\n".join(["time,container,cpu,memory", *lines]) + "\n")
    several = ("--component", "a", "--component", "b", "--samples", "usage.csv")
    assert "samples that name no component" in run_table(*first, *several).output
    unnamed = run_table(*first, "--component", "a", "--samples", "usage.csv")
    assert "usage.csv names no pods: give --replicas" in unnamed.output
    assert not Path("table.yaml").exists()


@pytest.mark.topology
def test_samples_may_come_from_prometheus(
    run_table, load_tool_samples: Path, prometheus: Backfilled
) -> None:
    source = ["--samples", "prometheus", "--prometheus-url", prometheus.url, "--namespace", "shop"]
    text = (load_tool_samples / "wrk2.txt").read_text()
    Path("wrk2.txt").write_text(re.sub(r"requests in [0-9.]+s", "requests in 300.00s", text))
    result = run_table(
        *("import", "wrk2.txt", "--start", str(START + 600)),
        *("--component", "api", "--replicas", "2", *source, "-o", "table.csv"),
        *("--kind", "pod", "--route", "*"),
        *("--request", "app=1,1Gi", "--request", "istio-proxy=200m,128Mi"),
    )
    assert result.exit_code == 0, result.output
    (point,) = read_table(Path("table.csv")).components[0].points
    assert point.usage["app"].cpu_millicores == pytest.approx(200, rel=1e-3)
    assert point.cpu_max_millicores["app"] == pytest.approx(300, rel=1e-3)


def test_sources_are_asked_before_a_load_test(run_table) -> None:
    Path("usage.csv").write_text("time,component,container,cpu,memory\n1,api,app,1m,1Mi\n")
    asked = run_table("import", "--ask", "--samples", "usage.csv", "-o", "new.yaml", *NEW)
    assert (asked.exit_code, asked.output, Path("new.yaml").exists()) == (0, "", False)
    for arguments, code, message in (
        (["--samples", "none.csv"], 2, "none.csv: no such file"),
        (
            ["--samples", "usage.csv", "--request", "web=1,1Mi"],
            2,
            "usage.csv: component api: has containers without a request: app",
        ),
        (["--samples", "prometheus=http://127.0.0.1:1,api"], 4, "http://127.0.0.1:1"),
        (
            ["--samples", "usage.csv", "--component", "web", *NEW],
            2,
            "leave them out, edit the table",
        ),
        (["--samples", "usage.csv", "--table", "none.yaml"], 2, "none.yaml: no such file"),
        (["result.json"], 2, "Missing argument 'RESULTS...', or --ask, which takes none"),
    ):
        refused = run_table("import", "--ask", "-o", "new.yaml", *arguments)
        assert (refused.exit_code, message in refused.output) == (code, True), refused.output


def test_merged_shards_of_steps_become_rows(run_table) -> None:
    """Two machines send half of each step; the pods are sampled by whoever imports."""
    shards = []
    for index in range(2):
        steps = [
            MeasuredStep(
                Step(rate_rps, 0.0, 300.0),
                steady=measure(*[2000] * 50),
                steady_from=START + 300.0 * place,
                steady_s=240.0,
            )
            for place, rate_rps in enumerate((100.0, 200.0))
        ]
        sent = [step_result(step) for step in steps]
        for step in sent:
            step.achieved_rps = (step.rate_rps or 0.0) / 2
        shards.append((f"{index}.json", result(measure(1), shard=f"{index}/2", steps=sent)))
    Path("all.json").write_text(to_json(merge(shards)))
    lines = ["time,component,pod,container,cpu,memory"]
    lines += [f"{START + at},api,p{pod},app,400m,1Mi" for at in range(0, 600, 5) for pod in (1, 2)]
    Path("usage.csv").write_text("\n".join(lines) + "\n")
    made = run_table("import", "all.json", "--samples", "usage.csv", "-o", "t.yaml", *NEW)
    assert made.exit_code == 0, made.output
    (component,) = read_table(Path("t.yaml")).components
    assert [(row.replicas, row.rps, row.rps_target) for row in component.points] == [
        (2, 100, 100),
        (2, 200, 200),
    ]
