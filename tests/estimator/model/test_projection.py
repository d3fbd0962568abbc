from dataclasses import replace

import numpy as np
import pytest

from estimator.errors import Refused
from estimator.model.figure import Flag
from estimator.model.nodes.capacity import Cluster, NodePool
from estimator.model.policy import Policy
from estimator.model.projection import Projection, project
from estimator.series.rps import RpsSeries
from estimator.table.load_points import Component, Kind, LoadPoint, Resources, Table

MIB = 2**20
DAY = 86_400


def row(number: int, replicas: int, rps: float, cpu: float, memory_mib: int = 100) -> LoadPoint:
    usage = {"app": Resources(cpu, memory_mib * MIB), "proxy": Resources(cpu / 10, 20 * MIB)}
    return LoadPoint(number, replicas, rps, usage, error_ratio=0)


def component(name: str, *routes: str, kind: Kind = Kind.POD) -> Component:
    requests = {"app": Resources(500, 256 * MIB), "proxy": Resources(100, 64 * MIB)}
    points = (row(1, 2, 200, 100), row(2, 2, 600, 300, 180), row(3, 4, 2000, 500))
    return Component(name, kind, routes, requests, points)


API = component("api", "/api/_")
GATEWAY = component("gateway", "*", kind=Kind.GATEWAY)


def changed(recorded: RpsSeries, rows: slice | int, seconds: slice | int, rps: float) -> RpsSeries:
    """Return a series with other rates in these rows and seconds."""
    rates = recorded.rps.copy()
    rates[rows, seconds] = rps
    return replace(recorded, rps=rates)


def series(seconds: int = DAY, **routes: float) -> RpsSeries:
    """Return a day at 1 rps; the n-th route has its peak in the n-th second."""
    names = {"api": "/api/_", "watch": "/watch/_id_", "other": "other"}
    rps = np.ones((len(routes), seconds))
    for index, peak in enumerate(routes.values()):
        rps[index, index] = peak
    return RpsSeries("test", 1000, 1, tuple(names.get(route, f"/{route}") for route in routes), rps)


# Without any reserve, the result is pure arithmetic.
PLAIN = Policy(imbalance=1, lose_pods=0)


def answer(recorded: RpsSeries, *components: Component, policy: Policy = PLAIN) -> Projection:
    return project(recorded, Table("t.yaml", components), policy)


def refusal(recorded: RpsSeries, *components: Component) -> str:
    with pytest.raises(Refused) as caught:
        answer(recorded, *components)
    return str(caught.value)


def test_peak_is_of_the_sum_in_one_second() -> None:
    # The peaks of 500 and 400 rps are in different seconds, each with 1 rps of the other route.
    (gateway,) = answer(series(api=500, watch=400), GATEWAY).components
    assert gateway.peak.value == 501
    assert gateway.peak_second == 1000
    assert gateway.peak.reason == "maximum over every second of the sum over all routes"


def test_component_counts_its_own_routes() -> None:
    (api,) = answer(series(api=500, watch=900), API).components
    assert api.peak.value == 500
    assert api.peak.reason == "maximum over every second of the sum over /api/_"


def test_coarse_series_says_so_in_the_reason() -> None:
    (api,) = answer(replace(series(api=500), resolution_s=60), API).components
    assert "each 60 s bucket" in api.peak.reason


def test_totals_are_replicas_times_containers() -> None:
    (api,) = answer(series(api=1000), API).components
    app = api.containers["app"]
    # Each replica serves 250 rps; that is 274.9m with the margin, divided by 0.6.
    assert api.replicas.value == 4
    assert app.cpu_used.value == pytest.approx(250)
    assert app.cpu_request.value == 460
    assert api.total.cpu_request.value == 4 * (460 + 50)
    # 180 MiB plus 15 %; 20 MiB is below half of the minimum for a Pod.
    assert api.total.memory_request.value == 4 * (207 + 64) * MIB
    assert api.total.cpu_used.value == pytest.approx(4 * 275)
    assert api.total.memory_used.value == 4 * 200 * MIB
    assert api.cpu_utilisation.value == pytest.approx(275 / 510)


