"""Sends odd requests through nginx alone and through nginx and us: what nginx carries, we carry.

`python -m tests.fuzz.through_nginx --count 100000 --seed 1`

One nginx has three servers with the same application behind them: nginx alone, and the shipped
files of both modes, each in front of a sidecar. Whatever the application answered behind nginx
alone it must also have answered, and have received alike, through the other two. In mode sink the
sidecar must have counted the request, and the shadow must have got it where its method is listed.
"""

import argparse
import asyncio
import hashlib
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random, SystemRandom

import uvloop

from mirror.demo.nginx import PRODUCTION_HEADERS, main_config, nginx_command
from mirror.demo.processes import Processes, accepts, find_program, free_ports
from mirror.demo.sidecar import Sidecar, start_sidecar
from tests.fuzz.odd_requests import odd_request
from tests.shipped_nginx import shipped

BATCH = 1000
AT_ONCE = 64
MOST_EXAMPLES = 8
PATIENCE_S = 10.0
MIRRORED = (b"GET", b"HEAD", b"OPTIONS")
# What applies to one hop, or is written anew by each hop. The last is the sidecar's own, which no
# client can send past our files of nginx.
HOP_FIELDS = frozenset(
    b"connection proxy-connection keep-alive upgrade content-length x-request-id"
    b" x-mirror-request-id".split()
)
VIA = re.compile(rb"Via: 1\.[01] kagami-[0-9a-f]{8}")


class RawApp:
    """An application that takes any bytes, and answers with a digest of what it received."""

    def __init__(self, expects_via: bool = False) -> None:
        self.expects_via = expects_via
        self.count = 0
        self.received: dict[bytes, tuple[bytes, ...]] = {}
        """What was received, by its digest."""
        self.ids: dict[bytes, bytes] = {}
        """Methods by X-Request-Id."""

    def answer(self, head: bytes, body: bytes) -> bytes:
        self.count += 1
        first, *lines = head.split(b"\r\n")
        if self.expects_via:
            vias = [line for line in lines if VIA.fullmatch(line)]
            if vias:
                lines.remove(vias[-1])
            else:
                lines.append(b"(nginx went past the sidecar)")
        kept, request_id = [], b""
        for line in lines:
            name, _, value = line.partition(b":")
            if name.lower() == b"x-request-id":
                request_id = value.strip()
            if name.lower() not in HOP_FIELDS:
                kept.append(b"%b: %b" % (name, value.strip(b" \t")))
        # A proxy may move Host (RFC 9110, section 7.2), but no other field past one of its name.
        kept.sort(key=lambda line: line.partition(b":")[0].lower())
        received = (first, *kept, body)
        digest = hashlib.sha1(repr(received).encode()).hexdigest().encode()
        self.received[digest] = received
        method = first.partition(b" ")[0]
        self.ids[request_id] = method
        told = b"received=%b id=%b" % (digest, request_id)
        fields = b"Server: envoy\r\nX-Told: %b\r\nContent-Length: %d\r\n\r\n" % (told, len(told))
        return b"HTTP/1.1 200 OK\r\n" + fields + (b"" if method == b"HEAD" else told)


