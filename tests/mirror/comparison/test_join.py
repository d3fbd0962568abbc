"""Checks that copies meet the lines of a log, and that every count reaches a report once."""

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from mirror.comparison.join import LEAST_OFFSET_S, MARGIN_S, LogJoin
from mirror.config import Config, parse
from mirror.core.comparison.answer import Answer
from mirror.core.comparison.piece import Copy, ExampleAddition
from mirror.core.ledger import Counts
from mirror.core.uri_counts.piece import Uri
from mirror.errors import ListenError, ReloadError

SERVED = Answer(200, "2xx", 1000)
URI = Uri("a.example", "GET", "/api/x", (), False)
ROUTE = "/api/*"


def config(access_log: object) -> Config:
    document = {
        "listen": "127.0.0.1:1",
        "shadow": {"url": "http://127.0.0.1:2", "timeout": 1},
        "comparison": {} if access_log is None else {"access_log": access_log},
    }
    return parse(yaml.safe_dump(document), environ={})


def line(request_id: str, status: int = 200, **values: object) -> str:
    usual = {"id": request_id, "status": str(status), "time": f"{time.time():.3f}"}
    usual |= {"upstream_s": "0.010", "completion": "OK"}
    return json.dumps(usual | values) + "\n"


def copy_of(request_id: str, shadow: Answer = SERVED, uri: Uri | None = None) -> Copy:
    return Copy(request_id, ROUTE, shadow, uri)


