"""Checks the demo's application as a process, over real connections."""

import http.client
import json
from collections.abc import Iterator

import pytest

from mirror.demo.app import start_app
from mirror.demo.processes import Processes, fetch, free_ports


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    (port,) = free_ports(1)
    with Processes(tmp_path_factory.mktemp("app")) as processes:
        start_app(processes, "swarm", port)
        yield port


@pytest.mark.parametrize("path", ["/", "/watch/42", "/api/feed", "/static/a/b.css"])
def test_every_route_says_who_answered(port: int, path: str) -> None:
    answer = fetch(port, path)
    assert answer is not None and answer.status == 200
    assert answer.headers["server"] == "demo-app"
    assert json.loads(answer.body)["app"] == "swarm"


def test_head_has_no_body(port: int) -> None:
    answer = fetch(port, "/watch/42", method="HEAD")
    assert answer is not None
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


def test_comment_counts_its_bytes(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("POST", "/api/comments", b"x" * 1000)
    assert json.loads(connection.getresponse().read())["received_bytes"] == 1000
    connection.close()


def test_undeclared_path_is_not_found(port: int) -> None:
    answer = fetch(port, "/elsewhere")
    assert answer is not None and answer.status == 404


def test_seen_counts_requests_but_itself(port: int) -> None:
    def seen() -> int:
        answer = fetch(port, "/_seen")
        assert answer is not None
        return int(json.loads(answer.body).get("GET", 0))

    before = seen()
    fetch(port, "/watch/1")
    assert seen() == before + 1
