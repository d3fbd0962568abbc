"""Checks how requests are read that the parser refuses, whole and in pieces."""

import pytest

from mirror.core.request_head import RequestHead
from mirror.proxy.downstream.reader import RequestReader
from tests.fakes import split

HEAD = b"BAN /\xff#\x01 HTTP/1.1\r\nHost: h\r\nCookie: a=\x7f\r\nContent-Length: 5\r\n\r\n"
START = b"BAN /\xff#\x01 HTTP/1.1\r\nHost: h\r\nCookie: a=\x7f\r\n"
GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
H2C = (
    b"POST /a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: x\r\nContent-Length: 5\r\n\r\n"
)


class Reader(RequestReader):
    """A reader that writes down what it is told."""

    def __init__(self) -> None:
        super().__init__(max_head_bytes=1000)
        self.told: list[object] = []
        self.refusals: list[tuple[int, str]] = []

    @property
    def is_idle(self) -> bool:
        return False

    def request_begun(self, head: RequestHead) -> None:
        self.told.append(head.start)

    def request_body(self, data: bytes) -> None:
        if self.told and isinstance(self.told[-1], list):
            self.told[-1].append(data)
        else:
            self.told.append([data])

    def request_ended(self, trailers: list[bytes]) -> None:
        self.told.append("end")

    def request_broken(self) -> bool:
        return True

    def refuse(self, status: int, reason: str) -> None:
        self.refusals.append((status, reason))
        self._reading = 4  # CLOSING

    def wait_for_request(self) -> None:
        pass

    def close(self) -> None:
        pass

    @property
    def heads(self) -> list[object]:
        return [told for told in self.told if isinstance(told, bytes)]

    @property
    def body(self) -> bytes:
        return b"".join(b"".join(told) for told in self.told if isinstance(told, list))


def read(*pieces: bytes) -> Reader:
    reader = Reader()
    for piece in pieces:
        reader.data_received(piece)
    return reader


def test_an_odd_head_is_read_at_every_cut() -> None:
    data = HEAD + b"hello" + GET
    for cut in range(1, len(data)):
        reader = read(data[:cut], data[cut:])
        assert reader.heads == [START, GET[:-2]], cut
        assert (reader.body, reader.refusals) == (b"hello", []), cut
    reader = read(*split(data))
    assert (reader.heads, reader.body) == ([START, GET[:-2]], b"hello")


def test_odd_heads_follow_each_other() -> None:
    reader = read(HEAD + b"hello", GET, HEAD, b"hello", HEAD + b"hello")
    assert reader.heads == [START, GET[:-2], START, START]
    assert reader.body == b"hello" * 3


def test_an_upgrade_with_a_body_is_ignored_at_every_cut() -> None:
    data = H2C + b"hello" + GET
    for cut in range(1, len(data)):
        reader = read(data[:cut], data[cut:])
        assert reader.heads == [b"POST /a HTTP/1.1\r\nHost: h\r\n", GET[:-2]], cut
        assert (reader.body, reader.refusals) == (b"hello", []), cut


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket"])
def test_an_odd_head_follows_an_upgrade(upgrade: bytes) -> None:
    """The primary may answer without switching, and the connection serves on."""
    asked = b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\n" % upgrade
    for cut in range(1, len(asked)):
        reader = read(asked[:cut], asked[cut:], HEAD + b"hello")
        assert (reader.heads[1:], reader.refusals) == ([START], []), cut


def test_an_odd_head_with_an_upgrade_and_a_body_is_read() -> None:
    odd = H2C.replace(b"/a", b"/\xff") + b"hello"
    reader = read(odd, GET)
    assert reader.heads == [b"POST /\xff HTTP/1.1\r\nHost: h\r\n", GET[:-2]]
    assert (reader.body, reader.refusals) == (b"hello", [])


@pytest.mark.parametrize("pieces", [[START, b"x" * 2000], [START, *[b"x" * 100] * 20]])
def test_an_odd_head_is_bounded(pieces: list[bytes]) -> None:
    assert read(*pieces).refusals == [(431, "head_too_large")]


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\r\nHost: h\r\n", START])
def test_a_head_has_at_most_200_fields(start: bytes) -> None:
    most = start + b"a:\r\n" * (200 - start.count(b"\n") + 1)
    assert [len(read(piece).heads) for piece in (most + b"\r\n", most)] == [1, 0]
    assert read(most).refusals == []
    reader = read(most + b"a:\r\n\r\n")
    assert (reader.refusals, reader.heads) == ([(431, "too_many_fields")], [])


def test_too_many_fields_are_refused_before_their_end() -> None:
    assert read(GET[:-2] + b"a:\r\n" * 200 + b"b").refusals == [(431, "too_many_fields")]


def test_a_trailer_section_has_at_most_200_fields() -> None:
    chunks = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    trailers = b"a:\r\n" * 200
    assert read(chunks + trailers + b"\r\n").told[-1] == "end"
    for data in (chunks + trailers + b"a:\r\n\r\n", chunks + trailers + b"a:\r\nb"):
        reader = read(data)
        assert reader.refusals == [(431, "too_many_fields")]
        assert "end" not in reader.told


def test_an_odd_head_behind_another_request_of_the_same_read_is_refused() -> None:
    """nginx never pipelines, and where the head began is not known."""
    reader = read(GET + HEAD)
    assert reader.refusals == [(501, "method")]


@pytest.mark.parametrize(
    "data",
    [
        b"BAN / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"BAN / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"BAN / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\x0b\r\n\r\n",
        b"BAN / HTTP/1.1\r\nHost: h\r\nA: 1\nContent-Length: 5\r\n\r\n",
        b"BAN / HTTP/1.1\r\nHost: h\r\nHost: g\r\n\r\n",
        b"BAN / HTTP/1.1\r\nHost: h\r\nA : 1\r\n\r\n",
        b"BAN / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_an_odd_line_does_not_soften_framing(data: bytes) -> None:
    for reader in (read(data), read(*split(data))):
        assert len(reader.refusals) == 1
        assert reader.told == []


def test_few_empty_lines_are_skipped() -> None:
    assert read(b"\r\n" * 4 + GET).heads == [GET[:-2]]
    assert read(b"\r\n", b"\r", b"\n", GET).heads == [GET[:-2]]
    assert read(b"\r\n" * 4 + HEAD + b"hello").heads == [START]
    assert read(GET + b"\r\n", GET).heads == [GET[:-2]] * 2


@pytest.mark.parametrize("pieces", [[b"\r\n" * 5 + GET], [b"\r\n"] * 5, [b"\n" * (1 << 20)]])
def test_many_empty_lines_are_refused(pieces: list[bytes]) -> None:
    assert read(*pieces).refusals == [(400, "empty_lines")]
