"""Checks the command line of `mirror audit`: windows, outputs, exit codes and bad input."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mirror.__main__ import main
from mirror.audit.report import OK_IN_PRODUCTION
from tests.mirror.audit.world import FIRST, LENGTH_S, ROUTES, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    found = World(tmp_path)
    found.sources()
    return found


def run(world: World, *words: object) -> Result:
    folder = world.folder
    given = ("--access-log", folder / "access.log", "--series", folder / "series.db", *words)
    return CliRunner().invoke(main, ["audit", *map(str, given)])


def window_of(result: Result) -> tuple[int, int]:
    document = json.loads(result.stdout)
    return document["window"]["from"], document["window"]["until"]


def test_a_good_hour_exits_with_0(world: World) -> None:
    result = run(world, "--from", FIRST, "--until", FIRST + LENGTH_S)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"{OK_IN_PRODUCTION}; the gateway's log was not given\n")
    assert "logged" in result.stdout


def test_a_person_at_a_terminal_sees_progress(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    span = ("--from", FIRST, "--until", FIRST + LENGTH_S)
    assert run(world, *span).stderr == ""
    for name, value in (("TTY_COMPATIBLE", "1"), ("TERM", "xterm-256color"), ("COLUMNS", "200")):
        monkeypatch.setenv(name, value)
    result = run(world, *span)
    assert "Matching ids" in result.stderr
    assert result.stdout.startswith("nothing is counted twice")


def test_a_double_count_exits_with_4(world: World) -> None:
    for request in world.requests[:10]:
        request.is_in_gateway = True
    world.sources()
    words = ("--gateway-log", world.folder / "gateway.log")
    result = run(world, "--from", FIRST, "--until", FIRST + LENGTH_S, *words)
    assert result.exit_code == 4
    assert "refused: audit.copy_logged at --gateway-log" in result.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), (FIRST - 30, FIRST + LENGTH_S + 30)),
        (("--last", "1h"), (FIRST + LENGTH_S + 30 - 3600, FIRST + LENGTH_S + 30)),
        (("--until", FIRST + 90), (FIRST - 30, FIRST + 90)),
        (("--until", FIRST - 60), (FIRST - 60 - 3600, FIRST - 60)),
        (("--last", "2m"), (FIRST + LENGTH_S + 30 - 120, FIRST + LENGTH_S + 30)),
        (("--last", "1m", "--until", FIRST + 90), (FIRST + 30, FIRST + 90)),
        (("--from", FIRST + 60), (FIRST + 60, FIRST + LENGTH_S + 30)),
    ],
)
def test_the_window(world: World, words: tuple[object, ...], expected: tuple[int, int]) -> None:
    assert window_of(run(world, "--format", "json", *words)) == expected


def test_a_young_sidecar_is_judged_from_its_first_second(world: World) -> None:
    young = run(world)
    assert young.exit_code == 0, young.output
    assert "660 s judged; the series of a sidecar begins there\n" in young.stdout
    asked = run(world, "--last", "1h")
    assert asked.exit_code == 3
    assert "begins there" not in asked.stdout
    assert "unknown: audit.unobserved" in asked.stdout


def test_the_threshold_decides(world: World) -> None:
    for request in world.requests[300:400]:
        request.is_mirrored = False
    world.sources()
    words = ("--from", FIRST, "--until", FIRST + LENGTH_S)
    assert run(world, *words).exit_code == 5
    assert run(world, *words, "--max-unexplained", "10%").exit_code == 0


def test_the_routes_of_a_configuration_are_compared(world: World) -> None:
    for request in world.requests[::2]:
        request.path, request.is_mirrored = "/static/a.css", False
    world.sources()
    config = world.folder / "mirror.yaml"
    config.write_text(
        "{mode: sink, listen: '127.0.0.1:1', shadow: {url: 'http://127.0.0.1:2'},"
        f" routes: {list(ROUTES)}}}"
    )
    words = ("--from", FIRST, "--until", FIRST + LENGTH_S, "-c", config)
    result = run(world, *words)
    assert result.exit_code == 5
    assert "the worst routes first" in result.stdout
    assert run(world, *words, "--unmirrored", "/static/_").exit_code == 0
    unknown = run(world, *words, "--unmirrored", "/static/*")
    assert unknown.exit_code == 2
    assert "expected one of /watch/_id_, /static/_, other" in unknown.stderr


def test_a_glob_names_the_series_of_each_sidecar(world: World) -> None:
    folder = world.folder
    shutil.copy(folder / "series.db", folder / "another.db")
    words = ("--access-log", folder / "access.log", "--series", folder / "*.db", "--format", "json")
    result = CliRunner().invoke(main, ["audit", *map(str, words)])
    assert json.loads(result.stdout)["totals"]["seen"] == 2 * len(world.requests)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--from", FIRST, "--last", "1m"), "exclude each other"),
        (("--from", FIRST, "--until", FIRST), "expected a window"),
        (("--from", 0, "--until", FIRST), "expected a window"),
        (("--max-unexplained", "x"), "0.1%"),
        (("--gateway-log", "nothing.log"), "nothing.log: no such file"),
        (("--series", "nothing.db"), "nothing.db"),
        (("--envoy-stats", "a", "b"), "a: no such file"),
        (("--envoy-admin", "http://127.0.0.1:15000"), "15000/stats answers"),
        (("--fields", "x"), "MEANING=KEY"),
        (("--time-zone", "Nowhere"), "Europe/Berlin"),
        (("--capture", "nothing"), "nothing"),
        (("--config", "nothing.yaml"), "nothing.yaml"),
        (("--unmirrored", "/a"), "none without --config"),
    ],
)
def test_bad_input_exits_with_2(world: World, words: tuple[object, ...], reason: str) -> None:
    result = run(world, *words)
    assert result.exit_code == 2
    assert reason in result.stderr


@pytest.mark.parametrize(
    ("log_format", "words"),
    [
        ('- - - [{date}] "GET /watch/1 HTTP/1.1" 200 5 "-" "curl/8" {id}', ()),
        ('- - - [{date}] "GET /watch/1 HTTP/1.1" 200 5 "-" "curl/8" "{id}" 0.010', ()),
        ('{{"time":"{time}","status":200,"method":"GET","uri":"/a","request_id":"{id}"}}', ()),
        (
            '{{"time":"{time}","status":200,"method":"GET","uri":"/a","rid":"{id}"}}',
            ("--fields", "id=rid"),
        ),
    ],
)
def test_the_id_in_a_format_of_ones_own_is_enough(
    world: World, log_format: str, words: tuple[str, ...]
) -> None:
    for request in world.requests[:10]:
        request.is_in_gateway = True
    world.logs_mark = False
    world.sources()
    lines = [
        log_format.format(
            date=datetime.fromtimestamp(request.time_s, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            time=request.time_s,
            id=request.request_id,
        )
        for request in world.requests
    ]
    (world.folder / "access.log").write_text("\n".join(lines) + "\n")
    words += ("--gateway-log", str(world.folder / "gateway.log"), "--format", "json")
    result = run(world, "--from", FIRST, "--until", FIRST + LENGTH_S, *words)
    document = json.loads(result.stdout)
    assert (result.exit_code, document["twice"]) == (4, 10)
    assert "audit.no_ids" not in {finding["code"] for finding in document["findings"]}


def test_fields_and_zone_reach_the_logs(world: World) -> None:
    path = world.folder / "other.log"
    path.write_text('{"when":"2026-11-25T18:47:00","what":"/a","how":"GET"}\n')
    words = ("--access-log", path, "--fields", "time=when,target=what,method=how")
    command = ["audit", *map(str, words), "--time-zone", "+09:00", "--format", "json"]
    command += ["--from", "2026-11-25T09:46:30Z", "--until", "2026-11-25T09:47:30Z"]
    result = CliRunner().invoke(main, command)
    assert json.loads(result.stdout)["totals"]["logged"] == 1
    assert result.exit_code == 3  # nothing says what the sidecar saw