def test_components_add_up() -> None:
    projection = answer(series(api=1000), API, GATEWAY)
    parts = [part.total.cpu_request.value for part in projection.components]
    assert projection.total.cpu_request.value == sum(parts)


def test_every_figure_has_a_unit_and_a_reason() -> None:
    (api,) = answer(series(api=1000), API).components
    figures = [api.peak, api.replicas, api.capacity, api.rps_per_replica, api.cpu_utilisation]
    for amounts in (api.total, *api.containers.values()):
        figures += [amounts.cpu_request, amounts.memory_request]
        figures += [amounts.cpu_used, amounts.memory_used]
    assert all(figure.unit and figure.reason for figure in figures)


def test_rows_are_evidence() -> None:
    failing = replace(row(4, 4, 9000, 900), error_ratio=0.3)
    (api,) = answer(series(api=1000), replace(API, points=(*API.points, failing))).components
    assert api.rows_used == (1, 2, 3)
    assert api.rows_nearest == (1, 2)
    assert api.rows_excluded == {4: "error_ratio 0.3 is above 0.01"}
    assert api.containers["app"].cpu_used.reason == (
        "load curve at 250 rps per replica, next to rows 1, 2"
    )


def test_less_than_every_row_is_flagged() -> None:
    (api,) = answer(series(api=50), API).components
    assert "below every row used" in api.warnings[0]
    assert "smallest row (row 1)" in api.containers["app"].cpu_used.reason


def test_single_row_is_flagged() -> None:
    (api,) = answer(series(api=150), replace(API, points=API.points[:1])).components
    assert any("rests on a single row" in warning for warning in api.warnings)


def test_memory_above_its_request_is_flagged() -> None:
    hungry = replace(API, points=(*API.points, row(4, 2, 700, 310, 300)))
    (api,) = answer(series(api=500), hungry).components
    assert (
        "app used 300Mi of memory in a row, above its request of 256Mi: raise the request"
    ) in api.warnings
    assert api.containers["app"].memory_request.value == 345 * MIB


def test_table_route_never_seen_is_a_warning() -> None:
    (api,) = answer(series(api=500), component("api", "/api/_", "/gone")).components
    assert "route /gone was never seen in the series: its traffic counts as none" in api.warnings


def test_series_route_without_a_pod_is_a_warning() -> None:
    # The gateway serves all routes, which must not hide that /watch has no pod.
    projection = answer(series(api=500, watch=40), API, GATEWAY)
    assert projection.warnings == ("route /watch/_id_ (peak 40 rps) is not covered by any pod",)


def test_busiest_of_many_series_routes_without_a_pod_are_named() -> None:
    many = {f"r{number}": 10 + number for number in range(8)}
    *named, more = answer(series(api=500, **many), API, GATEWAY).warnings
    assert [words.split()[1] for words in named] == [f"/r{n}" for n in (7, 6, 5, 4, 3)]
    assert more == "3 more routes (peak at most 12 rps each) are not covered by any pod"


def test_table_of_gateways_misses_no_pods() -> None:
    assert answer(series(api=500, watch=40), GATEWAY).warnings == ()


def test_silent_route_is_no_warning() -> None:
    recorded = changed(series(api=500, watch=0), 1, slice(None), 0)
    assert answer(recorded, API).warnings == ()


def test_component_without_traffic_is_refused() -> None:
    message = refusal(series(watch=500), API)
    assert "api: none of its routes (/api/_) had a request in the series" in message
    assert "The series has the routes /watch/_id_" in message


def test_component_with_zero_traffic_is_refused() -> None:
    recorded = changed(series(watch=500, api=0), 1, slice(None), 0)
    assert "had a request in the series" in refusal(recorded, API)


def test_component_without_traffic_is_left_out_beside_others() -> None:
    found = answer(series(watch=500), API, GATEWAY)
    assert [component.name for component in found.components] == [GATEWAY.name]
    assert found.warnings[0] == (
        "api: none of its routes (/api/_) had a request in the series, so it is not sized: nothing"
        " is known of its peak"
    )


