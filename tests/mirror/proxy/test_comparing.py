"""Checks what a worker keeps of a leg, and reports, in each mode."""

from mirror.core.comparison.answer import TLS, Answer
from mirror.core.comparison.pairs import Pair
from mirror.core.comparison.piece import Copy, Piece
from mirror.core.worker_ledger import Ledger
from mirror.proxy.comparing import Comparing
from mirror.proxy.shadow_leg import ShadowLeg
from tests.fakes import make_config

REQUEST = b"GET /a HTTP/1.1\r\nHost: h\r\nX-Mirror-Request-Id: 9f\r\n\r\n"
MISS = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nserver: istio-envoy\r\n\r\n"
LOG = {"access_log": "udp://127.0.0.1:9912"}


def leg_of(pair: Pair | None = None, is_extra: bool = False) -> ShadowLeg:
    leg = ShadowLeg("/a", REQUEST, False, pair)
    leg.is_extra = is_extra
    leg.status, leg.body_bytes, leg.opening = 404, 0, MISS
    return leg


def test_inline_judges_pairs_here() -> None:
    counts = Ledger(10)
    comparing = Comparing(make_config("inline", 9), counts)
    pair = comparing.new_pair("/a")
    assert pair is not None
    comparing.leg_ended(leg_of(pair), "4xx", 7)
    comparing.leg_ended(leg_of(pair, is_extra=True), "4xx", 7)
    assert comparing.piece() == Piece(1)
    comparing.primary_ended(pair, Answer(200, "2xx", 5, 6), REQUEST)
    piece = comparing.piece()
    assert piece is not None and piece.waiting == 0
    assert [(each.result, each.request_id) for each in piece.examples] == [("route_miss", "9f")]
    assert counts.report(0, 0).totals == {
        ("uncompared", "/a", "extra_copy"): 1,
        ("compared", "/a", "route_miss"): 1,
        ("compared.classes", "/a", "2xx>4xx"): 1,
    }


def test_sink_reports_copies_where_a_log_is_named() -> None:
    counts = Ledger(10)
    comparing = Comparing(make_config(comparison=LOG), counts)
    assert comparing.new_pair("/a") is None
    answer = comparing.leg_ended(leg_of(), "4xx", 7)
    comparing.leg_ended(leg_of(is_extra=True), "4xx", 7)
    piece = comparing.piece()
    assert piece is not None
    assert [(each.id, each.shadow) for each in piece.copies] == [("9f", answer)]
    assert isinstance(piece.copies[0], Copy) and piece.waiting == 0
    assert counts.report(0, 0).totals == {("uncompared", "/a", "extra_copy"): 1}


def test_what_is_off_reports_nothing_and_still_names_the_answer() -> None:
    for config in (make_config(), make_config(comparison={"enabled": False, **LOG})):
        counts = Ledger(10)
        comparing = Comparing(config, counts)
        assert comparing.piece() is None
        answer = comparing.leg_ended(leg_of(), "4xx", 7)
        assert (answer.status, answer.is_from_proxy, answer.latency_us) == (404, True, 7)
        assert counts.report(0, 0).totals == {}


def test_a_failed_handshake_is_told_from_other_failures() -> None:
    comparing = Comparing(make_config(), Ledger(10))
    leg = ShadowLeg("/a", REQUEST, False)
    assert comparing.leg_ended(leg, "connect_failed", -1, is_of_tls=True).detail == TLS
    assert comparing.leg_ended(leg, "connect_failed", -1) == Answer(0, "connect_failed")


def test_the_piece_says_whether_answers_name_their_origin() -> None:
    comparing = Comparing(make_config("inline", 9), Ledger(10))
    leg = ShadowLeg("/a", REQUEST, False)
    leg.status, leg.opening = 200, b"HTTP/1.1 200 OK\r\nx-envoy-upstream-service-time: 1\r\n\r\n"
    comparing.leg_ended(leg, "2xx", 1)
    piece = comparing.piece()
    assert piece is not None and piece.shows_origin is True


def test_a_redirect_knows_where_its_request_was() -> None:
    for config in (make_config("inline", 9), make_config(comparison=LOG)):
        comparing = Comparing(config, Ledger(10))
        leg = leg_of(comparing.new_pair("/a"))
        leg.status = 302
        leg.opening = b"HTTP/1.1 302 Found\r\nlocation: b\r\nserver: istio-envoy\r\n\r\n"
        answer = comparing.leg_ended(leg, "3xx", 7)
        assert (answer.location, answer.base) == ("b", "//h/a")
        assert comparing.leg_ended(leg_of(), "4xx", 7).base == ""
