"""Checks one exchange until its legs start; test_tee.py checks what becomes of the legs."""

import pytest

from mirror.core.http1 import LENGTH
from mirror.core.request_head import RequestHead
from mirror.proxy.exchange import Exchange
from mirror.proxy.tee import Tee
from tests.fakes import make_config, run, turns


def head_of(method: bytes = b"GET", length: int = 0) -> RequestHead:
    head = RequestHead(method, 1, keep_alive=True)
    head.target = b"/a"
    head.start = b"%b /a HTTP/1.1\r\nHost: h\r\n" % method
    if length:
        head.framing = LENGTH
        head.content_length = length
    return head


@pytest.mark.parametrize(
    ("mode", "sections", "has_pair"),
    [
        ("inline", {}, True),
        ("inline", {"comparison": {"enabled": False}}, False),
        ("inline", {"shadow_ratio": 0}, False),
        ("sink", {}, False),
        ("sink", {"comparison": {"access_log": "udp://127.0.0.1:9912"}}, False),
    ],
)
def test_only_what_is_compared_here_has_a_pair(
    mode: str, sections: dict[str, object], has_pair: bool
) -> None:
    async def main() -> None:
        primary = 9 if mode == "inline" else None
        tee = Tee(make_config(mode, primary, **sections))
        exchange = Exchange(tee, head_of())
        assert (exchange.pair is not None) == has_pair
        exchange.end([])
        assert all(leg.pair is exchange.pair for leg in tee._gathered)
        await turns()
        tee.cut()

    run(main)


def test_copies_beyond_the_first_are_extra() -> None:
    async def main() -> None:
        tee = Tee(make_config(shadow_ratio=3))
        Exchange(tee, head_of()).end([])
        assert [leg.is_extra for leg in tee._gathered] == [False, True, True]
        await turns()
        tee.cut()

    run(main)


def test_a_request_that_never_ends_holds_nothing() -> None:
    async def main() -> None:
        tee = Tee(make_config(shadow_methods=["POST"]))
        exchange = Exchange(tee, head_of(b"POST", 9))
        exchange.add_body(b"half")
        assert (tee.reading, tee.budget.held_bytes > 0) == (1, True)
        exchange.abandon()
        assert (tee.reading, tee.budget.held_bytes) == (0, 0)
        assert tee.ledger.counts["shed", "/a", "downstream_lost"] == 1

    run(main)
