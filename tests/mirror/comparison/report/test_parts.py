"""Checks that several comparisons add up exactly, and that nothing counts twice."""

from typing import Any

import msgspec
import pytest

from mirror.comparison.report.parts import Pairs, Part, Sum, add_up, instant, part_of
from mirror.errors import InputError
from mirror.formats.comparison import FORMAT, VERSION, Comparison, Example, Log, RouteComparison
from tests.mirror.formats.test_comparison import MISS


def route(name: str = "/api/_", **changes: Any) -> RouteComparison:
    """Return 97 pairs that are the same and three route misses."""
    plain = RouteComparison(
        name,
        {"2xx>2xx": 97, "2xx>4xx": 3},
        {"same": 97, "route_miss": 3},
        {"extra_copy": 5, "no_log_line": 2},
        {100: 60, 200: 40},
        {110: 60, 220: 40},
    )
    return msgspec.structs.replace(plain, **changes)


def document(*routes: RouteComparison, **changes: Any) -> Comparison:
    """Return what the sidecar `web-1` compared within an hour."""
    plain = Comparison(
        format=FORMAT,
        version=VERSION,
        instance="web-1",
        mode="sink",
        since_s=1_774_512_000,
        until_s=1_774_515_600,
        waiting=0,
        shows_origin=True,
        routes=list(routes) or [route()],
        examples=[],
        examples_not_kept=0,
        log=Log("udp://127.0.0.1:9912", 105, 100, 5, {}, 1_774_515_599.5),
    )
    return msgspec.structs.replace(plain, **changes)


def sum_of(*documents: Comparison) -> Sum:
    return add_up(part_of(document, document.instance) for document in documents)


def test_a_document_is_one_part() -> None:
    compared = sum_of(document(route(), route("/b")))
    assert list(compared.routes) == ["/api/_", "/b"]
    total = compared.total
    assert (total.number, total.new_errors, total.missing) == (200, 6, 4)
    assert total.primary == {100: 120, 200: 80}
    assert (compared.first_s, compared.last_s) == (1_774_512_000, 1_774_515_600)


def test_a_clock_that_was_set_back_leaves_a_time() -> None:
    part = part_of(document(since_s=2000, until_s=1000), "web-1")
    assert (part.first_s, part.last_s) == (2000, 2000)


def test_several_sidecars_add_up_exactly() -> None:
    one, other = document(), document(route(results={"same": 90, "x": 10}), instance="web-2")
    pairs = sum_of(one, other).routes["/api/_"]
    assert pairs.results == {"same": 187, "route_miss": 3, "x": 10}
    assert pairs.classes == {"2xx>2xx": 194, "2xx>4xx": 6}
    assert pairs.uncompared == {"extra_copy": 10, "no_log_line": 4}
    assert (pairs.primary, pairs.shadow) == ({100: 120, 200: 80}, {110: 120, 220: 80})
    # What a source said is left as it was.
    assert one.routes[0].results == {"same": 97, "route_miss": 3}


def test_examples_of_one_uri_become_one() -> None:
    newer = msgspec.structs.replace(MISS, count=5, first_s=900, last_s=2000, request_id="b2")
    other = msgspec.structs.replace(MISS, path="/other", count=6)
    documents = (
        document(examples=[MISS], examples_not_kept=1),
        document(examples=[newer, other], examples_not_kept=2, instance="web-2"),
    )
    compared = sum_of(*documents)
    first, second = compared.examples
    assert (first.count, first.first_s, first.last_s, first.request_id) == (7, 900, 2000, "b2")
    assert (second.path, second.count) == ("/other", 6)
    assert compared.examples_not_kept == 3


def test_one_sidecar_counts_once() -> None:
    later = document(until_s=1_774_519_200)
    with pytest.raises(InputError, match="both are of the sidecar 'web-1', and both cover 2026-"):
        sum_of(document(), later)
    # A restart begins anew.
    restarted = document(since_s=1_774_515_601, until_s=1_774_519_200)
    assert sum_of(document(), restarted).total.number == 200


def test_a_series_names_no_sidecar() -> None:
    one = part_of(document(), "web-1")
    overlapping = Part("series.db", one.last_s, one.last_s + 60, {"/api/_": Pairs()})
    for parts in ((one, overlapping), (overlapping, one)):
        with pytest.raises(InputError, match=r"^series\.db and web-1: both cover .* --from"):
            add_up(parts)
    later = Part("series.db", one.last_s + 1, one.last_s + 60, {})
    assert len(add_up((one, later)).parts) == 2


@pytest.mark.parametrize(
    ("unix_s", "words"), [(0, "1970-01-01 00:00:00"), (-1.0, "-1"), (1e300, "1e+300")]
)
def test_any_number_is_shown(unix_s: float, words: str) -> None:
    assert instant(unix_s) == words


def example(**changes: Any) -> Example:
    return msgspec.structs.replace(MISS, **changes)
