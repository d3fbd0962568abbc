"""Checks that a configuration is valid, or that all its problems are listed with their paths."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.addresses import TcpAddress, UnixAddress, Url
from mirror.config import load, parse, read_capture_span, read_ratio, read_ratio_text
from mirror.config_sections import DatadogSection, SeriesSection, TimeoutsSection
from mirror.errors import ConfigError

SMALLEST = "listen: 127.0.0.1:8080\nshadow: {url: 'http://127.0.0.1:30080'}\n"
FULL = """
mode: inline
listen: unix:run/mirror.sock
primary: http://127.0.0.1:3000
shadow:
  url: http://127.0.0.1:30080
  methods: [GET, HEAD, OPTIONS]
  ratio: 1.0
routes: ["/watch/{id}", "/api/*"]
workers: 1
datadog:
  dogstatsd: udp://127.0.0.1:8125
  tags: [env:prod, service:watch]
series:
  path: series.db
admin: 127.0.0.1:9911
"""


def problems_of(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refusal:
        parse(text)
    return refusal.value.problems


def problem_of(**keys: Any) -> str:
    """Return the only problem of the smallest configuration with these additional keys."""
    document = yaml.safe_load(SMALLEST)
    for path, value in keys.items():
        section, found, key = path.partition("__")
        if found:
            document.setdefault(section, {})[key] = value
        else:
            document[path] = value
    (problem,) = problems_of(yaml.safe_dump(document))
    return problem


def test_smallest_configuration_has_every_default() -> None:
    config = parse(SMALLEST)
    assert config.mode == "sink"
    assert config.listen == (TcpAddress("127.0.0.1", 8080),)
    assert config.shadow.url == Url("127.0.0.1", 30080)
    assert config.shadow.methods == ("GET", "HEAD", "OPTIONS")
    assert config.shadow.ratio == 1.0
    assert config.primary is None
    assert (config.routes, config.workers) == ((), 1)
    assert config.timeouts == TimeoutsSection()
    assert config.datadog == DatadogSection()
    assert config.series == SeriesSection()
    assert config.admin == TcpAddress("127.0.0.1", 9911)


def test_documented_configuration_is_read() -> None:
    config = parse(FULL)
    assert config.mode == "inline"
    assert config.listen == (UnixAddress("run/mirror.sock"),)
    assert config.primary == Url("127.0.0.1", 3000)
    assert config.routes == ("/watch/{id}", "/api/*")
    assert config.datadog.dogstatsd == TcpAddress("127.0.0.1", 8125)
    assert config.datadog.tags == ("env:prod", "service:watch")


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("127.0.0.1:80", [TcpAddress("127.0.0.1", 80)]),
        ("[::1]:80", [TcpAddress("::1", 80)]),
        ("localhost:65535", [TcpAddress("localhost", 65535)]),
        ("unix:/run/a.sock", [UnixAddress("/run/a.sock")]),
        (["127.0.0.1:80", "unix:a"], [TcpAddress("127.0.0.1", 80), UnixAddress("a")]),
        (
            {"path": "a", "mode": "0600", "group": "nginx"},
            [UnixAddress("a", "0600", "nginx")],
        ),
        ([{"path": "a"}], [UnixAddress("a", "0660", None)]),
    ],
)
def test_listen_takes_every_form(listen: object, expected: list[object]) -> None:
    document = yaml.safe_load(SMALLEST) | {"listen": listen}
    assert list(parse(yaml.safe_dump(document)).listen) == expected


@pytest.mark.parametrize(
    ("dogstatsd", "expected"),
    [
        ("udp://127.0.0.1:8125", TcpAddress("127.0.0.1", 8125)),
        ("udp://[::1]:8125", TcpAddress("::1", 8125)),
        ("unix:///var/run/datadog/dsd.socket", UnixAddress("/var/run/datadog/dsd.socket")),
        (None, None),
    ],
)
def test_agent_takes_every_form(dogstatsd: object, expected: object) -> None:
    document = yaml.safe_load(SMALLEST)
    if dogstatsd is not None:
        document["datadog"] = {"dogstatsd": dogstatsd}
    assert parse(yaml.safe_dump(document)).datadog.dogstatsd == expected


def test_instance_defaults_to_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "pod-1")
    assert parse(SMALLEST).instance == "pod-1"
    assert parse(SMALLEST + "datadog: {instance: left}").instance == "left"


# --- problems ---


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"shadow__ratio": "all"}, 'shadow.ratio: expected a number from 0 to 10, got "all"'),
        (
            {"shadow__sticky": "uid"},
            'shadow.sticky: expected header:NAME or cookie:NAME, got "uid"',
        ),
        (
            {"shadow__sticky": "cookie:a b"},
            'shadow.sticky: expected header:NAME or cookie:NAME, got "cookie:a b"',
        ),
        (
            {"shadow__breaker": {"failure_ratio": 0}},
            "shadow.breaker.failure_ratio: expected a number above 0 and at most 1, got 0",
        ),
        ({"shadow__ratio": 10.1}, "shadow.ratio: expected a number from 0 to 10, got 10.1"),
        ({"shadow__ratio": -1}, "shadow.ratio: expected a number from 0 to 10, got -1"),
        ({"shadow__ratio": True}, "shadow.ratio: expected a number from 0 to 10, got true"),
        ({"shadow__ratio": float("nan")}, "shadow.ratio: expected a number from 0 to 10, got NaN"),
        ({"workers": 0}, "workers: expected a whole number from 1 to 256, got 0"),
        ({"workers": 1.5}, "workers: expected a whole number from 1 to 256, got 1.5"),
        ({"workers": None}, "workers: expected a whole number from 1 to 256, got null"),
        ({"mode": "tee"}, 'mode: expected sink or inline, got "tee"'),
        (
            {"shadow__methods": ["GET", "get"]},
            "shadow.methods[1]: expected a method in upper case such as GET or PURGE, but not "
            'CONNECT, got "get"',
        ),
        ({"shadow__methods": "GET"}, 'shadow.methods: expected a list, got "GET"'),
        (
            {"shadow__timeout": 0},
            "shadow.timeout: expected seconds, above 0 and at most 86400, or a text such as "
            "250ms or 10m, got 0",
        ),
        ({"series__enabled": "on"}, 'series.enabled: expected true or false, got "on"'),
        ({"series__path": ""}, 'series.path: expected a non-empty string, got ""'),
        (
            {"series__retention_days": 0},
            "series.retention_days: expected days, above 0 and at most 3660, or a text such as "
            "36h, got 0",
        ),
        ({"series": 5}, "series: expected a mapping of keys, got 5"),
        ({"workes": 5}, "workes: unknown key; did you mean workers?"),
        ({"shadow__xyz": 5}, "shadow.xyz: unknown key"),
        (
            {"shadow__pipelining": 1},
            "shadow.pipelining: was removed, because it cost the shadow's Envoy more than it saved "
            "here; delete the key",
        ),
        ({"listen": []}, "listen: expected at least one address"),
        ({"listen": ["127.0.0.1:1"] * 2}, "listen[1]: 127.0.0.1:1 appears twice"),
        ({"listen": ["unix:a", {"path": "a"}]}, "listen[1]: unix:a appears twice"),
        ({"listen": "127.0.0.1:9911"}, "admin: 127.0.0.1:9911 is also in listen"),
        ({"listen": {"mode": "0660"}}, "listen.path: is required and missing"),
        (
            {"listen": [{"path": "a", "mode": "660"}]},
            'listen[0].mode: expected a quoted octal mode such as "0660", got "660"',
        ),
        (
            {"listen": {"path": "a", "group": ""}},
            'listen.group: expected a non-empty string, got ""',
        ),
        (
            {"primary": "http://a:1"},
            "primary: only used in mode inline; remove it or set mode: inline",
        ),
        (
            {"mode": "inline"},
            "primary: expected the URL of the application, because mode is inline",
        ),
        (
            {"routes": ["/ok", "bad"]},
            "routes[1]: expected a template that starts with /, got 'bad'",
        ),
        (
            {"datadog__tags": ["prod"]},
            "datadog.tags[0]: expected a tag such as env:prod (letters, digits and _ - : . /), "
            'got "prod"',
        ),
    ],
)
def test_problem_is_said_with_its_path(keys: dict[str, Any], problem: str) -> None:
    assert problem_of(**keys) == problem


@pytest.mark.parametrize(
    ("text", "ratio"), [("0", 0), ("0.25", 0.25), (".5", 0.5), ("10", 10), ("1e+0", "1e+0")]
)
def test_a_ratio_is_read_alike_everywhere(text: str, ratio: object) -> None:
    document = SMALLEST.replace("}", f", ratio: {text}}}")
    if isinstance(ratio, str):
        assert problems_of(document)[0].endswith(f'a number from 0 to 10, got "{ratio}"')
        with pytest.raises(ValueError, match="expected a number from 0 to 10"):
            read_ratio_text(text)
    else:
        assert parse(document).shadow.ratio == read_ratio_text(text) == read_ratio(ratio) == ratio


@pytest.mark.parametrize(
    ("text", "value"),
    [("1_0", "1_0"), ("0:1", "0:1"), ("1_0.0", "1_0.0"), (".nan", float("nan")),
     (".inf", float("inf")), ("-0.0", -0.0), ("nan", "nan")],
)  # fmt: skip
def test_what_is_no_ratio_is_refused_everywhere(text: str, value: object) -> None:
    expected = f"ratio: expected a number from 0 to 10, got {json.dumps(value)}"
    assert problems_of(SMALLEST.replace("}", f", ratio: {text}}}")) == (f"shadow.{expected}",)
    with pytest.raises(ValueError, match="^expected a number from 0 to 10$"):
        read_ratio_text(text)
    with pytest.raises(ValueError, match=f"^{expected}$"):
        read_ratio(value)


@pytest.mark.parametrize(
    "listen",
    [
        "8080", "127.0.0.1", "127.0.0.1:", ":8080", "127.0.0.1:0", "127.0.0.1:65536", "a:+80",
        "a:8 0", "a b:80", "http://a:80", "unix:", 8080, None, True, "a:\u0662", "a:" + "9" * 5000,
    ],
)  # fmt: skip
def test_bad_address_is_refused(listen: object) -> None:
    assert problem_of(listen=listen).startswith("listen: expected an address such as ")


@pytest.mark.parametrize(
    ("key", "prefix", "path"),
    [
        ("listen", "unix:", "/" + "a" * 107),
        ("listen", "unix:", "a" * 108),
        ("listen", "unix:", "\u00e9" * 54),  # two bytes each
        ("primary", "unix:", "a" * 108),
        ("shadow__url", "unix:", "a" * 108),
        ("datadog__dogstatsd", "unix://", "/" + "a" * 107),
    ],
)
def test_socket_path_fits_into_an_address(key: str, prefix: str, path: str) -> None:
    problem = problem_of(**{key: prefix + path})
    expected = "expected the path of a socket to have at most 107 bytes, not 108, got "
    assert problem.startswith(key.replace("__", ".") + ": " + expected)
    if key == "listen":
        assert problem_of(listen={"path": path}).startswith("listen.path: " + expected)
    fits = yaml.safe_load(SMALLEST) | {"mode": "inline", "primary": "unix:" + "a" * 107}
    section, _, leaf = key.partition("__")
    shorter = prefix + path[:-1]
    fits[section] = fits.get(section, {}) | {leaf: shorter} if leaf else shorter
    parse(yaml.safe_dump(fits))


@pytest.mark.parametrize("admin", ["unix:a", "9911", 9911, {"path": "a"}])
def test_admin_is_a_tcp_address(admin: object) -> None:
    assert problem_of(admin=admin).startswith("admin: expected an address such as 127.0.0.1:9911")


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:80", "http://", "http:///x", "http://a/x", "http://a?x", "http://a#x",
        "http://u@a", "http://:p@a", "http://@a", "http://a:0", "http://a:65536", "http://a:x",
        "http://a b", "http://[::1", "ftp://a", "", 80, None,
    ],
)  # fmt: skip
def test_bad_url_is_refused(url: object) -> None:
    assert problem_of(shadow__url=url).startswith("shadow.url: expected a URL such as ")


def test_tls_is_only_configured_for_https() -> None:
    tls = {"ca_file": "ca.pem"}
    assert problem_of(shadow__tls=tls) == "shadow.tls: only used where shadow.url is https://"
    assert problem_of(primary_tls=tls) == "primary_tls: only used where primary is https://"
    text = "listen: 127.0.0.1:1\nshadow: {url: 'https://a', tls: {ca_file: ca.pem}}\n"
    assert parse(text).shadow.tls.ca_file == "ca.pem"
    assert parse(text).shadow.tls.verify


@pytest.mark.parametrize("agent", ["udp://localhost:8125", "udp://127.0.0.1", "tcp://1.1.1.1:1", 1])
def test_agent_must_be_an_ip_or_a_path(agent: object) -> None:
    problem = problem_of(datadog__dogstatsd=agent)
    assert problem.startswith("datadog.dogstatsd: expected udp://IP:PORT or unix:///path")
    assert ("an IP, not a name" in problem) is (agent == "udp://localhost:8125")


def test_every_problem_is_listed_at_once() -> None:
    assert problems_of("shadow: {ratio: all, x: 1}\nworkers: 0\nnope: 1\n") == (
        "nope: unknown key",
        "listen: is required and missing",
        "shadow.x: unknown key",
        "shadow.url: is required and missing",
        'shadow.ratio: expected a number from 0 to 10, got "all"',
        "workers: expected a whole number from 1 to 256, got 0",
    )


def test_contradictions_are_listed_together() -> None:
    text = "mode: inline\nlisten: []\nshadow: {url: 'http://a'}\nroutes: [x]\n"
    assert [problem.partition(":")[0] for problem in problems_of(text)] == [
        "primary",
        "listen",
        "routes[0]",
    ]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (
            "mode: inline\nprimary: http://a:1\n",
            "only used in mode sink; in mode inline the sidecar sees both answers",
        ),
        (
            "request_id_header: null\n",
            "expected request_id_header as well, which names the id of a copy",
        ),
        ("listen: unix:log.sock\n", "unix:log.sock is also in listen"),
    ],
)
def test_a_log_is_joined_by_the_id_of_the_copies(keys: str, expected: str) -> None:
    text = "shadow: {url: 'http://a:1'}\ncomparison: {access_log: 'unix:log.sock'}\n" + keys
    text += "" if "listen" in keys else "listen: 127.0.0.1:1\n"
    assert list(problems_of(text)) == [f"comparison.access_log: {expected}"]


def test_copies_are_joined_where_the_log_is_named_and_wanted() -> None:
    log = "comparison: {access_log: 'udp://127.0.0.1:5514', enabled: %s}"
    assert parse(SMALLEST + log % "true").joins_log
    assert not parse(SMALLEST + log % "false").joins_log
    assert not parse(SMALLEST).joins_log


AGENT = SMALLEST + "datadog: {dogstatsd: 'udp://127.0.0.1:8125', tags: [env:test]}\n"


def test_unified_service_tags_come_from_the_environment() -> None:
    environ = {"DD_ENV": "test", "DD_SERVICE": "watch", "DD_VERSION": "1.2", "DD_TAGS": "a:b"}
    assert parse(AGENT, "", environ).datadog.tags == ("env:test", "service:watch", "version:1.2")
    assert parse(SMALLEST, "", {"DD_ENV": "not for a\ttag"}).datadog.tags == ()


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({"DD_ENV": "prod"}, "datadog.tags: env:test, but DD_ENV is prod"),
        ({"DD_SERVICE": "a b"}, 'DD_SERVICE: expected a value fit for a tag, got "a b"'),
        (
            {"DD_DOGSTATSD_DISABLE": "True"},
            "datadog.dogstatsd: DD_DOGSTATSD_DISABLE in the environment turns it off",
        ),
    ],
)
def test_environment_against_the_file_is_refused(environ: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse(AGENT, "", environ)
    assert refusal.value.problems == (problem,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not valid YAML"),
        ("a: [", "not valid YAML"),
        (SMALLEST + "mode: sink\nmode: sink\n", "the key 'mode' appears twice"),
        ("shadow: {url: a, url: b}", "line 1: the key 'url' appears twice"),
        (SMALLEST + "? [a]\n: b\n", "not valid YAML"),
        (SMALLEST + "routes: 2020-99-99\n", "not valid YAML"),
        ("[" * 5000, "not valid YAML"),
        (SMALLEST + "x: !!python/object:os.system {}\n", "not valid YAML"),
        ("", "expected a mapping"),
        ("[]", "expected a mapping"),
    ],
)
def test_what_is_not_a_mapping_is_refused(text: str, words: str) -> None:
    (problem,) = problems_of(text)
    assert words in problem


def test_strange_values_are_shown() -> None:
    assert problems_of("listen: 127.0.0.1:1\nshadow: {url: {2020-01-01: x}}")[0].endswith(
        "got {datetime.date(2020, 1, 1): 'x'}"
    )
    itself = "listen: 127.0.0.1:1\nshadow: {url: &a [*a]}"
    assert problems_of(itself) == ("not valid YAML: line 2: *a stands within itself",)
    assert problems_of("listen: 127.0.0.1:1\nshadow: {url: 2020-01-01}")[0].endswith(
        'got "2020-01-01"'
    )


def test_long_value_is_cut() -> None:
    problem = problem_of(mode="x" * 1000)
    assert problem.endswith("...")
    assert len(problem) < 120


def test_file_is_named_in_every_line(tmp_path: Path) -> None:
    path = tmp_path / "mirror.yaml"
    path.write_text("workers: 0\n")
    with pytest.raises(ConfigError) as refusal:
        load(path)
    lines = str(refusal.value).splitlines()
    assert len(lines) == 3
    assert all(line.startswith(f"{path}: ") for line in lines)


def test_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mirror.yaml"
    path.write_text(SMALLEST)
    assert load(str(path)) == parse(SMALLEST)


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "no such file"), (b"\xff\xfe\xff", "cannot be read")]
)
def test_unreadable_file_is_a_problem(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "mirror.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=reason):
        load(path)


KEYS = ["mode", "listen", "primary", "shadow", "routes", "workers", "datadog", "series", "admin",
        "timeouts", "max_head_bytes", "url", "methods", "ratio", "path", "tags", "x"]  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_any_document_is_read_or_refused(document: dict[str, Any]) -> None:
    text = yaml.safe_dump(document)
    try:
        parse(text)
    except ConfigError as error:
        assert error.problems


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse(text)


@pytest.mark.parametrize(
    "path", ["shadow.ramp", "shadow.tls", "shadow.breaker", "timeouts", "datadog", "capture"]
)
def test_an_empty_section_is_not_taken_for_none(path: str) -> None:
    problem = problem_of(**{path.replace(".", "__"): None})
    assert problem == f"{path}: is empty; fill in its keys, or delete it"


def test_anchors_are_kept_under_x_keys() -> None:
    text = """
