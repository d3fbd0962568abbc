"""Checks where a canary is looked for, how long, and when a marked request is sent.

The servers are real; the clock is not, and what is written meanwhile is written when it sleeps.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mirror.addresses import Url
from mirror.audit.canary.places import FollowedLog
from mirror.audit.canary.search import LOOK_INTERVAL_S, PIPE_SETTLE_S, SETTLE_S, Asking, Search
from mirror.audit.canary.sending import Target
from tests.fakes_admin import admin_port

Step = Callable[["Scene"], None]


@dataclass
class Scene:
    """One server that is production and shadow at once, a clock, logs, and one sidecar."""

    folder: Path
    port: int
    asked: list[tuple[str, bytes]]
    steps: list[Step] = field(default_factory=list)
    """What happens at the first sleep, the second, ..."""
    canary: dict[str, Any] | None = None
    has_sidecar: bool = True
    clock_s: float = 100.0
    counter: int = 0
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("access", "gateway", "envoy"):
            (self.folder / f"{name}.log").touch()
        origin = Url("127.0.0.1", self.port)
        asking = Asking(
            self.statuses,
            lambda: {"http.a.downstream_rq_total": self.counter},
            lambda: self.clock_s,
            self.sleep,
            self.said.append,
        )
        self.search = Search(Target(origin, "/", "a"), asking, 20.0)
        for name, option in (("production", "access"), ("gateway", "gateway"), ("envoy", "envoy")):
            log = FollowedLog(f"--{option}-log", (str(self.folder / f"{option}.log"),))
            setattr(self.search, name, log)

    def statuses(self) -> list[dict[str, Any]]:
        if not self.has_sidecar:
            return []
        found = [] if self.canary is None else [{"id": self.search.canary_id, **self.canary}]
        other = {"id": "f" * 32, "copies": [1]}
        return [
            {
                "shadow": f"http://127.0.0.1:{self.port}",
                "canaries": {"recent": [other, "?", *found]},
            }
        ]

    def sleep(self, seconds: float) -> None:
        self.clock_s += seconds
        if self.steps:
            self.steps.pop(0)(self)

    def write(self, name: str, canary_id: str = "", mark: str | None = None) -> None:
        text = f'{{"time":1,"method":"GET","uri":"/?{canary_id or self.search.canary_id}"'
        text += "" if mark is None else f',"mirror_leg":"{mark}"'
        with (self.folder / f"{name}.log").open("a") as file:
            file.write(text + "}\n")

    def run(self) -> float:
        """Run the search; return how long it took."""
        began_s = self.clock_s
        self.search.run()
        return self.clock_s - began_s


SERVED = {"copies": 1, "legs": 1, "outcome": "2xx", "status": 200}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with admin_port(200, b"") as (port, asked):
        yield Scene(tmp_path, port, asked)


def serve(scene: Scene) -> None:
    scene.canary = dict(SERVED)
    scene.write("access")
    scene.write("envoy")
    scene.counter += 1


def test_it_ends_when_everything_is_found_and_the_rest_has_settled(scene: Scene) -> None:
    scene.steps = [serve]
    took_s = scene.run()
    assert SETTLE_S <= took_s <= SETTLE_S + 3 * LOOK_INTERVAL_S
    assert scene.search.seen is not None and scene.search.seen.repeated == 0
    assert scene.search.has_copy and scene.search.envoy_requests == 1
    assert scene.search.marked_id == "" and len(scene.asked) == 1
    assert scene.said[0].startswith("waiting for production's log, the sidecar, at most 20 s")


def test_what_must_not_come_is_watched_for_a_while(scene: Scene) -> None:
    late: list[Step] = [lambda scene: None] * 3
    scene.steps = [serve, *late, lambda scene: scene.write("gateway", mark="shadow")]
    assert scene.run() == pytest.approx(5 * LOOK_INTERVAL_S)
    assert scene.search.gateway is not None
    assert len(scene.search.gateway.lines(scene.search.canary_id)) == 1


def test_a_log_that_comes_through_a_pipe_is_watched_for_longer(scene: Scene) -> None:
    reading, writing = os.pipe()
    scene.search.gateway = FollowedLog("--gateway-log", ("-",), stdin=reading)
    scene.steps = [serve]
    assert PIPE_SETTLE_S <= scene.run() <= PIPE_SETTLE_S + 3 * LOOK_INTERVAL_S
    os.close(writing)
    os.close(reading)


def test_the_wait_is_bounded(scene: Scene) -> None:
    assert 20 <= scene.run() <= 20 + 2 * LOOK_INTERVAL_S
    assert scene.search.seen is None and not scene.search.has_copy


def left_out(scene: Scene) -> None:
    scene.canary = {"copies": 1, "legs": 0, "why_none": "ratio"}
    scene.write("access")


def test_what_the_ratio_left_out_is_sent_marked(scene: Scene) -> None:
    scene.steps = [
        left_out,
        lambda scene: scene.write("envoy", scene.search.marked_id),
    ]
    assert scene.run() <= 4
    marked_id = scene.search.marked_id
    assert marked_id and marked_id != scene.search.canary_id
    assert f"/?mirror-canary={marked_id}" in [path for path, _ in scene.asked]
    assert scene.search.marked_answer.status == 200 and scene.search.has_copy


@pytest.mark.parametrize(
    "changes", [{"outcome": "shed buffer_full"}, {"legs": 0, "outcome": "", "why_none": "looped"}]
)
def test_what_the_sidecar_shed_or_took_for_a_copy_is_not_sent(
    scene: Scene, changes: dict[str, Any]
) -> None:
    scene.steps = [lambda scene: setattr(scene, "canary", SERVED | changes)]
    scene.run()
    assert not scene.search.marked_id and not scene.search.has_copy


@pytest.mark.parametrize("is_named", [True, False])
def test_without_a_sidecar_a_named_shadow_is_asked(scene: Scene, is_named: bool) -> None:
    scene.has_sidecar = False
    scene.search.shadow = scene.search.target.origin if is_named else None
    scene.search.production = scene.search.envoy = None  # so that nothing is missing
    assert scene.run() <= SETTLE_S + LOOK_INTERVAL_S
    assert bool(scene.search.marked_id) is is_named
    assert scene.search.sidecars == 0


def test_production_that_does_not_answer_ends_it(scene: Scene) -> None:
    scene.search.target = Target(Url("/nowhere.sock", 0), "/", "a")
    assert scene.run() == 0
    assert scene.search.answer.error and scene.asked == []


def test_what_a_sidecar_says_in_another_form_is_ignored(scene: Scene) -> None:
    scene.canary = SERVED | {"outcome": ["2xx"]}
    scene.run()
    assert scene.search.seen is None