class RawConnection(asyncio.Protocol):
    """One connection to a RawApp. nginx and the sidecar frame bodies by length."""

    def __init__(self, app: RawApp) -> None:
        self._app = app
        self._data = b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end]
            length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
            stop = end + 4 + (int(length[1]) if length else 0)
            if len(self._data) < stop:
                return
            body, self._data = self._data[end + 4 : stop], self._data[stop:]
            self._transport.write(self._app.answer(head, body))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client got on one connection."""

    statuses: tuple[bytes, ...]
    digests: tuple[bytes, ...]
    ids: frozenset[bytes]


class Client(asyncio.Protocol):
    """Sends its bytes, and keeps what comes until the end of the connection."""

    def __init__(self, data: bytes, done: asyncio.Future[bytes]) -> None:
        self._sent = data
        self._got = b""
        self._done = done

    def connection_made(self, transport: asyncio.Transport) -> None:
        transport.write(self._sent)

    def data_received(self, data: bytes) -> None:
        self._got += data

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(self._got)


async def send(port: int, data: bytes) -> Answer:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bytes] = loop.create_future()
    transport, _ = await loop.create_connection(lambda: Client(data, done), "127.0.0.1", port)
    try:
        got = await asyncio.wait_for(done, PATIENCE_S)
    except TimeoutError:
        got = b"HTTP/1.1 000 no end of the connection"
    finally:
        transport.close()
    told = re.findall(rb"received=(\w+) id=(\w+)", got)
    return Answer(
        tuple(re.findall(rb"HTTP/1\.1 (\d{3}) ", got)),
        tuple(digest for digest, _ in told),
        frozenset(request_id for _, request_id in told),
    )


@dataclass
class Course:
    """The running programs."""

    ports: dict[str, int]
    """Where nginx listens: `alone`, `inline` and `sink`."""
    apps: dict[str, RawApp]
    """The application behind nginx, the one behind the sidecar, and the shadow."""
    sidecars: dict[str, Sidecar]
    copies_log: Path
    carried: int = 0
    """Number of requests that reached the application through nginx alone."""
    counted: set[bytes] = field(default_factory=set)
    """Ids of the copies that the sidecar answered with 204."""
    _log_offset: int = 0

    async def compare(self, data: bytes) -> tuple[str, frozenset[bytes]]:
        """Send the bytes on all three ways; return how they differ, and the ids of mode sink.

        The difference is empty if nginx alone did not carry the request.
        """
        alone = await send(self.ports["alone"], data)
        if not alone.digests:
            return "", frozenset()
        self.carried += 1
        inline, sink = await asyncio.gather(
            send(self.ports["inline"], data), send(self.ports["sink"], data)
        )
        for name, answer in (("inline", inline), ("sink", sink)):
            if answer.statuses != alone.statuses:
                was, got = (b" ".join(one.statuses).decode() for one in (alone, answer))
                return f"{name}: {was or 'HTTP/0.9'} became {got or 'nothing'}", sink.ids
            if answer.digests != alone.digests:
                return f"{name}: received differently: {self._difference(alone, answer)}", sink.ids
        return "", sink.ids

    def _difference(self, alone: Answer, other: Answer) -> str:
        """Return the names of the parts that differ."""
        known = {**self.apps["primary"].received, **self.apps["app"].received}
        one, two = (known[answer.digests[0]] for answer in (alone, other))
        parts = set(one) ^ set(two)
        names = {part.partition(b":")[0].split(b" ")[0].decode("latin-1") for part in parts}
        return " ".join(sorted(names)) or "number of answers"

    async def uncounted(self, ids: frozenset[bytes], patience_s: float = 0.3) -> str:
        """Say what the sidecar or the shadow missed of these requests in mode sink."""
        deadline = time.monotonic() + patience_s
        shadow = self.apps["shadow"].ids
        methods = self.apps["app"].ids
        while True:
            self._read_log()
            missed = ids - self.counted
            unmirrored = {one for one in ids if methods[one] in MIRRORED and one not in shadow}
            if not missed and not unmirrored:
                return ""
            if time.monotonic() > deadline:
                return "sink: not counted" if missed else "sink: not mirrored"
            await asyncio.sleep(0.02)

    def _read_log(self) -> None:
        with self.copies_log.open("rb") as log:
            log.seek(self._log_offset)
            complete, end, _ = log.read().rpartition(b"\n")
        self._log_offset += len(complete) + len(end)
        for line in complete.splitlines():
            request_id, status, address = line.split(b" ", 2)
            if status == b"204" and address.startswith(b"unix:"):
                self.counted.add(request_id)

    async def finding(self, data: bytes) -> str:
        """Return how the ways differ for these bytes, in every respect; empty if they do not."""
        difference, ids = await self.compare(data)
        return difference or await self.uncounted(ids)

    async def smallest(self, data: bytes, kind: str) -> bytes:
        """Remove bytes from an example as long as its finding stays of this kind."""
        step = len(data) // 2
        while step:
            at = 0
            while at < len(data):
                less = data[:at] + data[at + step :]
                if less and await self.finding(less) == kind:
                    data = less
                else:
                    at += step
            step //= 2
        return data


@dataclass
class Findings:
    """How often each kind of difference was found, and its smallest examples."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[bytes]] = field(default_factory=dict)

    def add(self, kind: str, data: bytes) -> None:
        self.counts[kind] += 1
        if kind not in self.examples:
            print(f"{kind}\n  {data!r}", flush=True)
        known = self.examples.setdefault(kind, [])
        known.append(data)
        known.sort(key=len)
        del known[MOST_EXAMPLES:]


async def play(course: Course, requests: Sequence[bytes], findings: Findings) -> None:
    """Send these requests, a few at a time, and add what differs."""
    sinks: dict[bytes, frozenset[bytes]] = {}
    todo = iter(requests)

    async def work() -> None:
        for data in todo:
            difference, ids = await course.compare(data)
            sinks[data] = ids
            if difference:
                findings.add(difference, data)

    before = {name: app.count for name, app in course.apps.items()}
    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(work())
    if await course.uncounted(frozenset().union(*sinks.values()), PATIENCE_S):
        for data, ids in sinks.items():
            if kind := await course.uncounted(ids, 0.0):
                findings.add(kind, data)
    arrived = {name: app.count - before[name] for name, app in course.apps.items()}
    if not findings.counts and arrived["app"] != 2 * arrived["primary"]:
        findings.add(f"more or fewer requests than were sent: {arrived}", b"")


