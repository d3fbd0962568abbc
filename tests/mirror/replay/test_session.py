"""Checks the way from settings to a result; the command's tests do so from the outside."""

import asyncio
import dataclasses
from pathlib import Path

import pytest
import uvloop

from mirror.errors import InputError
from mirror.formats.capture.record import Record, encode, encode_header
from mirror.formats.replay_result import ReplayResult
from mirror.proxy.upstream.connection import Origin
from mirror.replay.requests import RequestList, Rules
from mirror.replay.schedule import Shard, Step
from mirror.replay.session import Pace, Settings, plan, replay, schedule_digest
from tests.mirror.replay.test_steps import Site, gets


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    path = tmp_path / "list.jsonl"
    path.write_bytes(encode_header() + encode(Record(0, "GET", "a", "/")))
    return Settings(path, "http://a", Pace((100.0,)), Rules())


def played(settings: Settings, requests: RequestList) -> ReplayResult:
    async def run() -> ReplayResult:
        server = await asyncio.get_running_loop().create_server(Site, "127.0.0.1", 0)
        origin = Origin("127.0.0.1", server.sockets[0].getsockname()[1])
        result, signalled = await replay(settings, origin, requests)
        assert signalled == 0
        server.close()
        return result

    Site.seen = 0
    return uvloop.run(run())


def test_result_of_a_rate(settings: Settings) -> None:
    result = played(settings, gets(20))
    assert (result.due, result.outcomes, result.rate_rps) == (20, {"2xx": 20}, 100)
    assert result.window_s == 0.2 and result.offered_rps == pytest.approx(100)
    assert result.achieved_rps == pytest.approx(20 / max(0.2, result.elapsed_s))
    assert result.schedule == schedule_digest(settings)
    assert len(result.steps) == 1 and 15 <= result.steps[0].due <= 16


def test_single_request_has_a_rate(settings: Settings) -> None:
    result = played(dataclasses.replace(settings, pace=Pace(speed=1.0)), gets(1))
    assert result.due == 1 and result.offered_rps == pytest.approx(1 / result.elapsed_s)


def test_long_list_that_ends_early_is_told(settings: Settings) -> None:
    def cut() -> object:
        for time_s in range(100):
            yield Record(time_s, "GET", "a", "/")
        raise InputError("list:102: cut short")

    requests = RequestList(cut, Rules(), held_bytes=3000)  # type: ignore[arg-type]
    result = played(dataclasses.replace(settings, pace=Pace((1000.0,))), requests)
    assert not result.is_valid and result.invalid_reason == "it ended early: list:102: cut short"
    assert 50 < result.due < 100


def test_paces_become_schedules(settings: Settings) -> None:
    for pace, steps in (
        (Pace((100.0,)), [Step(100, 0, 0.03)]),
        (Pace((100.0, 200.0), hold_s=5), [Step(100, 0, 5), Step(200, 5, 10)]),
        (Pace((100.0,), hold_s=5), [Step(100, 0, 5)]),
        (Pace(speed=2.0), [Step(None, 0, 1.5)]),
        (Pace(speed=2.0, duration_s=1.0), [Step(None, 0, 1)]),
    ):
        assert plan(dataclasses.replace(settings, pace=pace), gets(3)).steps == steps


def test_bad_loop_names_the_file(settings: Settings) -> None:
    looped = dataclasses.replace(settings, pace=Pace(speed=1.0, duration_s=9.0, is_looped=True))
    with pytest.raises(InputError, match=r"list\.jsonl: a loop needs"):
        plan(looped, gets(1))


def test_digest_knows_the_schedule(settings: Settings) -> None:
    def digest(**changes: object) -> str:
        return schedule_digest(dataclasses.replace(settings, **changes))  # type: ignore[arg-type]

    shards = [digest(shard=Shard(index, 2), start_at=5.0) for index in range(2)]
    assert shards[0] == shards[1]
    others = [
        digest(),
        digest(shard=Shard(0, 3), start_at=5.0),
        digest(shard=Shard(0, 2), start_at=6.0),
        digest(pace=Pace((101.0,))),
        digest(rules=Rules(host="b")),
    ]
    with settings.path.open("ab") as stream:
        stream.write(encode(Record(1, "GET", "a", "/")))
    others.append(digest())
    assert len({*shards, *others}) == 7
    with pytest.raises(InputError, match="cannot be read"):
        digest(path=settings.path / "none")
    assert schedule_digest(dataclasses.replace(settings, path=settings.path.parent))
