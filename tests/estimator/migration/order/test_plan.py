from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from estimator.errors import Refused
from estimator.migration.order.groups import Group, Placed
from estimator.migration.order.observed import Seen
from estimator.migration.order.plan import Evidence, plan
from estimator.series.ended_legs import EndedLegs
from estimator.series.rps import RpsSeries
from mirror.formats.routes import RouteTable
from tests.estimator.migration.order.test_moves import SITES

TEMPLATES = ("/api/*", "/cart", "/a%20b")
HOURS = 7 * 24
SERIES = RpsSeries(
    "series file s.db",
    0,
    3_600,
    ("/api/_", "/cart", "/a_20b", "other"),
    np.tile([[900.0, 900.0], [1.0, 2.0], [1.0, 1.0], [0.0, 1.0]], HOURS // 2),
    averaging_s=1,
)


def evidence(seen: Mapping[str, Seen] | None = None, series: RpsSeries = SERIES) -> Evidence:
    return Evidence(series, RouteTable(TEMPLATES), seen, None, None, seen is not None)


def test_every_tag_is_in_a_group_and_moves_if_it_can() -> None:
    reads = {tag: Seen(9, Counter({"GET": 9}), served=9) for tag in SERIES.routes}
    result = plan(evidence(reads), SITES)
    assert [(path.placed.facts.tag, path.placed.group) for path in result.paths] == [
        ("/cart", Group.SWITCH_NOW),
        ("/api/_", Group.MIRROR_FIRST),
        ("/a_20b", Group.NEEDS_WORK),
        ("other", Group.NEEDS_WORK),
    ]
    assert [len(path.moves) for path in result.paths] == [2, 2, 0, 0]
    (reason,) = result.paths[2].placed.reasons
    assert "not every program can express its template" in reason
    assert result.doubts == ()
    assert [path.placed.facts.tag for path in result.of(Group.NEEDS_WORK)] == ["/a_20b", "other"]


def test_what_was_not_read_is_a_doubt() -> None:
    series = replace(SERIES, routes=("/x", "/y", "/z", "other"), doubts=("3 lines left out",))
    series = replace(series, caveats=("the last second is not whole",))
    result = plan(evidence(series=series), SITES)
    assert result.notes == (
        "the last second is not whole",
        "nothing is known about sessions: only a capture that has its cookies shows them",
        "nothing is known about errors of copies: only a series.db holds them",
    )
    assert result.doubts == (
        "3 lines left out",
        "no source of requests was read, so neither methods nor upgrades are known",
        "no routes of the new cluster were read, so a path may be rejected there",
        "no template is given for /x, /y, /z",
    )


def test_little_time_is_a_doubt() -> None:
    series = replace(SERIES, resolution_s=60)
    (doubt,) = plan(evidence({}, series), SITES).doubts
    assert doubt.startswith("only 2h48m were observed, less than 1d")


def test_what_is_not_judged_is_a_doubt() -> None:
    seen = {tag: Seen(3, unjudged=Counter({"r.yaml:7: a filter": 3})) for tag in ("/cart", "other")}
    assert plan(evidence(seen), SITES).doubts == (
        "r.yaml:7: a filter: 6 requests pass it, and it is not judged",
    )


def test_the_new_routes_name_the_service() -> None:
    seen = Seen(9, Counter({"GET": 9}), services={("bff.shop.svc.cluster.local", 8080)})
    result = plan(evidence({"/cart": seen, "/api/_": Seen()}), SITES)
    texts = {path.placed.facts.tag: path.moves[1].steps[0][1].text for path in result.paths[:2]}
    assert "host: bff.shop.svc.cluster.local" in texts["/cart"]
    assert "host: app\n" in texts["/api/_"]


def test_a_series_without_observed_time_is_refused() -> None:
    series = replace(SERIES, rps=np.full((4, HOURS), np.nan))
    with pytest.raises(Refused, match="no observed time"):
        plan(evidence(series=series), SITES)


def test_all_other_paths_count_only_if_there_are_any() -> None:
    series = replace(SERIES, rps=np.tile([[9.0], [1.0], [1.0], [0.0]], HOURS))
    assert "other" not in [
        path.placed.facts.tag for path in plan(evidence(series=series), SITES).paths
    ]


def test_new_errors_of_the_mirror_need_work() -> None:
    seen = {"/cart": Seen(900, Counter({"GET": 900}), answered=900, refused=9)}
    legs = {
        "/cart": EndedLegs(Counter({"2xx": 900, "4xx": 60, "timeout": 40})),
        "/api/_": EndedLegs(Counter({"2xx": 990, "4xx": 10}), Counter({"2xx": 990, "4xx": 10})),
    }
    result = plan(replace(evidence(seen), legs=legs), SITES)
    cart, api = (
        next(path.placed for path in result.paths if path.placed.facts.tag == tag) for tag in legs
    )
    assert cart.group is Group.NEEDS_WORK
    assert cart.reasons[0] == (
        "mirroring met errors for 10% of its copies (4xx 60, timeout 40, of 1,000), and production"
        " for 1% of its requests: find out why first"
    )
    assert api.group is Group.MIRROR_FIRST
    assert "1,000 copies of its requests met no new errors beyond noise" in api.hints
    assert "nothing is known about errors of copies" not in " ".join(result.notes)


def test_without_productions_answers_a_refusal_is_no_error() -> None:
    legs = {"/cart": EndedLegs(Counter({"2xx": 900, "4xx": 99, "5xx": 1}))}
    (cart,) = (
        path.placed
        for path in plan(replace(evidence({}), legs=legs), SITES).paths
        if path.placed.facts.tag == "/cart"
    )
    assert cart.group is Group.SWITCH_NOW
    assert cart.hints[0] == (
        "1,000 copies of its requests met no new errors beyond noise, as far as 5xx and failures"
        " tell"
    )


def placed_cart(legs: EndedLegs) -> Placed:
    planned = plan(replace(evidence({}), legs={"/cart": legs}), SITES)
    (cart,) = (path.placed for path in planned.paths if path.placed.facts.tag == "/cart")
    return cart


def test_pairs_say_more_than_the_sums_of_both_sides() -> None:
    shadow = Counter({"2xx": 900, "4xx": 100})
    alike = placed_cart(EndedLegs(shadow, compared=Counter({"same": 1000})))
    assert alike.group is Group.SWITCH_NOW
    assert alike.hints[0] == (
        "1,000 copies of its requests, each compared with production's answer, met no new errors"
        " beyond noise"
    )
    missed = placed_cart(EndedLegs(shadow, compared=Counter({"same": 950, "route_miss": 50})))
    assert missed.group is Group.NEEDS_WORK
    assert missed.reasons[0] == (
        "mirroring met new errors for 5% of its copies that were compared with production's answer"
        " (route_miss 50, of 1,000): `mirror compare` says what to do about them"
    )


def test_few_pairs_of_many_copies_do_not_speak_for_all() -> None:
    shadow, pairs = Counter({"2xx": 90_000, "5xx": 10_000}), Counter({"same": 999})
    assert placed_cart(EndedLegs(shadow, compared=pairs)).group is Group.NEEDS_WORK
    few = EndedLegs(Counter({"2xx": 90, "5xx": 10}), compared=Counter({"same": 100}))
    assert placed_cart(few).group is Group.SWITCH_NOW
