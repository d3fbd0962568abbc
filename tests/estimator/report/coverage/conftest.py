"""An answer with every kind of part."""

from dataclasses import replace

import pytest

from estimator.migration.coverage.analysis import analyse
from estimator.migration.coverage.result import Coverage
from estimator.routing.conditions import Named
from estimator.routing.files import Routes
from estimator.routing.rules import Redirect, Rule
from estimator.routing.table import RouteTable
from tests.estimator.migration.coverage.conftest import (
    exact,
    observed,
    prefix,
    rule,
    seen,
    table,
)

LAST_S = 1_770_000_000.0


def rules() -> tuple[Rule, ...]:
    beta = Named("x-beta", exact("1"))
    return (
        rule(prefix("/cart/")),
        rule(exact("/orders"), "GET", part="http[1].match[0]"),
        rule(prefix("/old/"), action=Redirect(), part="http[2].match[0]"),
        rule(prefix("/old/x"), part="http[3].match[0]"),
        rule(prefix("/beta"), headers=(beta,), part="http[4].match[0]"),
        replace(
            rule(prefix("/odd"), part="http[5].match[0]"),
            not_understood=("r.yaml:9: cors is not judged",),
        ),
    )


def routes() -> RouteTable:
    return table(a=rules(), b=(rule(prefix("/api/")),))


@pytest.fixture(scope="package")
def complete() -> Coverage:
    """Return an answer in which something is lost in every way."""
    items = (
        seen("/cart/1", 1_203_000, last_s=LAST_S),
        seen("/beta/1", 500, headers=None),
        seen("/orders", 120, method="POST", last_s=LAST_S),
        seen("/.env", 40, {404: 40}),
        seen("/Cart/8?x=1", 31, {200: 30, 304: 1}, last_s=LAST_S),
        seen("/old/x/7", 12),
        seen("/api/v2", 7, {}),
        seen("/odd", 5),
    )
    source = observed(*items, left_out={"lines without a request": 3}, notes=("one is odd",))
    return analyse(
        Routes((routes(),), ("r.yaml:2: this is odd",), {"Deployment (apps/v1)": 2}), source
    )


@pytest.fixture(scope="package")
def clean() -> Coverage:
    """Return an answer in which nothing is lost."""
    return analyse(Routes((table(a=(rule(prefix("/")),)),)), observed(seen("/x", 3)))