def test_gateway_of_named_routes_is_bounded_by_pods_of_all() -> None:
    unknown = "what the called services can take is not known: the pods alone decide"
    for pods, counts in (("*", True), ("/api/_", True), ("other", False)):
        named = replace(GATEWAY, routes=("/api/_",))
        found = answer(series(api=500, other=500), replace(API, routes=(pods,)), named)
        limits = found.components[1].rate_limits
        assert limits is not None
        assert (unknown not in limits.notes) == counts


def test_every_refusal_is_named_and_nothing_answered() -> None:
    idle = replace(GATEWAY, points=(row(1, 1, 0, 10),))
    message = refusal(
        series(api=5000), idle, replace(API, points=()), component("watch", "/watch/_id_")
    )
    lines = message.splitlines()
    assert [line.split(":")[0] for line in lines] == ["gateway", "api", "watch"]


def test_more_than_was_measured_is_flagged_everywhere() -> None:
    (api,) = answer(series(api=5000), API).components
    assert api.replicas.flags == (Flag.SCALED_LINEARLY,)
    assert api.replicas.high is not None and api.replicas.high > api.replicas.value
    assert any(
        "replicas are assumed not to disturb each other" in warning for warning in api.warnings
    )


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_series_without_a_request_is_refused(value: float) -> None:
    empty = RpsSeries("test", 0, 1, ("/api/_",), np.full((1, 5), value))
    assert "no request was observed in it" in refusal(empty, API)


def test_zones_of_the_nodes_that_replicas_do_not_cover_are_a_warning() -> None:
    pool = NodePool("p", Resources(4000, 2**34), Resources(4000, 2**34), "given", 110, {}, None)
    cluster = Cluster("nodes.yaml", (pool,), (), 3, {}, "EUR", None, "")
    table = Table("t", (API,))
    (warning,) = project(series(api=500), table, PLAIN, cluster).warnings
    assert warning.startswith("nodes.yaml names 3 zone(s), replicas are counted for 1")
    assert project(series(api=500), table, replace(PLAIN, zones=3), cluster).warnings == ()


def test_fixed_choices_are_listed_as_assumed() -> None:
    listed = assumptions(answer(series(api=500), API))
    assert listed["memory margin"] == ("1.15", True)
    assert "stabilisation 300 s" in listed["HPA behaviour"][0]


def assumptions(projection: Projection) -> dict[str, tuple[str, bool]]:
    return {
        assumption.name: (assumption.value, assumption.is_default)
        for assumption in projection.assumptions
    }


def test_defaults_are_listed_as_assumed() -> None:
    listed = assumptions(answer(series(api=500), API))
    assert listed["target utilisation"] == ("0.6", True)
    assert listed["min replicas"] == ("2", True)


def test_what_was_given_is_not_a_default() -> None:
    listed = assumptions(answer(series(api=500), API, policy=Policy(0.5, 3)))
    assert listed["target utilisation"] == ("0.5", False)
    assert listed["min replicas"] == ("3", False)


def test_error_ratio_not_stated_is_listed() -> None:
    unstated = replace(API, points=tuple(replace(p, error_ratio=None) for p in API.points))
    reasons = [assumption.reason for assumption in answer(series(api=500), unstated).assumptions]
    assert "not stated for api rows 1, 2, 3" in reasons


def test_caveats_of_the_series_are_listed() -> None:
    recorded = replace(series(api=500), caveats=("an upper bound",))
    assert answer(recorded, API).assumptions[-1].reason == "an upper bound"


def test_nodes_hold_a_rolling_update_too() -> None:
    pool = NodePool("p", Resources(4000, 2**34), Resources(1030, 2**34), "given", 110, {}, None)
    cluster = Cluster("nodes.yaml", (pool,), (), 1, {}, "EUR", None, "")
    projection = project(series(api=1000), Table("t.yaml", (API,)), PLAIN, cluster)
    # Four replicas of 510m, one more during an update, and two on a node.
    assert projection.nodes is not None
    assert projection.nodes.nodes.value == 3
    assert projection.components[0].explanation[-1].topic == "nodes"
    assert answer(series(api=1000), API).nodes is None


