"""Checks the text and the JSON of an audit, and that both are bounded."""

import json
from pathlib import Path

import pytest

from mirror.audit import report
from mirror.audit.judgement import judge
from mirror.audit.report import (
    OK_IN_PRODUCTION,
    VERDICTS,
    as_json,
    heading,
    route_table,
    rows,
    table,
)
from mirror.formats.rich_console import visible_console
from tests.mirror.audit.world import FIRST, ROUTES, World

ALL = ("series", "capture", "gateway_log", "envoy_log")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_worst_minute_comes_first(world: World) -> None:
    for request in world.requests[400:410]:
        request.is_in_gateway = True
    for request in world.requests[800:820]:
        request.is_mirrored = False
    found = rows(world.audit(*ALL))
    assert [row.minute - FIRST for row in found[:3]] == [180, 360, 0]
    assert (found[0].twice, found[0].gateway, found[0].unexplained) == (10, 10, 0)
    assert (found[1].logged, found[1].seen, found[1].unexplained) == (120, 100, 20)


def test_a_source_that_is_not_given_has_no_numbers(world: World) -> None:
    row = rows(world.audit())[0]
    assert (row.seen, row.unexplained, row.sent, row.envoy, row.gateway) == (None,) * 5
    assert row.logged == 120


def test_a_reason_explains_only_what_is_missing(world: World) -> None:
    for request in world.requests[:30]:
        request.status, request.is_proxied = 403, False
    row = rows(world.audit("series"))[0]
    assert (row.explained, row.unexplained) == (30, 0)


def test_the_text_is_short(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "SHOWN_MINUTES", 3)
    for request in world.requests[:30]:
        request.status, request.is_proxied, request.is_mirrored = 403, False, False
    audit = world.audit("series", "gateway_log")
    text = heading(audit, judge(audit, 0.001))
    assert text.splitlines()[0] == VERDICTS[0]
    assert (
        "30 of 1200 (by number; up to 8 near an edge may count" in text
        and "30 nginx denied access" in text
    )
    shown = table(audit)
    assert shown is not None and shown.row_count == 3
    assert str(shown.title) == "the worst minutes first, 7 more not shown"
    visible_console().print(shown)


@pytest.mark.parametrize(
    ("gateway_log", "end"),
    [
        ((), "; the gateway's log was not given"),
        (("empty/*.log",), "; the gateway's log has no file"),
        (("gateway.log", "empty/*.log"), "; the gateway's log has no file"),
        (("gateway.log",), None),
    ],
)
def test_the_first_line_claims_nothing_of_a_log_that_was_not_looked_at(
    world: World, gateway_log: tuple[str, ...], end: str | None
) -> None:
    (world.folder / "empty").mkdir()
    (world.folder / "gateway.log").touch()
    patterns = tuple(str(world.folder / name) for name in gateway_log)
    audit = world.audit("series", gateway_log=patterns)
    judgement = judge(audit, 0.001)
    assert judgement.exit_code == 0
    expected = VERDICTS[0] if end is None else OK_IN_PRODUCTION + end
    assert heading(audit, judgement).splitlines()[0] == expected
    assert json.loads(as_json(audit, judgement))["verdict"] == expected


def test_the_document_holds_everything(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "LISTED_MINUTES", 4)
    for request in world.requests[400:410]:
        request.is_in_gateway = True
    audit = world.audit(*ALL)
    document = json.loads(as_json(audit, judge(audit, 0.001)))
    assert (document["format"], document["exit_code"], document["twice"]) == ("kagami-audit", 4, 10)
    assert document["totals"]["logged"] == document["totals"]["envoy"] == 1200
    assert len(document["minutes"]) == 4 and document["minutes_not_listed"] == 6
    assert [source["requests"] for source in document["sources"]] == [1200, 10, 1200]
    assert document["findings"][0]["code"] == "audit.copy_logged"
    assert len(document["examples"]["copy_logged"]) == 5
    assert document["misses"]["is_by_id"] and document["judged_s"] == 600


def test_the_worst_route_comes_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert route_table(world.audit("series")) is None
    for request in world.requests[:100]:
        request.path, request.is_mirrored = "/static/a", False
    for request in world.requests[:30]:
        request.status, request.is_proxied = 403, False
    audit = world.audit("series", routes=ROUTES)
    document = json.loads(as_json(audit, judge(audit, 0.001)))
    assert document["routes"] == [
        {"route": "/static/_", "logged": 100, "seen": 0, "unexplained": 70},
        {"route": "/watch/_id_", "logged": 1100, "seen": 1100, "unexplained": 0},
    ]
    monkeypatch.setattr(report, "SHOWN_ROUTES", 1)
    shown = route_table(audit)
    assert shown is not None and shown.row_count == 1
    assert str(shown.title) == "the worst routes first, 1 more not shown"


def test_a_window_without_requests_has_no_table(world: World) -> None:
    world.requests = []
    assert table(world.audit("series")) is None
