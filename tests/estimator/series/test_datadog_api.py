import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from estimator.errors import InputError, Refused
from estimator.series import http_session
from estimator.series.datadog_api import Credentials, DatadogApi, Patience, QueryGroup, api_url_of
from estimator.series.datadog_cache import Cache
from tests.fakes_datadog import FakeDatadog, Reply, errors

QUERY = "sum:mirror.rps{service:s} by {route}.rollup(max, 60)"
KEYS = Credentials("secret-api-key", "secret-app-key")
HTML = "<html><body>Sign in</body></html>"


@pytest.fixture
def fake() -> Iterator[FakeDatadog]:
    with FakeDatadog() as fake:
        fake.points["mirror.rps"] = {"/a": {600.0: 5.0}}
        yield fake


class Waits:
    """A clock that records how long it should sleep."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.said: list[str] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def patience(self, **changes: float) -> Patience:
        return Patience(sleep=self.sleep, jitter=lambda: 0.5, **changes)


def ask(
    fake: FakeDatadog, waits: Waits | None = None, times: int = 1, **changes: float
) -> list[QueryGroup]:
    waits = waits or Waits()

    async def run() -> list[QueryGroup]:
        async with DatadogApi(fake.url, KEYS, waits.patience(**changes)) as api:
            for _ in range(times):
                answer = await api.query(QUERY, (0, 3600), waits.said.append)
            return answer

    return asyncio.run(run())


def failure(fake: FakeDatadog, kind: type[Exception], waits: Waits | None = None) -> str:
    with pytest.raises(kind) as caught:
        ask(fake, waits)
    message = str(caught.value)
    assert "secret" not in message
    assert fake.url in message
    return message


def test_groups_come_back_with_their_points(fake: FakeDatadog) -> None:
    (series,) = ask(fake)
    assert series.pointlist == [(600_000, 5)]
    assert (series.interval, series.tag_set) == (60, ["route:/a"])


def test_from_and_to_are_integers(fake: FakeDatadog) -> None:
    ask(fake)
    assert (fake.requests[0].start, fake.requests[0].end) == (0, 3600)


def test_keys_travel_in_headers_only(fake: FakeDatadog) -> None:
    ask(fake)
    (request,) = fake.requests
    assert request.headers["DD-API-KEY"] == "secret-api-key"
    assert request.headers["DD-APPLICATION-KEY"] == "secret-app-key"
    assert "secret" not in request.query


def test_keys_are_not_in_a_repr() -> None:
    assert "secret" not in repr(KEYS)


@pytest.mark.parametrize("key", ["sécret-key", "secret key", "secret\nkey"])
def test_impossible_key_is_not_printed(key: str) -> None:
    with pytest.raises(InputError) as caught:
        DatadogApi("http://127.0.0.1:1", Credentials(key, "b"))
    assert str(caught.value) == "DD_API_KEY: holds a character that no key has"


def test_keys_do_not_follow_a_redirect(fake: FakeDatadog) -> None:
    with FakeDatadog() as elsewhere:
        location = {"Location": f"{elsewhere.url}/api/v1/query"}
        fake.replies.append(Reply(302, headers=location))
        assert "status 302" in failure(fake, InputError)
        assert elsewhere.requests == []


def test_unit_null_and_unknown_keys_are_read(fake: FakeDatadog) -> None:
    series = {"pointlist": [[1e3, None]], "interval": 60, "unit": None, "attributes": {}, "x": 1}
    fake.replies.append(Reply(body=json.dumps({"status": "ok", "series": [series]})))
    assert ask(fake)[0].pointlist == [(1000, None)]


def test_status_error_inside_200_is_an_error(fake: FakeDatadog) -> None:
    fake.replies.append(Reply(body='{"status":"error","error":"no such function","series":[]}'))
    assert "did not accept the query: no such function" in failure(fake, InputError)


def test_errors_key_inside_200_is_an_error(fake: FakeDatadog) -> None:
    fake.replies.append(Reply(body='{"errors":["API key invalid"]}'))
    assert "API key invalid" in failure(fake, InputError)


def test_200_without_series_is_an_error(fake: FakeDatadog) -> None:
    fake.replies.append(Reply(body='{"status":"ok"}'))
    assert "without series" in failure(fake, InputError)


@pytest.mark.parametrize("body", ["", "[]", '{"status":"ok","series":[{"interval":"60"}]}', "{"])
def test_undocumented_body_is_refused(fake: FakeDatadog, body: str) -> None:
    fake.replies.append(Reply(body=body))
    assert "not as documented" in failure(fake, Refused)


def test_html_instead_of_json_names_the_proxy(fake: FakeDatadog) -> None:
    fake.replies.append(Reply(body=HTML, content_type="text/html"))
    assert "web page instead of JSON" in failure(fake, Refused)


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (400, "check --metric, --service, --env and --tag, or --query"),
        (401, "check DD_API_KEY, DD_APP_KEY"),
        (403, "scope timeseries_query"),
        (404, "check --site"),
        (422, "status 422: told so"),
    ],
)
def test_4xx_says_what_to_check(fake: FakeDatadog, status: int, advice: str) -> None:
    fake.replies.append(errors(status, "told so"))
    message = failure(fake, InputError)
    assert advice in message
    assert message.endswith(f"(status {status}: told so)")
    assert len(fake.requests) == 1


def test_403_as_html_is_still_a_403(fake: FakeDatadog) -> None:
    fake.replies.append(Reply(403, HTML, "text/html"))
    assert "forbids it" in failure(fake, InputError)


def test_429_waits_as_long_as_it_is_told(fake: FakeDatadog) -> None:
    waits = Waits()
    fake.replies.append(errors(429, "Rate limit", X_RateLimit_Reset="42"))
    assert ask(fake, waits)
    assert waits.slept == [42.5]
    assert waits.said == ["answered 429: Rate limit; waiting 42 s"]


@pytest.mark.parametrize("reset", ["", "soon", "-3", "1e9"])
def test_429_without_usable_reset_backs_off(fake: FakeDatadog, reset: str) -> None:
    waits = Waits()
    fake.replies.append(Reply(429, headers={"X-RateLimit-Reset": reset}))
    ask(fake, waits)
    assert waits.slept == [0.75]


def test_429_as_html_is_still_a_429(fake: FakeDatadog) -> None:
    waits = Waits()
    fake.replies.append(Reply(429, HTML, "text/html", {"X-RateLimit-Reset": "1"}))
    ask(fake, waits)
    assert waits.slept == [1.5]


def test_429_for_an_hour_is_not_waited_out(fake: FakeDatadog) -> None:
    waits = Waits()
    fake.replies.append(errors(429, "Rate limit", X_RateLimit_Reset="3000"))
    assert "resets in 3000 s" in failure(fake, Refused, waits)
    assert waits.slept == []


def test_429_for_ever_ends(fake: FakeDatadog) -> None:
    waits = Waits()
    fake.replies.extend([errors(429, "Rate limit", X_RateLimit_Reset="1")] * 9)
    assert "answered 429: Rate limit, 5 times" in failure(fake, Refused, waits)
    assert len(waits.slept) == 4


def test_used_up_rate_limit_pauses_before_the_next(fake: FakeDatadog) -> None:
    waits = Waits()
    fake.headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "7"}
    ask(fake, waits, times=3)
    # There is no wait after the last attempt.
    assert waits.slept == [8, 8]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_5xx_is_tried_again(fake: FakeDatadog, status: int) -> None:
    waits = Waits()
    fake.replies.extend([Reply(status, HTML, "text/html"), Reply(status)])
    assert ask(fake, waits)
    assert waits.slept == [0.75, 1.5]


def test_5xx_for_ever_ends(fake: FakeDatadog) -> None:
    fake.replies.extend([Reply(503)] * 9)
    assert "answered 503, 5 times" in failure(fake, Refused)
    assert len(fake.requests) == 5


def test_silence_is_tried_again(fake: FakeDatadog) -> None:
    waits = Waits()
    fake.replies.append(Reply(is_hanging=True))
    assert ask(fake, waits, timeout_s=0.3)
    assert waits.said == ["no answer within 0.3 s; waiting 1 s"]


def test_lost_connection_is_tried_again(fake: FakeDatadog) -> None:
    waits = Waits()
    fake.replies.append(Reply(is_cut=True))
    assert ask(fake, waits)
    assert "connection lost" in waits.said[0]


def test_nobody_there_says_check_the_site() -> None:
    with FakeDatadog() as gone:
        pass
    message = failure(gone, Refused)
    assert "cannot be reached" in message
    assert "Check --site (or DD_SITE)" in message


def test_site_that_does_not_exist_says_check_the_site() -> None:
    async def run() -> None:
        url = "https://api.datadog.invalid"
        async with DatadogApi(url, KEYS, Waits().patience()) as api:
            await api.query(QUERY, (0, 60), lambda _: None)

    with pytest.raises(Refused, match="cannot be reached.*Check --site"):
        asyncio.run(run())


@pytest.mark.parametrize("site", ["datadoghq.com", "datadoghq.eu", "us5.datadoghq.com"])
def test_dd_site_becomes_the_host(site: str) -> None:
    assert api_url_of(site) == f"https://api.{site}"


@pytest.mark.parametrize(
    "site",
    [
        "",
        "eu",
        "us7.datadoghq.com",
        "https://app.datadoghq.eu",
        "api.datadoghq.com",
        "a.com/x",
        "a.com:1",
        "a@b.c",
    ],
)
def test_what_is_no_site_is_refused(site: str) -> None:
    with pytest.raises(InputError, match="expected one of datadoghq.com, us3"):
        api_url_of(site)


@pytest.mark.parametrize("url", ["", "localhost:80", "ftp://a", "http://a?b", "x"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="--api-url: expected a URL"):
        DatadogApi(url, KEYS)


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("https://u:word@a", "--api-url: holds a login"),
        ("http://relay.example", "would send DD_API_KEY and DD_APP_KEY in the clear"),
    ],
)
def test_no_key_is_sent_in_the_clear(url: str, rule: str) -> None:
    with pytest.raises(InputError, match=rule) as refused:
        DatadogApi(url, KEYS)
    assert "word" not in str(refused.value)


def test_limits_are_named(fake: FakeDatadog, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, limit in (("MAX_ANSWER_BYTES", "40 bytes"), ("MAX_ANSWER_VALUES", "1 texts")):
        monkeypatch.setattr(http_session, name, int(limit.split()[0]))
        message = failure(fake, InputError)
        assert f"more than {limit}" in message and "which is the limit. Ask for less" in message
        monkeypatch.setattr(http_session, name, 1 << 20)


def test_a_second_run_asks_for_nothing(fake: FakeDatadog, tmp_path: Path) -> None:
    cache = Cache(tmp_path, lambda: 1e6)

    async def run() -> list[QueryGroup]:
        async with DatadogApi(fake.url, KEYS, Waits().patience(), cache) as api:
            return await api.query(QUERY, (0, 3600), lambda _: None)

    first = asyncio.run(run())
    assert msgspec.json.encode(asyncio.run(run())) == msgspec.json.encode(first)
    assert len(fake.requests) == 1


def test_a_failure_is_not_kept(fake: FakeDatadog, tmp_path: Path) -> None:
    cache = Cache(tmp_path, lambda: 1e6)

    async def run() -> list[QueryGroup]:
        async with DatadogApi(fake.url, KEYS, Waits().patience(), cache) as api:
            return await api.query(QUERY, (0, 3600), lambda _: None)

    fake.replies += [Reply(body='{"status":"error","error":"no"}'), Reply(body=HTML)]
    for kind in (InputError, Refused):
        with pytest.raises(kind):
            asyncio.run(run())
    assert len(asyncio.run(run())) == 1
