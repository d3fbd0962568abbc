"""One question over HTTP, and its failures."""

import pytest

from mirror.demo.processes import free_ports
from mirror.errors import SamplingError
from mirror.sampling.json_api import ask
from tests.mirror.sampling.conftest import Api


def test_parameters_and_headers_arrive(api: Api) -> None:
    api.answers = [{"a": 1}]
    assert ask(f"{api.url}/x", {"q": "a+b&c"}, {"Key": "k"}) == {"a": 1}
    path, parameters, headers = api.asked[0]
    assert (path, parameters, headers["key"]) == ("/x", {"q": "a+b&c"}, "k")
    assert headers["accept"] == "application/json"


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (403, b"no key", "answered 403: no key"),
        (302, b"", "answered 302"),
        (200, b"<html>", "cannot be asked"),
        (200, b"[]", "no JSON object"),
    ],
)
def test_failures_are_said(api: Api, status: int, body: bytes, message: str) -> None:
    api.status, api.answers = status, [body]
    with pytest.raises(SamplingError, match=message):
        ask(api.url, {})
    assert len(api.asked) == 1


def test_nobody_there() -> None:
    (port,) = free_ports(1)
    with pytest.raises(SamplingError, match="cannot be asked"):
        ask(f"http://127.0.0.1:{port}", {})


def test_no_error_shows_a_password() -> None:
    with pytest.raises(SamplingError) as refused:
        ask("http://me:secret@127.0.0.1:1/api", {})
    assert "http://...@127.0.0.1:1" in str(refused.value) and "secret" not in str(refused.value)
