"""Checks the client with a fake server; tests/contract has the real ones."""

import asyncio
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs

import pytest

from estimator.errors import InputError, Refused
from estimator.series import http_session, prometheus_api
from estimator.series.prometheus_api import LabelledSeries, PrometheusApi
from mirror.demo.processes import free_ports


class FakePrometheus(ThreadingHTTPServer):
    """A server that answers range queries with `replies`, then with one point at the start."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.replies: list[tuple[int, bytes]] = []
        self.asked: list[dict[str, str]] = []
        self.authorizations: list[str | None] = []
        self.location = ""


class _Handler(BaseHTTPRequestHandler):
    server: FakePrometheus

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        fields = {name: values[0] for name, values in form.items()}
        self.server.asked.append(fields)
        self.server.authorizations.append(self.headers["Authorization"])
        point = [float(fields["start"]), "5"]
        result = [{"metric": {"route": "/a"}, "values": [point]}]
        data = {"resultType": "matrix", "result": result}
        body = json.dumps({"status": "success", "data": data, "warnings": ["w"]}).encode()
        status = 200
        if self.server.replies:
            status, body = self.server.replies.pop(0)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Location", self.server.location)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write no log."""


@pytest.fixture
def fake() -> Iterator[FakePrometheus]:
    with FakePrometheus() as fake:
        thread = Thread(target=fake.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield fake
        fake.shutdown()
        thread.join(10)


def ask(url: str, seconds: int = 60, authorization: str | None = None) -> list[LabelledSeries]:
    async def run() -> list[LabelledSeries]:
        async with PrometheusApi(url, "--from-prometheus", authorization) as api:
            found = await api.range("rate(x[1m])", 0, seconds, 1)
            assert set(api.warnings) <= {"w"}
            return found

    return asyncio.run(run())


def test_points_come_back(fake: FakePrometheus) -> None:
    (series,) = ask(fake.url)
    assert series.metric == {"route": "/a"}
    assert (series.seconds.tolist(), series.values.tolist()) == ([0], [5])


def test_no_piece_is_beyond_the_point_limit(fake: FakePrometheus) -> None:
    (series,) = ask(fake.url, 25_000)
    assert [float(query["start"]) for query in fake.asked] == [0, 10_000, 20_000]
    assert [float(query["end"]) for query in fake.asked] == [9999.999, 19_999.999, 24_999.999]
    assert series.seconds.tolist() == [0, 10_000, 20_000]


def test_authorization_is_sent_only_where_given(fake: FakePrometheus) -> None:
    ask(fake.url)
    ask(fake.url, authorization="Bearer secret")
    assert fake.authorizations == [None, "Bearer secret"]


@pytest.mark.parametrize("status", [401, 403])
def test_forbidden_names_the_variable_and_not_its_value(fake: FakePrometheus, status: int) -> None:
    fake.replies.append((status, b"<html>"))
    with pytest.raises(InputError, match="PROMETHEUS_AUTHORIZATION") as caught:
        ask(fake.url, authorization="Bearer secret")
    assert "secret" not in str(caught.value)


def test_authorization_does_not_follow_a_redirect(fake: FakePrometheus) -> None:
    fake.location = f"{fake.url}/elsewhere"
    fake.replies.append((307, b""))
    with pytest.raises(Refused, match="answered 307"):
        ask(fake.url, authorization="Bearer secret")
    assert len(fake.asked) == 1


def test_rejected_query_is_bad_input(fake: FakePrometheus) -> None:
    fake.replies.append((400, b'{"status":"error","error":"parse error"}'))
    with pytest.raises(InputError, match="rejects the query .*parse error"):
        ask(fake.url)


@pytest.mark.parametrize(
    "reply", [(502, b"<html>"), (200, b""), (200, b'{"status":1}'), (302, b"")]
)
def test_no_answer_of_the_api_is_refused(fake: FakePrometheus, reply: tuple[int, bytes]) -> None:
    fake.replies.append(reply)
    with pytest.raises(Refused, match="not as its API does.*Check --from-prometheus"):
        ask(fake.url)


def test_nobody_there_is_refused() -> None:
    (port,) = free_ports(1)
    with pytest.raises(Refused, match="cannot be reached"):
        ask(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("url", "authorization", "rule"),
    [
        ("http://me:secret@127.0.0.1:1", None, "holds a login.*PROMETHEUS_AUTHORIZATION"),
        ("http://prometheus:9090", "Bearer secret", "would send PROMETHEUS_AUTHORIZATION in the"),
    ],
)
def test_no_secret_is_sent_in_the_clear_or_shown(
    url: str, authorization: str | None, rule: str
) -> None:
    with pytest.raises(InputError, match=rule) as refused:
        PrometheusApi(url, "--from-prometheus", authorization)
    assert str(refused.value).startswith("--from-prometheus: ")
    assert "secret" not in str(refused.value)


def test_a_value_that_is_no_number_is_refused(fake: FakePrometheus) -> None:
    data = {"result": [{"metric": {}, "values": [[0, "high"]]}]}
    fake.replies.append((200, json.dumps({"status": "success", "data": data}).encode()))
    with pytest.raises(Refused, match="a value that is no number"):
        ask(fake.url)


def test_limits_are_named(fake: FakePrometheus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus_api, "MAX_POINTS", 2)
    with pytest.raises(InputError, match="more than 2 points, which is the limit. Ask for less"):
        ask(fake.url, 25_000)
    monkeypatch.setattr(http_session, "MAX_ANSWER_BYTES", 50)
    with pytest.raises(InputError, match="more than 50 bytes, which is the limit. Ask for fewer"):
        ask(fake.url)
