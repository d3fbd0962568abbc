"""Checks that every format in every wrapper reads back to the request that was written."""

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.formats.access_log.line_reader import FORMATS, LineReader, Reading, explained
from mirror.formats.access_log.request import (
    MAX_LINE_BYTES,
    SEVERAL,
    TOO_LONG,
    UNKNOWN,
    BadLine,
    LoggedRequest,
    NotARequest,
)

READER = LineReader(Reading(zone="UTC"))


@dataclass(frozen=True)
class Written:
    """A request as a server sees it."""

    method: str
    target: str
    host: str
    status: int
    begin_s: float
    duration_s: float

    @property
    def end_s(self) -> float:
        return self.begin_s + self.duration_s


def local(seconds: float) -> str:
    return time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(seconds))


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def escaped(text: str) -> str:
    r"""As nginx escapes by default: `\x22` for a quote."""
    return "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02X}"
        for byte in text.encode()
    )


def request_line(written: Written) -> str:
    return f"{written.method} {escaped(written.target)} HTTP/1.1"


def combined(written: Written) -> str:
    return (
        f'192.0.2.1 - - [{local(written.end_s)}] "{request_line(written)}" {written.status} 59'
        ' "-" "curl"'
    )


def as_json(**keys: object) -> str:
    return json.dumps(keys)


# Each writes a line; what the formats cannot hold is listed below.
WRITERS: dict[str, Callable[[Written], str]] = {
    "combined": combined,
    "combined with milliseconds": lambda w: combined(w).replace(
        " +0000", f".{int(w.end_s * 1000) % 1000:03} +0000"
    ),
    "common": lambda w: combined(w).removesuffix(' "-" "curl"'),
    "vhost first": lambda w: f"{w.host}:443 {combined(w)}",
    "vhost last": lambda w: f'{combined(w)} "{w.host}"',
    "ingress-nginx": lambda w: (
        f"{combined(w)} 489 {w.duration_s:.3f} [default-web-80] [] 10.1.1.1:80 33 0.001 200 0a1b"
    ),
    "traefik": lambda w: (
        f'192.0.2.1 - - [{local(w.begin_s)}] "{request_line(w)}" {w.status} 59 "-" "curl"'
        f' 17 "router@docker" "http://10.0.0.1:80" {w.duration_s * 1000:.0f}ms'
    ),
    "traefik json": lambda w: as_json(
        Duration=w.duration_s * 1e9,
        RequestHost=w.host,
        RequestMethod=w.method,
        RequestPath=w.target,
        StartUTC=iso(w.begin_s),
        time=iso(w.end_s),
    ),
    "caddy": lambda w: as_json(
        ts=w.end_s,
        logger="http.log.access",
        request={"method": w.method, "host": w.host, "uri": w.target, "headers": {}},
        duration=w.duration_s,
        status=w.status,
    ),
    "envoy": lambda w: (
        f'[{iso(w.begin_s)}] "{w.method} {w.target} HTTP/2" {w.status} - 0 178'
        f' {w.duration_s * 1000:.0f} 1 "192.0.2.7" "curl" "0-1" "{w.host}" "192.0.2.10:8080"'
    ),
    "istio": lambda w: (
        f'[{iso(w.begin_s)}] "{w.method} {w.target} HTTP/1.1" {w.status} - via_upstream - "-" 0 178'
        f' {w.duration_s * 1000:.0f} 1 "-" "curl" "0-1" "{w.host}" "192.0.2.10:8080"'
        " inbound|8080|| 127.0.0.6:47001 192.0.2.10:8080 192.0.2.7:39001 - default"
    ),
    "istio json": lambda w: as_json(
        authority=w.host,
        duration=round(w.duration_s * 1000),
        method=w.method,
        path=w.target,
        start_time=iso(w.begin_s),
    ),
    "haproxy": lambda w: (
        f"192.0.2.7:33317 [{local(w.begin_s)[:20]}.{int(w.begin_s * 1000) % 1000:03}] web~ api/srv1"
        f" 0/0/0/1/{w.duration_s * 1000:.0f} {w.status} 2750 - - ---- 1/1/1/1/0 0/0 {{{w.host}}}"
        f' "{w.method} {w.target} HTTP/1.1"'
    ),
    "alb": lambda w: (
        f"http {iso(w.end_s)} app/front/50dc 192.0.2.7:2817 10.0.0.1:80 0.000 {w.duration_s:.3f}"
        f' 0.000 {w.status} {w.status} 34 366 "{w.method} http://{w.host}:80{w.target} HTTP/1.1"'
        ' "curl" - - arn:x'
    ),
    "nginx json": lambda w: as_json(
        msec=f"{w.end_s:.3f}",
        request_time=f"{w.duration_s:.3f}",
        request_method=w.method,
        request_uri=w.target,
        http_host=w.host,
    ),
    "nginx json, default escape": lambda w: (
        f'{{"time_iso8601":"{iso(w.end_s)}","request":"{request_line(w)}","host":"{w.host}"}}'
    ),
}
# Envoy, HAProxy and AWS write targets as they came or percent-encoded: a quote would end them.
UNESCAPED = {"envoy", "istio", "haproxy", "alb"}
KNOWS_BEGIN = {
    *("ingress-nginx", "traefik", "traefik json", "caddy", "envoy", "istio", "istio json"),
    *("haproxy", "alb", "nginx json"),
}
KNOWS_NO_HOST = {"combined", "combined with milliseconds", "common", "ingress-nginx", "traefik"}

