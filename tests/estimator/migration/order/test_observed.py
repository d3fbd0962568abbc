from collections import Counter

from estimator.migration.order.observed import Seen, seen_by_tag
from estimator.requests.observations import Observation
from estimator.routing.conditions import Conditions, Kind, Named, Text
from estimator.routing.request import Request
from estimator.routing.rules import Destination, Forward, Place, Redirect, Rule
from estimator.routing.table import RouteTable as NewRoutes
from estimator.routing.table import VirtualHost
from mirror.formats.routes import RouteTable

TEMPLATES = RouteTable(["/api/*", "/cart", "/watch/{id}"])


def rule(path: str, action: Forward | Redirect) -> Rule:
    place = Place("routes.yaml", 3, "VirtualService", "shop", "site")
    return Rule(place, Conditions(path=Text(Kind.PREFIX, path)), action)


def routes(*rules: Rule, port: int = 80) -> list[NewRoutes]:
    return [NewRoutes("gw", "shop", port, (VirtualHost(("*",), rules),))]


def observed(target: str, count: int = 1, method: str = "GET", **statuses: int) -> Observation:
    numbers = {int(status[1:]): number for status, number in statuses.items()}
    return Observation(Request("shop.example", method, target), count, statuses=numbers)


def test_methods_and_upgrades_of_each_path() -> None:
    seen = seen_by_tag(
        [
            observed("/api/x?y", 6),
            observed("/api/x", 3, "post", s201=3),
            observed("/api/ws", 1, s101=1),
            observed("/api/y", 2, ""),
            observed("/else"),
        ],
        TEMPLATES,
        (),
    )
    api = seen["/api/_"]
    assert (api.requests, api.write_ratio, api.upgrades) == (12, 0.3, 1)
    assert api.lost_ratio is None
    assert (api.answered, api.refused) == (4, 0)
    assert seen["other"].requests == 1


def test_losses_come_with_the_reason_of_the_most_frequent() -> None:
    seen = seen_by_tag(
        [
            observed("/api/v1/x", 90, s200=90),
            observed("/api/v2/y", 6, s200=4, s404=2),
            observed("/api/v3/z", 2, s200=2),
            observed("/cart", 5, s200=5),
        ],
        TEMPLATES,
        routes(
            rule("/api/v1/", Forward((Destination("app.shop", 80),))),
            rule("/cart", Redirect(authority="elsewhere.example")),
        ),
    )
    api = seen["/api/_"]
    # Production itself refused two of them, so nobody misses those.
    assert (api.served, api.lost, api.undecided) == (96, 6, 0)
    assert api.lost_ratio == 6 / 96
    assert api.why == "GET /api/v2/y: no rule for * takes it"
    assert api.services == {("app.shop.svc.cluster.local", 80)}
    assert api.rules == {"routes.yaml:3: VirtualService shop/site": 90}
    assert seen["/cart"].lost == 5
    assert seen["/cart"].why == "GET /cart: the gateway itself redirected it"


def test_a_loss_counts_more_than_an_undecided_request() -> None:
    asks = Conditions(
        path=Text(Kind.PREFIX, "/api/a"), headers=(Named("x-user", Text(Kind.EXACT, "1")),)
    )
    forward = Forward((Destination("app.shop", 80),))
    seen = seen_by_tag(
        [observed("/api/a", 9), observed("/api/b", 1)],
        TEMPLATES,
        routes(Rule(Place("r.yaml", 1, "HTTPRoute", "shop", "site"), asks, forward)),
    )["/api/_"]
    assert (seen.undecided, seen.lost) == (9, 1)
    assert seen.why == "GET /api/b: no rule for * takes it"


def test_services_are_named_as_istio_finds_them() -> None:
    forward = Forward(
        (
            Destination("app.shop", 80, 0.5),
            Destination("www.example.com", 443, 0.5),
            Destination("old.shop", 80, 0.0),
        )
    )
    seen = seen_by_tag([observed("/api/a")], TEMPLATES, routes(rule("/", forward)))
    assert seen["/api/_"].services == {
        ("app.shop.svc.cluster.local", 80),
        ("www.example.com", 443),
    }


def test_unknown_methods_have_no_share_of_writes() -> None:
    assert Seen(3, Counter({"": 3})).write_ratio is None


def test_ports_that_do_not_agree_decide_nothing() -> None:
    tables = [
        *routes(rule("/", Forward((Destination("app.shop", 80),)))),
        *routes(rule("/cart", Forward((Destination("app.shop", 80),))), port=443),
    ]
    seen = seen_by_tag([observed("/api/a"), observed("/cart")], TEMPLATES, tables)
    assert (seen["/api/_"].undecided, seen["/cart"].undecided) == (1, 0)


def test_what_is_not_judged_is_kept() -> None:
    place = Place("r.yaml", 7, "VirtualService", "shop", "site")
    forward = Forward((Destination("app.shop", 80),))
    odd = Rule(place, Conditions(path=Text(Kind.PREFIX, "/")), forward, ("r.yaml:7: a filter",))
    seen = seen_by_tag([observed("/cart", 3)], TEMPLATES, routes(odd))
    assert seen["/cart"].unjudged == {"r.yaml:7: a filter": 3}
