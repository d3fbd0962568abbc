"""The latency objective over the hops of a request: a gateway, then a pod.

    share of a hop = objective * b_hop / (b_gateway + b_pod)
    gateway        the least of its shares over all pods; a pod: what the slowest gateway leaves it

| symbol | meaning | unit |
|---|---|---|
| b | lowest p99 that a usable row of the component states | ms |

Percentiles do not add: the p99 of a sum is not the sum of the p99s. The rule takes the sum all the
same, because it errs on the safe side where it matters. With hops that are slow at the same time
(one cause slows both) the p99 of the sum is the sum of the p99s; with independent hops it is less
(for two lognormal hops with sigma 0.5 to 1.5, 10 to 30 % less; test_chain.py). At worst, if slow
requests avoid each other, 2 % instead of 1 % of all requests are slower (Boole's inequality).

Shares are in proportion to what the hops take without load, so that each may rise by the same
factor. A component without a reliable p99 is refused by itself (evidence.py).

Worked: an objective of 60 ms, 4.2 ms and 31 ms without load: 7.16 ms for the gateway, 52.8 ms for
the pod. A gateway at 11.8 ms and a pod at 55 ms would keep 60 ms each, and 66.8 ms together.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from estimator.model.figure import Assumption
from estimator.model.policy import Policy
from estimator.table.load_points import Component, Kind


def policies(components: Sequence[Component], policy: Policy) -> Mapping[str, Policy]:
    """Return the policy of every component by name, with its share of the latency objective."""
    gateways, pods = _lowest(components, Kind.GATEWAY), _lowest(components, Kind.POD)
    objective, shares = policy.slo_p99_ms, {}
    # In phase 2 the pods are elsewhere, and nobody says how fast.
    if objective is not None and gateways and pods and policy.phase == 3:
        slowest_gateway, slowest_pod = max(gateways.values()), max(pods.values())
        shares = {name: objective * b / (b + slowest_pod) for name, b in gateways.items()}
        shares |= {name: objective * b / (b + slowest_gateway) for name, b in pods.items()}
        # Whole microseconds, downwards: a share is read in every reason.
        shares = {name: math.floor(1000 * share) / 1000 for name, share in shares.items()}
    return {
        component.name: replace(policy, slo_p99_ms=shares.get(component.name, objective))
        for component in components
    }


def assumptions(components: Sequence[Component], policy: Policy) -> Iterator[Assumption]:
    """Yield each component's share of the objective, where it is shared."""
    for name, of_component in policies(components, policy).items():
        share = of_component.slo_p99_ms
        if share is not None and share != policy.slo_p99_ms:
            reason = (
                "its share of the objective over gateway and pod, as their p99 without load; the"
                " sum of both is kept, which is more than enough for independent hops"
            )
            shown = f"{share:g} ms of {policy.slo_p99_ms:g} ms"
            yield Assumption(f"p99 of {name}", shown, reason, True)


def _lowest(components: Sequence[Component], kind: Kind) -> dict[str, float]:
    """Return the lowest p99 of each component of this kind that states one."""
    stated = {
        component.name: [p.p99_ms for p in component.points if p.p99_ms and p.exclusion is None]
        for component in components
        if component.kind is kind
    }
    return {name: min(values) for name, values in stated.items() if values}
