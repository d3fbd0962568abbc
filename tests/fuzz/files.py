"""Changes well-formed files at random and reads them: nothing but a clear refusal may come of it.

`python -m tests.fuzz.files` runs each reader in a process of its own, which may allocate
MEMORY_BYTES beyond what it has before the first file. OPENBLAS_NUM_THREADS=1 keeps it without a
second thread, which forks would not have. A finding prints its seed and keeps its file;
`--reader NAME --seed N --rounds 1` repeats it.
"""

import argparse
import gzip
import json
import multiprocessing
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

import click
import zstandard
from click.testing import CliRunner

from estimator.cluster.files import read_cluster
from estimator.errors import InputError, Refused
from estimator.observed.usage_file import read_usage
from estimator.report.manifest_files import read_manifests
from estimator.requests.access_log import observe_access_logs
from estimator.requests.asked import Asked
from estimator.requests.capture import observe_capture
from estimator.requests.compared import observations_of_examples, read_compared
from estimator.requests.series import observe_series
from estimator.requests.uris import observe_uris
from estimator.routing.files import read_routes
from estimator.routing.request import Request
from estimator.series.access_log.total import read_access_logs
from estimator.series.ended_legs import read_ended_legs
from estimator.series.files import read_series
from estimator.table.files import read_table
from estimator.table.load_tools.detect import read_result
from mirror.audit.envoy_stats import read_stats
from mirror.audit.logs import Log
from mirror.audit.logs import read_log as read_audit_log
from mirror.audit.sidecar import common_span, read_counts, read_seen
from mirror.audit.window import Seconds, Window
from mirror.commands.compare import compare
from mirror.commands.export import export
from mirror.commands.import_requests import import_requests
from mirror.commands.inspect import inspect
from mirror.commands.replaying.replay_diff import replay_diff
from mirror.commands.replaying.replay_merge import replay_merge
from mirror.commands.series import series
from mirror.commands.series_file import SeriesFile
from mirror.commands.series_file import export as export_series
from mirror.comparison.join import LogJoin
from mirror.config import load, parse
from mirror.core.comparison.answer import Answer
from mirror.core.comparison.piece import Copy
from mirror.errors import MirrorError
from mirror.formats import comparison, replay_result
from mirror.formats.access_log.line_reader import LineReader
from mirror.formats.capture.record import Record, encode, encode_header
from mirror.formats.routes import RouteTable
from mirror.formats.uri_counts import to_json
from mirror.preflight.nginx.linter import lint

ROOT = Path(__file__).parents[2]
MEMORY_BYTES = 512 << 20
MOST_S = 30
MOST_BYTES = 1 << 20
"""Size of a changed file."""
NOW = 1_800_000_000.0
MOST_COUNT = 1 << 53

REFUSALS = (InputError, Refused, MirrorError)
TOKENS = (
    b"\x00", b"\xff", b"\n", b"\r\n", b'"', b"'", b",", b":", b"{", b"}", b"[", b"]", b"&a ", b"*a",
    b"<<: ", b"- ", b"---\n", b"!!int ", b"!!binary ", b"? ", b"| \n", b"%", b"#", b"\\u202e",
    b"\x1b]0;x\x07", b"null", b"true", b"-1", b"-0.0", b"1e999", b"NaN", b".inf", b"0x", b"9" * 400,
    b"2020-99-99", b"1:30", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"T", b"Z", b"\t", b" ", b"=",
)  # fmt: skip