class Joined:
    """A join that follows a file, and what its reports held."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.touch()
        self.join = LogJoin(1000)
        self.config = config(f"file:{path}")
        self.join.use(self.config, self.join.prepare(self.config))
        self.now = time.monotonic()
        self.second = 1000
        self.totals: Counts = {}
        self.closed: Counter[tuple[str, str, str]] = Counter()
        self.examples: list[ExampleAddition] = []

    def write(self, *lines: str) -> None:
        with self.path.open("a") as file:
            file.writelines(lines)

    def tick(self, later_s: float = 0.0) -> None:
        self.now = max(self.now + later_s, time.monotonic() + later_s)
        self.second += 1
        self.join.tick(self.second, self.now)
        self.report()

    def report(self) -> None:
        report = self.join.report()
        self.totals = report.totals
        for _, counts, _ in report.seconds:
            self.closed.update(counts)
        assert report.comparison is not None
        self.examples += report.comparison.examples
        self.waiting = report.comparison.waiting

    def of(self, metric: str) -> dict[str, int]:
        return {label: n for (name, _, label), n in self.totals.items() if name == metric}


@pytest.fixture
def joined(tmp_path: Path) -> Iterator[Joined]:
    found = Joined(tmp_path / "access.log")
    yield found
    found.join.close()


def test_pairs_are_counted_with_both_latencies(joined: Joined) -> None:
    joined.join.add([copy_of("a")])
    joined.write(line("a"), line("b", 404), line("c"))
    joined.tick()
    joined.join.add([copy_of("b", Answer(404, "4xx", 2000))])
    joined.tick()
    joined.tick()
    assert joined.of("compared") == {"same": 2}
    assert joined.of("compared.classes") == {"2xx>2xx": 1, "4xx>4xx": 1}
    assert joined.of("primary.logged") == {"": 3}
    assert joined.closed == Counter(joined.totals)
    log = joined.join.log()
    assert log is not None and log.source == f"file:{joined.path}"
    assert (log.lines, log.matched, log.without_copy, log.waiting) == (3, 2, 0, 1)
    assert log.newest_s is not None and abs(log.newest_s - time.time()) < 60


def test_a_new_error_becomes_an_example_without_secrets(joined: Joined) -> None:
    away = Answer(302, "3xx", 10, location="https://u:p@b.example/reset/8f3a9c1d7e2b4f60a5c8")
    joined.join.add(
        [
            copy_of("a", Answer(404, "4xx", 10, is_from_proxy=True), URI),
            copy_of("b", away, URI),
            copy_of("c", Answer(500, "5xx", 10)),
        ]
    )
    joined.write(line("a"), line("b"), line("c"))
    joined.tick()
    assert joined.of("compared") == {"route_miss": 1, "redirect": 1, "app_error": 1}
    miss, redirect = joined.examples
    assert (miss.result, miss.uri, miss.request_id) == ("route_miss", URI, "a")
    assert (miss.primary_status, miss.shadow_status, miss.count) == (200, 404, 1)
    assert redirect.location == "https://b.example/reset/redacted"


def test_what_makes_no_pair_has_a_reason(joined: Joined) -> None:
    joined.join.add([copy_of(name) for name in ("left", "none", "", "lost")])
    joined.write(line("left", 499), line("none", status_word=""), line("none2"))
    joined.write(line("x").replace('"200"', '"000"').replace('"x"', '"none3"'))
    joined.join.add([copy_of("none3")])
    joined.tick()
    joined.tick(later_s=1 + MARGIN_S + 1)
    assert joined.of("uncompared") == {
        "primary_aborted": 1,
        "not_joinable": 1,
        "no_log_line": 1,
        "no_status": 1,
    }
    assert joined.of("compared") == {"same": 1}
    assert joined.waiting == 0


def test_lines_that_say_nothing_are_counted(joined: Joined) -> None:
    joined.write('1.2.3.4 - - "GET / HTTP/1.1" 200\n', '{"status":"200"}\n', line("a"), line("a"))
    joined.tick()
    log = joined.join.log()
    assert log is not None
    assert log.lost == {"unreadable": 1, "no_id": 1} == joined.of("log.lost")
    assert (log.lines, log.repeated) == (4, 1)
    assert joined.of("log.repeated") == {"": 1}


def test_a_line_that_is_missing_counts_once(joined: Joined) -> None:
    places = [1, 2, 4, 5, 7]  # 3 is cut, and 6 does not come
    for place in places:
        joined.write(line(f"id{place}", connection="8", connection_requests=str(place)))
    joined.write("{cut\n")
    joined.tick(later_s=100)
    joined.tick(later_s=100)
    assert joined.of("log.lost") == {"unreadable": 1, "gap": 1}


def test_clocks_apart_do_not_matter_and_are_said(joined: Joined) -> None:
    joined.join.add([copy_of("a")])
    joined.write(line("a", time=f"{time.time() - 3600:.3f}"))
    joined.tick()
    assert joined.of("compared") == {"same": 1}
    log = joined.join.log()
    assert log is not None and log.offset_s is not None
    assert abs(log.offset_s - 3600) < 60
    joined.write(line("b"))
    joined.tick()
    log = joined.join.log()
    assert log is not None and (log.offset_s is None or log.offset_s > LEAST_OFFSET_S)


def test_the_end_gives_up_what_waits(joined: Joined) -> None:
    joined.join.add([copy_of("a"), copy_of("b")])
    joined.write(line("a"))
    joined.join.finish(2000)
    joined.report()
    assert joined.of("compared") == {"same": 1}
    assert joined.of("uncompared") == {"no_log_line": 1}
    assert joined.closed == Counter(joined.totals)
    assert joined.join.log() is None


def test_another_log_takes_over_and_none_ends_the_comparison(
    joined: Joined, tmp_path: Path
) -> None:
    joined.join.add([copy_of("a"), copy_of("b")])
    joined.write(line("a"))
    other = tmp_path / "other.log"
    other.touch()
    joined.join.use(config(f"file:{other}"), joined.join.prepare(config(f"file:{other}")))
    with other.open("a") as file:
        file.write(line("b"))
        file.write(line("a"))  # nginx wrote it into both
    joined.tick()
    assert joined.of("compared") == {"same": 2}
    assert joined.of("log.repeated") == {}
    joined.join.add([copy_of("c")])
    joined.join.use(config(None), joined.join.prepare(config(None)))
    joined.join.add([copy_of("of a worker that retires")])
    joined.tick()
    assert joined.of("uncompared") == {"no_log_line": 2}
    assert joined.join.log() is None


def test_the_same_log_goes_on(joined: Joined) -> None:
    joined.join.add([copy_of("a")])
    source = joined.join.prepare(joined.config)
    joined.join.use(joined.config, source)
    joined.write(line("a"))
    joined.tick()
    assert joined.of("compared") == {"same": 1}


def test_a_source_that_is_not_used_is_closed(tmp_path: Path) -> None:
    async def run() -> None:
        join = LogJoin(1000)
        path = tmp_path / "log.sock"
        first = config({"path": str(path)})
        join.use(first, join.prepare(first))
        with pytest.raises(ReloadError, match="restart for other permissions of unix:"):
            join.prepare(config({"path": str(path), "mode": "0622"}))
        other = tmp_path / "other.sock"
        source = join.prepare(config(f"unix:{other}"))
        assert other.exists() and path.exists()
        join.discard(source)
        join.discard(join.prepare(first))
        assert not other.exists() and path.exists()
        (tmp_path / "file").touch()
        with pytest.raises(ListenError, match="is not a socket"):
            join.prepare(config(f"unix:{tmp_path}/file"))
        join.close()
        assert not path.exists()

    asyncio.run(run())


def test_what_hinders_the_reading_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    join = LogJoin(1000)
    missing = config(f"file:{tmp_path}/none.log")
    with caplog.at_level(logging.WARNING):
        join.use(missing, join.prepare(missing))
        join.tick(1001, 1.0)
        join.tick(1002, 2.0)
    assert [record.getMessage() for record in caplog.records] == [
        f"comparison.access_log: file:{tmp_path}/none.log: No such file or directory"
    ]
    log = join.log()
    assert log is not None and log.problem == "No such file or directory"
    join.close()