WRAPPERS: dict[str, Callable[[str], str]] = {
    "nothing": str,
    "json-file": lambda line: as_json(
        log=line + "\n", stream="stdout", time="2024-12-07T11:05:07Z"
    ),
    "docker service logs": lambda line: f"web_nginx.1.k2jx@node-1    | {line}",
    "docker compose": lambda line: f"nginx-1  | {line}",
    "docker logs -t": lambda line: f"2024-12-07T11:05:07.123456789Z {line}",
    "rfc 3164": lambda line: f"Dec  7 11:05:07 web1 nginx: {line}",
    "rfc 5424": lambda line: f"<190>1 2024-12-07T11:05:07.003Z web1 nginx 7 - - {line}",
    "cri": lambda line: f"2024-12-07T11:05:07.123456789Z stdout F {line}",
    "journal export": lambda line: f"MESSAGE={line}",
    "journal json": lambda line: as_json(MESSAGE=line, PRIORITY="6", _PID="7"),
    "journal json in bytes": lambda line: as_json(MESSAGE=list(line.encode())),
    "fluent bit": lambda line: as_json(date=1.5, log=line, kubernetes={"pod_name": "web"}),
    "filebeat": lambda line: as_json(message=line, **{"@timestamp": "2024-12-07T11:05:07Z"}),
    "cri, passed on by syslog": lambda line: (
        f"<13>Dec  7 11:05:07 node k8s: 2024-12-07T11:05:07.1Z stderr F {line}"
    ),
    "json-file, read by fluent bit": lambda line: as_json(log=as_json(log=line + "\n") + "\n"),
}

dice = random.Random(17)
ODD = "/a-._~!$&'()*+,;=:@%2F%"


def made_up(quotes: bool) -> Written:
    letters = ODD + ('"\\\u00e9[]{}|<>' if quotes else "")
    rest = "".join(dice.choices(letters, k=dice.randrange(20)))
    return Written(
        dice.choice(["GET", "POST", "DELETE", "PROPFIND"]),
        f"/{rest}?q={dice.randrange(99)}",
        dice.choice(["www.example.com", "api.example.org"]),
        dice.choice([200, 304, 404, 503]),
        1_733_569_507 + dice.randrange(10**6) + dice.randrange(1000) / 1000,
        dice.randrange(900) / 1000,
    )


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("writer", WRITERS)
def test_what_was_written_is_read(writer: str, wrapper: str) -> None:
    for _ in range(5):
        written = made_up(quotes=writer not in UNESCAPED)
        line = WRAPPERS[wrapper](WRITERS[writer](written)).encode()
        request = READER.read(line)
        target = request.target.encode("latin-1").decode()
        assert (request.method, target) == (written.method, written.target)
        assert request.host == ("" if writer in KNOWS_NO_HOST else written.host)
        expected_s = written.begin_s if writer in KNOWS_BEGIN else written.end_s
        assert request.is_begin == (writer in KNOWS_BEGIN)
        precision_s = 1 if request.is_whole_second else 0.002
        assert abs(request.time_s - expected_s) <= precision_s


