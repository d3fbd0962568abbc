"""Queues: how long requests wait at the m servers of one pod.

Pods are separate queues, each with its own m (Envoy workers, or cores): no pooling between them.

    load        a = rate * S
    Erlang B    B_0 = 1,  B_k = a B_(k-1) / (k + a B_(k-1))
    Erlang C    C = m B_m / (m - a (1 - B_m))                          a < m
    tail        P(W_q > t) = C exp(-(m - a) t / S)
    quantile    t_p = S / (m - a) ln(C / (1 - p)),  0 if C <= 1 - p

| symbol | meaning | unit |
|---|---|---|
| S | mean service time | seconds |
| a | offered load; by Little's law also the mean number of busy servers | erlang |
| m | servers | count |

The result is a check and not a constraint: the p99 of the table decides, because real services are
not M/M/m queues.

Worked: a = 2 erlang at m = 3 servers: B = 4/19, C = 4/9. With one server, C = a.

Source: A. K. Erlang, 1917.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from estimator.model.figure import ExplanationLine, Figure, digits


@dataclass(frozen=True, slots=True)
class Queue:
    """An M/M/m queue: the servers of one pod and their arrivals."""

    rate_rps: float
    service_s: float
    """The mean service time of a request in seconds."""
    servers: int

    @property
    def load(self) -> float:
        """Return the offered load a in erlang."""
        return self.rate_rps * self.service_s

    @property
    def utilisation(self) -> float:
        """Return the busy share of the servers; 1 and above is saturation."""
        return self.load / self.servers

    @property
    def waiting_probability(self) -> float:
        """Return Erlang's C; 1 at or beyond saturation."""
        if self.load >= self.servers:
            return 1.0
        blocking = 1.0
        for count in range(1, self.servers + 1):
            blocking = self.load * blocking / (count + self.load * blocking)
        return self.servers * blocking / (self.servers - self.load * (1 - blocking))

    def wait_quantile_s(self, share: float) -> float:
        """Return the wait in seconds that this share of requests does not exceed.

        It is infinite at saturation.
        """
        if self.load >= self.servers:
            return math.inf
        waiting = self.waiting_probability
        if waiting <= 1 - share:
            return 0.0
        return self.service_s / (self.servers - self.load) * math.log(waiting / (1 - share))

    def explain(self, topic: str) -> Iterator[ExplanationLine]:
        """Yield the arithmetic of the check: the utilisation of the servers, and the wait."""
        yield ExplanationLine(
            topic,
            "check: a = x c_upper / x / 1000, erlang; must stay below m",
            f"{digits(self.rate_rps)} * {digits(self.service_s)}",
            Figure(self.load, "erlang", f"{self.utilisation:.0%} of {self.servers} worker(s) busy"),
        )
        wait = self.wait_quantile_s(0.99)
        if math.isfinite(wait):
            yield ExplanationLine(
                topic,
                "check: p99 wait = S / (m - a) ln(C / 0.01), 0 where C <= 0.01; C by Erlang",
                f"C = {digits(self.waiting_probability)}, S = {digits(self.service_s)} s",
                Figure(wait, "seconds", "for Poisson arrivals; the rows' own p99 decides"),
            )
