"""Checks that a captured request has what the rules ask for, and that hidden values are unknown."""

from collections.abc import Iterable
from pathlib import Path

import pytest
import zstandard

from estimator.errors import InputError, Refused
from estimator.requests.asked import Asked
from estimator.requests.capture import observe_capture
from estimator.requests.observations import Observation, Observations
from mirror.core.redaction.redactor import Redactor
from mirror.formats.capture.reader import SUFFIX
from mirror.formats.capture.record import Record, Summary, encode, encode_header, encode_summary

Headers = tuple[tuple[str, str], ...]
USUAL: Headers = (("Accept", "*/*"),)
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


def record(target: str = "/a", headers: Headers = (), key: bytes | None = None) -> Record:
    """Return a record as the sidecar captures it."""
    redactor = Redactor(key=key)
    fields = redactor.fields((*USUAL, *headers))
    return Record(5.0, "GET", "a.example", redactor.target(target), fields)


def observe(
    tmp_path: Path, records: Iterable[Record], asked: Asked, first: bytes = b""
) -> Observations:
    path = tmp_path / "a.capture"
    path.write_bytes((first or encode_header(5, "web-1")) + b"".join(map(encode, records)))
    return observe_capture(path, asked)


def only(observations: Observations) -> Observation:
    (item,) = observations.items
    return item


def asked(*headers: str, parameters: Iterable[str] = ()) -> Asked:
    return Asked(frozenset(headers), frozenset(parameters))


def test_requests_that_differ_in_nothing_asked_for_are_equal(tmp_path: Path) -> None:
    records = [record(headers=(("X-N", str(number)), ("X-Canary", "1"))) for number in range(3)]
    found = observe(tmp_path, [*records, record()], asked("x-canary", "x-other"))
    assert [item.count for item in found.items] == [3, 1]
    first, second = (item.request for item in found.items)
    assert (first.headers, second.headers) == ({"x-canary": "1"}, {})
    assert first.unknown_headers == second.unknown_headers == frozenset()
    assert (first.authority, first.method, first.target) == ("a.example", "GET", "/a")
    assert found.items[0].statuses == {}
    assert (found.seconds, found.doubts, found.left_out) == ((5, 5), (), {})


def test_a_header_that_comes_twice_came_and_is_not_judged(tmp_path: Path) -> None:
    found = observe(tmp_path, [record(headers=(("x", "1"), ("X", "2")))], asked("x", "y"))
    request = only(found).request
    assert request.headers == {"x": "1,2"}
    assert request.unknown_headers == {"x"}


@pytest.mark.parametrize("key", [None, b"k" * 16])
@pytest.mark.parametrize("name", ["authorization", "cookie", "x-api-key"])
def test_a_redacted_header_is_unknown(tmp_path: Path, key: bytes | None, name: str) -> None:
    captured = record(headers=((name, "a=1; b=2"),), key=key)
    request = only(observe(tmp_path, [captured], asked(name, "x"))).request
    assert request.unknown_headers == {name}
    assert request.headers is not None
    assert (name in request.headers) is (key is not None)


def test_what_a_capture_never_holds_is_unknown(tmp_path: Path) -> None:
    names = ("upgrade", "content-length", ":path", "x-user", "accept-language")
    first = encode_header(5, "web-1", ("X-User",), ("Uid",))
    want = asked(*names, parameters=["uid", "page"])
    request = only(observe(tmp_path, [record()], want, first)).request
    assert request.unknown_headers == {"upgrade", "content-length", ":path", "x-user"}
    assert request.unknown_parameters == {"uid"}


def test_nothing_is_missing_where_hashes_stand_for_values(tmp_path: Path) -> None:
    first = encode_header(5, "web-1", ("X-User",), ("uid",), has_hashes=True)
    key = b"k" * 16
    records = [record(headers=(("cookie", "a=1"),), key=key), record("/b", key=key)]
    want = asked("cookie", "x-user", "upgrade", parameters=["uid", "token"])
    with_cookie, without = (item.request for item in observe(tmp_path, records, want, first).items)
    assert with_cookie.unknown_headers == {"cookie", "upgrade"}
    assert without.unknown_headers == {"upgrade"}
    assert with_cookie.unknown_parameters == without.unknown_parameters == frozenset()


@pytest.mark.parametrize(
    ("target", "key", "unknown"),
    [
        ("/a?token=s&v=1", None, {"token"}),
        ("/a?token=s&v=1", b"k" * 16, {"token"}),
        ("/a?v=1", None, {"token"}),
        ("/a?token=", None, set()),
    ],
)
def test_a_redacted_parameter_is_unknown(
    tmp_path: Path, target: str, key: bytes | None, unknown: set[str]
) -> None:
    want = asked(parameters=["token", "v"])
    request = only(observe(tmp_path, [record(target, key=key)], want)).request
    assert request.unknown_parameters == unknown
    assert "token=s" not in request.target


def test_a_redacted_segment_is_a_sample(tmp_path: Path) -> None:
    found = observe(tmp_path, [record(f"/reset/{JWT}"), record("/b")], asked())
    samples = {item.request.target: item.is_sample for item in found.items}
    assert samples == {"/reset/redacted": True, "/b": False}
    assert found.notes[0].startswith("1 requests have a path of which a segment was redacted")


def test_an_imported_log_knows_no_headers_but_two(tmp_path: Path) -> None:
    of_a_log = Record(5.0, "GET", "a.example", "/", (("user-agent", "curl"),))
    request = only(
        observe(tmp_path, [of_a_log], asked("user-agent", "x"), encode_header(5))
    ).request
    assert request.headers == {"user-agent": "curl"}
    assert request.unknown_headers == {"x"}
    whole = observe(tmp_path, [record()], asked("x"), encode_header(5))
    assert only(whole).request.unknown_headers == frozenset()


@pytest.mark.parametrize(("missing", "is_doubt"), [(1, False), (9, True)])
def test_requests_that_were_not_captured_are_said(
    tmp_path: Path, missing: int, is_doubt: bool
) -> None:
    summary = encode_summary(Summary(missing - 1, 0, {"queue_full": 1}))
    path = tmp_path / "a.capture"
    path.write_bytes(encode_header(5, "a") + encode(record()) * 91 + summary)
    found = observe_capture(path, asked())
    assert sum(found.left_out.values()) == missing
    assert found.left_out["requests that the sidecar dropped (queue_full)"] == 1
    assert len(found.doubts) == is_doubt
    sentence = found.doubts[0] if is_doubt else found.notes[0]
    assert sentence.startswith(f"the capture lacks {missing} of {91 + missing} requests")


def test_a_damaged_segment_is_a_doubt(tmp_path: Path) -> None:
    whole = zstandard.compress(encode_header(5, "a") + encode(record()))
    (tmp_path / f"one{SUFFIX}").write_bytes(whole)
    (tmp_path / f"two{SUFFIX}").write_bytes(whole + whole[:-5])
    found = observe_capture(tmp_path, asked())
    assert found.count == 2
    assert found.left_out == {"places that cannot be read": 1}
    assert "two" in found.doubts[0]


def test_what_is_no_capture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.capture"
    path.write_text("nothing\n")
    with pytest.raises(InputError, match=r"/a\.capture:1: expected .* not a capture"):
        observe_capture(path, asked())
    path.write_bytes(encode_header(5, "a"))
    with pytest.raises(Refused, match="holds no request"):
        observe_capture(path, asked())
    with pytest.raises(InputError, match="no such file"):
        observe_capture(tmp_path / "none", asked())
    with pytest.raises(InputError, match="directory without segments"):
        observe_capture(tmp_path, asked())
