"""Queues: how long requests wait at m servers of one pod, and how many are in the system.

Pods are separate queues, each with its own m (Envoy workers, or cores): no pooling between them.

    Little      N = rate * time
    Erlang B    B_0 = 1,  B_k = a B_(k-1) / (k + a B_(k-1))            a = rate * S
    Erlang C    C = m B_m / (m - a (1 - B_m))                          a < m
    mean wait   W_q = C S / (m - a)
    tail        P(W_q > t) = C exp(-(m - a) t / S)
    quantile    t_p = S / (m - a) ln(C / (1 - p)),  0 where C <= 1 - p
    G/G/m       W_q = S (ca2 + cs2) / 2 * rho^(sqrt(2 (m + 1)) - 1) / (m (1 - rho))     (Sakasegawa)

| symbol | meaning | unit |
|---|---|---|
| S | mean service time | seconds |
| a | offered load | erlang |
| m | servers | count |
| rho | a / m | fraction |
| ca2, cs2 | squared coefficients of variation of arrivals and of service | |

A check, not a constraint: a table's own p99 decides, because real services are no M/M/m.

Worked: a = 2 erlang at m = 3 servers: B = 4/19, C = 4/9; with S = 1 s the mean wait is 4/9 s.
With one server, C = rho and Sakasegawa with ca2 = cs2 = 1 is exact: W_q = S rho / (1 - rho).

Sources: A. K. Erlang 1917; H. Sakasegawa, Ann. Inst. Statist. Math. 29 (1977) 67.
"""

import math


def in_system(rate_rps: float, time_s: float) -> float:
    """Return the mean number of requests in the system, by Little's law."""
    return rate_rps * time_s


def waiting_probability(load: float, servers: int) -> float:
    """Return Erlang's C; 1 at or beyond saturation."""
    if load >= servers:
        return 1.0
    blocking = 1.0
    for count in range(1, servers + 1):
        blocking = load * blocking / (count + load * blocking)
    return servers * blocking / (servers - load * (1 - blocking))


def mean_wait_s(rate_rps: float, service_s: float, servers: int) -> float:
    """Return the mean wait of M/M/m; infinite at or beyond saturation."""
    load = rate_rps * service_s
    if load >= servers:
        return math.inf
    return waiting_probability(load, servers) * service_s / (servers - load)


def wait_quantile_s(rate_rps: float, service_s: float, servers: int, share: float) -> float:
    """Return the wait that this share of requests stays within, M/M/m."""
    load = rate_rps * service_s
    if load >= servers:
        return math.inf
    waiting = waiting_probability(load, servers)
    if waiting <= 1 - share:
        return 0.0
    return service_s / (servers - load) * math.log(waiting / (1 - share))


def general_wait_s(rho: float, service_s: float, servers: int, variation: float) -> float:
    """Return the mean wait of G/G/m; `variation` is (ca2 + cs2) / 2."""
    if rho >= 1:
        return math.inf
    power: float = rho ** (math.sqrt(2 * (servers + 1)) - 1)
    return service_s * variation * power / (servers * (1 - rho))
