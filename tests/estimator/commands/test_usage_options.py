import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from estimator.commands.usage_options import UsageOptions, read_samples
from estimator.errors import InputError
from estimator.observed.prometheus import CPU_QUERY, MEMORY_QUERY

OPTIONS = UsageOptions("http://127.0.0.1:1", None, "1m", CPU_QUERY, MEMORY_QUERY, ())
PERIOD = (0.0, 60.0)
API = {"api": ("app",)}


@pytest.mark.parametrize("prefix", ["", "csv="])
def test_anything_else_is_a_file(tmp_path: Path, prefix: str) -> None:
    path = tmp_path / "a=b.csv"
    path.write_text("time,container,cpu,memory\n5,app,1m,1\n")
    usage = read_samples(f"{prefix}{path}", OPTIONS, API, PERIOD)
    assert usage.of("api")["app"].cpu_millicores.tolist() == [1]


@pytest.mark.parametrize("source", ["datadog", "datadog=api"])
def test_datadog_needs_both_keys(monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.setenv("DD_APP_KEY", "b")
    with pytest.raises(InputError, match="^DD_API_KEY: is not set in the environment"):
        read_samples(source, OPTIONS, API, PERIOD)


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("prometheus=api", "expected prometheus=http://HOST:PORT"),
        ("pid=api:1", "only mirror replay can sample processes"),
        ("prometheus", "--component: name what prometheus is to be asked for"),
    ],
)
def test_unusable_source_is_refused(source: str, rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        read_samples(source, OPTIONS, {}, PERIOD)


class Prometheus(BaseHTTPRequestHandler):
    """A server that answers every query with one series, and records the queries."""

    asked: ClassVar[list[tuple[str, str | None]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.do_GET(body)

    def do_GET(self, parameters: str | None = None) -> None:
        query = parse_qs(parameters or urlsplit(self.path).query)["query"][0]
        self.asked.append((query, self.headers["authorization"]))
        series = {"metric": {"pod": "a", "container": "app"}, "values": [[120, "5"]]}
        data = {"resultType": "matrix", "result": [series]}
        answer = json.dumps({"status": "success", "data": data}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments: object) -> None:
        pass


def test_source_names_its_prometheus_and_its_pods(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_AUTHORIZATION", "Bearer t")
    monkeypatch.setattr(Prometheus, "asked", [])
    with ThreadingHTTPServer(("127.0.0.1", 0), Prometheus) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        try:
            source = f'prometheus={url},api{{zone="x"}},web'
            usage = read_samples(source, OPTIONS, API, (0.0, 600.0))
        finally:
            server.shutdown()
            thread.join()
    assert usage.components == ("api", "web")
    queries = [query for query, _ in Prometheus.asked]
    assert ['zone="x"' in query for query in queries] == [True, True, False, False]
    assert {authorization for _, authorization in Prometheus.asked} == {"Bearer t"}


def test_rate_window_is_a_duration() -> None:
    with pytest.raises(InputError, match="--rate-window: expected a duration"):
        read_samples("prometheus", replace(OPTIONS, rate_window="soon"), API, PERIOD)


@pytest.mark.parametrize(("hours", "step_s"), [(6, 15), (7, 60)])
def test_long_times_are_sampled_coarsely(hours: int, step_s: int) -> None:
    assert OPTIONS.prometheus_query((0.0, hours * 3600.0)).step_s == step_s


def test_options_are_picked_out_of_those_of_a_command() -> None:
    values = {name: getattr(OPTIONS, name) for name in OPTIONS.__slots__ if name != "no_cache"}
    assert UsageOptions.of(values | {"output": "x"}) == OPTIONS
