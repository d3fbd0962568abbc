"""Checks what is read from all sources together, and that the window has sharp edges."""

import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from mirror.audit.audit import COPIES, LINES, PROBES, run_audit
from mirror.audit.ids import ENVOY, GATEWAY
from mirror.audit.window import Window
from mirror.errors import InputError
from tests.mirror.audit.world import FIRST, LENGTH_S, PER_SECOND, WINDOW, World

ALL = ("series", "capture", "gateway_log", "envoy_log")
REQUESTS = LENGTH_S * PER_SECOND


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_every_source_has_every_request(world: World) -> None:
    audit = world.audit(*ALL)
    assert audit.logged() == audit.seen() == audit.captured == REQUESTS
    assert audit.matched.numbers == {
        "requests": REQUESTS,
        "captured": REQUESTS,
        "arrived": REQUESTS,
    }
    assert sum(counts[COPIES] for counts in audit.envoy_minutes.values()) == REQUESTS
    assert len(audit.minutes) == LENGTH_S // 60
    assert audit.explained() == {} and audit.lag_s is None and audit.hole_s == 0


def test_the_end_of_the_window_is_not_in_it(world: World) -> None:
    sources = world.sources(*ALL)
    audit = run_audit(sources, Window(FIRST + 60, FIRST + 121))
    assert audit.logged() == audit.seen() == 61 * PER_SECOND
    assert audit.matched.numbers["arrived"] == 61 * PER_SECOND
    assert audit.sidecars.total("shadow.sent") == 61 * PER_SECOND


def test_ids_match_beyond_the_edges_of_the_window(world: World) -> None:
    world.gateway_later_s = 100.0
    for request in world.requests:
        request.is_in_gateway = True
    audit = world.audit(*ALL)
    assert audit.matched.numbers["copy_logged"] == REQUESTS
    assert audit.offsets[GATEWAY].seconds == pytest.approx(100.01, abs=0.02)
    assert audit.offsets[ENVOY].seconds == pytest.approx(100.0, abs=0.02)


def test_rotated_and_packed_files_are_one_log(world: World, tmp_path: Path) -> None:
    world.sources()
    lines = (tmp_path / "access.log").read_bytes().splitlines(keepends=True)
    (tmp_path / "access.log.1.gz").write_bytes(gzip.compress(b"".join(lines[:500])))
    (tmp_path / "access.log").write_bytes(b"".join(lines[500:]))
    sources = world.sources(*ALL)
    (tmp_path / "access.log").write_bytes(b"".join(lines[500:]))
    whole = run_audit(type(sources)((str(tmp_path / "access.log*"),), sources.series), WINDOW)
    assert whole.logged() == REQUESTS and whole.hole_s == 0
    part = run_audit(sources, WINDOW)
    assert part.hole_s == 250
    assert part.logged() == part.seen() == REQUESTS - 500 - 2 * PER_SECOND


def test_seconds_that_nobody_observed_are_not_judged(world: World) -> None:
    world.unobserved = {FIRST + 100, FIRST + 101}
    audit = world.audit("series")
    assert audit.logged() == audit.seen() == REQUESTS - 6 * PER_SECOND
    assert audit.sidecars.unobserved_s == 2


def test_a_series_of_another_clock_has_another_shape(world: World) -> None:
    for at, request in enumerate(world.requests):
        request.time_s = FIRST + LENGTH_S * (at / REQUESTS) ** 0.5
        if at % 3 and at // 40 % 2:
            request.time_s = float(int(request.time_s))
    world.requests = [r for r in world.requests if int(r.time_s) % 7 in (0, 1, 5)]
    world.sidecar_later_s = 3
    assert world.audit("series").lag_s == 3


def test_lines_twice_in_the_log_are_not_missing_copies(world: World) -> None:
    for request in world.requests[100:200]:
        request.lines = 2
    audit = world.audit("series")
    assert audit.matched.numbers["logged_twice"] == 100
    assert audit.logged() == audit.seen() == REQUESTS


def test_the_same_file_for_two_places_is_refused(world: World, tmp_path: Path) -> None:
    world.sources()
    (tmp_path / "link.log").symlink_to(tmp_path / "access.log")
    for option in ("gateway_log", "envoy_log"):
        with pytest.raises(InputError, match="link.log: is production's log, too"):
            world.audit(**{option: (str(tmp_path / "lin*.log"),)})


def test_a_log_that_has_no_file_yet_is_said_and_not_looked_at(world: World, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".being-copied").touch()
    pattern = str(tmp_path / "empty" / "*.log")
    audit = world.audit("series", gateway_log=(pattern,), envoy_log=(pattern,))
    assert audit.empty == [("--gateway-log", pattern), ("--envoy-log", pattern)]
    assert audit.gateway is None and audit.envoy is None
    with pytest.raises(InputError, match=r"--access-log .*/empty/\*\.log: no such file$"):
        run_audit(replace(world.sources("series"), access_log=(pattern,)), WINDOW)


def test_a_replay_with_the_id_of_its_request_is_no_copy(world: World, tmp_path: Path) -> None:
    for request in world.requests[:5]:
        request.is_in_gateway = True
    sources = world.sources("series", "gateway_log")
    path = tmp_path / "gateway.log"
    path.write_text(path.read_text().replace('"shadow"', '"replay"'))
    audit = run_audit(sources, WINDOW)
    assert audit.matched.numbers == {"requests": REQUESTS}
    assert sum(counts["ours"] for counts in audit.gateway_minutes.values()) == 5


def test_probes_and_replays_in_the_gateway_are_no_copies(world: World, tmp_path: Path) -> None:
    log = tmp_path / "other.log"
    line = '1.1.1.1 - - [%s] "HEAD / HTTP/1.1" 200 5 "-" "%s" mirror_leg=%s\n'
    stamp = "25/Nov/2026:10:00:05 +0000"
    log.write_text(
        line % (stamp, "kagami-mirror-check", "probe")
        + line % (stamp, "curl", "probe")
        + line % (stamp, "curl", "replay")
        + line % (stamp, "curl", "-")
    )
    sources = world.sources(gateway_log=(str(log),))
    first = 1795600800
    audit = run_audit(sources, Window(first, first + 60))
    (counts,) = audit.gateway_minutes.values()
    assert counts == {LINES: 4, PROBES: 2, "ours": 1}
