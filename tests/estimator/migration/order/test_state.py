from collections.abc import Iterable
from pathlib import Path

import pytest

from estimator.errors import InputError
from estimator.migration.order.state import read_state
from mirror.formats.capture.record import Record, Summary, encode, encode_header, encode_summary
from mirror.formats.routes import RouteTable

TEMPLATES = RouteTable(["/api/*", "/cart"])


def record(target: str, *headers: tuple[str, str]) -> Record:
    return Record(1.0, "GET", "shop.example", target, headers)


def write(path: Path, records: Iterable[Record], redacted: int = 0) -> Path:
    file = path / "requests.capture"
    summary = encode_summary(Summary(redacted=redacted))
    file.write_bytes(encode_header() + b"".join(map(encode, records)) + summary)
    return file


def test_state_is_read_from_captured_fields(tmp_path: Path) -> None:
    cookies = ("theme=dark; JSESSIONID=redacted-0", "connect.sid=1", "theme=dark; inside=1", "sid")
    records = [
        *(record("/api/x", ("Cookie", cookie)) for cookie in cookies),
        record("/api/x", ("cookie", "a=1"), ("COOKIE", "PHPSESSID=2")),
        record("/api/x", ("Authorization", "redacted-1")),
        record("/cart", ("Sec-WebSocket-Version", "13")),
        record("/caf\xe9"),
    ]
    state = read_state(write(tmp_path, records, redacted=3), TEMPLATES)
    assert state is not None
    api = state["/api/_"]
    assert (api.requests, api.session, api.authorization, api.upgrades) == (6, 3, 1, 0)
    assert set(api.cookies) == {"JSESSIONID", "connect.sid", "PHPSESSID"}
    assert state["/cart"].upgrades == 1
    assert state["other"].requests == 1


def test_names_of_cookies_are_bounded(tmp_path: Path) -> None:
    records = (record("/cart", ("Cookie", f"sess{n}=1")) for n in range(1_000))
    state = read_state(write(tmp_path, records), TEMPLATES)
    assert state is not None
    assert (state["/cart"].session, len(state["/cart"].cookies)) == (1_000, 100)


@pytest.mark.parametrize(
    ("headers", "redacted", "is_known"),
    [
        ([("Accept", "*/*")], 0, True),
        # Redaction without a key may have removed the cookies.
        ([("Accept", "*/*")], 1, False),
        ([("Accept", "*/*"), ("Cookie", "a=redacted-0")], 1, True),
        # An access log has no other fields.
        ([("User-Agent", "curl"), ("Referer", "/")], 0, False),
    ],
)
def test_missing_fields_say_nothing(
    tmp_path: Path, headers: list[tuple[str, str]], redacted: int, is_known: bool
) -> None:
    file = write(tmp_path, [record("/cart", *headers)], redacted)
    assert (read_state(file, TEMPLATES) is not None) is is_known


def test_what_is_no_capture_is_named(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"\x1f\x8b\x08")
    with pytest.raises(InputError, match="log: is packed by gzip"):
        read_state(file, TEMPLATES)
