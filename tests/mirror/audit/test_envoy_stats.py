"""Checks what is read from two readings of Envoy's counters."""

import json
from pathlib import Path

import pytest

from mirror.audit.envoy_stats import difference, read, read_stats
from mirror.errors import InputError

BEFORE = """cluster.app.upstream_rq_active_overflow: 1
cluster.app.upstream_rq_pending_overflow: 2
cluster.app.upstream_rq_total: 90
cluster.xds-grpc.upstream_rq_total: 7
http.admin.downstream_rq_total: 50
http.inbound.downstream_rq_2xx: 80
http.inbound.downstream_rq_total: 100
server.uptime: 1000
http.inbound.downstream_rq_time: P0(nan,1.0) P25(nan,1.025)
"""


def changed(**numbers: int) -> str:
    lines = []
    for line in BEFORE.splitlines():
        name, _, value = line.partition(": ")
        key = name.split(".")[-1]
        lines.append(f"{name}: {int(value) + numbers[key]}" if key in numbers else line)
    return "\n".join(lines)


AFTER = changed(
    downstream_rq_total=40, upstream_rq_total=30, upstream_rq_active_overflow=3, uptime=60
)


def test_text_and_json_say_the_same() -> None:
    pairs = [line.partition(": ") for line in BEFORE.splitlines()[:-1]]
    stats = [{"name": name, "value": int(value)} for name, _, value in pairs]
    document = json.dumps({"stats": [*stats, {"histograms": {"supported_quantiles": [1.0]}}]})
    assert read(BEFORE, "a") == read(document, "b")


def test_the_difference_leaves_out_what_envoy_asks_for_itself(tmp_path: Path) -> None:
    (tmp_path / "before").write_text(BEFORE)
    (tmp_path / "after").write_text(AFTER)
    counted = read_stats(tmp_path / "before", tmp_path / "after")
    assert counted.totals == {
        "downstream_rq_total": 40,
        "upstream_rq_total": 30,
        "upstream_rq_active_overflow": 3,
        "upstream_rq_pending_overflow": 0,
    }
    assert counted.by_name["http.inbound.downstream_rq_total"] == 40
    assert counted.took_s == 60 and counted.fallen == [] and counted.has_active_overflow


def test_an_envoy_before_1_38_has_one_kind_of_overflow() -> None:
    older = "\n".join(line for line in BEFORE.splitlines() if "active" not in line)
    assert not difference(read(older, "a"), read(older, "b")).has_active_overflow


@pytest.mark.parametrize("after", [changed(downstream_rq_total=-99), changed(uptime=-900)])
def test_what_fell_shows_a_restart(after: str) -> None:
    counted = difference(read(BEFORE, "a"), read(after, "b"))
    assert counted.fallen and counted.took_s in (None, 0)
    assert counted.totals["upstream_rq_total"] == 90


def test_a_cluster_that_was_removed_is_no_restart() -> None:
    before, after = read(BEFORE, "a"), read(AFTER, "b")
    del after["cluster.app.upstream_rq_total"]
    assert difference(before, after).fallen == []
    del before["server.uptime"], after["server.uptime"]
    assert difference(before, after).fallen == ["cluster.app.upstream_rq_total"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "downstream_rq_total"),
        ("cluster.app.upstream_rq_total: 1", "proxyStatsMatcher"),
        ("{", "JSON"),
        ('{"stats": 1}', "a list"),
        ('{"stats": [1, {"name": 1}]}', "downstream_rq_total"),
        ("http.a.downstream_rq_total: " + "9" * 5000, "downstream_rq_total"),
        ('{"stats": [{"name": "http.a.downstream_rq_total", "value": -1}]}', "downstream_rq_total"),
    ],
)
def test_anything_else_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read(text, "file")
