"""Checks the events of the page: built for viewers only, once for all, and with every number."""

import json
from typing import Any

import msgspec

from mirror.admin import live as live_module
from mirror.admin.live import MOST_SHOWN_EXAMPLES, Budget, Live, Sources, refused_examples
from mirror.core.latency import bucket_of
from mirror.core.ledger import (
    COMPARED,
    COMPARED_CLASSES,
    COMPARED_SHADOW_LATENCY,
    PRIMARY_LATENCY,
    SHADOW_LATENCY,
    SHED,
    UNCOMPARED,
    Counts,
    Latencies,
    Settled,
)
from mirror.formats.comparison import FORMAT, VERSION, Comparison, Example
from mirror.metrics.catalogue import RATIO, SINK_DROPPED
from tests.mirror.admin.test_verdict import STATUS

NOW = 1_800_000_000
SHOWN = {
    **{"version": "1", "pid": 7, "listen": ["unix:/a"], "instance": "web-7", "shadow": "http://a"},
    **{"capture": None, "worker_restarts": 0, "sinks": {}, "uris": {"not": "shown"}},
}


class Scene:
    """A `Live` with what it asks of the sidecar, and how often it asked."""

    def __init__(self, *examples: Example) -> None:
        self.asked = 0
        self.latencies: Latencies = {}
        self.examples = list(examples)
        budgets = (Budget("waiting", 3, 1024),)
        self.live = Live(
            Sources(self.status, lambda: self.latencies, lambda: budgets, self.comparison)
        )

    def status(self) -> dict[str, Any]:
        self.asked += 1
        return STATUS | SHOWN

    def comparison(self) -> Comparison:
        return Comparison(
            **{"format": FORMAT, "version": VERSION, "instance": "a", "mode": "sink"},
            **{"since_s": 1, "until_s": 2, "waiting": 0, "routes": [], "log": None},
            examples=self.examples,
            examples_not_kept=0,
        )

    def settle(self, second: int, counts: Counts, latencies: Latencies | None = None) -> None:
        rps = {"/": 10, "/a": 2}
        self.live.add(Settled(second, counts, rps, {"/": 5}, False, True, latencies or {}))


def event(text: bytes) -> tuple[str, dict[str, Any]]:
    head, _, data = text.decode().removesuffix("\n\n").partition("\n")
    assert "\n" not in data
    return head.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def events(scene: Scene) -> dict[str, dict[str, Any]]:
    return dict(event(text) for text in scene.live.newest())


def test_nothing_is_asked_without_a_viewer_and_once_for_all_of_them() -> None:
    scene = Scene()
    for second in range(5):
        scene.settle(NOW + second, {})
        scene.live.note({(SINK_DROPPED, "series"): 0})
    assert scene.asked == 0
    first, second_time = scene.live.newest(), scene.live.newest()
    assert all(one is other for one, other in zip(first, second_time, strict=True))
    assert scene.asked == 1
    scene.settle(NOW + 5, {})
    present, hour = scene.live.newest()
    assert present is not first[0] and hour is first[1], "the hour changes every ten seconds"
    scene.settle(NOW + 10, {})
    assert scene.live.newest()[1] is not hour


def test_late_counts_do_not_change_the_rate_of_now() -> None:
    scene = Scene()
    scene.settle(NOW, {})
    scene.live.add(Settled(NOW - 1, {}, {"/": 99}, {}, True, True))
    assert events(scene)["now"]["rps"] == {"/": 10, "/a": 2}


def test_the_present_has_verdict_rates_and_parts_of_the_status() -> None:
    scene = Scene()
    scene.settle(NOW, {})
    now = events(scene)["now"]
    assert now["verdict"] == {
        "level": "unknown",
        "title": "Not known yet",
        "reasons": [
            {
                "level": "unknown",
                "level_words": "not known yet",
                "words": "No pair of answers was compared in the last hour",
            }
        ],
    }
    assert (now["at"], now["rps"], now["rps_total"]) == (NOW, {"/": 10, "/a": 2}, 12)
    assert now["shadow_rps"] == 5
    assert now["status"]["instance"] == "web-7" and "uris" not in now["status"]
    assert now["budgets"] == [{"name": "waiting", "used": 3, "most": 1024, "is_bytes": False}]


def test_latencies_are_those_of_pairs_where_there_are_any() -> None:
    scene = Scene()
    all_legs = {
        (PRIMARY_LATENCY, "/"): {bucket_of(2000): 1},
        (SHADOW_LATENCY, "/"): {bucket_of(4000): 99, bucket_of(80_000): 2},
    }
    scene.settle(NOW, {}, all_legs)
    latency = events(scene)["now"]["latency"]
    assert latency["of_pairs"] is False
    assert latency["shadow"] == {"p50": 4.015, "p99": 80.383, "number": 101}
    scene.settle(NOW + 1, {}, {(COMPARED_SHADOW_LATENCY, "/"): {5: 1}})
    latency = events(scene)["now"]["latency"]
    assert (latency["of_pairs"], latency["primary"]) == (True, None)
    assert latency["shadow"]["number"] == 1


