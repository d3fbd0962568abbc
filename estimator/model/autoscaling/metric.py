"""Which cpu an HPA reads, and how that of one replica follows its load.

By default it is that of all containers of a Pod over all their requests (a `Resource` metric). It
may be that of one container over its own request (`ContainerResource`, stable since Kubernetes
1.30): the component's own, which is not istio-proxy beside an application, and where there are
several the one that asks for the most. Whatever the HPA reads, a replica is full where the first of
its containers is.

Worked: app uses 200 m of 600 m, istio-proxy 50 m of 150 m: 250 / 750 = 33 % of the Pod, and
200 / 600 = 33 % of app. Where istio-proxy idles at 100 m, the Pod has 40 % and app still 33 %.
"""

from collections.abc import Mapping

import numpy as np

from estimator.model.autoscaling.simulation import Pod
from estimator.model.evidence.evidence import PROXY, Evidence
from estimator.model.policy import Policy
from estimator.table.load_points import Kind

GRID_POINTS = 513


def pod_of(evidence: Evidence, requests: Mapping[str, float], policy: Policy) -> Pod:
    """Return how one replica responds to load; `requests` holds millicores by container."""
    end = min(curve.limit_rps for curve in evidence.cpu.values())
    rps = np.linspace(0.0, end, GRID_POINTS)
    limit = evidence.performance_limit.rps
    for container, curve in evidence.cpu.items():
        limit = min(limit, curve.highest_rps_within(requests[container]) or limit)
    own = _own(evidence.component.kind, requests) if policy.hpa_metric == "container" else ""
    read = {own: evidence.cpu[own]} if own else evidence.cpu
    used = np.zeros((3, GRID_POINTS))  # expected, low, high
    for curve in read.values():
        used += np.array(curve.at_each(rps))
    requested = sum(requests[container] for container in read)
    share, low, high = np.maximum.accumulate(used / requested, axis=1)
    if all(curve.has_interval for curve in read.values()):
        return Pod(rps, share, limit, policy.imbalance, low, high, own)
    return Pod(rps, share, limit, policy.imbalance, container=own)


def _own(kind: Kind, requests: Mapping[str, float]) -> str:
    """Return the container that does the component's work."""
    names = [name for name in requests if kind is Kind.GATEWAY or name != PROXY]
    return max(names or requests, key=lambda name: requests[name])
