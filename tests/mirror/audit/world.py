"""A small world for audits: production's log, a sidecar's series, the gateway's log and Envoy's.

Ten minutes with two requests a second, each at a whole fifth of a second. A test changes what one
of them holds, and writes the files.
"""

import json
import random
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from mirror.audit.audit import Audit, Sources, run_audit
from mirror.audit.judgement import Judgement, judge
from mirror.audit.window import Window
from mirror.formats.routes import RouteTable
from mirror.formats.series_db import SCHEMA

FIRST = 1795600020 // 60 * 60
LENGTH_S = 600
PER_SECOND = 2
ROUTES = ("/watch/{id}", "/static/*")
WINDOW = Window(FIRST, FIRST + LENGTH_S)


@dataclass
class Request:
    request_id: str
    time_s: float
    status: int = 200
    is_proxied: bool = True
    is_mirrored: bool = True
    is_in_gateway: bool = False
    lines: int = 1
    path: str = "/watch/1"


@dataclass
class World:
    folder: Path
    logs_ids: bool = True
    logs_mark: bool = True
    mirrors_past_sidecar: bool = False
    """nginx also sends a copy to Envoy that does not pass the sidecar."""
    gateway_later_s: float = 0.0
    sidecar_later_s: int = 0
    unobserved: set[int] = field(default_factory=set)
    further: Counter[str] = field(default_factory=Counter)
    """Other counters of the sidecar, in one of the seconds in the middle."""
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        chance = random.Random(1)
        self.requests = [
            Request(f"{chance.getrandbits(128):032x}", FIRST + at / PER_SECOND + 0.2)
            for at in range(LENGTH_S * PER_SECOND)
        ]

    def sources(self, *names: str, **changes: object) -> Sources:
        """Write the files that are named, or all, and return those that are named.

        Production's log is always there.
        """
        self._write_log("access.log", [r for r in self.requests for _ in range(r.lines)], "id")
        for name, write in (
            ("gateway_log", self._write_gateway),
            ("envoy_log", self._write_envoy),
            ("series", self._write_series),
            ("capture", self._write_capture),
        ):
            if name in names or not names:
                write()
        named = {
            "series": (self.folder / "series.db",),
            "capture": (self.folder / "a.capture",),
            "gateway_log": (str(self.folder / "gateway.log"),),
            "envoy_log": (str(self.folder / "envoy.log"),),
        }
        chosen = {name: named[name] for name in names} | changes
        return Sources((str(self.folder / "access.log"),), **chosen)  # type: ignore[arg-type]

    def audit(self, *names: str, **changes: object) -> Audit:
        return run_audit(self.sources(*names, **changes), WINDOW)

    def judged(self, *names: str, **changes: object) -> Judgement:
        return judge(self.audit(*names, **changes), 0.001)

    def _write_log(self, name: str, requests: list[Request], id_key: str) -> None:
        is_gateway = name == "gateway.log"
        with (self.folder / name).open("w") as file:
            for request in requests:
                time_s = request.time_s + 0.01 + (self.gateway_later_s if is_gateway else 0)
                line = {
                    "time": f"{time_s:.3f}",
                    "status": str(request.status),
                    "method": "GET",
                    "uri": request.path,
                }
                if self.logs_ids:
                    line[id_key] = request.request_id
                if not is_gateway:
                    line["upstream"] = "10.0.0.1:80" if request.is_proxied else ""
                    line["upstream_s"] = "0.010" if request.is_proxied else ""
                elif self.logs_mark:
                    line["mirror_leg"] = "shadow"
                file.write(json.dumps(line) + "\n")

    def _write_gateway(self) -> None:
        requests = [request for request in self.requests if request.is_in_gateway]
        self._write_log("gateway.log", requests, "request_id")

    def _write_envoy(self) -> None:
        with (self.folder / "envoy.log").open("w") as file:
            for request in self.requests:
                if request.is_mirrored:
                    moment = datetime.fromtimestamp(request.time_s + self.gateway_later_s, UTC)
                    line = {
                        "start_time": moment.isoformat(),
                        "method": "GET",
                        "path": "/watch/1",
                        "response_code": 200,
                    }
                    if self.logs_ids:
                        line["request_id"] = request.request_id
                    if self.logs_mark:
                        line["x_mirror_leg"] = "shadow"
                    file.write(json.dumps(line) + "\n")
                    if self.mirrors_past_sidecar:
                        file.write(json.dumps(line | {"x_mirror_leg": None}) + "\n")

    def _write_series(self) -> None:
        counts: Counter[tuple[int, str, str, str]] = Counter()
        route_of = RouteTable(ROUTES).match
        for request in self.requests:
            if request.is_mirrored:
                second = int(request.time_s) + self.sidecar_later_s
                route = route_of(request.path.encode())
                counts[second, "requests", route, "safe"] += 1
                counts[second, "shadow.sent", route, ""] += 1
                counts[second, "shadow.requests", route, "2xx"] += 1
        for name, number in self.further.items():
            metric, _, label = name.partition(" ")
            counts[FIRST + LENGTH_S // 2, metric, "other", label] += number
        path = self.folder / "series.db"
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA synchronous = OFF")
            database.executescript(SCHEMA)
            observed = set(range(FIRST - 30, FIRST + LENGTH_S + 30)) - self.unobserved
            database.executemany("INSERT INTO seconds VALUES (?)", [(each,) for each in observed])
            database.executemany(
                "INSERT INTO counts VALUES (?, ?, ?, ?, ?)",
                [(*key, number) for key, number in counts.items()],
            )
            database.commit()

    def _write_capture(self) -> None:
        lines = [{"format": "kagami-capture", "version": 1, "begin": FIRST}] + [
            {
                "t": request.time_s,
                "method": "GET",
                "host": "a.example",
                "target": "/watch/1",
                "headers": [["X-Request-Id", request.request_id]],
            }
            for request in self.requests
            if request.is_mirrored
        ]
        (self.folder / "a.capture").write_text("".join(json.dumps(each) + "\n" for each in lines))


def codes(judgement: Judgement) -> set[str]:
    """Return the codes of the findings, without `audit.`."""
    return {finding.code.removeprefix("audit.") for finding in judgement.findings}


def said(judgement: Judgement, code: str) -> str:
    """Return what the one finding with this code saw."""
    (finding,) = [each for each in judgement.findings if each.code == f"audit.{code}"]
    return finding.what
