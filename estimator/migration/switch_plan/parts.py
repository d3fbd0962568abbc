"""A component whose traffic moves: what is known of it before a step is planned.

It is what `estimate` projects for the component on the day of the switch, and the HPA that stands
on the new side while nobody touches it. Where no HPA is recommended (autoscaling/fixed_count.py),
one from the policy's minimum to all replicas at the target utilisation stands for it in the
simulation: whoever switches has one, or a count that nobody adds to, which is no better.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from estimator.migration.switch_plan.compared import Compared, Legs, compared_of
from estimator.model import chain
from estimator.model.autoscaling.metric import pod_of
from estimator.model.autoscaling.simulation import STABILISATION_S, HpaLoop, Pod
from estimator.model.component import ComponentProjection
from estimator.model.demand.hours import with_dispersion
from estimator.model.demand.scenario import Observed
from estimator.model.demand.traffic import Traffic
from estimator.model.evidence.evidence import Evidence, gather
from estimator.model.policy import Policy
from estimator.model.projection import Projection
from estimator.table.load_points import Component, Table


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One component and its moving routes."""

    observed: Observed
    """The demand of its moving routes."""
    served: Observed | None
    """That of its routes which the new side serves already; None without any."""
    evidence: Evidence
    policy: Policy
    """With the component's share of a latency objective."""
    of_hours: Policy
    """The same with the dispersion of its own series."""
    projection: ComponentProjection
    """What `estimate` says of it."""
    pod: Pod
    compared: Compared | None
    """What its copies met; None where nothing was compared."""

    @property
    def growth(self) -> float:
        """Growth and event."""
        demand = self.projection.demand
        return 1.0 if demand is None else demand.growth.value * demand.event.value

    @property
    def factor(self) -> float:
        """The expected over the recorded demand: averaging window, growth and event."""
        demand = self.projection.demand
        return 1.0 if demand is None else demand.peak.value / demand.observed.value

    @property
    def new_error_doubts(self) -> Iterator[str]:
        """Why its first step would be taken back, if its copies met too many new errors."""
        if self.compared is not None:
            yield from self.compared.doubts(self.projection.name, self.policy.error_ratio_limit)

    @property
    def loop(self) -> HpaLoop:
        """The HPA that nobody changes: the recommended one, or one from the policy's minimum."""
        hpa, policy = self.projection.hpa, self.policy
        if hpa is None:
            least, most = policy.min_replicas, int(self.projection.replicas.value)
            target, window_s = policy.target_utilisation, STABILISATION_S
        else:
            least, most = int(hpa.min_replicas.value), int(hpa.max_replicas.value)
            target = hpa.target_percent.value / 100
            window_s = hpa.scale_down_stabilisation_s
        return HpaLoop(
            min(least, most), most, target, policy.scrape_interval_s, policy.pod_start_s, window_s
        )

    @property
    def released(self) -> int:
        """The minimum after the switch; without an HPA, the count."""
        hpa = self.projection.hpa
        return int((self.projection.replicas if hpa is None else hpa.min_replicas).value)


def parts_of(
    traffic: Traffic,
    table: Table,
    policy: Policy,
    projection: Projection,
    served: tuple[str, ...] = (),
    legs: Legs = None,
) -> tuple[Part, ...]:
    """Return the components of a projection that carry moving routes.

    `policy.paths` are the moving routes, `served` those that the new side serves already; the
    projection is for both.
    """
    shared = chain.policies(table.components, policy)
    known = {component.name: component for component in table.components}
    parts = []
    for projected in projection.components:
        component, own = known[projected.name], shared[projected.name]
        routes = traffic.carried(component.routes, policy.paths)
        evidence = gather(component, own)
        serving = 1 if projected.rollout is None else int(projected.rollout.serving.value)
        requests = {
            name: amounts.cpu_request.value for name, amounts in projected.containers.items()
        }
        if not traffic.has(routes):
            continue
        observed = traffic.observed(component.name, routes)
        parts.append(
            Part(
                observed=observed,
                served=_served(traffic, component, served),
                evidence=evidence,
                policy=own,
                of_hours=with_dispersion(own, observed),
                projection=projected,
                # As in component.py: the HPA's pod is one among those that serve the peak.
                pod=pod_of(evidence.among(serving, own), requests, own),
                compared=compared_of(routes, legs),
            )
        )
    return tuple(parts)


def _served(traffic: Traffic, component: Component, served: tuple[str, ...]) -> Observed | None:
    # Without routes `carried` would return all of them.
    routes = traffic.carried(component.routes, served) if served else ()
    return traffic.observed(component.name, routes) if traffic.has(routes) else None
