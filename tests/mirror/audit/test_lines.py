"""Checks what an audit reads from lines of logs: ids, marks, upstreams and times."""

import pytest

from mirror.audit.lines import Line, id_bytes, read_line
from mirror.formats.access_log.line_reader import LineReader
from mirror.formats.access_log.request import BadLine, NotARequest

ID = "0123456789abcdef0123456789abcdef"
OTHER = "f" * 32
UUID = "01234567-89ab-4def-8123-456789abcdef"
START = b'{"time":"1795600000.500","method":"GET","uri":"/a","status":"200"'
COMBINED = b'1.1.1.1 - - [25/Nov/2026:09:46:40 +0000] "GET /a HTTP/1.1" 200 5 "-" "%b"%b'
ENVOY = (
    b'[2026-11-25T09:46:40.250Z] "GET /a HTTP/1.1" 200 - via_upstream - "-" 0 5 7 6 "-"'
    b' "curl" "%b" "www.example.com" "10.0.0.1:80" -'
)


def line(text: bytes) -> Line:
    return read_line(text, LineReader())


def combined(more: str = "", agent: str = "curl") -> bytes:
    return COMBINED % (agent.encode(), more.encode())


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (f'"id":"{ID}"', ID),
        (f'"request_id":"{UUID}"', "0123456789ab0def8123456789abcdef"),
        (f'"id":"{"f" * 32}","x_mirror_request_id":"{ID}"', ID),
        ('"id":"-"', ""),
        ('"id":17', ""),
        (f'"user":"{ID}"', ""),
    ],
)
def test_json_says_its_id(more: str, expected: str) -> None:
    assert line(START + b"," + more.encode() + b"}").request_id.hex() == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (combined(f" {ID}"), ID),
        (combined(f' "{ID}"'), ID),
        (combined(f" request_id={ID}"), ID),
        (combined(f" {ID} {'f' * 32}"), ""),
        (combined(f" 00-{ID}-0123456789abcdef-01"), ""),
        (combined(), ""),
        (combined(f' request_id="{ID}"'), ID),
        # What a client sent is no id, and hides none.
        (combined(agent=ID), ""),
        (combined(agent=f"a {ID}"), ""),
        (combined(f' "https://www.example.com/?token={UUID}"'), ""),
        (combined(f' agent="a {ID}"'), ""),
        (combined(f" {ID}", agent=f"a {OTHER}"), ID),
        (combined(f' "{ID}"', agent=OTHER), ID),
        (combined(f' "{OTHER}" {ID}'), ID),
        (ENVOY % UUID.encode(), "0123456789ab0def8123456789abcdef"),
        (ENVOY % ID.encode(), ID),
    ],
)
def test_text_says_its_id(text: bytes, expected: str) -> None:
    assert line(text).request_id.hex() == expected


def test_envoy_may_overwrite_one_character_of_a_uuid() -> None:
    assert id_bytes(UUID) == id_bytes(UUID.replace("4def", "9def")) != id_bytes(UUID[:-1] + "0")
    assert len(id_bytes("an id of another form")) == 16
    assert id_bytes("short") == b""


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        (START + b"}", None),
        (START + b',"mirror_leg":"-"}', ""),
        (START + b',"x_mirror_leg":"shadow"}', "shadow"),
        (START + b',"mirror_leg":"replay"}', "replay"),
        (START + b',"mirror_leg":"kitchen"}', ""),
        (combined(" mirror_leg=kitchen"), ""),
        (START + b',"X-Mirror-Leg":null}', ""),
        (combined(), None),
        (combined(" mirror_leg=shadow"), "shadow"),
        (combined(' x-mirror-leg="shadow"'), "shadow"),
        (combined(' mirror_leg="-"'), ""),
        (combined(agent="a mirror_leg=shadow b"), None),
        (combined(" mirror_leg=-", agent="a mirror_leg=shadow b"), ""),
        (combined(' agent="mirror_leg=shadow"'), None),
        (combined(' agent="a mirror_leg=shadow b"'), None),
        (combined(' agent="a" mirror_leg=shadow to="b"'), "shadow"),
        (combined(' "a mirror_leg=shadow'), "shadow"),
        (combined(' "a \\" mirror_leg=shadow b" "\\'), None),
    ],
)
def test_a_mark_counts_only_where_the_log_names_it(text: bytes, mark: str | None) -> None:
    assert line(text).mark == mark


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (START + b"}", None),
        (START + b',"upstream":""}', False),
        (START + b',"upstream_addr":"-"}', False),
        (START + b',"upstream_s":"0.001"}', True),
        (combined(" urt=0.002"), True),
        (combined(" urt=-"), False),
        (combined(' upstream_addr="10.0.0.1:80, 10.0.0.2:80"'), True),
        (combined(' upstream_addr="-"'), False),
    ],
)
def test_the_log_may_say_whether_an_upstream_was_asked(text: bytes, expected: object) -> None:
    assert line(text).has_asked_upstream is expected


def test_a_request_began_before_its_upstream_answered() -> None:
    read = line(START + b',"upstream_s":"0.100, 0.150 : 0.050"}')
    assert read.time_s == pytest.approx(1795600000.2)
    assert read.is_exact
    assert not line(combined()).is_exact


def test_a_time_that_cannot_be_is_left_out() -> None:
    read = line(START + b',"upstream_s":"' + b"9" * 400 + b'"}')
    assert (read.time_s, read.is_exact) == (line(START + b"}").time_s, False)


def test_quotes_that_nothing_closes_are_looked_at_once() -> None:
    # Envoy does not escape what a client sends; looking from each quote would take a minute.
    assert line(combined(" " + '"' + '\\"' * 40_000 + " mirror_leg=shadow")).mark == "shadow"


def test_a_wrapped_line_is_read_too() -> None:
    wrapped = b"2026-11-25T09:46:41.000000001Z stdout F " + START + b',"mirror_leg":"shadow"}'
    assert line(wrapped).mark == "shadow"


def test_a_probe_is_known_by_its_agent() -> None:
    assert line(combined(agent="kagami-mirror-check")).is_probe
    assert not line(combined()).is_probe


@pytest.mark.parametrize(
    ("more", "is_lost"),
    [
        ('"uri":""', False),
        ('"request_uri":"-"', False),
        ('"status":"200"', True),
        ('"uri":7', True),
    ],
)
def test_a_request_line_that_nginx_could_not_read_is_not_lost(more: str, is_lost: bool) -> None:
    with pytest.raises(BadLine) as caught:
        line(f'{{"time":"1795600000.5","status":"414",{more}}}'.encode())
    assert isinstance(caught.value, NotARequest) is not is_lost


def test_a_damaged_line_is_none() -> None:
    with pytest.raises(BadLine):
        line(START)