def site(ports: dict[str, int], directory: Path) -> str:
    """Return the shipped files with local addresses, and nginx alone.

    For the test only, copies are logged, nothing waits long for a client that sends too little,
    and a busy machine has more time for a copy.
    """
    logging = f"access_log {directory}/copies.log copies; log_subrequest on;"
    sink = (
        re.sub(
            r"access_log off;\s*log_subrequest off;",
            logging,
            shipped("mirror-http.conf", "app.conf", "mirror-sink.conf"),
        )
        .replace("/run/mirror/mirror.sock", f"{directory}/sink/m.sock")
        .replace("127.0.0.1:3000;", f"127.0.0.1:{ports['app']};")
        .replace("127.0.0.1:9912", f"127.0.0.1:{ports['void']}")
        .replace("listen 80;", f"listen 127.0.0.1:{ports['sink']};")
    )
    sink = re.sub(r"(_timeout) \d+ms;", r"\1 9s;", sink)
    inline = (
        shipped("inline-http.conf", "mirror-inline.conf")
        .replace("/run/mirror/mirror.sock", f"{directory}/inline/m.sock")
        .replace("127.0.0.1:3000 ", f"127.0.0.1:{ports['primary']} ")
        .replace("listen 80;", f"listen 127.0.0.1:{ports['inline']};")
    )
    alone = f"""
    log_format copies "$request_id $upstream_status $upstream_addr";
    keepalive_timeout 0;
    client_header_timeout 1s;
    client_body_timeout 1s;
    server {{
        listen 127.0.0.1:{ports["alone"]};
        location / {{ {PRODUCTION_HEADERS} proxy_pass http://app; }}
    }}
"""
    log_format = shipped("log-format.conf")  # main_config has it as well
    return (alone + sink + inline).replace(log_format, "").replace("/var/log/nginx", str(directory))


@asynccontextmanager
async def running(directory: Path) -> AsyncIterator[Course]:
    """Start the applications, two sidecars and nginx."""
    nginx = find_program("nginx")
    assert nginx is not None, "no nginx here: apt-get install nginx-light"
    names = ("alone", "inline", "sink", "void", "app", "primary", "shadow", "admin1", "admin2")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    apps = {"app": RawApp(), "primary": RawApp(expects_via=True), "shadow": RawApp()}
    loop = asyncio.get_running_loop()
    servers = [
        await loop.create_server(lambda app=app: RawConnection(app), "127.0.0.1", ports[name])
        for name, app in apps.items()
    ]
    with Processes(directory) as processes:
        sidecars = {}
        for mode, admin in (("inline", "admin1"), ("sink", "admin2")):
            home = directory / mode
            home.mkdir()
            config = {
                "mode": mode,
                "listen": f"unix:{home}/m.sock",
                "shadow": {"url": f"http://127.0.0.1:{ports['shadow']}", "waiting": 5000},
                "series": {"path": str(home / "series.db")},
                "admin": f"127.0.0.1:{ports[admin]}",
            }
            if mode == "inline":
                config["primary"] = f"http://127.0.0.1:{ports['primary']}"
            sidecars[mode] = await asyncio.to_thread(start_sidecar, processes, home, config)
        path = directory / "nginx.conf"
        path.write_text(main_config(site(ports, directory), directory))
        child = processes.start("nginx", nginx_command(nginx, path))
        await asyncio.to_thread(child.wait_until, lambda: accepts(ports["alone"]))
        try:
            yield Course(ports, apps, sidecars, directory / "copies.log")
        finally:
            await asyncio.to_thread(processes.stop)
            for server in servers:
                server.close()


async def run(count: int, seed: int) -> tuple[Findings, dict[str, dict[str, object]], int]:
    """Play `count` requests; return findings, the settled ledgers, and how many nginx carried."""
    with tempfile.TemporaryDirectory(prefix="kagami-") as name:
        Path(name).chmod(0o755)
        async with running(Path(name)) as course:
            findings = Findings()
            begin = time.monotonic()
            for first in range(0, count, BATCH):
                random = Random(seed + first)
                requests = [odd_request(random) for _ in range(min(BATCH, count - first))]
                await play(course, requests, findings)
                took_s = time.monotonic() - begin
                done = first + len(requests)
                print(
                    f"{done} requests in {took_s:.0f} s, {course.carried} carried, "
                    f"{findings.counts.total()} findings",
                    flush=True,
                )
            ledgers = {
                mode: await asyncio.to_thread(sidecar.settled_ledger)
                for mode, sidecar in course.sidecars.items()
            }
            for kind, examples in findings.examples.items():
                print(f"{findings.counts[kind]} times {kind}", flush=True)
                # One kind may have several causes.
                for small in {await course.smallest(data, kind) for data in examples}:
                    print(f"  {small!r}", flush=True)
            return findings, ledgers, course.carried


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, help="default: a random one")
    options = parser.parse_args()
    seed = SystemRandom().randrange(1 << 40) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    findings, ledgers, _ = uvloop.run(run(options.count, seed))
    for mode, ledger in ledgers.items():
        print(f"{mode}: seen {ledger['seen']}, malformed {ledger['malformed']}")
    return 1 if findings.counts else 0


if __name__ == "__main__":
    sys.exit(main())