def test_what_is_read_is_explained() -> None:
    said = dict(explained(b"Dec  7 11:05:07 web1 nginx: " + COMBINED, LineReader()))
    assert said["format"] == "combined" and said["wrapped"].startswith("1 times; the line itself")
    assert said["time"] == "2025-12-31T14:59:59.000+00:00 (end of the response, to the second)"
    assert said["host"] == "not in the line: --host names it"
    assert (said["target"], said["status"]) == ("/watch/7?x=1", "200")
    said = dict(explained(DEPLOYED, LineReader()))
    assert (said["format"], said["host"], said["duration"]) == ("json", "a.example", "0.25 s")
    assert "begin of the request" in said["time"] and said["id"] == "0" * 32
    (left_out,) = explained(b"hello", LineReader())
    assert left_out[0] == "left out" and left_out[1].startswith(UNKNOWN)


COMBINED = (
    b'10.0.0.1 - - [31/Dec/2025:23:59:59 +0900] "GET /watch/7?x=1 HTTP/1.1" 200 512 '
    b'"https://example.com/a" "Mozilla/5.0 (X11)"'
)
DEPLOYED = (
    b'{"id":"00000000000000000000000000000000","time":"1767193199.250","request_time":"0.250",'
    b'"method":"GET","host":"a.example","uri":"/a?b"}'
)


def test_one_format_may_be_named() -> None:
    assert LineReader(Reading(format_of="combined")).read(COMBINED).method == "GET"
    assert LineReader(Reading(format_of="json")).read(DEPLOYED).host == "a.example"
    for name in FORMATS:
        line = DEPLOYED if name != "json" else COMBINED
        with pytest.raises(BadLine) as error:
            LineReader(Reading(format_of=name)).read(line)
        assert error.value.reason == UNKNOWN and name in str(error.value)


def test_fields_apply_to_wrapped_objects() -> None:
    reader = LineReader(Reading(fields="time=ts,target=p"))
    request = reader.read(as_json(log=as_json(ts=5.5, p="/a") + "\n").encode())
    assert (request.time_s, request.target) == (5.5, "/a")
    assert reader.names_duration is False
    assert LineReader(Reading(fields="duration_ms=d")).names_duration


@pytest.mark.parametrize("reading", [Reading(fields="x"), Reading(zone="x")])
def test_options_that_are_not_understood_are_refused(reading: Reading) -> None:
    with pytest.raises(ValueError, match="expected"):
        LineReader(reading)


def test_long_and_deep_lines_are_refused() -> None:
    with pytest.raises(BadLine) as error:
        READER.read(b"{" + b" " * MAX_LINE_BYTES)
    assert error.value.reason == TOO_LONG
    line = "a"
    for _ in range(9):
        line = as_json(log=line)
    with pytest.raises(BadLine, match="too many objects"):
        READER.read(line.encode())
    with pytest.raises(BadLine, match="not a JSON object"):
        READER.read(b'{"a":' * 50_000)


def test_an_object_around_several_lines_is_a_loss() -> None:
    with pytest.raises(BadLine) as error:
        READER.read(as_json(log=(COMBINED.decode() + "\n") * 2).encode())
    assert error.value.reason == SEVERAL


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode()))
def test_any_line_is_read_or_bad(text: bytes) -> None:
    for candidate in (text, COMBINED.replace(b"/watch/7", text), b'{"time":1,"uri":"' + text):
        try:
            assert isinstance(READER.read(candidate), LoggedRequest)
        except NotARequest:
            pass
        except BadLine as error:
            assert str(error)
