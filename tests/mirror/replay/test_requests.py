from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import InputError
from mirror.formats.capture.record import Record
from mirror.replay.requests import RequestList, Rules, read_filter, read_header

HEADERS = (("accept", "*/*"), ("Cookie", "a=1"), ("x-a", "1"))


def gets(*times_s: float) -> list[Record]:
    return [Record(t, "GET", "www.example.com", f"/{i}") for i, t in enumerate(times_s)]


def listed(records: list[Record], held_bytes: int = 1 << 20, **rules: object) -> RequestList:
    return RequestList(lambda: iter(records), Rules(**rules), held_bytes)  # type: ignore[arg-type]


def targets(requests: RequestList) -> list[str]:
    return [request.data.split()[1].decode() for _, request in requests.lap()]


def test_lap_is_in_order_of_time() -> None:
    requests = listed(gets(9.0, 7.0, 8.0))
    assert requests.is_whole
    assert [time_s for time_s, _ in requests.lap()] == [0, 1, 2]
    assert targets(requests) == ["/1", "/2", "/0"]


def test_long_list_is_the_same_lap_after_lap() -> None:
    """Checks a list that is longer than the window held in memory: no request is lost."""
    times_s = [float(index ^ 1) for index in range(100)]
    whole, streamed = listed(gets(*times_s)), listed(gets(*times_s), held_bytes=2000)
    assert whole.is_whole and not streamed.is_whole
    for _ in range(3):
        assert list(streamed.lap()) == list(whole.lap())


@given(st.lists(st.floats(0, 100), min_size=1, max_size=60))
def test_times_never_go_back(times_s: list[float]) -> None:
    streamed = listed(gets(*times_s), held_bytes=1500)
    offsets = [time_s for time_s, _ in streamed.lap()]
    assert offsets == sorted(offsets) and len(offsets) == len(times_s)


def test_only_the_window_is_held() -> None:
    read = 0

    def records() -> Iterator[Record]:
        nonlocal read
        for record in gets(*range(10_000)):
            read += 1
            yield record

    requests = RequestList(records, Rules(), held_bytes=10_000)
    assert read < 50
    lap = requests.lap()
    for _ in range(5000):
        next(lap)
    assert read < 5050 and len(requests.held) < 50


def test_cycle_begins_again() -> None:
    cycle = listed(gets(0, 1)).cycle()
    assert [next(cycle).data.split()[1] for _ in range(5)] == [b"/0", b"/1", b"/0", b"/1", b"/0"]


def test_unreadable_list_is_told_at_once() -> None:
    def broken() -> Iterator[Record]:
        yield from gets(0)
        raise InputError("list:2: cut")

    with pytest.raises(InputError, match="list:2"):
        RequestList(broken, Rules())


# --- selection ---


def test_unsafe_methods_are_left_out_and_counted() -> None:
    records = [Record(0, kind, "a", "/") for kind in ("GET", "HEAD", "POST", "POST", "DELETE")]
    requests = listed(records)
    assert [request.is_head for _, request in requests.lap()] == [False, True]
    assert requests.skipped == {"POST": 2, "DELETE": 1}
    assert len(targets(listed(records, all_methods=True))) == 5


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (("path=/api/*",), ["/api/1?x=1", "/api/2/3"]),
        (("/api/{id}",), ["/api/1?x=1"]),
        (("method=HEAD", "path=*"), ["/head"]),
        (("host=*.b.example",), ["/head"]),
        (("/api/1", "/head"), ["/api/1?x=1", "/head"]),
        (("/api/1", "method=HEAD"), []),
        (("/API/1",), []),
    ],
)
def test_filters(filters: tuple[str, ...], expected: list[str]) -> None:
    records = [
        Record(0, "GET", "a.example", "/api/1?x=1"),
        Record(1, "GET", "a.example", "/api/2/3"),
        Record(2, "HEAD", "www.b.example", "/head"),
    ]
    requests = listed(records, filters=tuple(read_filter(text) for text in filters))
    assert targets(requests) == expected
    assert requests.filtered == 3 - len(expected)


@pytest.mark.parametrize("text", ["", "method=", "colour=red", "api"])
def test_bad_filter(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        read_filter(text)


# --- header rules ---


def head(**rules: object) -> bytes:
    record = Record(0, "GET", "a.example", "/", HEADERS)
    ((_, request),) = listed([record], **rules).lap()
    return request.data


def test_mark_unless_as_production() -> None:
    assert b"\r\nX-Mirror-Leg: replay\r\n" in head()
    assert b"mirror-leg" not in head(as_production=True).lower()


def test_headers_are_set_and_removed() -> None:
    data = head(set_headers=(("X-A", "2"), ("X-B", "3")), remove_headers=("cookie",), host="b.c")
    assert b"Host: b.c\r\n" in data and b"accept: */*\r\n" in data
    assert b"X-A: 2\r\nX-B: 3\r\n" in data
    assert b"x-a: 1" not in data and b"ookie" not in data


@pytest.mark.parametrize("text", ["a b: c", "x-a", "x-a: b\r\nx-b: c", "Host: a", "te: x", ": a"])
def test_bad_header(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|written anew"):
        read_header(text)


def test_header_is_stripped() -> None:
    assert read_header("X-A:  b c \t") == ("X-A", "b c")


# --- credentials ---


def test_requests_with_secret_values_are_counted_by_name() -> None:
    records = [
        Record(0, "GET", "a.example", "/", (("Authorization", "Bearer 1"), ("accept", "*/*"))),
        Record(1, "GET", "a.example", "/?page=2&access_token=7", (("authorization", "Basic 1"),)),
        Record(2, "GET", "a.example", "/", (("cookie", "redacted-0123456789abcdef01234567"),)),
        Record(3, "POST", "a.example", "/", (("cookie", "a=1"),)),  # not sent
    ]
    assert listed(records).credentials == {"authorization": 2, "access_token": 1}
    without = listed(records, remove_headers=("authorization",))
    assert without.credentials == {"access_token": 1}


def test_credentials_are_counted_in_one_lap() -> None:
    records = [Record(t, "GET", "a.example", "/", (("cookie", "a=1"),)) for t in range(5)]
    requests = listed(records, held_bytes=1)
    for _ in range(3):
        assert len(targets(requests)) == 5
    assert requests.credentials == {"cookie": 5}
