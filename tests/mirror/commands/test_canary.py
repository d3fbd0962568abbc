"""Checks the command line of `mirror canary` with a scripted production, sidecar and Envoy."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mirror.__main__ import main
from tests.fakes_admin import admin_port

STATS = b"http.a.downstream_rq_total: 7\n"


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["canary", *map(str, words)])


def test_a_canary_that_nothing_mirrors_exits_with_3(tmp_path: Path) -> None:
    (tmp_path / "gateway.log").touch()
    status = json.dumps({"ledger": {}, "canaries": {"recent": [], "not_kept": 0}}).encode()
    pages = {"/status": (200, status), "/stats?filter=rq_total|overflow|uptime": (200, STATS)}
    with admin_port(200, b"", pages) as (port, asked):
        words = (f"http://127.0.0.1:{port}/a", "--admin", f"127.0.0.1:{port}", "--wait", "0.1s")
        words += ("--gateway-log", tmp_path / "gateway.log")
        words += ("--envoy-admin", f"http://127.0.0.1:{port}")
        result = run(*words, "--format", "json")
        text = run(*words)
    assert result.exit_code == text.exit_code == 3
    document = json.loads(result.stdout)
    codes = [finding["code"] for finding in document["findings"]]
    assert codes == ["canary.not_seen", "canary.no_copy"]
    assert [place["place"] for place in document["places"]] == [
        *("production", "the gateway's log", "the sidecar", "Envoy's counters")
    ]
    assert f"/a?mirror-canary={document['id']}" in [path for path, _ in asked]
    assert text.stdout.startswith("could not be judged as a whole: canary ")
    assert "waiting for the sidecar" in text.stderr


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("a.example",), "expected a URL"),
        (("http://127.0.0.1:1/", "--host", "a b"), "expected a host name"),
        (("http://127.0.0.1:1/", "--gateway-log", "nothing.log"), "no such file"),
        (("http://127.0.0.1:1/", "--envoy-admin", "http://127.0.0.1:1"), "cannot be asked"),
        (("http://127.0.0.1:1/", "--gateway-log", "-", "--envoy-log", "-"), "one log only"),
        (("http://127.0.0.1:1/", "--admin", "x"), "an address such as"),
    ],
)
def test_bad_input_exits_with_2(words: tuple[str, ...], reason: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert reason in result.stderr


def test_production_that_does_not_answer_exits_with_3() -> None:
    result = run("http://127.0.0.1:1/")
    assert result.exit_code == 3
    assert "canary.no_answer" in result.stdout
