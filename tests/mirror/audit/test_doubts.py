"""Checks that an audit names what its sources could not show."""

import re
from pathlib import Path

import pytest

from mirror.audit.audit import run_audit
from mirror.audit.judgement import judge
from tests.mirror.audit.world import FIRST, WINDOW, World, codes, said

ALL = ("series", "capture", "gateway_log", "envoy_log")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_an_empty_gateway_log_is_fine_and_said(world: World) -> None:
    judgement = world.judged(*ALL)
    assert (judgement.exit_code, codes(judgement)) == (0, {"gateway_silent"})
    assert said(judgement, "gateway_silent").endswith(" requests outside of the window")
    assert judgement.misses is not None and judgement.misses.is_by_id


def test_a_folder_without_a_log_of_the_gateway_is_fine_and_said(
    world: World, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    pattern = str(tmp_path / "empty" / "*.log")
    judgement = world.judged("series", "capture", gateway_log=(pattern,))
    assert (judgement.exit_code, codes(judgement)) == (0, {"no_files"})
    assert said(judgement, "no_files") == f"{pattern} matches no file, and its folder is empty"


def test_numbers_alone_prove_nothing(world: World) -> None:
    world.logs_ids = world.logs_mark = False
    for request in world.requests:
        request.is_in_gateway = True
    judgement = world.judged("series", "gateway_log")
    assert (judgement.exit_code, judgement.twice) == (3, 0)
    assert "1200 lines" in said(judgement, "anonymous")


def test_a_log_of_the_gateway_that_was_not_given_is_said(world: World) -> None:
    judgement = world.judged("series")
    assert (judgement.exit_code, codes(judgement)) == (0, {"no_gateway_log"})


def test_without_ids_production_is_not_called_well(world: World) -> None:
    world.logs_ids = False
    judgement = world.judged("series", "gateway_log")
    assert (judgement.exit_code, codes(judgement)) == (3, {"no_ids", "gateway_silent"})
    assert said(judgement, "no_ids") == "1200 of 1200 requests have no id"


def test_ids_of_the_gateway_alone_prove_nothing(world: World) -> None:
    for request in world.requests[100:150]:
        request.is_in_gateway = True
    sources = world.sources("series", "gateway_log")
    path = world.folder / "gateway.log"
    path.write_text(path.read_text().replace('"mirror_leg": "shadow"', '"mirror_leg": ""'))
    assert "both_paths" in codes(judge(run_audit(sources, WINDOW), 0.001))
    remove_ids(world, 1200)
    judgement = judge(run_audit(sources, WINDOW), 0.001)
    assert (judgement.exit_code, codes(judgement)) == (3, {"no_ids"})


@pytest.mark.parametrize(("number", "exit_code"), [(60, 0), (61, 3)])
def test_a_few_lines_without_an_id_are_a_note(world: World, number: int, exit_code: int) -> None:
    sources = world.sources("series")
    remove_ids(world, number)
    judgement = judge(run_audit(sources, WINDOW), 0.001)
    assert judgement.exit_code == exit_code
    assert said(judgement, "no_ids") == f"{number} of 1200 requests have no id"


def remove_ids(world: World, number: int) -> None:
    """Leave out the ids of the first lines of production's log."""
    path = world.folder / "access.log"
    path.write_text(re.sub(r', "id": "\w+"', "", path.read_text(), count=number))


def test_a_short_gap_is_a_note_and_a_long_one_a_doubt(world: World) -> None:
    world.unobserved = {FIRST + 100}
    judgement = world.judged("series")
    assert judgement.exit_code == 0
    assert said(judgement, "unobserved") == (
        "1 s of 600 s; with their neighbours 5 s are not judged, with 10 requests of the log"
    )
    world.unobserved = set(range(FIRST, FIRST + 70))
    assert world.judged("series").exit_code == 3


def test_a_hole_in_the_log_is_a_doubt(world: World, tmp_path: Path) -> None:
    sources = world.sources("series")
    path = tmp_path / "access.log"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:400] + lines[600:]))

    judgement = judge(run_audit(sources, WINDOW), 0.001)
    assert (judgement.exit_code, said(judgement, "log_hole")) == (3, "100 s")


def test_lines_that_cannot_be_read_are_a_doubt_if_they_are_many(
    world: World, tmp_path: Path
) -> None:
    sources = world.sources("series")
    path = tmp_path / "access.log"
    text = path.read_text()

    path.write_text(text + "no line of a log\n")
    judgement = judge(run_audit(sources, WINDOW), 0.001)
    assert judgement.exit_code == 0 and "some_lines" in codes(judgement)
    path.write_text(text + "no line of a log\n" * 100)
    judgement = judge(run_audit(sources, WINDOW), 0.001)
    assert judgement.exit_code == 3 and "lost_lines" in codes(judgement)


def test_times_to_the_second_are_said(world: World, tmp_path: Path) -> None:
    sources = world.sources("series")
    path = tmp_path / "access.log"
    path.write_text(path.read_text().replace('"upstream_s": "0.010"', '"upstream_s": ""'))
    judgement = judge(run_audit(sources, WINDOW), 0.001)
    assert judgement.exit_code == 0
    assert said(judgement, "inexact_times") == "1200 of 1200 lines"


def test_a_window_without_a_request_is_not_judged(world: World) -> None:
    world.requests = []
    judgement = world.judged("series")
    assert judgement.exit_code == 3
    assert said(judgement, "no_requests") == "it has 0 requests outside of the window"


def test_clocks_apart_are_named_by_ids(world: World) -> None:
    world.gateway_later_s = -30.0
    judgement = world.judged("series", "envoy_log")
    assert "30.0 s earlier than production's log" in said(judgement, "clocks")
    assert judgement.exit_code == 0