x-slow: &slow {connect: 3, primary: 30}
listen: 127.0.0.1:8080
shadow: {url: 'http://127.0.0.1:30080'}
timeouts: {<<: *slow, connect: 2}
"""
    assert parse(text).timeouts == TimeoutsSection(connect=2.0, primary=30.0)
    assert problem_of(shadow={"url": "http://a", "x-y": 1}) == "shadow.x-y: unknown key"


def test_json_is_yaml_too() -> None:
    assert parse(json.dumps(yaml.safe_load(FULL))) == parse(FULL)


def test_a_capture_keeps_what_is_being_written() -> None:
    capture = {"path": "c", "segment_bytes": 1000, "keep_bytes": 3999}
    text = SMALLEST + yaml.safe_dump({"workers": 2, "capture": capture})
    assert problems_of(text) == (
        "capture.keep_bytes: expected at least 4000, two segments of each worker",
    )
    assert parse(text.replace("3999", "4000")).capture.keep_bytes == 4000
    assert parse(SMALLEST).capture.path is None


def test_capture_span_is_seconds_or_nothing() -> None:
    assert read_capture_span(0) == 0
    assert read_capture_span(600) == 600
    for bad in (None, -1, "10m", 86401, True):
        with pytest.raises(ValueError, match="for_s: expected seconds"):
            read_capture_span(bad)
