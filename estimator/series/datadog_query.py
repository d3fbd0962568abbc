"""Queries to Datadog: for our gauge by its tags, or for any metric of another program.

This module owns the text of a query, and the route of each group in the answer. It always sets the
time aggregation itself, because another one could average a peak away.
"""

import re
from dataclasses import dataclass

from estimator.errors import InputError, Problem
from mirror.formats.routes import OTHER, route_tag

_METRIC = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,199}", re.ASCII)
# As Datadog stores tags. Other characters could end the scope and begin another query.
_TAG = re.compile(r"[a-z][a-z0-9_\-./]*:[a-z0-9_\-:./*]*[a-z0-9_\-./*]", re.ASCII)
_QUERY = re.compile(
    r"(?P<space>[a-z0-9]+):(?P<metric>[A-Za-z][A-Za-z0-9_.]*)\{(?P<scope>[^{}]+)\}"
    r"(?:\s*by\s*\{(?P<by>[^{}]+)\})?(?P<rest>.*)",
    re.ASCII | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class DatadogQuery:
    """A metric summed by route; `of` and `parse` make one."""

    metric: str
    scope: str
    by: tuple[str, ...]
    space: str = "sum"
    is_count: bool = False
    """The metric counts requests, to be divided by their interval; else it is a gauge of rps."""
    averaging_s: int | None = 1
    """Time over which each value is a mean; None stands for its interval."""

    @classmethod
    def of(
        cls, metric: str, service: str | None, env: str | None, tags: tuple[str, ...]
    ) -> "DatadogQuery":
        """Return the query for our gauge. Raises InputError.

        Tags become lower case, as Datadog stores them.
        """
        problems = []
        if not _METRIC.fullmatch(metric):
            rule = f"expected a metric name such as mirror.rps, got {metric!r}"
            problems.append(Problem("--metric", rule))
        tagged = [("--tag", tag) for tag in tags]
        tagged += [("--env", f"env:{env}")] if env is not None else []
        tagged += [("--service", f"service:{service}")] if service is not None else []
        for option, tag in tagged:
            if not _TAG.fullmatch(tag.lower()):
                rule = f"expected letters, digits and _ - : . / as in key:value, got {tag!r}"
                problems.append(Problem(option, rule))
        if problems:
            raise InputError(problems)
        return cls(metric, ",".join(sorted({tag.lower() for _, tag in tagged})), ("route",))

    @classmethod
    def parse(cls, text: str) -> "DatadogQuery":
        """Read `sum:METRIC{FILTER} by {TAG}.as_count()`. Raises InputError saying what is wrong."""
        match = _QUERY.fullmatch(text.strip())
        if match is None:
            rule = (
                f"expected such as 'sum:requests{{env:prod}} by {{route}}.as_count()', got {text!r}"
            )
            raise InputError([Problem("--query", rule)])
        rest = match["rest"].strip()
        is_count = rest in (".as_count()", ".as_rate()")
        problems = []
        if not is_count and rest:
            rule = (
                "expected nothing but .as_count() or .as_rate() after the filter (rollup and fill"
                f" are added here, functions would change what was counted), got {rest!r}"
            )
            problems.append(Problem("--query", rule))
        if match["space"] not in ("sum", "count"):
            rule = (
                "expected sum: (or count: of a distribution), which adds up instances; got"
                f" {match['space']}:, which is about one of them"
            )
            problems.append(Problem("--query", rule))
        if problems:
            raise InputError(problems)
        by = tuple(tag.strip() for tag in (match["by"] or "").split(",") if tag.strip())
        # The Agent keeps one value every ten seconds of a gauge without timestamps.
        averaging_s = None if is_count else 10
        return cls(match["metric"], match["scope"], by, match["space"], is_count, averaging_s)

    def text(self, step_s: int) -> str:
        """Return the query for one value every `step_s` seconds."""
        by = f" by {{{','.join(self.by)}}}" if self.by else ""
        head = f"{self.space}:{self.metric}{{{self.scope}}}{by}"
        if self.is_count:
            return f"{head}.as_count().rollup(sum, {step_s})"
        return f"{head}.fill(null).rollup(max, {step_s})"

    def route_of(self, tag_set: list[str]) -> str:
        """Return the route tag of a group: the value of its tag, several joined by `:`."""
        values = dict(tag.split(":", 1) for tag in tag_set if ":" in tag)
        present = [values[tag] for tag in self.by if tag in values]
        # Points without the tag are real traffic too.
        return route_tag(":".join(present)) if present else OTHER