def test_the_hour_has_routes_results_and_losses() -> None:
    scene = Scene()
    scene.latencies = {
        **{(COMPARED_SHADOW_LATENCY, "/a"): {7: 1}, (SHADOW_LATENCY, "/a"): {9: 1}},
        (PRIMARY_LATENCY, "/a"): {3: 1},
    }
    scene.settle(
        NOW,
        {
            **{(COMPARED, "/", "same"): 8, (COMPARED, "/a", "mtls"): 1},
            **{(COMPARED_CLASSES, "/", "2xx>2xx"): 8, (COMPARED_CLASSES, "/a", "2xx>5xx"): 1},
            **{(SHED, "/", "buffer_full"): 2, (UNCOMPARED, "/", "extra_copy"): 7},
        },
    )
    scene.live.note({(SINK_DROPPED, "series"): 4, (RATIO, ""): 9.0})
    hour = events(scene)["hour"]
    now = events(scene)["now"]
    assert (hour["end"], hour["pairs"], now["pairs"], now["errors"]) == (NOW + 10, 9, 9, 1)
    assert [(route["route"], route["errors"]) for route in hour["routes"]] == [("/a", 1), ("/", 0)]
    assert hour["routes"][0]["shadow"]["p50"] == 0.007
    assert hour["routes"][0]["primary"]["p50"] == 0.003
    assert hour["routes"][0]["mean"][-1] == 2.0 and len(hour["routes"][0]["mean"]) == 60
    assert hour["total"]["mean"][-1] == 12.0 and hour["total"]["hour_max"] == 12
    assert [result["title"] for result in hour["results"]] == ["mTLS stands in between", "same"]
    assert hour["classes"] == {"2xx>2xx": 8, "2xx>5xx": 1}
    assert hour["losses"]["shed"] == {"buffer_full": 2}
    assert hour["losses"]["sink.dropped"] == {"series": 4}
    assert hour["lost_number"] == 6, "an extra copy is no loss"
    scene.live.note({(SINK_DROPPED, "series"): 4})
    scene.settle(NOW + 10, {})
    assert events(scene)["hour"]["losses"]["sink.dropped"] == {"series": 4}


def test_only_the_largest_routes_are_shown_and_the_others_counted() -> None:
    scene = Scene()
    counts = {(COMPARED, "/0", "redirect"): 1, (COMPARED, "/2", "same"): 2}
    rps = {f"/{n}": n + 1 for n in range(live_module.MOST_SHOWN_ROUTES + 3)}
    scene.live.add(Settled(NOW, counts, rps, {}, False, True))
    hour = events(scene)["hour"]
    assert len(hour["routes"]) == 20
    assert hour["further_routes"] == {"number": 3, "hour_mean": 9.0, "pairs": 2, "errors": 0}
    assert [route["route"] for route in hour["routes"]][:2] == ["/0", "/22"]


def example(path: str, last_s: int = NOW) -> Example:
    return Example(
        **{"route": "/", "result": "redirect", "method": "GET", "host": "a", "path": path},
        **{"names": ["q", "\u202e"], "primary_status": 200, "shadow_status": 302, "count": 3},
        location="http://b/\x1b[2J",
        first_s=1,
        last_s=last_s,
        request_id="",
    )


def test_examples_have_nothing_that_changes_other_text() -> None:
    scene = Scene(example("/\u202egnp.exe"), example("/newer", NOW + 1))
    scene.settle(NOW, {})
    name, data = event(scene.live.examples())
    assert name == "examples" and data["refused"] is None
    newer, older = data["examples"]
    assert newer["request"] == "GET a/newer?q&\\u202e"
    assert older["request"] == "GET a/\\u202egnp.exe?q&\\u202e"
    assert (older["location"], older["title"]) == ("http://b/\\x1b[2J", "redirected elsewhere")
    assert scene.live.examples() is scene.live.examples()


def test_paths_and_locations_are_shown_as_utf_8() -> None:
    sent = "/caf\xe9".encode().decode("latin-1")
    scene = Scene(msgspec.structs.replace(example(sent), location=sent))
    (shown,) = event(scene.live.examples())[1]["examples"]
    assert "/caf\xe9" in shown["request"] and shown["location"] == "/caf\xe9"


def test_more_examples_are_counted_and_refused_ones_say_why() -> None:
    scene = Scene(*(example(f"/{n}") for n in range(MOST_SHOWN_EXAMPLES + 2)))
    data = event(scene.live.examples())[1]
    assert (len(data["examples"]), data["further"]) == (MOST_SHOWN_EXAMPLES, 2)
    assert event(refused_examples("because"))[1]["refused"] == "because"
    assert refused_examples("because") is refused_examples("because")


def test_a_line_end_in_a_name_ends_no_event() -> None:
    scene = Scene()
    scene.live.add(Settled(NOW, {}, {"/a\n\ndata: x": 1}, {}, False, True))
    assert all(text.count(b"\n") == 3 for text in scene.live.newest())
