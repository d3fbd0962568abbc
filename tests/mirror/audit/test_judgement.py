"""Checks the verdict: what is proven, what is explained, and what could not be judged."""

import re
from collections import Counter
from pathlib import Path

import pytest

from mirror.audit.audit import run_audit
from mirror.audit.judgement import judge
from tests.mirror.audit.world import LENGTH_S, PER_SECOND, ROUTES, WINDOW, World, codes, said

ALL = ("series", "capture", "gateway_log", "envoy_log")
REQUESTS = LENGTH_S * PER_SECOND


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


# --- counted twice ---


def test_copies_in_the_gateway_are_proven_by_mark_and_by_id(world: World) -> None:
    for request in world.requests[100:150]:
        request.is_in_gateway = True
    judgement = world.judged(*ALL)
    assert (judgement.exit_code, judgement.twice) == (4, 50)
    assert "50 lines with the mark" in said(judgement, "copy_logged")
    (example,) = re.findall("id ([0-9a-f]{32})", said(judgement, "copy_logged"))
    assert example in {request.request_id for request in world.requests[100:150]}


@pytest.mark.parametrize(("logs_ids", "logs_mark"), [(True, False), (False, True)])
def test_either_proof_is_enough(world: World, logs_ids: bool, logs_mark: bool) -> None:
    world.logs_ids, world.logs_mark = logs_ids, logs_mark
    for request in world.requests[100:150]:
        request.is_in_gateway = True
    judgement = world.judged("series", "gateway_log")
    assert (judgement.exit_code, judgement.twice) == (4, 50)


def test_the_copy_in_productions_own_log_is_found(world: World) -> None:
    for request in world.requests[:30]:
        request.lines = 2
    judgement = world.judged(*ALL)
    assert judgement.exit_code == 4
    assert "30 lines repeat an id" in said(judgement, "logged_twice")


def test_a_probe_that_comes_to_production_is_no_double_count(world: World) -> None:
    world.further = Counter({"looped probe": 1})
    judgement = world.judged("series")
    assert (judgement.exit_code, judgement.twice) == (0, 0)
    assert said(judgement, "probed") == "1 probes"


def test_copies_that_come_back_are_found(world: World) -> None:
    world.further = Counter({"looped copy": 7, "looped probe": 1})
    judgement = world.judged("series")
    assert (judgement.exit_code, judgement.twice) == (4, 7)
    assert "loop" in codes(judgement)


def test_nginx_that_mirrors_twice_is_found_by_the_sidecars_count(world: World) -> None:
    world.further = Counter({"repeated": REQUESTS})
    judgement = world.judged("series")
    assert judgement.exit_code == 0
    assert said(judgement, "mirrored_twice") == f"it mirrored {REQUESTS} requests again"


def test_a_time_in_two_modes_is_not_called_well(world: World) -> None:
    world.further = Counter({"wrong_mode": 9})
    judgement = world.judged(*ALL)
    assert (judgement.exit_code, judgement.twice) == (3, 0)
    assert said(judgement, "wrong_mode") == "9 requests were closed without an answer"


def test_copies_past_the_sidecar_are_found_by_id_and_mark(world: World) -> None:
    world.mirrors_past_sidecar = True
    judgement = world.judged("series", "envoy_log")
    assert (judgement.exit_code, codes(judgement)) == (0, {"past_sidecar", "no_gateway_log"})
    assert f"{REQUESTS} requests" in said(judgement, "past_sidecar")


def test_without_ids_mirroring_twice_is_a_doubt(world: World) -> None:
    world.logs_ids = False
    sources = world.sources("series")
    world.requests = [request for request in world.requests for _ in range(2)]
    world._write_series()

    judgement = judge(run_audit(sources, WINDOW), 0.001)
    assert (judgement.exit_code, judgement.twice) == (3, 0)
    assert said(judgement, "surplus") == f"{REQUESTS} more than the {REQUESTS} of the log"


def test_with_a_capture_mirroring_twice_is_proven(world: World) -> None:
    sources = world.sources("series", "capture")
    world.requests = [request for request in world.requests for _ in range(2)]
    world._write_series()
    world._write_capture()

    judgement = judge(run_audit(sources, WINDOW), 0.001)
    assert (judgement.exit_code, judgement.twice) == (4, REQUESTS)


# --- missed ---


def missing(world: World, number: int, status: int = 200, is_proxied: bool = True) -> None:
    for request in world.requests[300 : 300 + number]:
        request.is_mirrored, request.status, request.is_proxied = False, status, is_proxied


@pytest.mark.parametrize("names", [("series",), ("series", "capture")])
@pytest.mark.parametrize(
    ("status", "is_proxied", "reason"),
    [(403, False, "denied"), (301, False, "redirected"), (499, True, "client_aborted")],
)
def test_what_nginx_answered_explains_a_miss(
    world: World, names: tuple[str, ...], status: int, is_proxied: bool, reason: str
) -> None:
    missing(world, 100, status, is_proxied)
    audit = world.audit(*names)
    judgement = judge(audit, 0.0)
    assert judgement.exit_code == 0
    assert judgement.misses is not None
    assert (judgement.misses.missing, judgement.misses.unexplained) == (100, 0)
    assert audit.explained() == {reason: 100}


def test_a_miss_without_a_reason_is_counted_exactly_by_id(world: World) -> None:
    missing(world, 10)
    judgement = world.judged("series", "capture")
    assert judgement.exit_code == 5
    assert "10 of 1200 requests (0.83%, by id)" in said(judgement, "unexplained")