def test_phase_two_has_gateways_only() -> None:
    projection = answer(series(api=500, watch=40), API, GATEWAY, policy=replace(PLAIN, phase=2))
    assert [part.name for part in projection.components] == ["gateway"]


def test_chosen_paths_move_together() -> None:
    recorded = series(api=500, watch=400)
    projection = answer(recorded, API, GATEWAY, policy=replace(PLAIN, paths=("/watch/_id_",)))
    assert [part.name for part in projection.components] == ["gateway"]
    assert projection.components[0].peak.value == 400
    assert projection.phases[0].paths == ("/watch/_id_",)


def test_every_phase_and_every_path_is_projected() -> None:
    projection = answer(series(api=500, watch=400), API, GATEWAY)
    assert [phase.phase for phase in projection.phases] == [2, 3]
    assert set(projection.phases[1].replicas) == {"api", "gateway"}
    assert projection.phases[1].replicas["api"].value == projection.components[0].replicas.value
    assert [path.path for path in projection.paths] == ["/api/_", "/watch/_id_"]
    # No pod of the table serves /watch.
    assert set(projection.paths[1].phases[1].replicas) == {"gateway"}


def test_no_component_for_the_phase_is_refused() -> None:
    with pytest.raises(Refused, match="has no component for phase 2"):
        answer(series(api=500), API, policy=replace(PLAIN, phase=2))


def test_pods_bound_what_a_gateway_lets_through() -> None:
    # The burst is in the second of the other route's peak; the pods receive a quarter of it.
    recorded = changed(series(api=500, watch=1), 1, 0, 1500)
    projection = answer(recorded, API, GATEWAY)
    api, gateway = projection.components
    assert api.rate_limits is not None and gateway.rate_limits is not None
    limit = gateway.rate_limits.global_limit
    pods = api.rate_limits.local.value * api.replicas.value
    own = gateway.rate_limits.local.value * gateway.replicas.value
    assert limit is not None
    assert limit.value == pytest.approx(min(own, 4 * pods))
    assert limit.value > pods


def test_all_routes_are_drawn() -> None:
    projection = answer(series(api=500, watch=400), API)
    assert projection.demand_plot is not None
    assert np.nanmax(projection.demand_plot.highest_rps) == 501


def test_what_was_left_out_is_the_first_warning() -> None:
    recorded = replace(series(api=300, watch=50), warnings=("2% of its points were left out",))
    first, second = answer(recorded, API).warnings
    assert first == "2% of its points were left out"
    assert "is not covered" in second


def test_a_peak_of_one_second_is_doubted_with_the_answer_without_it() -> None:
    steady = changed(series(api=300), 0, slice(None), 300)
    calm, spiky = answer(steady, API), answer(changed(steady, 0, 5000, 3000), API)
    doubt = spiky.low_confidence[-1]
    assert doubt.startswith(
        "api: the peak of 3,000 rps at 1970-01-01 01:40:00 UTC rests on 1 s of all the time;"
        " without that the highest is 300 rps, for which"
    )
    needed, without = spiky.components[0].replicas.value, calm.components[0].replicas.value
    assert f"{without:g} of the {needed:g} replicas are enough" in doubt
    assert needed > 5 * without
    assert not any("rests on" in other for other in calm.low_confidence)


def test_requests_that_nobody_stated_are_assumed_down_to_the_replicas() -> None:
    stated = answer(series(api=500), API)
    assumed = answer(series(api=500), replace(API, assumed=("requests",)))
    assert Flag.ASSUMED not in stated.components[0].replicas.flags
    assert Flag.ASSUMED in assumed.components[0].replicas.flags
    (doubt,) = set(assumed.low_confidence) - set(stated.low_confidence)
    assert doubt.startswith("api: nobody stated its requests, and they decide its replicas")


def test_only_components_of_the_answer_are_doubted() -> None:
    pod = replace(API, assumed=("requests",))
    gateways = answer(series(api=500), pod, GATEWAY, policy=replace(PLAIN, phase=2))
    assert [c.name for c in gateways.components] == ["gateway"]
    assert not any("nobody stated" in doubt for doubt in gateways.low_confidence)