def changed(data: bytes, random: Random) -> bytes:
    """Return `data` with a few changes; packed data is mostly changed before it is packed."""
    for magic, unpack, pack in (
        (b"\x1f\x8b", gzip.decompress, gzip.compress),
        (b"\x28\xb5\x2f\xfd", _unzstd, zstandard.ZstdCompressor().compress),
    ):
        if data.startswith(magic) and random.random() < 0.7:
            return pack(changed(unpack(data), random))
    text = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        begin = random.randrange(len(text) + 1)
        end = min(len(text), begin + random.choice((0, 1, 4, 16, 64, 256, 4096)))
        token = random.choice(TOKENS)
        match random.randrange(7):
            case 0:
                text[begin:end] = b""
            case 1:
                text[begin:begin] = token
            case 2:
                text[begin:end] = token * random.choice((1, 2, 100, 20_000))
            case 3:
                text[begin:begin] = text[begin:end] * random.choice((1, 10, 1000))
            case 4 if text and begin < len(text):
                text[begin] ^= 1 << random.randrange(8)
            case 5:
                del text[begin:]
            case _:
                other = random.randrange(len(text) + 1)
                text[begin:end] = text[other : other + 64]
        del text[MOST_BYTES:]
    return bytes(text)


def _unzstd(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


def run_command(command: click.Command, *words: object) -> None:
    result = CliRunner().invoke(command, [*map(str, words)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert "\x1b" not in result.output, "an escape reached the terminal"


# --- readers, and the files that they begin with ---


def import_file(path: Path) -> None:
    run_command(import_requests, path, "-o", path.parent / "capture.zst", "--host", "a.example")


def read_capture(path: Path) -> None:
    run_command(inspect, path, "--salvage")
    run_command(export, path, "--vegeta", "http://127.0.0.1:9")
    observe_capture(path, Asked(frozenset({"x-a", "cookie"}), frozenset({"b", "token"})))


def read_sqlite(path: Path) -> None:
    run_command(series, path, "--last", "1h")
    run_command(compare, path, "--last", "1h")
    read_series(path, NOW)
    observe_series([path])
    read_ended_legs([path])


def read_log(path: Path) -> None:
    read_access_logs([str(path)], RouteTable(["/watch/{id}"]), NOW)
    import_file(path)
    observe_access_logs([str(path)], Asked(frozenset({"referer"}), frozenset({"x"})))
    observe_access_logs([str(path)], Asked())


def read_against(path: Path) -> None:
    read_manifests(path.parent)


def files(*patterns: str) -> list[bytes]:
    return [path.read_bytes() for pattern in patterns for path in sorted(ROOT.glob(pattern))]


def sqlite_files() -> list[bytes]:
    from tests.mirror.commands.test_series_file import COUNTS, make
    from tests.mirror.comparison.report.test_series_part import PRIMARY, SHADOW, with_latencies

    histograms = [(6000, metric, "/b", '{"100": 333}') for metric in (PRIMARY, SHADOW)]
    with tempfile.TemporaryDirectory() as folder:
        paths = (
            make(Path(folder, "series.db"), COUNTS, 100, 102, 103),
            with_latencies(Path(folder, "compared.db"), *histograms),
        )
        return [path.read_bytes() for path in paths]


def series_files(suffix: str) -> list[bytes]:
    from tests.mirror.commands.test_series_file import COUNTS, make

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"series{suffix}")
        with SeriesFile(make(Path(folder, "series.db"), COUNTS, 100, 102, 103)) as source:
            export_series(source.rows(["/a", "other"], 100, 103), path)
        return [path.read_bytes()]


def captures() -> list[bytes]:
    records = (
        Record(1e9 + n / 7, "POST", "a.example", f"/a/{n}?b=c", (("X-A", "b"),), b"body" * n)
        for n in range(40)
    )
    plain = encode_header(1e9) + b"".join(map(encode, records))
    return [plain, zstandard.ZstdCompressor(write_checksum=True).compress(plain)]


def route_objects() -> list[bytes]:
    texts = files("docs/switching-example/routes.yaml")
    texts.append(
        b"""
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: edge}
spec:
  selector: {istio: gw}
  servers:
  - {port: {number: 80, protocol: HTTP, name: a}, hosts: ['*', ./a.com], tls: {httpsRedirect: true}}
  - {port: {number: 443, protocol: HTTPS, name: b}, hosts: [shop/*.com], tls: {mode: SIMPLE}}
---
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: web, namespace: shop, creationTimestamp: 2026-01-01T00:00:00Z}
spec:
  hosts: [a.com, '*.b.com']
  gateways: [edge/gw]
  http:
  - match: [{uri: {regex: '/v[0-9]+/.*'}, withoutHeaders: {x: {}}, queryParams: {v: {exact: '1'}}}]
    rewrite: {uriRegexRewrite: {match: '^/v([0-9])', rewrite: '/\\1'}}
    route: [{destination: {host: a}, weight: 1}, {destination: {host: b}, weight: 2}]
  - match: [{uri: {prefix: /d}}]
    delegate: {name: part}
  - redirect: {uri: /n, derivePort: FROM_REQUEST_PORT, redirectCode: 308}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: part, namespace: shop}
spec:
  http: [{match: [{uri: {exact: /d/a}}], directResponse: {status: 204}}]
"""
    )
    texts.append(
        b"""
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: edge}
spec:
  gatewayClassName: istio
  listeners: [{name: a, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{name: gw, namespace: edge}]
  hostnames: [a.com]
  rules:
  - matches: [{path: {type: RegularExpression, value: '/a.*'}, headers: [{name: x, value: y}]}]
    filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /}}}]
    backendRefs: [{name: a, port: 80, weight: 3}]
"""
    )
    return texts


def read_and_ask_routes(path: Path) -> None:
    for table in read_routes([path]).tables:
        for target in ("/v1/a?v=1", "/d/a", "//%2f", "\0"):
            table.decide(Request("a.com", "GET", target))
            table.decide(Request("", "", target))


def csv_table() -> list[bytes]:
    from estimator.table.files import table_text

    table = read_table(ROOT / "docs" / "example" / "table.yaml")
    return [table_text(table, Path("table.csv")).encode()]


def hars() -> list[bytes]:
    request = {
        "method": "POST",
        "url": "https://a.example/b?c=d",
        "headers": [{"name": "Content-Length", "value": "3"}],
        "postData": {"mimeType": "text/plain", "text": "abc"},
    }
    response = {"status": 200, "_transferSize": 10}
    entry = {"startedDateTime": "2025-12-31T15:00:00Z", "request": request, "response": response}
    return [json.dumps({"log": {"version": "1.2", "entries": [entry] * 5}}, indent=1).encode()]


def recordings() -> list[bytes]:
    request = (
        b"1 a1 1767225600000000000 0\nPOST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
    )
    plain = (request + "\n\U0001f435\U0001f648\U0001f649\n".encode()) * 5
    return [plain, gzip.compress(plain)]


def logs() -> list[bytes]:
    combined = b'10.0.0.1 - - [31/Dec/2025:15:00:00 +0000] "GET /watch/1 HTTP/1.1" 200 5 "-" "a"\n'
    fields = {"time_iso8601": "2025-12-31T15:00:00+00:00", "request": "GET /watch/2 HTTP/1.1"}
    lines = combined * 40 + json.dumps({**fields, "host": "a"}).encode() + b"\n"
    docker = json.dumps({"log": combined.decode(), "stream": "stdout"}).encode() + b"\n"
    return [lines, docker * 20, gzip.compress(lines), zstandard.ZstdCompressor().compress(lines)]


def uri_counts() -> list[bytes]:
    from tests.estimator.requests.test_uris import document

    return [to_json(document())]


def comparisons() -> list[bytes]:
    from tests.mirror.formats.test_comparison import document

    return [comparison.to_json(document())]


def read_comparison(path: Path) -> None:
    run_command(compare, path, "--html", path.parent / "compare.html")
    observations_of_examples(read_compared(str(path)), "live", Asked())


def read_nginx(path: Path) -> None:
    lint(str(path), load(ROOT / "deploy" / "mirror.yaml"))


def results() -> list[bytes]:
    from tests.mirror.replay.test_result import measure, result

    return [replay_result.to_json(result(measure(1000, 2000))).encode()]


def read_replay(path: Path) -> None:
    run_command(replay_diff, path, path)
    run_command(replay_merge, path, path)
    read_result(path)


def read_audited(path: Path) -> None:
    log = Log("--access-log", [str(path)])
    read_audit_log(log, LineReader(), Window(0, 1 << 40), lambda line, file: None)


def production_lines() -> list[bytes]:
    """Lines as deploy/nginx/log-format.conf writes them."""
    usual = {"time": "1767193200.5", "status": "200", "method": "GET", "host": "a", "uri": "/a"}
    usual |= {"upstream_s": "0.004, 0.2", "upstream_bytes": "7", "bytes": "9", "completion": "OK"}
    places = [{"id": f"{n:032x}", "connection": "1", "connection_requests": n} for n in range(9)]
    lines = [json.dumps({**usual, **place}).encode() for place in places]
    # A short line, because most of its changes hit a number.
    short = b'{"connection":1,"connection_requests":%d}\n' * 3 % (7, 9, 8)
    return [b"\n".join(lines) + b"\n", b"<190>Nov 26 08:18:58 nginx: ".join(lines), short]


def read_joined(path: Path) -> None:
    """Follow the file as `mirror serve` does; no line may raise or count more than a sink takes."""
    followed = path.with_name("followed.log")
    followed.unlink(missing_ok=True)
    settings = parse(
        "{listen: '127.0.0.1:1', shadow: {url: 'http://127.0.0.1:2'},"
        f" comparison: {{access_log: 'file:{followed}'}}}}",
        environ={},
    )
    join = LogJoin(0)
    join.use(settings, join.prepare(settings))
    join.add([Copy(f"{n:032x}", "/a", Answer(404, "4xx", 1, 1), None) for n in range(9)])
    followed.write_bytes(path.read_bytes())
    for second in range(1, 4):
        join.tick(second, second * 3.0)
    assert all(0 <= number < MOST_COUNT for number in join.report().totals.values())
    join.close()


def read_audited_series(path: Path) -> None:
    seconds = Seconds(Window(0, 7200))
    sidecars = read_seen([path], seconds)
    read_counts([path], seconds, sidecars)
    common_span([path])


def envoy_stats() -> list[bytes]:
    names = ("http.a.downstream_rq_total", "cluster.b.upstream_rq_active_overflow", "server.uptime")
    text = "".join(f"{name}: {number}\n" for number, name in enumerate(names))
    stats = [{"name": name, "value": number} for number, name in enumerate(names)]
    return [text.encode(), json.dumps({"stats": stats}).encode()]


READERS: dict[str, tuple[str, Callable[[], list[bytes]], Callable[[Path], object]]] = {
    "table": ("table.yaml", lambda: files("docs/example/table.yaml"), read_table),
    "csv-table": ("table.csv", csv_table, read_table),
    "nodes": ("nodes.yaml", lambda: files("docs/example/nodes.yaml"), read_cluster),
    "config": ("mirror.yaml", lambda: files("deploy/mirror.yaml"), load),
    "against": ("a.yaml", lambda: files("tests/golden/k8s/*.yaml"), read_against),
    "routes": ("a.yaml", route_objects, read_and_ask_routes),
    "samples": (
        "a.csv",
        lambda: [b"time,container,cpu,memory\n1767225600,app,100m,50Mi\n" * 3],
        read_usage,
    ),
    "sqlite": ("series.db", sqlite_files, read_sqlite),
    "csv": ("series.csv", lambda: series_files(".csv"), lambda path: read_series(path, NOW)),
    "parquet": (
        "series.parquet",
        lambda: series_files(".parquet"),
        lambda path: read_series(path, NOW),
    ),
    "capture": ("a.capture.zst", captures, read_capture),
    "har": ("a.har", hars, import_file),
    "goreplay": ("a.gor", recordings, import_file),
    "log": ("a.log", logs, read_log),
    "load-tool": (
        "result",
        lambda: files("tests/load_tool_samples/*.json", "tests/load_tool_samples/*.[ct][sx][vt]"),
        read_result,
    ),
    "replay": ("replay.json", results, read_replay),
    "comparison": ("comparison.json", comparisons, read_comparison),
    "nginx": ("nginx.conf", lambda: files("deploy/nginx/*.conf"), read_nginx),
    "joined-log": ("a.log", production_lines, read_joined),
    "audit": ("a.log", lambda: [*logs(), *production_lines()], read_audited),
    "audit-series": ("series.db", sqlite_files, read_audited_series),
    "envoy-stats": ("stats", envoy_stats, lambda path: read_stats(path, path)),
    "uris": ("uris.json", uri_counts, lambda path: observe_uris(str(path), Asked())),
}


def findings(
    name: str, first: int, rounds: int | None, deadline: float, folder: Path
) -> Iterator[str]:
    """Yield what went wrong with which seed; each file is written to `folder` before it is read."""
    file_name, seeds, read = READERS[name]
    path = folder / file_name
    originals = seeds()
    for original in originals:
        path.write_bytes(original)
        with_refusals(read, path)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    signal.signal(signal.SIGALRM, _too_slow)
    seed = first
    while time.monotonic() < deadline and (rounds is None or seed - first < rounds):
        random = Random(f"{name} {seed}")
        path.write_bytes(changed(random.choice(originals), random))
        (folder / "seed").write_text(str(seed))
        signal.alarm(MOST_S)
        try:
            with_refusals(read, path)
        except BaseException:
            signal.alarm(0)
            kept = folder / f"finding-{name}-{seed}"
            kept.write_bytes(path.read_bytes())
            yield f"{name}: seed {seed}: {kept}\n{traceback.format_exc()}"
        signal.alarm(0)
        seed += 1
    print(f"{name}: {seed - first} files", flush=True)


def _too_slow(*_: object) -> None:
    raise TimeoutError(f"reading took more than {MOST_S} s")


def with_refusals(read: Callable[[Path], object], path: Path) -> None:
    try:
        read(path)
    except REFUSALS as refusal:
        assert str(refusal), "a refusal says nothing"


def run_reader(name: str, seed: int, rounds: int | None, seconds: float, folder: Path) -> int:
    """Run one reader in this process; print what went wrong and return the exit code."""
    found = list(findings(name, seed, rounds, time.monotonic() + seconds, folder))
    print("\n".join(found), end="", flush=True)
    return 1 if found else 0


def _run_and_exit(*arguments: Any) -> None:
    sys.exit(run_reader(*arguments))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="for all readers together")
    parser.add_argument("--seed", type=int, help="of the first round; default: a random one")
    parser.add_argument("--rounds", type=int, help="stop each reader after so many")
    parser.add_argument("--reader", choices=READERS, help="run only this one, in this process")
    options = parser.parse_args()
    seed = SystemRandom().randrange(1 << 40) if options.seed is None else options.seed
    folder = Path(tempfile.mkdtemp(prefix="fuzz-files-"))
    if options.reader:
        return run_reader(options.reader, seed, options.rounds, options.seconds, folder)
    print(f"first seed {seed}", flush=True)
    failed = []
    # A fork has what this process has imported, which takes longer than reading a hundred files.
    processes = multiprocessing.get_context("fork")
    for name in READERS:
        arguments = (name, seed, options.rounds, options.seconds / len(READERS), folder / name)
        (folder / name).mkdir()
        process = processes.Process(target=_run_and_exit, args=arguments, daemon=True)
        process.start()
        process.join(600)
        if process.exitcode != 0:
            print(f"{name}: ended with {process.exitcode}; its last file is in {folder / name}")
            print(f"  again: python -m tests.fuzz.files --reader {name} --seed {seed}", flush=True)
            failed.append(name)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