def test_a_miss_without_a_reason_is_at_the_least_so_great(world: World) -> None:
    missing(world, 40)
    judgement = world.judged("series")
    assert judgement.exit_code == 5
    assert judgement.misses is not None
    assert judgement.misses.unexplained == 40 - judgement.misses.slack == 40 - 8


def test_the_threshold_is_a_share_of_what_was_logged(world: World) -> None:
    missing(world, 12)
    audit = world.audit("series", "capture")
    assert judge(audit, 0.01).exit_code == 0
    assert judge(audit, 0.009).exit_code == 5


def test_a_lost_minute_is_found_beside_a_surplus(world: World) -> None:
    for request in world.requests[120:240]:
        request.is_mirrored = False
    world.further = Counter({"requests safe": 120})
    judgement = world.judged("series")
    assert judgement.misses is not None and judgement.misses.missing == 0
    assert judgement.exit_code == 5 and judgement.misses.unexplained == 120


def test_what_the_sidecar_refused_is_explained(world: World) -> None:
    missing(world, 50)
    world.further = Counter({"malformed framing": 50})
    judgement = world.judged("series")
    assert judgement.misses is not None and judgement.misses.explained == 50
    assert judgement.exit_code == 0


def without_a_mirror(world: World) -> None:
    """Serve a quarter of the requests in a location that has no `mirror`."""
    for request in world.requests[::4]:
        request.path, request.is_mirrored = "/static/a.css", False


@pytest.mark.parametrize("names", [("series",), ("series", "capture")])
def test_a_location_without_mirror_is_named_by_its_route(
    world: World, names: tuple[str, ...]
) -> None:
    without_a_mirror(world)
    judgement = world.judged(*names, routes=ROUTES)
    assert judgement.exit_code == 5
    assert said(judgement, "unexplained").endswith("most of them, 300 of 300, of route /static/_")


@pytest.mark.parametrize("names", [("series",), ("series", "capture")])
def test_a_route_that_is_not_mirrored_on_purpose_is_explained(
    world: World, names: tuple[str, ...]
) -> None:
    without_a_mirror(world)
    audit = world.audit(*names, routes=ROUTES, unmirrored=frozenset({"/static/_"}))
    judgement = judge(audit, 0.0)
    assert judgement.exit_code == 0
    assert audit.explained() == {"not_mirrored": 300}
    assert judgement.misses is not None and judgement.misses.explained == 300


# --- on the way to Envoy ---


def test_copies_that_envoy_did_not_count_are_missing(world: World) -> None:
    world.further = Counter({"shadow.sent": 100})
    judgement = world.judged("series", "envoy_log")
    assert judgement.exit_code == 5
    assert "1200 of 1300 copies" in said(judgement, "not_arrived")
    world.further["shadow.requests connect_failed"] = 100
    assert world.judged("series", "envoy_log").exit_code == 0


def test_a_log_of_envoy_without_any_copy_is_a_doubt(world: World, tmp_path: Path) -> None:
    (tmp_path / "filtered.log").write_text(
        '{"start_time":"2026-11-25T09:50:00Z","method":"GET","path":"/a","x_mirror_leg":"-"}\n'
    )
    judgement = world.judged("series", envoy_log=(str(tmp_path / "filtered.log"),))
    assert judgement.exit_code == 3
    assert said(judgement, "envoy_silent") == "none of 1200 copies is in it"


def test_envoy_may_count_the_copies_of_other_sidecars(world: World) -> None:
    sources = world.sources("series", "envoy_log")
    for request in world.requests[300:500]:
        request.is_mirrored = False
    world.logs_ids = False
    world._write_series()

    assert "more_in_envoy" in codes(judge(run_audit(sources, WINDOW), 0.001))


STATS = (
    "http.inbound.downstream_rq_total: %d\ncluster.a.upstream_rq_%s_overflow: %d\nserver.uptime: %d"
)


@pytest.mark.parametrize(
    ("after", "exit_code", "code"),
    [
        ((1300, "active", 0, 700), 0, "gateway_silent"),
        ((1300, "active", 9, 700), 0, "overflow"),
        ((1300, "pending", 9, 700), 0, "overflow"),
        ((200, "active", 0, 700), 5, "not_arrived"),
        ((1300, "active", 0, 7000), 3, "readings_span"),
        ((1300, "active", 0, 50), 3, "envoy_restarted"),
        ((50, "active", 0, 700), 3, "envoy_restarted"),
    ],
)
def test_the_counters_of_envoy_are_compared(
    world: World, tmp_path: Path, after: tuple[object, ...], exit_code: int, code: str
) -> None:
    (tmp_path / "before").write_text(STATS % (100, after[1], 0, 100))
    (tmp_path / "after").write_text(STATS % after)
    stats = (tmp_path / "before", tmp_path / "after")
    judgement = world.judged("series", "gateway_log", envoy_stats=stats)
    assert (judgement.exit_code, codes(judgement)) == (exit_code, {code, "gateway_silent"})


# --- not judged, or not by id ---


def test_without_the_sidecar_misses_are_not_judged(world: World) -> None:
    judgement = world.judged("gateway_log")
    assert judgement.exit_code == 3 and judgement.misses is None
    assert "no_sidecar" in codes(judgement)


def test_a_log_without_every_id_does_not_prove_misses(world: World) -> None:
    world.logs_ids = False
    judgement = world.judged("series", "capture")
    assert judgement.misses is not None and not judgement.misses.is_by_id


def test_an_incomplete_capture_does_not_prove_misses(world: World) -> None:
    sources = world.sources("series", "capture")
    for request in world.requests[:600]:
        request.is_mirrored = False
    world._write_capture()

    judgement = judge(run_audit(sources, WINDOW), 0.001)
    assert judgement.misses is not None and not judgement.misses.is_by_id
    assert judgement.exit_code == 0
